"""To which part of the data a caller is restricted: queues of cases; fields and kinds of payments."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ringfence.errors import InputError
from ringfence.events.decoding.record import Transaction
from ringfence.events.model import ATTRIBUTE_PREFIX
from ringfence.events.values.countries import ways_to_write
from ringfence.events.values.vocabulary import nearest
from ringfence.features.kinds import ENTITY_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_WORD: Final = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_MOST: Final = 200  # words
_FIELDS: Final = frozenset({*Transaction.__struct_fields__, "card_last4"})


@dataclass(frozen=True, slots=True)
class Restriction:
    """Empty sets restrict nothing.

    Attributes:
        queues: of cases that the caller sees and works on, and no others.
        hidden: fields of payments that the caller is not shown.
        entities: types of entity whose ids the caller is shown, and by which it may ask; no others.
        regions: countries whose payments the caller is shown, and no others.
    """

    queues: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    entities: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.queues or self.hidden or self.entities or self.regions)

    @property
    def concealed(self) -> frozenset[str]:
        """Fields of payments that the caller is not shown, ids of entities that it is not to see among them.

        >>> sorted(Restriction(entities=frozenset(ENTITY_KEYS) - {"card", "ip"}).concealed)
        ['card_id', 'ip']
        """
        if not self.entities:
            return self.hidden
        others = frozenset(field for kind, field in ENTITY_KEYS.items() if kind not in self.entities)
        return self.hidden | others

    @property
    def narrows_payments(self) -> bool:
        """Whether some payments, or some of their fields, are not shown."""
        return bool(self.hidden or self.entities or self.regions)

    def shows(self, country: str | None) -> bool:
        """Whether payments of a country are shown, in whichever way its code is written.

        >>> Restriction(regions=frozenset({"DE"})).shows("276"), Restriction().shows(None)
        (True, True)
        """
        ways = (country, *ways_to_write(country)) if country else ()
        return not self.regions or not self.regions.isdisjoint(ways)

    def covers(self, other: Restriction) -> bool:
        """Whether whoever is under `other` sees nothing that somebody under this one does not.

        >>> Restriction(frozenset({"vip"})).covers(Restriction()), Restriction().covers(Restriction())
        (False, True)
        """
        within = all(
            not mine or (bool(theirs) and theirs <= mine)
            for mine, theirs in ((self.queues, other.queues), (self.regions, other.regions))
        )
        return within and self.concealed <= other.concealed

    def text(self) -> str:
        """As it is kept and typed, such as `queue=vip field=email`; `parse_restriction` reads it."""
        kinds = zip(_KINDS, (self.queues, self.hidden, self.entities, self.regions), strict=True)
        return " ".join(f"{kind}={word}" for kind, words in kinds for word in sorted(words))


EVERYTHING: Final = Restriction()
"""No restriction."""

_KINDS: Final = ("queue", "field", "entity", "region")


def parse_restriction(words: Iterable[str]) -> Restriction:
    """`queue=NAME`, `field=NAME`, `entity=TYPE` and `region=COUNTRY`.

    `InputError` names what is none, and a field, an entity or a country that there is not.

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
    for kind in sorted(found.entities - ENTITY_KEYS.keys()):
        raise InputError(
            f"there is no entity {kind!r}{nearest(kind, ENTITY_KEYS)}: types are {', '.join(ENTITY_KEYS)}"
        )
    for region in sorted(found.regions):
        if not _COUNTRY.fullmatch(region):
            raise InputError(f"'region={region}' is no country: give two letters, such as DE")
    return found


def kept_restriction(words: Iterable[str]) -> Restriction:
    """As `parse_restriction`, of a key made before fields were checked."""
    found: dict[str, set[str]] = {kind: set() for kind in _KINDS}
    for count, word in enumerate(words):
        kind, _, name = word.partition("=")
        if kind not in found or not _WORD.fullmatch(name) or count >= _MOST:
            raise InputError(
                f"{word[:100]!r} is no restriction: give queue=NAME, field=NAME (which hides it), "
                f"entity=TYPE or region=COUNTRY, at most {_MOST}"
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
