"""When a label enters the log: labels wait until the stream's time reaches the moment they became known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from ringfence.events.batch import EventBatch
from ringfence.events.clock import believed_times

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BEGINNING = np.iinfo(np.int64).min


class Schedule:
    """Holds labels and puts each right before the first transaction that finds it due.

    Stream time is the greatest event time of the transactions released so far. A label of time `t` enters
    before the first transaction at which stream time is >= t, ties by (time, event id). The outcome does not
    depend on how the stream is cut into batches, provided that a label is added before the batch in which it
    falls due.
    """

    def __init__(self, now_ms: int = _BEGINNING) -> None:
        self._now_ms = now_ms
        self._added: list[EventBatch] = []
        self._waiting: EventBatch | None = None  # sorted by (time, id)
        self._due_ms: NDArray[np.int64] = np.empty(0, np.int64)
        self._earliest_ms: int | None = None

    def __len__(self) -> int:
        return len(self._due_ms) + sum(len(batch) for batch in self._added)

    @property
    def now_ms(self) -> int:
        """Stream time so far."""
        return self._now_ms

    def add(self, labels: EventBatch) -> None:
        """Hold these labels; their event time says when each becomes known."""
        if not len(labels):
            return
        self._added.append(labels)
        first = int(labels.event_time_ms.min())
        self._earliest_ms = first if self._earliest_ms is None else min(first, self._earliest_ms)

    def release(self, batch: EventBatch) -> EventBatch:
        """The batch with the labels that fall due inside it put at their places."""
        if not len(batch):
            return batch
        stream_ms = self._stream_time(batch)
        self._now_ms = int(stream_ms[-1])
        if self._earliest_ms is None or self._earliest_ms > self._now_ms:
            return batch
        self._sort()
        due = int(np.searchsorted(self._due_ms, self._now_ms, side="right"))
        before = np.searchsorted(stream_ms, self._due_ms[:due], side="left")
        labels = self._pop(due)
        after_own = _own_rows(labels, batch) + 1
        if (after_own > before).any():
            before = np.maximum(before, after_own)
            order = np.argsort(before, kind="stable")
            labels, before = labels.take(order), before[order]
        return _interleave(labels, batch, before)

    def take_due(self, batch: EventBatch) -> EventBatch | None:
        """The labels that fall due inside this batch, to enter before it."""
        if not len(batch):
            return None
        if batch.only_payments:
            self._now_ms = max(self._now_ms, int(believed_times(batch).max()))
        else:
            self._now_ms = int(self._stream_time(batch)[-1])
        if self._earliest_ms is None or self._earliest_ms > self._now_ms:
            return None
        self._sort()
        return self._pop(int(np.searchsorted(self._due_ms, self._now_ms, side="right")))

    def drain(self) -> EventBatch | None:
        """All labels still held, in order; nothing is left."""
        self._sort()
        return self._pop(len(self._due_ms)) if len(self._due_ms) else None

    def _stream_time(self, batch: EventBatch) -> NDArray[np.int64]:
        times = np.where(batch.is_transaction, believed_times(batch), _BEGINNING)
        return np.maximum(np.maximum.accumulate(times), self._now_ms)

    def _sort(self) -> None:
        if not self._added:
            return
        held = [self._waiting] if self._waiting is not None else []
        merged = EventBatch.concat([*held, *self._added])
        order = pa.compute.sort_indices(
            pa.Table.from_batches([merged.table]),
            sort_keys=[("event_time_ms", "ascending"), ("event_id", "ascending")],
        )
        self._waiting = _once(EventBatch(merged.table.take(order)))
        self._due_ms = self._waiting.event_time_ms
        self._added = []

    def _pop(self, count: int) -> EventBatch:
        assert self._waiting is not None
        popped = self._waiting.slice(0, count)
        rest = len(self._waiting) - count
        self._waiting = self._waiting.slice(count, count + rest) if rest else None
        self._due_ms = self._due_ms[count:]
        self._earliest_ms = int(self._due_ms[0]) if rest else None
        return popped


def _own_rows(labels: EventBatch, batch: EventBatch) -> NDArray[np.int64]:
    """Row of each label's transaction in the batch, -1 where it is not there."""
    wanted, ids = labels.hashes("transaction_id", 0), batch.hashes("transaction_id", 0)
    rows = np.flatnonzero(np.isin(ids, wanted) & batch.is_transaction)
    row_of = dict(zip(ids[rows].tolist(), rows.tolist(), strict=True))
    return np.array([row_of.get(key, -1) for key in wanted.tolist()], np.int64)


def _once(labels: EventBatch) -> EventBatch:
    """The first of each event id; labels without an id all stay."""
    ids = labels.hashes("event_id", 0)
    _, first = np.unique(ids, return_index=True)
    if len(first) + np.count_nonzero(ids == 0) == len(ids) + (0 in ids):
        return labels
    keep = ids == 0
    keep[first] = True
    return labels.take(keep)


def _interleave(labels: EventBatch, batch: EventBatch, before: NDArray[np.int64]) -> EventBatch:
    """Label i stands right before row `before[i]` (ascending) of the batch."""
    merged = EventBatch.concat([labels, batch])
    place_of_label = before + np.arange(len(labels))
    source = np.empty(len(merged), np.int64)
    is_label = np.zeros(len(merged), bool)
    is_label[place_of_label] = True
    source[is_label] = np.arange(len(labels))
    source[~is_label] = np.arange(len(labels), len(merged))
    return merged.take(source)
