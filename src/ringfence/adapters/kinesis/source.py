"""Streams of Kinesis as a source: every shard from where the journal says, parents before their children.

    shard ──► GetRecords, several shards at once ──► aggregates apart ──► decode ──► batch with positions

The journal alone says where a shard goes on: its position commits with the events before it, so what is read
twice after a crash is not in the log, and nothing is left out. A log reads all shards of its streams.
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
from botocore.exceptions import ClientError

from ringfence.adapters.aws.clients import explained
from ringfence.adapters.kinesis.records import records_in, streamed_of
from ringfence.adapters.kinesis.shards import Shard, ShardMark, gone, readable
from ringfence.adapters.kinesis.told import code_of, described
from ringfence.errors import InputError
from ringfence.ports import Position
from ringfence.ports.sources import StreamBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ringfence.adapters.kinesis.address import KinesisAddress
    from ringfence.adapters.kinesis.records import Got
    from ringfence.adapters.stream_records import StreamDecoding

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {
    "mapping": None,
    "format": ("auto", "cloudevents", "dynamodb"),
    "keep": None,
    "from": ("beginning", "end"),
    "on_gap": ("stop", "continue"),
}
"""What an address may say of a source, with the values of each where they are few."""

_MOST_RECORDS: Final = 10_000  # that GetRecords gives, of 10 MB at most
_AT_ONCE: Final = 8  # shards that are asked at the same time
_BATCH_BYTES: Final = 16 << 20  # of one batch, about
_PAUSE_SECONDS: Final = 0.25  # between two questions to a shard: it answers five a second, to all who ask
_THROTTLED_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 30.0  # between two looks for shards of somebody who resharded
_EMPTY_PAGES: Final = 8  # in a row; an open shard of a table gives some amid its records, too
_IDLE_MS: Final = 3_600_000  # after which an idle shard's position is written again
_HOUR_MS: Final = 3_600_000
_THROTTLED: Final = frozenset({"ProvisionedThroughputExceededException", "LimitExceededException"})


@dataclass(slots=True)
class _Reading:
    """One shard at work."""

    stream: _Stream
    shard: Shard
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
    def mark(self) -> ShardMark:
        """Where it goes on."""
        return self.stream.marks.get(self.name, ShardMark(made_ms=self.stream.made_ms))


@dataclass(slots=True)
class _Stream:
    """One stream: who it is, and all that is known of its shards."""

    name: str
    arn: str
    made_ms: int
    retention_ms: int
    now_ms: int  # by the clock of AWS
    marks: dict[str, ShardMark] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Its name among the journal's positions."""
        return f"kinesis:{self.arn}"


class KinesisSource:
    """The streams of one address. One thread at a time, but for what people are told."""

    def __init__(
        self,
        address: KinesisAddress,
        client: Any,
        decoding: StreamDecoding,
        positions: Callable[[str], dict[str, str]],
        now_ms: Callable[[], int],
        *,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`client` is boto3's of Kinesis; `positions` as of `Journal.positions`."""
        self.address = address
        self.problem = ""
        self.moves = 0
        self._client = client
        self._decoding = decoding
        self._positions = positions
        self._now_ms = now_ms
        self._say = say
        self._streams: dict[str, _Stream] = {}
        self._readings: dict[tuple[str, str], _Reading] = {}
        self._heard_of: deque[tuple[_Reading, dict[str, Any]]] = deque()  # and not taken apart
        self._apart: deque[tuple[_Reading, Got]] = deque()  # of one record, and not handed over
        self._moved: set[tuple[str, str]] = set()  # whose marks are written with the next batch
        self._pool: ThreadPoolExecutor | None = None
        self._looked = 0.0
        self._records = 0

    @property
    def name(self) -> str:
        """For people, without options."""
        return self.address.shown

    @property
    def is_open(self) -> bool:
        """Whether it has been taken up and not been closed."""
        return self._pool is not None

    @property
    def lag(self) -> int:
        """0: Kinesis does not count the records that wait; `behind_ms` tells how old they are."""
        return 0

    @property
    def behind_ms(self) -> int:
        """How far the slowest shard is behind the newest record there."""
        return max((one.behind_ms for one in list(self._readings.values())), default=0)

    @property
    def parts(self) -> int:
        """Shards that are read."""
        return len(self._readings)

    def open(self) -> None:
        """Find the streams and take each shard up where the journal says.

        `InputError` where a stream is missing, or records that come next are gone; `StoreError` where AWS
        refuses or does not answer.
        """
        self.close()
        self.problem = ""
        self._readings = {}
        self._heard_of.clear()
        self._apart.clear()
        self._moved.clear()
        self._streams = {name: self._found(name) for name in self.address.streams}
        for stream in self._streams.values():
            self._begin(stream)
        self._pool = ThreadPoolExecutor(_AT_ONCE, "ringfence-kinesis")
        self._look()

    def batches(
        self, rows: int, *, until_end: bool = False, wait_seconds: float = 0.1, is_over: Callable[[], bool]
    ) -> Iterator[StreamBatch]:
        """Batches of at most `rows` records as they come, an empty one while nothing does, until `is_over`.

        With `until_end` to the newest record of every shard.
        """
        while not is_over():
            if not self._is_waiting:
                self._ask_some(wait_seconds)
            yield self._batch(self._next(rows))
            if until_end and self._is_at_end():
                for reading in self._readings.values():
                    self._move(reading)
                yield self._batch([])
                return
            if not self._is_waiting and time.monotonic() - self._looked >= _LOOK_SECONDS:
                self._look()

    def close(self) -> None:
        """Leave the streams. Closing twice is allowed."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    @property
    def _is_waiting(self) -> bool:
        return bool(self._heard_of or self._apart)

    def _is_at_end(self) -> bool:
        """Whether every shard has been read to its newest record, after a look for new ones."""
        if self._is_waiting or not all(one.is_at_end for one in self._readings.values()):
            return False
        self._look()
        return all(one.is_at_end and not one.shard.is_closed for one in self._readings.values())

    def _found(self, name: str) -> _Stream:
        told, now_ms = described(self._client, name, self._now_ms())
        made_ms = int(told["StreamCreationTimestamp"].timestamp() * 1000)
        kept_ms = int(told["RetentionPeriodHours"]) * _HOUR_MS
        return _Stream(name, told["StreamARN"], made_ms, kept_ms, now_ms)

    def _begin(self, stream: _Stream) -> None:
        """Read the journal's marks; what is gone is refused, or passed over where the address says so."""
        kept = self._positions(stream.source)
        marks = {name: msgspec.json.decode(value, type=ShardMark) for name, value in kept.items()}
        stream.marks = {name: mark for name, mark in marks.items() if mark.made_ms == stream.made_ms}
        if marks and not stream.marks:
            self._pass_over(_made_again(stream.name))
        now_ms = self._now_ms()
        for name, mark in stream.marks.items():
            away_ms = now_ms - mark.seen_ms
            if not mark.is_read and away_ms > stream.retention_ms:
                self._pass_over(
                    f"{stream.name}/{name} was last read {away_ms // _HOUR_MS} hours ago, and the stream "
                    f"keeps records for {stream.retention_ms // _HOUR_MS}: some may be gone"
                )
        if not marks and self.address.options.get("from") == "end":
            for shard in self._shards(stream):
                mark = ShardMark("", 0, stream.now_ms, now_ms, stream.made_ms, shard.is_closed)
                self._keep(stream, shard.name, mark)

    def _pass_over(self, said: str) -> None:
        if self.address.options.get("on_gap") != "continue":
            raise InputError(f"{said}. Add on_gap=continue to the address to go on, with a hole")
        self._say(f"Warning: {said}. Going on, as on_gap=continue says")

    def _shards(self, stream: _Stream) -> list[Shard]:
        found: list[Shard] = []
        asked: dict[str, Any] = {"StreamName": stream.name}
        while asked:
            with explained(f"stream {stream.name}"):
                answer = self._client.list_shards(**asked)
            for told in answer["Shards"]:
                parents = (told.get("ParentShardId"), told.get("AdjacentParentShardId"))
                is_closed = "EndingSequenceNumber" in told["SequenceNumberRange"]
                span = told["HashKeyRange"]
                keys = int(span["StartingHashKey"]), int(span["EndingHashKey"])
                found.append(Shard(told["ShardId"], tuple(filter(None, parents)), is_closed, keys))
            asked = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else {}
        return found

    def _look(self) -> None:
        """Read the shards that can be read now; one that is gone is refused, or passed over."""
        self._looked = time.monotonic()
        before, self._readings = self._readings, {}
        for name in self.address.streams:
            stream = self._current(name)
            shards = self._shards(stream)
            for lost in gone(shards, stream.marks):
                self._pass_over(f"{name}/{lost} is not there any more: retention took it")
                self._keep(stream, lost, ShardMark(made_ms=stream.made_ms, is_read=True))
            for shard in readable(shards, stream.marks):
                reading = before.get((name, shard.name))
                if reading is None or reading.stream is not stream:
                    reading = _Reading(stream, shard)
                reading.shard = shard
                self._readings[name, shard.name] = reading
                if shard.name not in stream.marks:  # from here on it is known when it was read last
                    self._keep(stream, shard.name, ShardMark(seen_ms=self._now_ms(), made_ms=stream.made_ms))
        self.moves += self._readings.keys() != before.keys()

    def _current(self, name: str) -> _Stream:
        """The stream of this name; one that was made since the last look is refused, or begun anew."""
        known, found = self._streams[name], self._found(name)
        if found.made_ms == known.made_ms:
            return known
        self._pass_over(_made_again(name))
        self._moved = {one for one in self._moved if one[0] != name}
        self._streams[name] = found
        return found

    def _ask_some(self, wait_seconds: float) -> None:
        """What the shards have that wait longest for their turn; waits for the first turn."""
        assert self._pool is not None
        now = time.monotonic()
        turns = sorted(self._readings.values(), key=lambda one: one.not_before)
        due = [one for one in turns[:_AT_ONCE] if one.not_before <= now]
        if not due:
            first = turns[0].not_before if turns else now + wait_seconds
            time.sleep(max(min(first - now, wait_seconds), 0.0))
            return
        for reading, answer in zip(due, self._pool.map(self._ask, due), strict=True):
            if answer is not None:
                self._heard(reading, answer)

    def _next(self, rows: int) -> list[tuple[_Reading, Got]]:
        """At most so many records of those heard of, and not many more bytes than a batch may have."""
        taken: list[tuple[_Reading, Got]] = []
        size = 0
        while self._is_waiting and len(taken) < rows and size < _BATCH_BYTES:
            if not self._apart:
                self._take_apart(*self._heard_of.popleft())
                continue
            taken.append(self._apart.popleft())
            size += len(taken[-1][1].raw)
        return taken

    def _take_apart(self, reading: _Reading, record: dict[str, Any]) -> None:
        mark = reading.mark
        done = mark.part if mark.after == record["SequenceNumber"] else 0  # of an aggregate that was not done
        for got in records_in(record, reading.shard.keys):
            if got.part > done or not got.part:
                self._apart.append((reading, got))

    def _ask(self, reading: _Reading) -> dict[str, Any] | None:
        """What a shard has; None where it is to be asked again. Runs beside questions to other shards."""
        stream = reading.stream.name
        with explained(f"stream {stream}"):
            try:
                if reading.iterator is None:
                    reading.iterator = self._client.get_shard_iterator(
                        StreamName=stream, ShardId=reading.name, **reading.mark.start
                    )["ShardIterator"]
                asked = {"ShardIterator": reading.iterator, "Limit": _MOST_RECORDS}
                found: dict[str, Any] = self._client.get_records(**asked)
            except ClientError as error:
                code = code_of(error)
                if code == "ExpiredIteratorException":  # five minutes have passed since it was given
                    reading.iterator = None
                elif code == "TrimmedDataAccessException":  # of tables: Kinesis begins with what is left
                    self._pass_over(f"{stream}/{reading.name}: the records that come next have been trimmed")
                    reading.iterator = None
                    self._move(reading, seen_ms=reading.mark.seen_ms, after="", part=0)
                elif code in _THROTTLED:
                    self.problem = f"stream {stream}: AWS throttles reading, because others read it as well"
                    reading.not_before = time.monotonic() + _THROTTLED_SECONDS
                else:
                    raise
                return None
        return found

    def _heard(self, reading: _Reading, answer: dict[str, Any]) -> None:
        self._heard_of += [(reading, record) for record in answer["Records"]]
        self.problem = ""
        reading.empty_pages = 0 if answer["Records"] else reading.empty_pages + 1
        reading.behind_ms = self._behind(reading, answer)
        if reading.behind_ms >= reading.stream.retention_ms:
            self._pass_over(f"{reading.stream.name}/{reading.name} is read more slowly than retention takes")
        reading.seen_ms = self._now_ms() - reading.behind_ms
        reading.iterator = answer.get("NextShardIterator")
        reading.is_over = reading.iterator is None
        reading.is_at_end = reading.behind_ms == 0 and not reading.is_over
        reading.not_before = time.monotonic() + _PAUSE_SECONDS
        if not answer["Records"] and reading.seen_ms - reading.mark.seen_ms > _IDLE_MS:
            self._move(reading)

    def _behind(self, reading: _Reading, answer: dict[str, Any]) -> int:
        """Milliseconds; where AWS does not tell, by the last record, and none after enough empty pages."""
        if "MillisBehindLatest" in answer:
            return int(answer["MillisBehindLatest"])
        if not answer["Records"]:
            return 0 if reading.empty_pages >= _EMPTY_PAGES else max(reading.behind_ms, 1)
        came_ms = int(answer["Records"][-1]["ApproximateArrivalTimestamp"].timestamp() * 1000)
        return min(max(self._now_ms() - came_ms, 1), reading.stream.retention_ms - 1)

    def _batch(self, taken: list[tuple[_Reading, Got]]) -> StreamBatch:
        """Taken records, and where each shard goes on that has moved."""
        streamed = (streamed_of(one.stream.name, one.name, got, self._decoding) for one, got in taken)
        piece = self._decoding(streamed, self._now_ms())
        last = {(one.stream.name, one.name): (one, got) for one, got in taken}
        for reading, got in last.values():
            self._move(reading, after=got.sequence, part=got.part if got.part < got.parts else 0)
        self._records += len(taken)
        if not self._is_waiting and any(one.is_over for one in self._readings.values()):
            for reading in self._readings.values():
                if reading.is_over:
                    self._move(reading, is_read=True)
            self._look()
        positions = tuple(
            Position(stream.source, name, msgspec.json.encode(stream.marks[name]).decode())
            for stream, name in ((self._streams[one], name) for one, name in sorted(self._moved))
        )
        self._moved.clear()
        return StreamBatch(
            piece.events, piece.labels, piece.bad, positions, self._records, None, piece.skipped
        )

    def _move(self, reading: _Reading, **to: Any) -> None:
        mark = msgspec.structs.replace(reading.mark, **({"seen_ms": reading.seen_ms} | to))
        self._keep(reading.stream, reading.name, mark)

    def _keep(self, stream: _Stream, name: str, mark: ShardMark) -> None:
        stream.marks[name] = mark
        self._moved.add((stream.name, name))


def _made_again(stream: str) -> str:
    return f"stream {stream} was deleted and made again since: all it holds is new"
