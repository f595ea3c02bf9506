"""When a label enters the log: labels wait until the stream's time reaches the moment they became known."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from ringfence.events.batch import EventBatch
from ringfence.events.clock import StreamClock

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BEGINNING = np.iinfo(np.int64).min
_STRIDE_MS = 7 * 86_400_000
"""Wider than that of lateness: in a sparse stream, days apart, no label shall wait for one payment more."""


class Placed(NamedTuple):
    """A batch with due labels at their places; `own` are those of its own rows."""

    rows: EventBatch
    own: NDArray[np.int64]


class Schedule:
    """Holds labels and puts each right before the first transaction that finds it due.

    Stream time is that of a `StreamClock`: the greatest event time of the transactions released so far, but
    for one that is more than a week ahead of all others. A label of time `t` enters before the first
    transaction at which stream time is >= t, ties by (time, event id). The outcome does not depend on how the
    stream is cut into batches, provided that a label is added before the batch in which it falls due.
    """

    def __init__(self, now_ms: int | None = None) -> None:
        """`now_ms` is what stream time has got to already, if it has."""
        self._clock = StreamClock(_STRIDE_MS) if now_ms is None else StreamClock.at(now_ms, _STRIDE_MS)
        self._added: list[EventBatch] = []
        self._waiting: EventBatch | None = None  # sorted by (time, id)
        self._due_ms: NDArray[np.int64] = np.empty(0, np.int64)
        self._earliest_ms: int | None = None
        self._with_next: list[EventBatch] = []  # came with the batch that is released next

    def __len__(self) -> int:
        return len(self._due_ms) + sum(len(batch) for batch in self._added)

    def add(self, labels: EventBatch, *, with_next: bool = True) -> None:
        """Hold these labels; their event time says when each becomes known.

        `with_next` they come with the batch that is released next: none enters before its transaction there.
        """
        if not len(labels):
            return
        self._added.append(labels)
        if with_next:
            self._with_next.append(labels)
        first = int(labels.event_time_ms.min())
        self._earliest_ms = first if self._earliest_ms is None else min(first, self._earliest_ms)

    def release(self, batch: EventBatch) -> EventBatch:
        """The batch with the labels that fall due inside it put at their places."""
        return self.place(batch).rows

    def place(self, batch: EventBatch) -> Placed:
        """As `release`; it is also told where the batch's own rows are now."""
        own = np.arange(len(batch))
        come_now, self._with_next = self._with_next, []
        if not len(batch):
            return Placed(batch, own)
        if self._earliest_ms is None and batch.only_payments:
            self._clock.advance(batch)
            return Placed(batch, own)
        stream_ms = self._stream_time(batch)
        now_ms = int(stream_ms[-1])
        if self._earliest_ms is None or self._earliest_ms > now_ms:
            return Placed(batch, own)
        self._sort()
        due = int(np.searchsorted(self._due_ms, now_ms, side="right"))
        before = np.searchsorted(stream_ms, self._due_ms[:due], side="left")
        labels = self._pop(due)
        after_own = np.where(_is_among(labels, come_now), _own_rows(labels, batch) + 1, 0)
        if (after_own > before).any():
            before = np.maximum(before, after_own)
            order = np.argsort(before, kind="stable")
            labels, before = labels.take(order), before[order]
        own += np.searchsorted(before, own, side="right")
        return Placed(_interleave(labels, batch, before), own)

    def drain(self) -> EventBatch | None:
        """All labels still held, in order; nothing is left."""
        self._sort()
        return self._pop(len(self._due_ms)) if len(self._due_ms) else None

    def _stream_time(self, batch: EventBatch) -> NDArray[np.int64]:
        """As of each row, ascending."""
        before = self._clock.now_ms
        times = np.full(len(batch), _BEGINNING if before is None else before)
        rows = batch.is_transaction
        times[rows] = self._clock.advance(batch.take(rows))
        last = np.maximum.accumulate(np.where(rows, np.arange(len(batch)), 0))
        times = times[last]
        return np.minimum.accumulate(times[::-1])[::-1]  # the first of a stream may have been ahead of it

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


def _is_among(labels: EventBatch, others: list[EventBatch]) -> NDArray[np.bool_]:
    """Which labels are of a transaction that one of the others is of."""
    if not others:
        return np.zeros(len(labels), np.bool_)
    ids = np.concatenate([batch.hashes("transaction_id", 0) for batch in others])
    return np.isin(labels.hashes("transaction_id", 0), ids)


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
