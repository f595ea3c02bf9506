"""Drift over its threshold as events of the log: one per model, input and day, however often found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec
import pyarrow as pa

from ringfence.ports import DRIFT, LogBatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ringfence.learning.watching.drift import Day
    from ringfence.ports import EventLog

SCORE: Final = "score"
"""Stands for the model's own score among the inputs."""

DRIFT_SCHEMA: Final = pa.schema(
    [
        ("event_id", pa.string()),
        ("found_ms", pa.int64()),
        ("day_ms", pa.int64()),
        ("model", pa.string()),
        ("input", pa.string()),
        ("index", pa.float64()),
        ("threshold", pa.float64()),
        ("payments", pa.int64()),
    ]
)


Count = Annotated[int, msgspec.Meta(ge=0, le=1 << 53)]


class DriftAlert(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An input, or the score, of a model that was unlike its training on a day.

    Attributes:
        day_ms: beginning of the UTC day.
        model: version of the model.
        index: population stability index, at or over `threshold`.
    """

    day_ms: Count
    model: str
    input: str
    index: float
    threshold: float
    payments: Count

    @property
    def event_id(self) -> str:
        """The same for the same model, input and day.

        >>> DriftAlert(86_400_000, "3f2a", "amount", 0.4, 0.25, 900).event_id
        'drift-3f2a-1-amount'
        """
        return f"drift-{self.model}-{self.day_ms // 86_400_000}-{self.input}"


def drifted(day: Day, threshold: float) -> dict[str, float]:
    """What is at or above the threshold, worst first."""
    found = {name: value for name, value in {SCORE: day.score, **day.inputs}.items() if value >= threshold}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def alerts_of(model: str, days: Iterable[Day], threshold: float) -> list[DriftAlert]:
    """Every alert of these days, oldest day first."""
    return [
        DriftAlert(day.day_ms, model, name, index, threshold, day.payments)
        for day in days
        for name, index in drifted(day, threshold).items()
    ]


def record(log: EventLog, alerts: Sequence[DriftAlert], now_ms: int) -> list[DriftAlert]:
    """Append those that the log does not hold yet, durable on return; returns them."""
    rows = {one.event_id: {**msgspec.structs.asdict(one), "found_ms": now_ms} for one in alerts}
    fresh = append_once(log, DRIFT, DRIFT_SCHEMA, rows, [one.day_ms for one in alerts])
    return [alert for alert in alerts if alert.event_id in fresh]


def append_once(
    log: EventLog,
    topic: str,
    schema: pa.Schema,
    rows: Mapping[str, Mapping[str, Any]],
    times_ms: Sequence[int],
) -> frozenset[str]:
    """Append rows whose `event_id`, the key, the topic does not hold yet; returns the ids of those."""
    known = {event_id for batch in log.read(topic) for event_id in _table(batch)["event_id"].to_pylist()}
    fresh = {event_id: row for event_id, row in rows.items() if event_id not in known}
    if fresh:
        told = [{**row, "event_id": event_id} for event_id, row in fresh.items()]
        payload = _encoded(pa.Table.from_pylist(told, schema))
        span = min(times_ms), max(times_ms)
        log.append([LogBatch(topic, log.end_offset(topic), len(told), *span, payload)])
    return frozenset(fresh)


def recorded(log: EventLog, offset: int = 0) -> list[DriftAlert]:
    """The alerts from an offset on, in the order in which they were found."""
    names = DriftAlert.__struct_fields__
    return [
        DriftAlert(**{name: row[name] for name in names})
        for batch in log.read(DRIFT, offset)
        for row in rows_of_topic(batch)[max(offset - batch.base_offset, 0) :]
    ]


def rows_of_topic(batch: LogBatch) -> list[dict[str, Any]]:
    """What `append_once` wrote."""
    found: list[dict[str, Any]] = _table(batch).to_pylist()
    return found


def _table(batch: LogBatch) -> pa.Table:
    with pa.ipc.open_stream(batch.payload) as reader:
        return reader.read_all()


def _encoded(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())
