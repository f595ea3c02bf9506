"""List entries that rules make: events like others, in the log right after the batch that led to them.

A replay meets them there, so it asks no rule again; and the caps are counted from them, wherever one begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.batch import EventBatch
from ringfence.events.model import ADDED_BY, AUTHOR, Kind
from ringfence.features.spec import ENTITY_KEYS
from ringfence.scoring.reference.added import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.decisions.decision import DecisionBatch
    from ringfence.scoring.actions import AddTo
    from ringfence.scoring.reference import Reference
    from ringfence.scoring.rules import CompiledRules

_FIELDS: Final = pa.schema(
    [
        pa.field("kind", pa.uint8()),
        pa.field("event_id", pa.string()),
        pa.field("event_time_ms", pa.int64()),
        pa.field("ingest_time_ms", pa.int64()),
        pa.field("list_name", pa.string()),
        pa.field("list_kind", pa.string()),
        pa.field("entity_type", pa.string()),
        pa.field("entity_id", pa.string()),
        pa.field("expires_at_ms", pa.int64()),
        pa.field("note", pa.string()),
        pa.field(AUTHOR, pa.string()),
        pa.field(ADDED_BY, pa.string()),
    ]
)


class _Hit(NamedTuple):
    """A payment on which a rule with an action fired."""

    transaction_id: str
    time_ms: int
    entity_id: str


class Additions:
    """Works out the entries of one batch after the other. `capped` counts those that a cap kept out."""

    def __init__(self) -> None:
        self.made = 0
        self.capped = 0
        self._rules: CompiledRules | None = None
        self._actions: list[tuple[str, AddTo]] = []

    def of(
        self,
        decisions: DecisionBatch,
        events: EventBatch,
        rules: CompiledRules,
        reference: Reference,
        now_ms: int,
    ) -> EventBatch | None:
        """Entries that these decisions lead to, None where there are none.

        `events` are the batch that was decided, by these rules; `reference` is as it has left it.
        """
        if rules is not self._rules:
            self._rules = rules
            self._actions = [(rule.id, rule.add_to) for rule in rules.active if rule.add_to is not None]
        if not self._actions:
            return None
        rows: list[dict[str, Any]] = []
        payments = events.take(events.is_transaction)
        for rule, action in self._actions:
            hits = _hits(decisions, payments, rule, action, reference)
            rows += self._within_cap(rule, action, hits, reference, now_ms)
        self.made += len(rows)
        return EventBatch(pa.RecordBatch.from_pylist(rows, schema=_FIELDS)) if rows else None

    def _within_cap(
        self, rule: str, action: AddTo, hits: Iterator[_Hit], reference: Reference, now_ms: int
    ) -> Iterator[dict[str, Any]]:
        made: dict[int, int] = {}
        for hit in hits:
            day = hit.time_ms // DAY_MS
            if reference.added.on(rule, day) + made.get(day, 0) >= action.cap_per_day:
                self.capped += 1
                continue
            made[day] = made.get(day, 0) + 1
            yield _entry(rule, action, hit, now_ms)


def _hits(
    decisions: DecisionBatch, payments: EventBatch, rule: str, action: AddTo, reference: Reference
) -> Iterator[_Hit]:
    """The first hit of each entity that is not on the list yet."""
    fired = decisions.table.column("rules")
    rows = pc.list_parent_indices(fired).filter(pc.equal(fired.flatten(), rule)).to_numpy()
    if not len(rows):
        return
    hit = payments.take(rows)
    column = ENTITY_KEYS[action.entity]
    times, hashes = hit.event_time_ms, hit.hashes(column, reference.seed)
    listed = reference.lists.holds(action.list, action.entity, hashes, times)
    ids, transactions = hit.column(column).to_pylist(), hit.column("transaction_id").to_pylist()
    seen: set[str] = set()
    for at in np.flatnonzero(~listed & (hashes != 0)).tolist():
        if ids[at] not in seen:
            seen.add(ids[at])
            yield _Hit(transactions[at], int(times[at]), ids[at])


def _entry(rule: str, action: AddTo, hit: _Hit, now_ms: int) -> dict[str, Any]:
    return {
        "kind": Kind.LIST_ENTRY,
        "event_id": f"{rule}:{action.list}:{action.entity}:{hit.transaction_id}",
        "event_time_ms": hit.time_ms,
        "ingest_time_ms": now_ms,
        "list_name": action.list,
        "list_kind": str(action.kind),
        "entity_type": action.entity,
        "entity_id": hit.entity_id,
        "expires_at_ms": None if action.days is None else hit.time_ms + action.days * DAY_MS,
        "note": f"payment {hit.transaction_id}",
        AUTHOR: f"rule:{rule}",
        ADDED_BY: rule,
    }
