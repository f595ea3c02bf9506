"""The first digits of a card number, which name its issuer: the BIN, of ISO/IEC 7812 also the IIN.

Beside the token and the last four digits, a store may keep the first six, and the first eight of a number of
16 digits or more. At least four digits of a number are never kept: one of fewer than 14 keeps no BIN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.model import BIN_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

SHORTEST: Final = {"card_bin": 14, "card_bin8": 16}
"""Digits of the shortest number that keeps each."""


class Card(NamedTuple):
    """What is kept of a card number. Of a column of them: columns, null where there is none."""

    token: Any
    last4: Any
    card_bin: Any
    card_bin8: Any

    @property
    def bins(self) -> dict[str, Any]:
        """By field."""
        return {name: getattr(self, name) for name in BIN_FIELDS}


NO_CARD: Final = Card(None, None, None, None)


def bins_of(digits: str) -> tuple[str | None, str | None]:
    """First six and first eight digits of a number, None where it is too short.

    >>> bins_of("4111111111111111"), bins_of("378282246310005"), bins_of("4222222222222")
    (('411111', '41111111'), ('378282', None), (None, None))
    """
    six, eight = (
        digits[:size] if len(digits) >= SHORTEST[name] else None for name, size in BIN_FIELDS.items()
    )
    return six, eight


def is_bin(field: str, text: str) -> bool:
    """Whether a text is as many digits as this field holds.

    >>> is_bin("card_bin", "411111"), is_bin("card_bin", "41111111")
    (True, False)
    """
    return len(text) == BIN_FIELDS[field] and text.isascii() and text.isdigit()


def malformed(field: str, values: Any) -> NDArray[np.bool_]:
    """Rows of a text column that hold something, and no BIN."""
    fits = pc.match_substring_regex(values, f"^[0-9]{{{BIN_FIELDS[field]}}}$")
    return np.asarray(pc.invert(pc.fill_null(fits, True)))


def no_bin(field: str) -> str:
    """What is wrong with a value that is `malformed`."""
    return f"is not the first {BIN_FIELDS[field]} digits of a card number: give them as text"


def settled(columns: Mapping[str, Any], cards: Card | None) -> tuple[dict[str, Any], NDArray[np.bool_]]:
    """A payment's columns of BINs, and the rows where two of them contradict each other.

    Of a row with a card number they are the number's, whatever the `columns` say. In other rows eight digits
    say what the six are.
    """
    found = {name: columns[name] for name in BIN_FIELDS if name in columns}
    if cards is not None:
        told = cards.token.is_valid()
        for name, own in cards.bins.items():
            found[name] = pc.if_else(told, own, found.get(name, pa.nulls(len(told), pa.string())))
    six, eight = (found.get(name) for name in BIN_FIELDS)
    if eight is None:
        return found, np.zeros(0, np.bool_)
    first = pc.utf8_slice_codeunits(eight, 0, BIN_FIELDS["card_bin"])
    found["card_bin"] = first if six is None else pc.coalesce(six, first)
    unlike = pc.fill_null(pc.not_equal(found["card_bin"], first), False)
    return found, np.asarray(unlike)
