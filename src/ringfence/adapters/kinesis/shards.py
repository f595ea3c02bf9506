"""Which shards of a stream are read now: a child only once its parents have been read to their ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class ShardMark(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a shard goes on: behind a record, at a time, or at its beginning where both are empty.

    Attributes:
        after: sequence number of the last record taken.
        part: how many records of it have been taken, where it is an aggregate that is not done; else 0.
        since_ms: arrival time from which on records are wanted, where none was taken yet.
        seen_ms: when the shard was last known to hold nothing older that has not been taken.
        made_ms: when the stream was made, which tells it from one that was made again under its name.
        is_read: whether it is closed and has been read to its end.
        is_shared: whether other nodes read the shard as well, each what it has a lease for.
    """

    after: str = ""
    part: int = 0
    since_ms: int = 0
    seen_ms: int = 0
    made_ms: int = 0
    is_read: bool = False
    is_shared: bool = False

    @property
    def start(self) -> dict[str, Any]:
        """Where an iterator begins, in the words of GetShardIterator."""
        if self.after:
            kind = "AT_SEQUENCE_NUMBER" if self.part else "AFTER_SEQUENCE_NUMBER"
            return {"ShardIteratorType": kind, "StartingSequenceNumber": self.after}
        if self.since_ms:
            return {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": self.since_ms / 1000}
        return {"ShardIteratorType": "TRIM_HORIZON"}


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard as AWS lists it; a closed one takes no more records. `keys`: first and last hash key."""

    name: str
    parents: tuple[str, ...]
    is_closed: bool
    keys: tuple[int, int] = (0, 2**128 - 1)


def readable(shards: Iterable[Shard], marks: Mapping[str, ShardMark]) -> list[Shard]:
    """Shards to be read now, by name: not read to the end, and no parent that is listed is unread.

    >>> shards = [Shard("a", (), True), Shard("b", ("a",), False), Shard("c", ("a",), False)]
    >>> [shard.name for shard in readable(shards, {})]
    ['a']
    >>> [shard.name for shard in readable(shards, {"a": ShardMark(is_read=True)})]
    ['b', 'c']
    """
    listed = sorted(shards, key=lambda shard: shard.name)
    unread = {shard.name for shard in listed if not _is_read(shard.name, marks)}
    return [shard for shard in listed if shard.name in unread and not unread.intersection(shard.parents)]


def gone(shards: Iterable[Shard], marks: Mapping[str, ShardMark]) -> list[str]:
    """Shards that were begun, are not listed any more, and have not been read to their ends."""
    listed = {shard.name for shard in shards}
    return sorted(name for name, mark in marks.items() if name not in listed and not mark.is_read)


def _is_read(name: str, marks: Mapping[str, ShardMark]) -> bool:
    mark = marks.get(name)
    return mark is not None and mark.is_read
