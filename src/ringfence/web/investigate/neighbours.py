"""Who shares what with whom, as far as payments show it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ringfence.decisions.index import Term, Wanted
from ringfence.features.spec import ENTITY_KEYS

if TYPE_CHECKING:
    from ringfence.decisions.index import DecisionIndex

_OWN_PAYMENTS: Final = 100  # looked at
_SHARED_VALUES: Final = 8  # of which others are looked for
_THEIR_PAYMENTS: Final = 25  # of each value
_CROWD: Final = 2000  # payments from which on a value connects nobody: a large shop, a gateway's address
_SHOWN: Final = 12
_WEAK: Final = frozenset({"merchant", "terminal", "ip"})  # shared by strangers every day


@dataclass(frozen=True, slots=True)
class Shared:
    """A value that the entity was seen with: how often, by how many payments in all, and who else was."""

    kind: str
    value: str
    own: int
    payments: int
    others: list[tuple[str, int]]  # ids of the same kind as the entity, with their payments
    is_crowd: bool


def neighbours_of(finder: DecisionIndex, entity: str, entity_id: str) -> list[Shared]:
    """Values of other kinds that the entity was seen with; those that connect most come first."""
    columns = tuple(ENTITY_KEYS.values())
    own = finder.find(Wanted(terms=(Term(entity, entity_id),)), _OWN_PAYMENTS, columns).rows
    counts: Counter[tuple[str, str]] = Counter(
        (kind, row[column])
        for row in own
        for kind, column in ENTITY_KEYS.items()
        if kind != entity and row[column]
    )
    ranked = [
        (finder.count(Wanted(terms=(Term(*value),))), value, seen) for value, seen in counts.most_common(24)
    ]
    ranked.sort(key=lambda item: (item[0] >= _CROWD, item[1][0] in _WEAK))  # else as often as they were seen
    shared = [
        _look(finder, entity, entity_id, Shared(kind, name, seen, payments, [], payments >= _CROWD))
        for payments, (kind, name), seen in ranked[:_SHARED_VALUES]
    ]
    return sorted(shared, key=lambda one: (one.is_crowd, one.kind in _WEAK, -len(one.others), -one.own))


def _look(finder: DecisionIndex, entity: str, entity_id: str, value: Shared) -> Shared:
    if value.is_crowd or value.payments == value.own:
        return value
    column = ENTITY_KEYS[entity]
    rows = finder.find(Wanted(terms=(Term(value.kind, value.value),)), _THEIR_PAYMENTS, (column,)).rows
    others = Counter(row[column] for row in rows if row[column] and row[column] != entity_id)
    return Shared(
        value.kind,
        value.value,
        value.own,
        value.payments,
        others.most_common(3 if value.kind in _WEAK else _SHOWN),
        is_crowd=False,
    )
