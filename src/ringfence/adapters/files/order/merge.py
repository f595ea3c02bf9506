"""Streams of events that are each in order of time, as one that is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from ringfence.adapters.files.order.runs import sort_keys
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.decode import NO_EVENTS
from ringfence.ports.sources import SourceBatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from ringfence.events.bad import BadRecord

_NO_KEYS = np.empty(0, np.int64)


@dataclass(slots=True)
class _Head:
    """The rows of a stream that have been read and not passed on.

    A row that is a little late keeps its place behind the row before it: `keys` never fall.
    """

    stream: Iterator[SourceBatch]
    events: EventBatch = NO_EVENTS
    keys: NDArray[np.int64] = field(default_factory=lambda: _NO_KEYS)
    position: int = 0
    ended: bool = False

    def read(self) -> SourceBatch | None:
        """Take in the next rows; the batch that they came with, None at the end."""
        batch = next(self.stream, None)
        if batch is None:
            self.ended = True
            return None
        self.position = batch.position
        if len(batch.events):
            greatest = self.keys[-1:] // 2
            times = np.maximum.accumulate(np.append(greatest, batch.events.event_time_ms))[len(greatest) :]
            joined = EventBatch.concat([self.events, batch.events]) if len(self.events) else batch.events
            self.keys = np.append(self.keys, sort_keys(batch.events, times))
            self.keys = np.maximum.accumulate(self.keys)
            self.events = joined
        return batch

    def take(self, before: int | None) -> tuple[EventBatch, NDArray[np.int64]]:
        """Hand on the rows whose key is less than this, all with None."""
        count = len(self.keys) if before is None else int(np.searchsorted(self.keys, before, side="left"))
        taken = self.events.slice(0, count), self.keys[:count]
        self.events, self.keys = self.events.slice(count, len(self.events)), self.keys[count:]
        return taken


@dataclass(slots=True)
class _Labels:
    """Labels that have been read, until the events get to their times."""

    waiting: EventBatch = NO_EVENTS

    def add(self, labels: EventBatch | None) -> None:
        if labels is None or not len(labels):
            return
        merged = EventBatch.concat([self.waiting, labels]) if len(self.waiting) else labels
        self.waiting = merged.take(np.argsort(merged.event_time_ms, kind="stable"))

    def take(self, until_ms: int | None) -> EventBatch | None:
        """Those that are due by then, all with None."""
        times = self.waiting.event_time_ms
        count = len(times) if until_ms is None else int(np.searchsorted(times, until_ms, side="right"))
        taken = self.waiting.slice(0, count)
        self.waiting = self.waiting.slice(count, len(times))
        return taken if count else None


@dataclass(slots=True)
class _Aside:
    """Rows that are no events: they need no place in the order."""

    bad: list[BadRecord] = field(default_factory=list)
    skipped: int = 0

    def leaves(self, position: int) -> Iterator[SourceBatch]:
        if self.bad or self.skipped:
            yield SourceBatch("", NO_EVENTS, None, self.bad, position, None, self.skipped)


def merged(streams: Sequence[Iterator[SourceBatch]], batch_rows: int) -> Iterator[SourceBatch]:
    """All events of the streams by time; at the same time in the order of streams, and of rows within one.

    Holds about one batch of each stream. Bad records leave as they are read. A label leaves in the batch in
    which the events get to its time. `position` counts the bytes of all streams.
    """
    heads = [_Head(stream) for stream in streams]
    labels = _Labels()
    while True:
        aside = _fill(heads, labels)
        live = [head for head in heads if not head.ended]
        # What a stream will give next is not less than its last key: below the least of these all is known.
        bound = min((int(head.keys[-1]) for head in live), default=None)
        position = sum(head.position for head in heads)
        yield from aside.leaves(position)
        parts = [head.take(bound) for head in heads]
        yield from _in_batches(parts, labels, batch_rows, position)
        if bound is None:
            rest = labels.take(None)
            if rest is not None:
                yield SourceBatch("", NO_EVENTS, rest, [], position, None)
            return
        if not any(len(events) for events, _ in parts):
            for head in live:
                if head.keys[-1] == bound:
                    _read_into(head, labels, aside := _Aside())
                    yield from aside.leaves(position)


def _fill(heads: Sequence[_Head], labels: _Labels) -> _Aside:
    """Have rows of every stream at hand that has any left; what is no event of those read."""
    aside = _Aside()
    for head in heads:
        while not head.ended and not len(head.events):
            _read_into(head, labels, aside)
    return aside


def _read_into(head: _Head, labels: _Labels, aside: _Aside) -> None:
    batch = head.read()
    if batch is not None:
        labels.add(batch.labels)
        aside.bad += batch.bad
        aside.skipped += batch.skipped


def _in_batches(
    parts: Sequence[tuple[EventBatch, NDArray[np.int64]]], labels: _Labels, batch_rows: int, position: int
) -> Iterator[SourceBatch]:
    """The rows by key, cut where the time changes."""
    parts = [(events, keys) for events, keys in parts if len(events)]
    if not parts:
        return
    keys = np.concatenate([keys for _, keys in parts])
    events = EventBatch.concat([events for events, _ in parts])
    if len(parts) > 1:
        order = np.argsort(keys, kind="stable")
        events, keys = events.take(order), keys[order]
    times = keys // 2
    begin = 0
    while begin < len(events):
        last = times[min(begin + batch_rows, len(events)) - 1]
        cut = int(np.searchsorted(times, last, side="left"))
        end = len(events) if begin + batch_rows >= len(events) else cut
        if end <= begin:  # more at one time than a batch holds
            end = int(np.searchsorted(times, last, side="right"))
        part = events.slice(begin, end)
        yield SourceBatch("", part, labels.take(int(times[end - 1])), [], position, None)
        begin = end
