"""Ids as they are compared: in their field's norm, and without words that stand for nothing.

E-mail addresses are in lower case with the domain as DNS has it, phone numbers in E.164 or digits alone, IP
addresses as RFC 5952 writes them, IBANs without blanks, country codes in capitals; when a card expires, the
attribute `card_expiry`, is a year and a month. Everything that enters the log goes through here, and so does
what is compared with it: list entries, rules, questions. The log itself is read as it is.
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.buffers import spans
from ringfence.events.model import ATTRIBUTE_PREFIX, ID_FIELDS
from ringfence.events.values import suspects
from ringfence.events.values.placeholders import LONGEST_WORD, NO_MAILBOX, PLACEHOLDERS, is_nothing
from ringfence.events.values.visible import unseen_bytes, visible
from ringfence.masking import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

CARD_EXPIRY: Final = f"{ATTRIBUTE_PREFIX}card_expiry"
"""The attribute that says when a card expires."""

_LONGEST: Final = 4096
_TO_PLAIN: Final = re.compile(r"[^0-9]")
_PORT: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9]{1,3}(?:\.[0-9]{1,3}){3}))(?::[0-9]{1,5})?"
)
_IP_NUMBER: Final = re.compile(r"-?[1-9][0-9]{7,9}|0x[0-9A-Fa-f]{8}")
_FIRST_IP, _IPS = 1 << 24, 1 << 32  # a number below is no address of anybody
_IBAN: Final = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_EXPIRY: Final = re.compile(
    r"[0-9]{4}|[0-9]{6}|[0-9]{1,4}\s?[-/.|]\s?[0-9]{1,4}|[0-9]{4}-[0-9]{2}-[0-9]{2}.{0,15}"
)
_COUNTRY: Final = re.compile(r"[A-Za-z]{2,3}")

_RULES: Final = dict.fromkeys(ID_FIELDS, suspects.ID) | {
    "email": suspects.EMAIL,
    "phone": suspects.PHONE,
    "ip": suspects.IP,
    "account_id": suspects.ACCOUNT,
    "counterparty_id": suspects.ACCOUNT,
    "country": suspects.COUNTRY_CODE,
    CARD_EXPIRY: suspects.ANY,
}
NORMED: Final = frozenset(name for name, rule in _RULES.items() if rule not in (suspects.ID, suspects.NEVER))
"""Fields that have a norm."""

_KEYS: Final = {name.removesuffix("_id"): name for name in NORMED}


class Norms:
    """Puts ids into their norm; `extra` words stand for nothing as well, those `kept` are ids here."""

    def __init__(self, extra: Iterable[str] = (), kept: Iterable[str] = ()) -> None:
        self._extra = frozenset(word.strip().casefold() for word in extra)
        self._kept = frozenset(word.strip().casefold() for word in kept)
        self._of = lru_cache(1 << 16)(self._read)
        self._tables = (*suspects.word_tables(PLACEHOLDERS | NO_MAILBOX | self._extra), unseen_bytes())

    def but(self, kept: Iterable[str]) -> Norms:
        """The same, with these words as ids."""
        kept = frozenset(kept)
        return Norms(self._extra, self._kept | kept) if kept else self

    def of(self, field: str, text: str) -> str | None:
        """A value of a field in its norm, None where it stands for nothing.

        >>> norms = Norms()
        >>> norms.of("email", " Bob@Mail.Example"), norms.of("device_id", "NULL"), norms.of("ip", "::1")
        ('bob@mail.example', None, '::1')
        """
        return self._of(field, text) if len(text) <= _LONGEST else text

    def _read(self, field: str, text: str) -> str | None:
        if _RULES.get(field, suspects.NEVER) == suspects.NEVER:
            return text
        text = visible(text) or text
        if field in ID_FIELDS and self._is_nothing(field, text):
            return None
        found = norm(field, text)
        return None if field in ID_FIELDS and self._is_nothing(field, found) else found

    def _is_nothing(self, field: str, text: str) -> bool:
        if len(text) > LONGEST_WORD:
            return False
        word = text.strip().casefold()
        if word in self._kept:
            return False
        return word in self._extra or is_nothing(word, field)

    def column(self, field: str, values: Any) -> Any:
        """A text column of a field in its norm."""
        if field not in _RULES or values.null_count == len(values):
            return values
        suspects = np.flatnonzero(self.worth(values, np.full(len(values), _RULES[field], np.uint8)))
        if not len(suspects):
            return values
        before = values.take(pa.array(suspects)).to_pylist()
        after = [None if text is None else self.of(field, text) for text in before]
        if before == after:
            return values
        mask = np.zeros(len(values), bool)
        mask[suspects] = True
        return pc.replace_with_mask(values, mask, pa.array(after, values.type))

    def worth(self, values: Any, rules: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Per text, whether `of` may change it, given the numbers of its field's rule (`rule_of`)."""
        data, offsets = spans(values)
        return suspects.worth(data, offsets, rules, *self._tables)


def rule_of(field: str) -> int:
    """Number of a field's rule, for `Norms.worth`."""
    return _RULES.get(field, suspects.NEVER)


def norm(field: str, text: str) -> str:
    """A value in the norm of its field, itself where the field has none.

    >>> norm("phone", "+49 (0)170 123-45"), norm("ip", "::ffff:1.2.3.4"), norm("country", "de")
    ('+4917012345', '1.2.3.4', 'DE')
    >>> [norm(CARD_EXPIRY, one) for one in ("12/27", "1227", "2712", "2027-12-31", "12 / 2027")]
    ['2027-12', '2027-12', '2027-12', '2027-12', '2027-12']
    """
    if field not in _RULES:
        return text
    seen = visible(text)
    return _NORMS.get(field, str)(seen) if seen else text


def _email(text: str) -> str:
    local, at, domain = text.rpartition("@")
    domain = domain.rstrip(".").lower()
    if not domain.isascii():
        try:
            domain = domain.encode("idna").decode()
        except UnicodeError:
            return text.lower()
    return f"{local.lower()}{at}{domain}" if at else text.lower()


def _phone(text: str) -> str:
    folded = fold(text).strip(" \0").removeprefix("tel:")
    if any(letter.isalpha() for letter in folded):
        return text
    international = folded.lstrip("( ").startswith("+")
    digits = _TO_PLAIN.sub("", folded.replace("(0)", "") if international else folded)
    if not digits:
        return text
    if not international and digits.startswith("00") and len(digits) > len("00") + 7:
        international, digits = True, digits[2:]
    return f"+{digits}" if international else digits


def _ip(text: str) -> str:
    """An address, written as a number, too: 3232235777, 0xC0A80101."""
    number = fold(text).strip(" \0")
    if not _IP_NUMBER.fullmatch(number):
        return _ip_in_parts(text)
    value = int(number, 0)
    if value < 0:
        value += _IPS  # as of 32 bits with a sign
    return str(ipaddress.IPv4Address(value)) if _FIRST_IP <= value < _IPS else text.lower()


def _ip_in_parts(text: str) -> str:
    """An address without port, zone and the length of a network of its own; of several, the first."""
    folded = fold(text).strip(" \0").partition(",")[0].strip()
    folded = folded.removesuffix("/128" if ":" in folded else "/32")
    ported = _PORT.fullmatch(folded)
    if ported is not None:
        folded = ported["six"] or ported["four"]
    folded = folded.partition("%")[0]
    if "." in folded and ":" not in folded:
        folded = ".".join(part.lstrip("0") or "0" for part in folded.split("."))
    try:
        found = ipaddress.ip_address(folded)
    except ValueError:
        return text.lower()
    mapped = getattr(found, "ipv4_mapped", None)
    return str(mapped or found)


def _account(text: str) -> str:
    bare = re.sub(r"[\s-]", "", text).upper()
    return bare if is_iban(bare) else text


def is_iban(text: str) -> bool:
    """Whether a text without blanks is an IBAN, with the right check digits.

    >>> is_iban("DE89370400440532013000"), is_iban("DE89370400440532013001")
    (True, False)
    """
    bare = text.upper()
    if not bare.isascii() or not _IBAN.fullmatch(bare):
        return False
    turned = "".join(str(int(letter, 36)) for letter in bare[4:] + bare[:4])
    return int(turned) % 97 == 1


def _country(text: str) -> str:
    return text.upper() if _COUNTRY.fullmatch(text) else text


def _expiry(text: str) -> str:
    """Month and year in either order, the year with two digits or four, with or without a day at the end."""
    folded = fold(text).strip(" \0")
    if not _EXPIRY.fullmatch(folded):
        return text
    parts = re.findall("[0-9]+", folded)
    if len(parts) == 1:
        whole = parts[0]
        at = 4 if len(whole) == len("202712") and whole[:2] > "12" else 2
        parts = [whole[:at], whole[at:]]
    first, second = parts[:2]
    is_month = len(first) <= 2 and 1 <= int(first) <= 12
    year, month = (int(second), int(first)) if is_month else (int(first), int(second))
    if year < 100:
        year += 2000
    return f"{year}-{month:02}" if 1 <= month <= 12 and 1980 <= year < 2100 else text


_NORMS: Final[dict[str, Callable[[str], str]]] = {
    "email": _email,
    "phone": _phone,
    "ip": _ip,
    "account_id": _account,
    "counterparty_id": _account,
    "country": _country,
    CARD_EXPIRY: _expiry,
}


def norm_of_any(text: str) -> str:
    """The norm of an id of which nobody said what it is: that of an e-mail, an IP address or an IBAN."""
    seen = visible(text)
    if "@" in seen:
        return _email(seen)
    for reads in (_ip_in_parts, _account):  # a number of an id is no address
        found = reads(seen)
        if found not in (seen, seen.lower()):
            return found
    return seen or text


def norm_entities(columns: dict[str, Any]) -> None:
    """Ids that profiles, flags and list entries are about, in the norm of what they are."""
    ids, kinds = columns.get("entity_id"), columns.get("entity_type")
    if ids is None or ids.null_count == len(ids):
        return
    types = [None] * len(ids) if kinds is None else kinds.to_pylist()
    normed = [
        one and (norm(_KEYS[kind], one) if kind in _KEYS else one if kind else norm_of_any(one))
        for one, kind in zip(ids.to_pylist(), types, strict=True)
    ]
    columns["entity_id"] = pa.array(normed, pa.string())
