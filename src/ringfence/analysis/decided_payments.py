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
MOST_CELLS: Final = 1 << 22
_TOGETHER: Final = 512  # batches
PLACES: Final = 80  # of the log, from each of which a run of payments is taken where it holds more


def runs(log: EventLog, most: int = PAYMENTS, first: int = 0) -> Iterator[tuple[DecisionBatch, EventBatch]]:
    """Decisions from offset `first` on: all, or runs of equal length, as far apart, up to the newest."""
    start, end = max(first, log.start_offset(DECISIONS)), log.end_offset(DECISIONS)
    if end - start <= most:
        yield from paired(log, start, end)
        return
    length = -(-most // PLACES)
    for number in range(PLACES):
        begin = start + number * (end - start - length) // (PLACES - 1)
        yield from paired(log, begin, begin + length)


def paired(log: EventLog, begin: int, end: int) -> Iterator[tuple[DecisionBatch, EventBatch]]:
    """Decisions from offset `begin` to before `end`, batch by batch, those whose payments are still kept."""
    kept = log.start_offset(EVENTS)
    for batch in log.read(DECISIONS, begin, end):
        first, last = max(begin - batch.base_offset, 0), min(end, batch.next_offset) - batch.base_offset
        decisions = DecisionBatch(DecisionBatch.decode(batch.payload).table.slice(first, last - first))
        offsets = decisions.table.column("offset").to_numpy()
        if len(offsets) and offsets[0] >= kept:
            batches = list(log.read(EVENTS, int(offsets[0]), int(offsets[-1]) + 1))
            events = EventBatch.concat([codec.decode(one.payload) for one in batches])
            yield decisions, events.take(offsets - batches[0].base_offset)


def together(
    found: Iterable[tuple[DecisionBatch, EventBatch]], most_cells: int = MOST_CELLS
) -> Iterator[tuple[pa.RecordBatch, EventBatch]]:
    """Decisions with their payments in larger runs: live traffic leaves batches of a few rows each.

    Judged together, they cost as much as one. Batches of one run have the same columns, and payments of
    several batches at most `most_cells`, rows times columns: callers choose the names of attributes, each its
    own.
    """
    held: list[tuple[pa.RecordBatch, EventBatch]] = []
    names: set[str] = set()
    rows = 0
    for decisions, events in found:
        table = decisions.table
        rows, names = rows + len(events), names.union(events.table.schema.names)
        if held and (
            held[0][0].schema != table.schema or len(held) == _TOGETHER or rows * len(names) > most_cells
        ):
            yield _joined(held)
            held, rows, names = [], len(events), set(events.table.schema.names)
        held.append((table, events))
    if held:
        yield _joined(held)


def _joined(held: list[tuple[pa.RecordBatch, EventBatch]]) -> tuple[pa.RecordBatch, EventBatch]:
    whole = pa.Table.from_batches([table for table, _ in held]).combine_chunks()
    [decisions] = whole.to_batches()  # `concat_batches` is younger than the oldest Arrow
    return decisions, EventBatch.concat([events for _, events in held])


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
