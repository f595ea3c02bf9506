"""The few places where Ringfence meets the world, written for whoever implements one.

Each port has one exam in `ringfence.testing` that every adapter sits. An adapter may block; the caller decides on which
thread. What must hold after a crash is said per method.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EVENTS = "events"
"""Topic of all input events, in the order in which they take effect."""

DECISIONS = "decisions"
"""Topic of decisions; a decision has the offset of its event."""


@dataclass(frozen=True, slots=True)
class LogBatch:
    """A run of consecutive records of one topic: what is appended and what is read back.

    `payload` is opaque to the log. Records of the batch have offsets `base_offset` to `base_offset + count - 1`.
    """

    topic: str
    base_offset: int
    count: int
    first_time_ms: int  # least and greatest event time inside, for pruning scans and for retention
    last_time_ms: int
    payload: bytes

    @property
    def next_offset(self) -> int:
        """Offset after the last record."""
        return self.base_offset + self.count


class EventLog(Protocol):
    """Ordered, durable batches of records by topic. One writer, any number of readers."""

    def append(self, batches: Sequence[LogBatch]) -> None:
        """Commit all batches, of whatever topics, in one transaction.

        Called by one thread at a time; returns after the data is on stable storage: a crash at any later instant keeps all
        of it, a crash before keeps all or nothing. Each `base_offset` must equal `end_offset(topic)` (or that plus earlier
        batches of this call): otherwise `ConflictError` and nothing is written. `StoreFullError` when there is no room.
        """
        ...

    def end_offset(self, topic: str) -> int:
        """Offset of the next record to be appended; 0 for a topic that does not exist yet."""
        ...

    def start_offset(self, topic: str) -> int:
        """Offset of the oldest record still kept."""
        ...

    def read(self, topic: str, offset: int = 0, end: int | None = None) -> Iterator[LogBatch]:
        """Whole batches in order, from the one that holds `offset` up to `end` (not included) or to the end as it is when
        reading gets there. May run on other threads while `append` works. `CorruptError` names a batch whose checksum fails.
        """
        ...

    def topics(self) -> list[str]:
        """Names of all topics that have held records, sorted."""
        ...

    def commit_reader(self, reader: str, topic: str, offset: int) -> None:
        """Remember durably that `reader` has dealt with everything before `offset`."""
        ...

    def reader_offset(self, reader: str, topic: str) -> int:
        """What `commit_reader` remembered; 0 for a reader not seen yet."""
        ...

    def readers(self) -> list[tuple[str, str, int]]:
        """All (reader, topic, offset)."""
        ...

    def trim(self, topic: str, before_offset: int) -> int:
        """Forget whole batches that end at or before this offset; returns how many records went. Offsets never change."""
        ...

    def close(self) -> None:
        """Release everything. Closing twice is allowed."""
        ...


class Clock(Protocol):
    """Wall-clock time as an argument."""

    def now_ms(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...
