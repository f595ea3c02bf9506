"""List entries that rules make: events like others, in the log right after the payment that led to them.

A replay meets them there, so it asks no rule again; and the caps are counted from them, wherever one begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ringfence.events.batch import EventBatch
from ringfence.events.model import ADDED_BY, AUTHOR, Kind
from ringfence.features.spec import ENTITY_KEYS
from ringfence.scoring.reference.added import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ringfence.scoring.columns import Columns
    from ringfence.scoring.reference import Reference
    from ringfence.scoring.rulesets.actions import AddTo
    from ringfence.scoring.rulesets.rules import CompiledRules, Verdicts

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


class Additions:
    """Works out the entries of one payment after the other. `capped` counts those that a cap kept out."""

    def __init__(self) -> None:
        self.made = 0
        self.capped = 0
        self._rules: CompiledRules | None = None
        self._actions: list[tuple[int, str, AddTo]] = []  # row among the active rules, its id, what it does

    def first(
        self, columns: Columns, verdicts: Verdicts, rules: CompiledRules, reference: Reference, now_ms: int
    ) -> Iterator[tuple[int, EventBatch]]:
        """Payments that lead to entries, by row, each with its entries.

        `columns` look up in `reference`, which is as before the first of them.

        Take the first that is of use, and judge those behind it anew: its entries may change what they lead
        to.
        """
        if rules is not self._rules:
            self._rules = rules
            self._actions = [
                (row, rule.id, rule.add_to)
                for row, rule in enumerate(rules.active)
                if rule.add_to is not None
            ]
        found = [
            (_unlisted(columns, verdicts.active[row], action), rule, action)
            for row, rule, action in self._actions
        ]
        if not any(hits.any() for hits, _, _ in found):
            return
        for at in np.flatnonzero(np.logical_or.reduce([hits for hits, _, _ in found])).tolist():
            here = [(rule, action) for hits, rule, action in found if hits[at]]
            rows = list(self._within_cap(here, columns.transactions, at, reference, now_ms))
            if rows:
                yield at, EventBatch(pa.RecordBatch.from_pylist(rows, schema=_FIELDS))

    def _within_cap(
        self,
        rules: list[tuple[str, AddTo]],
        payments: EventBatch,
        at: int,
        reference: Reference,
        now_ms: int,
    ) -> Iterator[dict[str, Any]]:
        time_ms = int(payments.event_time_ms[at])
        for rule, action in rules:
            if reference.added.on(rule, time_ms // DAY_MS) >= action.cap_per_day:
                self.capped += 1
                continue
            self.made += 1
            yield _entry(rule, action, payments, at, now_ms)


def _unlisted(columns: Columns, fired: NDArray[np.bool_], action: AddTo) -> NDArray[np.bool_]:
    """Payments on which the rule fired and whose entity is not on the list."""
    if not fired.any():
        return fired
    payments, reference = columns.transactions, columns.reference
    hashes = payments.hashes(ENTITY_KEYS[action.entity], reference.seed)
    listed = reference.lists.holds(action.list, action.entity, hashes, payments.event_time_ms)
    return fired & ~listed & (hashes != 0)


def _entry(rule: str, action: AddTo, payments: EventBatch, at: int, now_ms: int) -> dict[str, Any]:
    transaction_id = payments.column("transaction_id")[at].as_py()
    time_ms = int(payments.event_time_ms[at])
    return {
        "kind": Kind.LIST_ENTRY,
        "event_id": f"{rule}:{action.list}:{action.entity}:{transaction_id}",
        "event_time_ms": time_ms,
        "ingest_time_ms": now_ms,
        "list_name": action.list,
        "list_kind": str(action.kind),
        "entity_type": action.entity,
        "entity_id": payments.column(ENTITY_KEYS[action.entity])[at].as_py(),
        "expires_at_ms": None if action.days is None else time_ms + action.days * DAY_MS,
        "note": f"payment {transaction_id}",
        AUTHOR: f"rule:{rule}",
        ADDED_BY: rule,
    }
