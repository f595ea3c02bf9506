"""Streams of Kinesis as a source: every shard from where the journal says, parents before their children.

    shard ──► GetRecords, several shards at once ──► aggregates apart ──► decode ──► batch with positions

The journal says where a shard goes on: its position commits with the events before it, so what is read twice
after a crash is not in the log, and nothing is left out. A log reads all shards of its streams, or those that
it has leases for (`leases.py`).
"""

from __future__ import annotations

import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import msgspec
from botocore.exceptions import ClientError

from ringfence.adapters.aws.clients import explained
from ringfence.adapters.kinesis.descriptions import PASSING, code_of, shards_of
from ringfence.adapters.kinesis.records import records_in, streamed_of
from ringfence.adapters.kinesis.shard_reading import ShardReading, StreamSeen, seen
from ringfence.adapters.kinesis.shards import ShardMark, gone, readable
from ringfence.adapters.kinesis.start_positions import Beginning, made_again
from ringfence.errors import StoreError
from ringfence.ports import Position
from ringfence.ports.sources import StreamBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ringfence.adapters.kinesis.address import KinesisAddress
    from ringfence.adapters.kinesis.leases import ShardLeases
    from ringfence.adapters.kinesis.records import Got
    from ringfence.adapters.kinesis.shards import Shard
    from ringfence.adapters.stream_records import StreamDecoding

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {
    "mapping": None,
    "format": ("auto", "cloudevents", "dynamodb"),
    "keep": None,
    "from": ("beginning", "end"),
    "on_gap": ("stop", "continue"),
    "consumer": None,
    "leases": None,
    "lease_seconds": None,
}
"""What an address may say of a source, with the values of each where they are few."""

_MOST_RECORDS: Final = 10_000  # that GetRecords gives, of 10 MB at most
_AT_ONCE: Final = 8  # shards that are asked at the same time
_BATCH_BYTES: Final = 16 << 20  # of one batch, about
_PAUSE_SECONDS: Final = 0.25  # between two questions to a shard: it answers five a second, to all who ask
_THROTTLED_SECONDS: Final = 1.0
_LOOK_SECONDS: Final = 30.0  # between two looks for shards of somebody who resharded
_IDLE_MS: Final = 3_600_000  # after which an idle shard's position is written again


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
        leases: ShardLeases | None = None,
        leave: Callable[[str, str], None] = lambda *_: None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`client` is boto3's of Kinesis, `positions` as of `Journal.positions`; `leases` share shards.

        `leave` is told the stream and name of each shard that is not read any more.
        """
        self.address = address
        self.problem = ""
        self.moves = 0
        self._client = client
        self._decoding = decoding
        self._now_ms = now_ms
        self._say, self._leave = say, leave
        self._leases = leases
        self._beginning = Beginning(client, positions, leases, address.options, now_ms, say)
        self._is_settled = True  # no shard waits for somebody who may not live
        self._streams: dict[str, StreamSeen] = {}
        self._readings: dict[tuple[str, str], ShardReading] = {}
        self._heard_of: deque[tuple[ShardReading, dict[str, Any]]] = deque()  # and not taken apart
        self._apart: deque[tuple[ShardReading, Got]] = deque()  # of one record, and not handed over
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
        self._streams = {name: seen(self._client, name, self._now_ms()) for name in self.address.streams}
        for stream in self._streams.values():
            for name, mark in self._beginning.of(stream).items():
                self._keep(stream, name, mark)
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
            if self._leases is not None:
                self._leases.beat()
            if not self._is_waiting and time.monotonic() - self._looked >= self._look_seconds:
                self._look()

    def close(self) -> None:
        """Leave the streams. Closing twice is allowed."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None
        for place in self._readings:
            self._leave(*place)
        if self._leases is not None:
            with suppress(StoreError):  # they run out by themselves
                self._leases.release()
            self._leases.forget()

    @property
    def _look_seconds(self) -> float:
        if self._leases is None:
            return _LOOK_SECONDS
        owes = any(stream.until for stream in self._streams.values())
        return _PAUSE_SECONDS if owes else min(self._leases.pause_seconds, _LOOK_SECONDS)

    @property
    def _is_waiting(self) -> bool:
        return bool(self._heard_of or self._apart)

    def _is_at_end(self) -> bool:
        """Whether every shard has been read to its newest record, after a look for new ones."""
        if self._is_waiting or not all(one.is_at_end for one in self._readings.values()):
            return False
        self._look()
        return self._is_settled and all(
            one.is_at_end and not one.shard.is_closed for one in self._readings.values()
        )

    def _look(self) -> None:
        """Read the shards that can be read now; one that is gone is refused, or passed over."""
        self._looked = time.monotonic()
        self._is_settled = True
        before, self._readings = self._readings, {}
        for name in self.address.streams:
            stream = self._current(name)
            shards = shards_of(self._client, name)
            ours = self._ours(stream, shards, before)
            for lost in gone(shards, stream.marks):
                if ours is None or lost in ours:
                    self._beginning.pass_over(f"{name}/{lost} is not there any more: retention took it")
                    self._keep(stream, lost, ShardMark(made_ms=stream.made_ms, is_read=True))
            for shard in readable(shards, stream.marks):
                if ours is not None and shard.name not in ours:
                    continue
                reading = before.get((name, shard.name))
                until = stream.until.get(shard.name, "")
                if reading is None or reading.stream is not stream or reading.until != until:
                    reading = ShardReading(stream, shard, until)
                reading.shard = shard
                self._readings[name, shard.name] = reading
                if shard.name not in stream.marks:  # from here on it is known when it was read last
                    self._keep(stream, shard.name, ShardMark(seen_ms=self._now_ms(), made_ms=stream.made_ms))
        for place in before.keys() - self._readings.keys():
            self._leave(*place)
        self.moves += self._readings.keys() != before.keys()

    def _ours(
        self, stream: StreamSeen, shards: list[Shard], before: dict[tuple[str, str], ShardReading]
    ) -> set[str] | None:
        """Shards that this node has leases for, or owes; None for all. What was lost is not read on."""
        if self._leases is None:
            return None
        fresh = ShardMark(seen_ms=self._now_ms(), made_ms=stream.made_ms, is_shared=True)
        marks = self._leases.load(stream.arn, self._beginning.own(stream)[1], fresh)
        owed = self._leases.owed(stream.arn)
        stream.until = {name: until for name, until in stream.until.items() if name in owed}
        for name in self._leases.lost(stream.arn):
            self._drop(before.pop((stream.name, name), None))
        stream.marks = marks | {name: stream.marks[name] for name in stream.until}
        wanted = [*(one.name for one in readable(shards, stream.marks)), *gone(shards, stream.marks)]
        wanted = [name for name in wanted if name not in stream.until]
        ours = self._leases.turn(stream.arn, wanted, fresh, stream.retention_ms)
        self._is_settled &= self._leases.is_settled(stream.arn, wanted)
        return ours | stream.until.keys()

    def _drop(self, reading: ShardReading | None) -> None:
        """Forget what was read of a shard that somebody else reads now, but for what is claimed."""
        if reading is None:
            return
        self._heard_of = deque(one for one in self._heard_of if one[0] is not reading)
        self._apart = deque(one for one in self._apart if one[0] is not reading or self._has_claimed(*one))
        self._leave(*reading.place)
        self._say(f"{'/'.join(reading.place)} is read by another node now")

    def _has_claimed(self, reading: ShardReading, got: Got) -> bool:
        leases = self._leases
        return leases is not None and leases.has_claimed(reading.stream.arn, reading.name, got.sequence)

    def _current(self, name: str) -> StreamSeen:
        """The stream of this name; one that was made since the last look is refused, or begun anew."""
        known, found = self._streams[name], seen(self._client, name, self._now_ms())
        if found.made_ms == known.made_ms:
            return known
        self._beginning.pass_over(made_again(name))
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
            time.sleep(min(turns[0].not_before - now, wait_seconds) if turns else wait_seconds)
            return
        for reading, answer in zip(due, self._pool.map(self._ask, due), strict=True):
            if answer is not None:
                self._heard(reading, answer)

    def _next(self, rows: int) -> list[tuple[ShardReading, Got]]:
        """At most so many records of those heard of, and not many more bytes than a batch may have."""
        taken: list[tuple[ShardReading, Got]] = []
        size = 0
        while self._is_waiting and len(taken) < rows and size < _BATCH_BYTES:
            if not self._apart:
                self._take_apart(*self._heard_of.popleft())
                continue
            taken.append(self._apart.popleft())
            size += len(taken[-1][1].raw)
        return taken

    def _take_apart(self, reading: ShardReading, record: dict[str, Any]) -> None:
        mark = reading.mark
        done = mark.part if mark.after == record["SequenceNumber"] else 0  # of an aggregate that was not done
        for got in records_in(record, reading.shard.keys):
            if got.part > done or not got.part:
                self._apart.append((reading, got))

    def _ask(self, reading: ShardReading) -> dict[str, Any] | None:
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
                    told = "the records that come next have been trimmed"
                    self._beginning.pass_over(f"{stream}/{reading.name}: {told}")
                    reading.iterator = None
                    self._move(reading, seen_ms=reading.mark.seen_ms, after="", part=0)
                elif code in PASSING:
                    self.problem = f"stream {stream}: {PASSING[code]}"
                    reading.not_before = time.monotonic() + _THROTTLED_SECONDS
                    if code == "ResourceInUseException":  # the leases say first whose shard it is
                        self._looked = 0.0
                else:
                    raise
                return None
        return found

    def _heard(self, reading: ShardReading, answer: dict[str, Any]) -> None:
        self.problem = ""
        reading.empty_pages = 0 if answer["Records"] else reading.empty_pages + 1
        reading.behind_ms = reading.behind(answer, self._now_ms())
        if reading.behind_ms >= reading.stream.retention_ms:
            self._beginning.pass_over(f"{'/'.join(reading.place)} is read more slowly than retention takes")
        reading.seen_ms = self._now_ms() - reading.behind_ms
        reading.iterator = answer.get("NextShardIterator")
        reading.is_over = reading.iterator is None
        reading.is_at_end = reading.behind_ms == 0 and not reading.is_over
        is_pushed = "consumer" in self.address.options
        reading.not_before = time.monotonic() + (0.0 if is_pushed else _PAUSE_SECONDS)  # each has its turn
        records, is_gone = reading.wanted(answer["Records"])
        if is_gone:
            place = "/".join(reading.place)
            self._beginning.pass_over(f"{place}: records are gone that this node has claimed and not decided")
            self._move(reading, after=reading.until, part=0)  # so that nothing is owed any more
        self._heard_of += [(reading, record) for record in records]
        if not answer["Records"] and reading.seen_ms - reading.mark.seen_ms > _IDLE_MS:
            self._move(reading)

    def _batch(self, taken: list[tuple[ShardReading, Got]]) -> StreamBatch:
        """Taken records, and where each shard goes on that has moved."""
        last = {one.place: (one, got) for one, got in taken}
        for reading, got in last.values():
            self._move_behind(reading, got)
        over = [] if self._is_waiting else [one for one in self._readings.values() if one.is_over]
        for reading in over:
            self._move(reading, is_read=True)
        lost = self._claim()
        kept = [one for one in taken if one[0].place not in lost or self._has_claimed(*one)]
        for reading, got in kept:
            if reading.place in lost:  # and yet ours: of an aggregate that was begun before
                self._move_behind(reading, got)
        streamed = [streamed_of(one.stream.name, one.name, got, self._decoding) for one, got in kept]
        piece = self._decoding(streamed, self._now_ms())
        self._records += len(streamed)
        positions = tuple(
            Position(stream.source, name, msgspec.json.encode(stream.marks[name]).decode())
            for stream, name in ((self._streams[one], name) for one, name in sorted(self._moved))
        )
        self._moved.clear()
        if over:
            self._look()
        batch = StreamBatch(piece.events, piece.labels, piece.bad, positions, self._records, None)
        return replace(batch, skipped=piece.skipped, empty=piece.empty)

    def _claim(self) -> set[tuple[str, str]]:
        """Claim what has moved; the shards that others have taken, which are left to them."""
        if self._leases is None:
            return set()
        lost: set[tuple[str, str]] = set()
        for stream in self._streams.values():
            moved = {name for of, name in self._moved if of == stream.name} - stream.until.keys()
            taken = self._leases.claim(stream.arn, {name: stream.marks[name] for name in moved})
            lost |= {(stream.name, name) for name in taken}
        for place in lost:
            self._drop(self._readings.pop(place, None))
            self.moves += 1
        self._moved -= lost
        return lost

    def _move_behind(self, reading: ShardReading, got: Got) -> None:
        self._move(reading, after=got.sequence, part=got.part % max(got.parts, 1), is_read=False)

    def _move(self, reading: ShardReading, **to: Any) -> None:
        mark = msgspec.structs.replace(reading.mark, **({"seen_ms": reading.seen_ms} | to))
        self._keep(reading.stream, reading.name, mark)

    def _keep(self, stream: StreamSeen, name: str, mark: ShardMark) -> None:
        stream.marks[name] = msgspec.structs.replace(mark, is_shared=self._leases is not None)
        self._moved.add((stream.name, name))
