"""Card numbers of which a source shows only both ends: told apart as far as those digits tell them apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.model import BIN_FIELDS
from ringfence.events.values.bins import Card
from ringfence.masking import fold

if TYPE_CHECKING:
    from numpy.typing import NDArray

_SIGNS: Final = str.maketrans(dict.fromkeys("xX#\u2022\u25cf\u2217\u2026", "*"))
_SEPARATORS: Final = re.compile(r"[\s\0./_-]")
_MASKED: Final = re.compile(r"([0-9]{0,8})\*{1,15}([0-9]{0,6})")
_ENOUGH: Final = 8  # digits that tell cards apart; the last four alone do not


def read_masked(text: str) -> tuple[str | None, str | None] | None:
    """Id and last digits of a masked card number, None of anything else.

    Six digits at the beginning and four at the end are kept at most, as on a receipt. There is no id where
    fewer than eight show.

    >>> read_masked("4111 11XX XXXX 1111"), read_masked("************1111"), read_masked("4111")
    (('411111******1111', '1111'), (None, '1111'), None)
    """
    found = _MASKED.fullmatch(_SEPARATORS.sub("", fold(text.translate(_SIGNS))))
    if found is None:
        return None
    first, last = found[1][:6], found[2][-4:]
    told_apart = len(first) + len(last) >= _ENOUGH
    return f"{first}******{last}" if told_apart else None, last or None


def with_masked(values: Any, cards: Card, refused: NDArray[np.bool_]) -> tuple[Card, NDArray[np.bool_]]:
    """What is kept of a column of card numbers, and its refused rows, with the masked ones taken."""
    rows = np.flatnonzero(refused)
    read = [read_masked(str(text)) for text in values.take(pa.array(rows)).to_pylist()]
    taken = [(shown, last4, _first_six(shown)) for shown, last4 in filter(None, read)]
    mask = np.zeros(len(refused), np.bool_)
    mask[rows[[one is not None for one in read]]] = True
    token, last4, card_bin = (
        pc.replace_with_mask(column, mask, pa.array([one[at] for one in taken], pa.string()))
        for at, column in enumerate((cards.token, cards.last4, cards.card_bin))
    )
    return Card(token, last4, card_bin, cards.card_bin8), refused & ~mask


def _first_six(shown: str | None) -> str | None:
    found = (shown or "").partition("*")[0]
    return found if len(found) == BIN_FIELDS["card_bin"] else None
