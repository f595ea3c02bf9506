"""An event log in memory: the first to sit the exam, and enough for tests."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING
from uuid import uuid4

from ringfence.errors import CorruptError, StoreError
from ringfence.ports import end_offsets_after

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ringfence.ports import LogBatch


@dataclass
class _Topic:
    batches: list[tuple[LogBatch, int]] = field(default_factory=list)  # with checksums
    start: int = 0
    end: int = 0


@dataclass
class MemoryDisk:
    """What outlives a closed `MemoryLog`: open another over it to reopen the log."""

    topics: dict[str, _Topic] = field(default_factory=dict)
    readers: dict[tuple[str, str], int] = field(default_factory=dict)
    lock: Lock = field(default_factory=Lock)
    identity: str = field(default_factory=lambda: uuid4().hex)

    def corrupt(self, topic: str, base_offset: int) -> None:
        """Flip a bit in the stored payload of one batch."""
        batches = self.topics[topic].batches
        for index, (batch, checksum) in enumerate(batches):
            if batch.base_offset == base_offset:
                damaged = bytes([batch.payload[0] ^ 1]) + batch.payload[1:]
                batches[index] = (replace(batch, payload=damaged), checksum)


class MemoryLog:
    """`ringfence.ports.EventLog` in memory.

    >>> from ringfence.ports import LogBatch
    >>> log = MemoryLog()
    >>> log.append([LogBatch("events", 0, 2, 10, 20, b"two records")])
    >>> log.end_offset("events"), [batch.payload for batch in log.read("events", 1)]
    (2, [b'two records'])
    """

    def __init__(self, disk: MemoryDisk | None = None) -> None:
        self._disk = disk or MemoryDisk()
        self._closed = False

    @property
    def identity(self) -> str:
        return self._open_disk().identity

    def append(self, batches: Sequence[LogBatch]) -> None:
        disk = self._open_disk()
        with disk.lock:
            ends = end_offsets_after(batches, self.end_offset)
            for batch in batches:
                disk.topics.setdefault(batch.topic, _Topic()).batches.append((batch, batch.checksum()))
            for topic, end in ends.items():
                disk.topics[topic].end = end

    def end_offset(self, topic: str) -> int:
        return self._open_disk().topics.get(topic, _Topic()).end

    def start_offset(self, topic: str) -> int:
        return self._open_disk().topics.get(topic, _Topic()).start

    def read(self, topic: str, offset: int = 0, end: int | None = None) -> Iterator[LogBatch]:
        while True:
            found = self._next_batch(topic, offset, end)
            if found is None:
                return
            batch, checksum = found
            if batch.checksum() != checksum:
                raise CorruptError(
                    f"topic {topic!r}, batch at offset {batch.base_offset}: its checksum does not match"
                )
            yield batch
            offset = batch.next_offset

    def _next_batch(self, topic: str, offset: int, end: int | None) -> tuple[LogBatch, int] | None:
        disk = self._open_disk()
        with disk.lock:
            batches = disk.topics.get(topic, _Topic()).batches
            index = bisect_right(batches, offset, key=lambda stored: stored[0].next_offset)
            if index == len(batches) or (end is not None and batches[index][0].base_offset >= end):
                return None
            return batches[index]

    def topics(self) -> list[str]:
        return sorted(self._open_disk().topics)

    def commit_reader(self, reader: str, topic: str, offset: int) -> None:
        self._open_disk().readers[reader, topic] = offset

    def reader_offset(self, reader: str, topic: str) -> int:
        return self._open_disk().readers.get((reader, topic), 0)

    def forget_reader(self, reader: str) -> None:
        disk = self._open_disk()
        disk.readers = {key: at for key, at in disk.readers.items() if key[0] != reader}

    def readers(self) -> list[tuple[str, str, int]]:
        return sorted(
            (reader, topic, offset) for (reader, topic), offset in self._open_disk().readers.items()
        )

    def trim(self, topic: str, before_offset: int) -> int:
        disk = self._open_disk()
        with disk.lock:
            kept = disk.topics.get(topic, _Topic())
            count = bisect_right(kept.batches, before_offset, key=lambda stored: stored[0].next_offset)
            gone = kept.batches[:count]
            kept.batches = kept.batches[count:]
            if gone:
                kept.start = gone[-1][0].next_offset
            return sum(batch.count for batch, _ in gone)

    def close(self) -> None:
        self._closed = True

    def _open_disk(self) -> MemoryDisk:
        if self._closed:
            raise StoreError("this log is closed: open it again")
        return self._disk
