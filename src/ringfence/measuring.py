"""Features of a source without a store: the stages over the same order of events as a run would log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import pyarrow as pa

from ringfence.decisions.decision import number_columns
from ringfence.events.ids.seen import SeenIds
from ringfence.events.schedule import Schedule
from ringfence.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ringfence.events.batch import EventBatch
    from ringfence.features.spec import FeatureSpec

_SEED: Final = 0  # ids are hashed for this process only


class ArrivedBatch(Protocol):
    """Some rows of a source: events in order, and labels with the time at which they become known."""

    @property
    def events(self) -> EventBatch: ...

    @property
    def labels(self) -> EventBatch | None: ...


def features_schema(spec: FeatureSpec) -> pa.Schema:
    """Columns of `measured`: id, event time, one double per feature."""
    first = [("transaction_id", pa.string()), ("event_time", pa.timestamp("ms", "UTC"))]
    return pa.schema([*first, *((name, pa.float64()) for name in spec.names)])


def in_log_order(source: Iterable[ArrivedBatch], seed: int = _SEED) -> Iterator[EventBatch]:
    """The events of a source as a run would log them.

    Labels enter when they become known; those still to come at the end are the last batch. A transaction that
    comes again is left out.
    """
    schedule, seen, offset = Schedule(), SeenIds(), 0
    for arrival in source:
        if arrival.labels is not None:
            schedule.add(arrival.labels)
        events = schedule.release(arrival.events)
        ids = np.where(events.is_transaction, events.hashes("transaction_id", seed), 0)
        known = seen.admit(ids, offset) >= 0
        if known.any():
            events = events.take(~known)
        offset += len(events)
        yield events
    pending = schedule.drain()
    if pending is not None:
        yield pending


def measured(source: Iterable[ArrivedBatch], spec: FeatureSpec) -> Iterator[pa.RecordBatch]:
    """One row per transaction, in order, null where a feature is unknown.

    Labels enter when they become known. A transaction that comes again is left out.
    """
    walk, schema = Walk(spec, _SEED), features_schema(spec)
    for events in in_log_order(source):
        rows = events.take(events.is_transaction)
        yield pa.RecordBatch.from_arrays(
            [*_facts(rows), *number_columns(walk.measure(events))], schema=schema
        )


def _facts(rows: EventBatch) -> list[Any]:
    times = rows.table.column("event_time_ms").cast(pa.timestamp("ms")).cast(pa.timestamp("ms", "UTC"))
    return [rows.column("transaction_id"), times]
