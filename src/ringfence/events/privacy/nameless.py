"""Bad records without persons: what quarantine keeps of them names nobody, and can be read again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ringfence.events.personal_names import PersonalClass
from ringfence.events.values.vocabulary import EVERY_COLUMN, FIELDS, TIMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.events.privacy.personal import PersonalData

    Found = list[tuple[str, PersonalClass, str]]
    Fields = Mapping[str, tuple[str, PersonalClass | None]]

_LETTER: Final = re.compile(r"[^\W\d_]")
_LETTERS: Final = 4  # a longer word may be a name
_NO_TEXT: Final = frozenset({"amount", "amount_minor", "lat", "lon", "label", "removed", *TIMES})
_FREE: Final = "attributes"
READ: Final = frozenset({*FIELDS, *_NO_TEXT, "kind"})
"""Members that become part of an event."""


def has_word(text: str) -> bool:
    """Whether a text may name somebody.

    >>> has_word("12,5x"), has_word("Ada L.")
    (False, True)
    """
    return sum(1 for _ in _LETTER.finditer(text)) >= _LETTERS


def without_persons(personal: PersonalData | None, record: Any, fields: Fields) -> tuple[Any, Found]:
    """A JSON value with tokens for personal data, and what these stand for: field, class and text of each.

    `fields` say which columns a mapping reads, and what it says of them; empty for Ringfence's own fields.
    """
    found: Found = []
    return _cleaned(personal, record, fields, found, "", is_read=False), found


def _cleaned(
    personal: PersonalData | None, value: Any, fields: Fields, found: Found, name: str, *, is_read: bool
) -> Any:
    """`is_read`, whether this stands in a member that becomes part of an event."""
    if isinstance(value, dict):
        return {
            key: _cleaned(personal, inner, fields, found, key, is_read=is_read or key == _FREE)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_cleaned(personal, inner, fields, found, name, is_read=is_read) for inner in value]
    if isinstance(value, bool) or value is None:
        return value
    field, told = fields.get(name, (name, None))
    if told is PersonalClass.SECRET:
        return None
    text = value if isinstance(value, str) else f"{value:.0f}" if isinstance(value, float) else str(value)
    is_read = is_read or name in (fields or READ) or EVERY_COLUMN in fields
    kept, kind = kept_cell(personal, field, told, text, is_read=is_read)
    if kind is not None:
        found.append((field, kind, text))
    return kept if kept != text else value


def kept_cell(
    personal: PersonalData | None, field: str, told: PersonalClass | None, text: str, *, is_read: bool = True
) -> tuple[str, PersonalClass | None]:
    """What is kept of a field's text in a bad record, and its class where a token took its place.

    `told` is what a mapping says. What no event has (not `is_read`) and what is no value of its field may
    name anybody; of a text that names nobody e-mail addresses are hidden.
    """
    if personal is None or not text or told is PersonalClass.NONE:
        return text, None
    kind = personal.class_of(field) if told is None else told
    if kind is None and not is_read and has_word(text):
        kind = PersonalClass.TEXT
    if kind is not None:
        return personal.token(kind, text), kind
    if field in _NO_TEXT and has_word(text):
        return _LETTER.sub("x", text), None
    return personal.guard_text(text), None
