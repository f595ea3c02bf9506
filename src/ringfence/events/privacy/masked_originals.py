"""An original as it may be shown to whoever need not know it."""

from __future__ import annotations

from ringfence.events.personal_names import PersonalClass


def masked(kind: PersonalClass, value: str) -> str:
    """So much of an original of one kind that its owner knows it again.

    >>> masked(PersonalClass.CONTACT, "ada@mail.example"), masked(PersonalClass.NAME, "Ada Lovelace")
    ('a***@mail.example', 'A***')
    >>> masked(PersonalClass.IDENTIFIER, "DE89370400440532013000")
    '***3000'
    """
    if kind is PersonalClass.TEXT:
        return f"a text of {len(value)} characters"
    local, at, domain = value.rpartition("@")
    if at:
        return f"{local[:1]}***@{domain}"
    if kind in (PersonalClass.IDENTIFIER, PersonalClass.CONTACT):
        return f"***{value[-4:]}" if len(value) > 8 else "***"
    return f"{value[:1]}***"
