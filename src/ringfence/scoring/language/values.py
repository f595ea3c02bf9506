"""Texts that a field of a payment never holds, whoever sends it."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from ringfence.events.model import BIN_FIELDS, CATEGORY_FIELDS, ID_FIELDS
from ringfence.events.values.currencies import EVERY_CURRENCY
from ringfence.events.values.vocabulary import nearest

_CURRENCY_LETTERS: Final = 3
_DIGITS: Final = BIN_FIELDS | {"card_last4": 4}


class Never(NamedTuple):
    """What a field holds instead of a text, and what to write for it."""

    holds: str
    remedy: str


def never(field: str, text: str) -> Never | None:
    """Why a field of the payment itself never holds this text; None where it may.

    >>> never("currency", "eur").remedy, never("card_bin", "4111").holds, never("channel", "web")
    ("write 'EUR'", 'card_bin has 6 digits', None)
    """
    if text == "" and field in (*ID_FIELDS, *CATEGORY_FIELDS, "transaction_id"):
        return Never(f"an empty {field} is null", f"write {field} IS NULL")
    if field == "currency" and text not in EVERY_CURRENCY:
        if text.upper() in EVERY_CURRENCY:
            return Never("currency has capital letters only", f"write {text.upper()!r}")
        return Never("currency is a code of ISO 4217, in letters", nearest(text, EVERY_CURRENCY).strip(" ()"))
    wanted = _DIGITS.get(field)
    if wanted and not (len(text) == wanted and text.isascii() and text.isdigit()):
        return Never(f"{field} has {wanted} digits", "")
    return None


def never_like(field: str, pattern: str) -> Never | None:
    """Likewise for a pattern of LIKE.

    >>> never_like("currency", "eu%").holds, never_like("currency", "E_R"), never_like("card_bin", "41%")
    ('no currency is like it', None, None)
    """
    parts = (re.escape(part) for part in re.split("([%_])", pattern))
    shape = re.compile("".join({"%": ".*", "_": "."}.get(part, part) for part in parts), re.DOTALL)
    if field == "currency" and not any(map(shape.fullmatch, EVERY_CURRENCY)):
        return Never("no currency is like it", "currency has three capital letters, as in 'EU%'")
    wanted = _DIGITS.get(field)
    held = re.sub("[%_]", "", pattern)
    if wanted and not (len(pattern.replace("%", "")) <= wanted and re.fullmatch("[0-9]*", held)):
        return Never(f"{field} has {wanted} digits", "")
    return None


def length_of(field: str) -> int | None:
    """How many characters each text of a field has; None where that differs.

    >>> length_of("currency"), length_of("card_bin"), length_of("country")
    (3, 6, None)
    """
    return _CURRENCY_LETTERS if field == "currency" else _DIGITS.get(field)
