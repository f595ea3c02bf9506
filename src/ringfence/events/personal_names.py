"""Personal data by the name of its field: its class, unless a mapping or a setting says otherwise."""

from __future__ import annotations

import re
from difflib import get_close_matches
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from ringfence.errors import InputError
from ringfence.events.model import ATTRIBUTE_PREFIX, ID_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class PersonalClass(StrEnum):
    """What a field tells of a person. `NONE`, nothing, whatever its name is."""

    IDENTIFIER = "identifier"  # customer, account, national id, IP address
    CONTACT = "contact"  # e-mail address, phone number
    NAME = "name"
    ADDRESS = "address"
    TEXT = "text"  # that somebody wrote
    SECRET = "secret"  # noqa: S105 (sensitive authentication data, which is never kept)
    NONE = "none"


CANONICAL: Final = {
    "customer_id": PersonalClass.IDENTIFIER,
    "account_id": PersonalClass.IDENTIFIER,
    "counterparty_id": PersonalClass.IDENTIFIER,
    "ip": PersonalClass.IDENTIFIER,
    "email": PersonalClass.CONTACT,
    "phone": PersonalClass.CONTACT,
    "note": PersonalClass.TEXT,
}
"""Classes of fields that every event knows."""

_TELLING: Final = (*ID_FIELDS, "city", "note")  # fields that may tell of a person

_WORD: Final = re.compile(r"[a-z]+|[0-9]+")
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LONGEST: Final = 200  # characters of a name that are looked at
_ABOUT: Final = frozenset(
    """
    age changed check checked count country days domain flag hash kind length match matches method mismatch
    present result score since status type valid verified
    """.split()  # noqa: SIM905
)
"""Words of fields that say something about such a value and are none."""

_THINGS: Final = frozenset(
    "bank browser company device file merchant network os product service shop store".split()  # noqa: SIM905
)
"""What has a name or an address without being a person."""

_PATTERNS: Final = (
    (PersonalClass.CONTACT, re.compile("e?mail|(?:tele|mobile)?phone|mobile(?:number)?$|msisdn|telefon|fax")),
    (
        PersonalClass.IDENTIFIER,
        re.compile(
            "^ip$|ipaddress|^iban|^ssn$|socialsecurity|nationalid|passport|taxid|taxnumber|driver(?:s)?licen[cs]e"
            "|dateofbirth|birthdate|birthday|^dob$|personalnumber|identitynumber"
        ),
    ),
    (
        PersonalClass.NAME,
        re.compile("^name$|(?:first|last|full|given|family|sur|middle|maiden|holder|person|user)s?name$|surname$"
                   "|(?:customer|payer|payee|sender|recipient|beneficiary|debtor|creditor)name$|vorname|nachname"),
    ),
    (PersonalClass.ADDRESS, re.compile("address|street|postcode|postalcode|^zip(?:code)?$|housenumber")),
    (PersonalClass.TEXT, re.compile("^notes?$|comments?$|^memo$|remittance|freetext|^message$")),
)  # fmt: skip


@lru_cache(maxsize=4096)
def class_by_name(field: str) -> PersonalClass | None:
    """The class of a field of events, an attribute or a column by its name; None where it tells of nobody.

    >>> class_by_name("email"), class_by_name("attributes.billingAddress"), class_by_name("merchant_name")
    (<PersonalClass.CONTACT: 'contact'>, <PersonalClass.ADDRESS: 'address'>, None)
    >>> class_by_name("email_domain"), class_by_name("merchant_id")
    (None, None)
    """
    found = CANONICAL.get(field)
    if found is not None:
        return found
    bare = field.removeprefix(ATTRIBUTE_PREFIX)[:_LONGEST]
    words = _WORD.findall(_CAMEL.sub(" ", bare).lower())
    if not words or not _ABOUT.isdisjoint(words) or not _THINGS.isdisjoint(words):
        return None
    joined = "".join(words)
    return next((kind for kind, pattern in _PATTERNS if pattern.search(joined)), None)


def classes_of(fields: Mapping[str, str]) -> dict[str, PersonalClass]:
    """Classes as `personal_fields` names them, by field or `attributes.NAME`.

    `InputError` where no event has such a field, or there is no such class.
    """
    found = {}
    for name, kind in fields.items():
        attribute = name.removeprefix(ATTRIBUTE_PREFIX)
        if name not in _TELLING and (attribute == name or not attribute):
            raise InputError(
                f"{name!r} is no field of an event that can tell of a person{_meant(name, _TELLING)} "
                f"Of an attribute write {ATTRIBUTE_PREFIX}{attribute or 'NAME'}"
            )
        if kind not in list(PersonalClass):
            classes = [one.value for one in PersonalClass]
            raise InputError(
                f"{name}: {kind!r} is no class of data{_meant(kind, classes)} "
                f"Classes are {', '.join(classes)}"
            )
        found[name] = PersonalClass(kind)
    return found


def _meant(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name[:_LONGEST], known, 1)
    return f": did you mean {near[0]!r}?" if near else "."
