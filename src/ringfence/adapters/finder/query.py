"""What is looked for, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ringfence.errors import InputError
from ringfence.events.hashing import hash_text
from ringfence.features.spec import ENTITY_KEYS

if TYPE_CHECKING:
    from ringfence.scoring.rules import Outcome

LISTS: Final = {
    "rule": "rules",
    "shadow": "shadow_rules",
    "reason": "reasons",
    "degraded": "degraded",
}
"""Kinds of term that stand for an element of a list, by column."""

FOREVER: Final = (1 << 63) - 1


class Term(NamedTuple):
    """One thing that a decision has to do with: `Term("card", token)`, `Term("rule", "card_testing")`."""

    kind: str
    value: str

    def key(self, seed: int) -> int:
        """What stands for it in the index."""
        if self.kind not in ENTITY_KEYS and self.kind not in LISTS:
            raise InputError(f"no term {self.kind!r}: one of {', '.join((*ENTITY_KEYS, *LISTS))}")
        return hash_text(self.value, seed) ^ salt(self.kind, seed)


def salt(kind: str, seed: int) -> int:
    """Keeps a card apart from a device of the same name."""
    return hash_text(f"term {kind}", seed)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Every condition has to hold. Times are event times, `until_ms` not included.

    `outcomes` empty means any; `before` is event time and offset of the last row of the page before.
    """

    terms: tuple[Term, ...] = ()
    outcomes: frozenset[Outcome] = field(default_factory=frozenset)
    since_ms: int = 0
    until_ms: int = FOREVER
    min_score: float = 0.0
    min_amount: float | None = None
    before: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Rows, newest first, and how many there are on all pages. `after` goes on where this page ends."""

    rows: list[dict[str, Any]]
    total: int
    after: tuple[int, int] | None
