"""Decisions beside their payments, from all over the log: enough for a figure, not all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ringfence.decisions.decision import DecisionBatch
from ringfence.events import codec
from ringfence.events.batch import EventBatch
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from ringfence.ports import EventLog

PAYMENTS: Final = 100_000
_TOGETHER: Final = 512  # batches
_MOST_CELLS: Final = 1 << 22
"""Rows times columns of what is judged together: callers choose the names of attributes, each its own."""

PLACES: Final = 80  # of the log, from each of which a run of payments is taken where it holds more


def runs(log: EventLog, most: int = PAYMENTS, first: int = 0) -> Iterator[tuple[DecisionBatch, EventBatch]]:
    """Decisions from offset `first` on: all, or runs of equal length from places as far apart."""
    start, end = max(first, log.start_offset(DECISIONS)), log.end_offset(DECISIONS)
    places = PLACES if end - start > most else 1
    for number in range(places):
        begin = start + number * (end - start) // places
        after = min(begin + -(-most // places), end)
        for batch in log.read(DECISIONS, begin, after):
            rows = slice(max(begin - batch.base_offset, 0), min(after, batch.next_offset) - batch.base_offset)
            table = DecisionBatch.decode(batch.payload).table
            decisions = DecisionBatch(table.slice(rows.start, rows.stop - rows.start))
            payments = _payments(log, decisions.table.column("offset").to_numpy())
            if payments is not None:
                yield decisions, payments


def together(
    found: Iterable[tuple[EventBatch, pa.RecordBatch]],
) -> Iterator[tuple[EventBatch, pa.RecordBatch]]:
    """Payments with their decisions in larger runs: live traffic leaves batches of a few rows each.

    Judged together, they cost as much as one. Batches of one run have the same columns.
    """
    held: list[tuple[EventBatch, pa.RecordBatch]] = []
    names: set[str] = set()
    rows = 0
    for events, decisions in found:
        rows, names = rows + len(events), names.union(events.table.schema.names)
        if held and (
            held[0][1].schema != decisions.schema or len(held) == _TOGETHER or rows * len(names) > _MOST_CELLS
        ):
            yield _joined(held)
            held, rows, names = [], len(events), set(events.table.schema.names)
        held.append((events, decisions))
    if held:
        yield _joined(held)


def _joined(held: list[tuple[EventBatch, pa.RecordBatch]]) -> tuple[EventBatch, pa.RecordBatch]:
    whole = pa.Table.from_batches([table for _, table in held]).combine_chunks()
    [decisions] = whole.to_batches()  # `concat_batches` is younger than the oldest Arrow
    return EventBatch.concat([events for events, _ in held]), decisions


def since(log: EventLog, time_ms: int) -> int:
    """Offset of the first batch of decisions with one of this event time or later, as time goes on."""
    low, high = log.start_offset(DECISIONS), log.end_offset(DECISIONS)
    while low < high:
        middle = (low + high) // 2
        batch = next(iter(log.read(DECISIONS, middle, middle + 1)))
        if batch.last_time_ms >= time_ms:
            high = min(batch.base_offset, middle)
        else:
            low = batch.next_offset
    return low


def _payments(log: EventLog, offsets: NDArray[np.int64]) -> EventBatch | None:
    """The payments at ascending offsets; None where some are no longer kept."""
    if not len(offsets) or offsets[0] < log.start_offset(EVENTS):
        return None
    batches = list(log.read(EVENTS, int(offsets[0]), int(offsets[-1]) + 1))
    events = EventBatch.concat([codec.decode(batch.payload) for batch in batches])
    return events.take(offsets - batches[0].base_offset)


def challengers_of(decisions: DecisionBatch) -> dict[str, NDArray[np.float64]]:
    """What each challenger said, by digest, NaN where it was not heard."""
    names, lists = decisions.challenger_names, decisions.table.column("challengers")
    heard = np.diff(lists.offsets.to_numpy()) == len(names)
    matrix = np.full((len(decisions), len(names)), np.nan)
    if names:
        matrix[heard] = floats(lists.flatten()).reshape(-1, len(names))
    return {name: matrix[:, column] for column, name in enumerate(names)}


def floats(values: Any) -> NDArray[np.float64]:
    """NaN for null."""
    found: NDArray[np.float64] = values.to_numpy(zero_copy_only=False).astype(np.float64)
    return found
