"""To which part of the data a caller is restricted: queues of cases, and fields of payments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ringfence.errors import InputError
from ringfence.events.decoding.record import Transaction
from ringfence.events.model import ATTRIBUTE_PREFIX
from ringfence.events.values.vocabulary import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_MOST: Final = 200  # words
_FIELDS: Final = frozenset({*Transaction.__struct_fields__, "card_last4"})


@dataclass(frozen=True, slots=True)
class Restriction:
    """Empty sets restrict nothing.

    Attributes:
        queues: of cases that the caller sees and works on, and no others.
        hidden: fields of payments that the caller is not shown.
    """

    queues: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.queues or self.hidden)

    def covers(self, other: Restriction) -> bool:
        """Whether whoever is under `other` sees nothing that somebody under this one does not.

        >>> Restriction(frozenset({"vip"})).covers(Restriction()), Restriction().covers(Restriction())
        (False, True)
        """
        same_queues = not self.queues or (bool(other.queues) and other.queues <= self.queues)
        return same_queues and self.hidden <= other.hidden

    def text(self) -> str:
        """As it is kept and typed, such as `queue=vip field=email`; `parse_restriction` reads it."""
        kinds = zip(_KINDS, (self.queues, self.hidden), strict=True)
        return " ".join(f"{kind}={word}" for kind, words in kinds for word in sorted(words))


EVERYTHING: Final = Restriction()
"""No restriction."""

_KINDS: Final = ("queue", "field")


def parse_restriction(words: Iterable[str]) -> Restriction:
    """`queue=NAME` and `field=NAME`; `InputError` names what is none, and a field that no payment has.

    >>> parse_restriction(["queue=vip", "field=email", "field=attributes.plan"]).text()
    'queue=vip field=attributes.plan field=email'
    """
    found = kept_restriction(words)
    for name in sorted(found.hidden - _FIELDS):
        if not name.startswith(ATTRIBUTE_PREFIX) or name == ATTRIBUTE_PREFIX:
            known = [*_FIELDS, f"{ATTRIBUTE_PREFIX}{name}"]
            raise InputError(
                f"'field={name}' would hide nothing: payments have no field {name!r}{nearest(name, known)}; "
                f"one of your own is {ATTRIBUTE_PREFIX}NAME"
            )
    return found


def kept_restriction(words: Iterable[str]) -> Restriction:
    """As `parse_restriction`, of a key made before fields were checked."""
    found: dict[str, set[str]] = {kind: set() for kind in _KINDS}
    for count, word in enumerate(words):
        kind, _, name = word.partition("=")
        if kind not in found or not _WORD.fullmatch(name) or count >= _MOST:
            raise InputError(
                f"{word[:100]!r} is no restriction: give queue=NAME, or field=NAME (which hides it), "
                f"at most {_MOST}"
            )
        found[kind].add(name)
    return Restriction(*(frozenset(found[kind]) for kind in _KINDS))


def claimed(claims: Mapping[str, Any]) -> Restriction:
    """The restriction that a token's claim `restrict` (a list, or words of one text) names.

    `InputError` for what is none: nobody gets in less restricted than meant.
    """
    told = claims.get("restrict", ())
    words = told.split() if isinstance(told, str) else told
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise InputError("the claim `restrict` is neither a text nor a list of texts")
    return parse_restriction(words)
