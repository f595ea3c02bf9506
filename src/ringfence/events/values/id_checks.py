"""Values that stand where an id belongs and are none: shortened numbers, the words of totals."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.compiling import compiled
from ringfence.events.bad import TOTALS
from ringfence.events.buffers import spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SHORTENED: Final = re.compile(r"\s*[0-9](\.[0-9]+)?[eE]\+[0-9]+\s*")
_SHORTENED_WITH_COMMA: Final = re.compile(r"\s*[0-9](,[0-9]+)?[eE]\+[0-9]+\s*")
_LONGEST: Final = 24
_PLUS, _ZERO, _NINE, _SMALL_E, _LARGE_E = b"+09eE"


def shortened(values: Any) -> NDArray[np.bool_]:
    """Which texts are numbers that a spreadsheet has cut to a few digits.

    >>> import pyarrow as pa
    >>> shortened(pa.array(["4.11111E+15", "4,1E+15", "E+1", None, "411"])).tolist()
    [True, True, False, False, False]
    """
    return _checked(values, _with_exponent(*spans(values)), _is_shortened)


def totals(values: Any) -> NDArray[np.bool_]:
    """Which texts are words that begin a line of totals.

    >>> import pyarrow as pa
    >>> totals(pa.array(["Total", "SUM:", "sum1", None])).tolist()
    [True, True, False, False]
    """
    return _checked(values, _without_digits(*spans(values)), _is_total)


def _is_shortened(text: str) -> bool:
    return bool(_SHORTENED.fullmatch(text) or _SHORTENED_WITH_COMMA.fullmatch(text))


def _is_total(text: str) -> bool:
    return text.strip(" :*-").casefold() in TOTALS


def _checked(values: Any, suspects: NDArray[np.bool_], is_one: Any) -> NDArray[np.bool_]:
    for row in np.flatnonzero(suspects):
        text = values[int(row)].as_py()
        suspects[row] = text is not None and is_one(text if isinstance(text, str) else text.decode("latin-1"))
    return suspects


@compiled(nogil=True)
def _with_exponent(
    data: NDArray[np.uint8], offsets: NDArray[np.int32] | NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Texts with e+ in them."""
    out = np.zeros(len(offsets) - 1, np.bool_)
    for row in range(len(out)):
        for at in range(offsets[row] + 1, offsets[row + 1]):
            if data[at] == _PLUS and (data[at - 1] == _LARGE_E or data[at - 1] == _SMALL_E):
                out[row] = True
    return out


@compiled(nogil=True)
def _without_digits(
    data: NDArray[np.uint8], offsets: NDArray[np.int32] | NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Short texts without a digit."""
    out = np.zeros(len(offsets) - 1, np.bool_)
    for row in range(len(out)):
        start, stop = offsets[row], offsets[row + 1]
        if start < stop <= start + _LONGEST:
            out[row] = True
            for at in range(start, stop):
                if _ZERO <= data[at] <= _NINE:
                    out[row] = False
                    break
    return out
