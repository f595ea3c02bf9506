"""The index of decisions: what is looked for, what comes back, and the port that answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ringfence.errors import InputError
from ringfence.events.ids.hashing import hash_text
from ringfence.features.spec import ENTITY_KEYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from ringfence.scoring.rulesets.outcomes import Outcome

LISTS: Final = {
    "rule": "rules",
    "shadow": "shadow_rules",
    "reason": "reasons",
    "degraded": "degraded",
}
"""Kinds of term that stand for an element of a list, by column."""

PLACE: Final = r"^[0-9]{1,15}-[0-9]{1,18}$"  # see `parse_place`
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


def parse_place(text: str) -> tuple[int, int]:
    """Event time and offset of the last decision of the page before.

    >>> parse_place("1700000000000-42")
    (1700000000000, 42)
    """
    time_ms, _, offset = text.partition("-")
    return int(time_ms), int(offset)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Every condition has to hold. Times are event times, `until_ms` not included.

    `outcomes` empty means any; `before` is event time and offset of the last row of the page before.
    `since_offset` is the first payment's in the log: decisions are made in that order.
    """

    terms: tuple[Term, ...] = ()
    outcomes: frozenset[Outcome] = field(default_factory=frozenset)
    since_ms: int = 0
    until_ms: int = FOREVER
    min_score: float = 0.0
    min_amount: float | None = None
    before: tuple[int, int] | None = None
    since_offset: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """Rows, newest first, and how many there are on all pages. `after` goes on where this page ends."""

    rows: list[dict[str, Any]]
    total: int
    after: tuple[int, int] | None


class DecisionIndex(Protocol):
    """Decisions by entity, rule and reason, by time, outcome and score. Any thread may ask.

    Every question first takes in what is new.
    """

    @property
    def behind(self) -> int:
        """Decisions that no answer has, because the index is too far behind the log."""
        ...

    def refresh(self) -> None:
        """Take in what is new, as every question does."""
        ...

    def points(self, wanted: Wanted, most: int) -> dict[str, list[Any]]:
        """Event times, amounts and strictness of the newest rows that are wanted, ascending: for a plot."""
        ...

    def find(self, wanted: Wanted, limit: int = 50, columns: tuple[str, ...] | None = None) -> Found:
        """The newest rows that are wanted, by event time; only these `columns` where not all are needed."""
        ...

    def count(self, wanted: Wanted) -> int:
        """How many rows are wanted."""
        ...

    def beginning(self, column: str, start: str, most: int) -> list[str]:
        """The first ids of a column, such as `card_id`, that begin so, ascending."""
        ...

    def histograms(self, terms: Sequence[Term], edges_ms: Sequence[int]) -> NDArray[np.int64]:
        """For each term, how many rows have it in each span between two times; all as of one moment.

        Shape: terms by spans.
        """
        ...

    def span_ms(self) -> tuple[int, int] | None:
        """Event times of the first and of the last decision."""
        ...


@dataclass(frozen=True, slots=True)
class DecisionQuery:
    """Which decisions to list; None filters nothing. Times are event times, `until_ms` not included."""

    entity: str | None = None  # "card", "customer", ..., with entity_id
    entity_id: str | None = None
    since_ms: int | None = None
    until_ms: int | None = None
    outcome: str | None = None
    rule: str | None = None  # id of an active rule that fired
    limit: int = 50
    before: tuple[int, int] | None = None  # event time and offset of the last decision of the page before
    or_id: str | None = None  # the entity's id as a log has it from before ids had a norm
