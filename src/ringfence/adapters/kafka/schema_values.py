"""What readers of values with a schema share: how they tell what does not fit, and decimals."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final, TypeAlias

Reader: TypeAlias = Callable[[bytes], bytes]
"""Makes JSON of the bytes behind a schema's id; any exception says that they do not fit."""

_DECIMAL_BYTES: Final = 32
_MOST_SCALE: Final = 100


class MisfitError(ValueError):
    """Bytes that do not fit their schema; the text says why, and repeats none of them."""


def decimal_of(unscaled: bytes, scale: int) -> Decimal:
    """The decimal that these bytes are, two's complement and big-endian, with all its digits.

    At most 76 of them: beyond that reading takes the square of the bytes.
    """
    if len(unscaled) > _DECIMAL_BYTES or abs(scale) > _MOST_SCALE:
        raise MisfitError("a decimal has too many digits")
    sign, digits, _ = Decimal(int.from_bytes(unscaled, "big", signed=True)).as_tuple()
    return Decimal((sign, digits, -scale))
