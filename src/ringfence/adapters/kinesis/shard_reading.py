"""A stream that is read, and a shard of it at work."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.kinesis.descriptions import described
from ringfence.adapters.kinesis.shards import ShardMark

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ringfence.adapters.kinesis.shards import Shard

_HOUR_MS: Final = 3_600_000
_EMPTY_PAGES: Final = 8  # in a row; an open shard of a table gives some amid its records, too


@dataclass(slots=True)
class StreamSeen:
    """One stream: who it is, and all that is known of its shards."""

    name: str
    arn: str
    made_ms: int
    retention_ms: int
    now_ms: int  # by the clock of AWS
    marks: dict[str, ShardMark] = field(default_factory=dict)
    until: dict[str, str] = field(default_factory=dict)  # last record that is owed of a shard others may read

    @property
    def source(self) -> str:
        """Its name among the journal's positions."""
        return f"kinesis:{self.arn}"


def seen(client: Any, name: str, now_ms: int) -> StreamSeen:
    """The stream of this name as it is now; errors as of `described`."""
    told, at_ms = described(client, name, now_ms)
    made_ms = int(told["StreamCreationTimestamp"].timestamp() * 1000)
    return StreamSeen(name, told["StreamARN"], made_ms, int(told["RetentionPeriodHours"]) * _HOUR_MS, at_ms)


@dataclass(slots=True)
class ShardReading:
    """One shard at work."""

    stream: StreamSeen
    shard: Shard
    until: str = ""  # sequence number behind which nothing is wanted; empty for all
    iterator: str | None = None
    seen_ms: int = 0
    behind_ms: int = 0
    empty_pages: int = 0  # since the last record
    is_at_end: bool = False
    is_over: bool = False  # closed, and everything of it has been heard
    not_before: float = 0.0  # monotonic time of the next question

    @property
    def name(self) -> str:
        """Its name, as AWS has it."""
        return self.shard.name

    @property
    def place(self) -> tuple[str, str]:
        """Names of its stream and of itself."""
        return self.stream.name, self.shard.name

    @property
    def mark(self) -> ShardMark:
        """Where it goes on."""
        return self.stream.marks.get(self.name, ShardMark(made_ms=self.stream.made_ms))

    def wanted(self, records: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], bool]:
        """Those up to the last one that is wanted, and whether the rest of them is gone.

        Behind the last one, or where they are gone, nothing is asked any more.
        """
        if not self.until:
            return records, False
        found = [record for record in records if int(record["SequenceNumber"]) <= int(self.until)]
        is_there = bool(found) and found[-1]["SequenceNumber"] == self.until
        is_gone = not found and (bool(records) or self.is_at_end or self.is_over)
        self.is_over = False
        if is_there or is_gone:
            self.is_at_end, self.not_before = True, math.inf
        elif found and len(found) < len(records):
            self.iterator = None  # to be asked again behind those that are there
        return found, is_gone

    def behind(self, answer: Mapping[str, Any], now_ms: int) -> int:
        """Milliseconds; where AWS does not tell, by the last record, and none after enough empty pages."""
        if "MillisBehindLatest" in answer:
            return int(answer["MillisBehindLatest"])
        if not answer["Records"]:
            return 0 if self.empty_pages >= _EMPTY_PAGES else max(self.behind_ms, 1)
        came_ms = int(answer["Records"][-1]["ApproximateArrivalTimestamp"].timestamp() * 1000)
        return min(max(now_ms - came_ms, 1), self.stream.retention_ms - 1)
