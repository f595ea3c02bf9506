"""The activations of a log: each part of it is read once, however often and from wherever it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ringfence.events import codec
from ringfence.events.activation import is_activation, places, versions
from ringfence.ports import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.events.activation import ActiveVersion
    from ringfence.ports import EventLog


class Activated(NamedTuple):
    """An activation, where it stands in the log, and where it was taken over from; empty where made here."""

    offset: int
    version: ActiveVersion
    place: str


class Activations:
    """What has taken effect in a log, kept for as long as the process runs: a few dozen bytes for each."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._begin = self._end = -1  # what has been read
        self._read: list[Activated] = []

    def since(self, offset: int) -> list[Activated]:
        """In the order of the log, from an offset on."""
        begin, end = max(offset, self._log.start_offset(EVENTS)), self._log.end_offset(EVENTS)
        if self._end < 0:
            self._begin = self._end = end
        if begin < self._begin:
            self._read[:0] = self._between(begin, self._begin)
            self._begin = begin
        self._read += self._between(self._end, end)
        self._end = max(self._end, end)
        return [one for one in self._read if one.offset >= offset]

    def at(self, offset: int) -> Activated | None:
        """The one at an offset, of which one batch is read; None where something else stands there."""
        return next(self._between(offset, offset + 1), None)

    def _between(self, begin: int, end: int) -> Iterator[Activated]:
        for batch in self._log.read(EVENTS, begin, end):
            events = codec.decode(batch.payload) if batch.count == 1 else None  # it is a batch of its own
            if events is None or batch.base_offset < begin or not is_activation(events):
                continue
            ((_, _, place),) = places(events)
            (version,) = versions(events)
            yield Activated(batch.base_offset, version, place)
