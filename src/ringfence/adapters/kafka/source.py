"""Topics of Kafka as a source: every partition from where the journal says, in the order of arrival.

    broker ──► librdkafka's queue (bounded) ──► consume ──► decode ──► batch with the positions after it

The journal alone says where a partition goes on: its position commits with the events before it, so what is
read twice after a crash is not in the log, and nothing is left out. Partitions are assigned, not shared out
by a group; offsets are told to the group as well, for people and tools that watch lag there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from ringfence.adapters.kafka.client import SECONDS, KafkaClient
from ringfence.adapters.kafka.places import TopicPlaces, mark_in
from ringfence.adapters.kafka.records import says_structured, standing_in, streamed_of
from ringfence.errors import InputError, StoreError
from ringfence.ports import Position
from ringfence.ports.sources import StreamBatch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from confluent_kafka import Message

    from ringfence.adapters.files.readers import FilePiece
    from ringfence.adapters.kafka.registry import SchemaRegistry
    from ringfence.adapters.stream_records import RecordDecoding

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {
    "mapping": None,
    "format": ("auto", "cloudevents"),
    "keep": None,
    "from": ("beginning", "end"),
    "on_gap": ("stop", "continue"),
}
"""What an address may say of a source, with the values of each where they are few."""

QUEUE_KILOBYTES: Final = 32 * 1024
"""Bytes that the client library fetches ahead: while it is full, partitions are not fetched."""

_CHUNK: Final = 2000  # messages taken from the library at a time
_CHUNK_BYTES: Final = 16 << 20  # of one batch, about
_LOOK_SECONDS: Final = 30.0  # between two looks for new partitions
_PROBE_SECONDS: Final = 3.0  # that brokers have for an answer before the end
_TELL_SECONDS: Final = 5.0  # between two commits of offsets to the group


@dataclass(slots=True)
class Partition:
    """One partition at work: where it goes on, where it ended when last heard of, and when it began."""

    topic: str
    number: int
    next: int
    end: int


@dataclass(slots=True)
class State:
    """What people are told of a source; written by the thread that reads."""

    partitions: dict[tuple[str, int], Partition] = field(default_factory=dict)
    records: int = 0
    skipped: int = 0
    bad: int = 0
    assignments: int = 0  # how often the set of partitions has changed

    @property
    def lag(self) -> int:
        """Messages in the topics that have not been taken."""
        return sum(max(one.end - one.next, 0) for one in list(self.partitions.values()))


class KafkaSource:
    """The topics of one address. One thread at a time, but for `state` and `problem`."""

    def __init__(
        self,
        client: KafkaClient,
        decoding: RecordDecoding,
        positions: Callable[[str], dict[str, str]],
        now_ms: Callable[[], int],
        *,
        group: str,
        registry: SchemaRegistry | None = None,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`positions` as of `Journal.positions`; `group` is told of offsets, for who watches lag there.

        `registry` knows the schemas of values that name theirs.
        """
        self.address = client.address
        self.state = State()
        self._client = client
        self._decoding = decoding
        self._registry = registry
        self._positions = positions
        self._now_ms = now_ms
        self._say = say
        self._group = group
        self._cluster = ""
        self._places = TopicPlaces(client, say)
        self._looked = self._told = time.monotonic()
        self._consumer: Any = None
        self._at_end: set[tuple[str, int]] = set()  # partitions that have nothing more right now

    @property
    def problem(self) -> str:
        """Why nothing comes although something may be there; empty while all is well."""
        return self._client.problem

    @property
    def name(self) -> str:
        """For people, without options."""
        return self.address.shown

    @property
    def is_open(self) -> bool:
        """Whether it has been taken up and not been closed."""
        return self._consumer is not None

    @property
    def lag(self) -> int:
        """Messages in the topics that have not been taken."""
        return self.state.lag

    @property
    def behind_ms(self) -> int:
        """0: brokers count the messages that wait."""
        return 0

    @property
    def parts(self) -> int:
        """Partitions that are read."""
        return len(self.state.partitions)

    @property
    def moves(self) -> int:
        """How often the set of partitions has changed."""
        return self.state.assignments

    def open(self) -> None:
        """Find the topics and take each partition up where the journal says.

        `InputError` where a topic is missing, the user is refused, or records that come next are gone;
        `StoreError` where no broker answers.
        """
        self.close()
        self._client.problem = ""
        self.state.partitions.clear()
        self._at_end.clear()
        self._consumer = self._client.made(
            Consumer,
            group_id=self._group,
            enable_auto_commit=False,
            enable_partition_eof=True,
            auto_offset_reset="error",
            allow_auto_create_topics=False,
            isolation_level="read_committed",
            queued_max_messages_kbytes=QUEUE_KILOBYTES,
        )
        try:
            self._poll_errors()
            self._places.take_up()
            assigned = [part for topic in self.address.topics for part in self._parts_of(topic)]
        except BaseException:
            self.close()
            raise
        self._consumer.assign(assigned)
        self.state.assignments += 1

    def batches(
        self, rows: int, *, until_end: bool = False, wait_seconds: float = 0.1, is_over: Callable[[], bool]
    ) -> Iterator[StreamBatch]:
        """Batches of at most `rows` messages as they come, an empty one while nothing does, until `is_over`.

        With `until_end` to where the partitions ended at the beginning: one that grows all the time, as under
        the ticks of a Flink job, has no other end.
        """
        ends = {place: part.end for place, part in self.state.partitions.items()}
        while not is_over():
            yield self._batch(self._consume(rows, wait_seconds))
            if until_end and self._is_through(ends):
                return
            self._look_around()

    def close(self) -> None:
        """Leave the brokers. Closing twice is allowed."""
        if self._consumer is not None:
            if self.state.records and not self._client.problem and self._is_answered():
                self._tell(wait=True)
            self._consumer.close()
            self._consumer = None

    def _is_answered(self) -> bool:
        """Whether brokers are there right now: to tell the group would else hold up an end for a minute."""
        try:
            self._consumer.list_topics(self.address.topics[0], timeout=_PROBE_SECONDS)
        except KafkaException:
            return False
        return True

    def _is_through(self, ends: dict[tuple[str, int], int]) -> bool:
        """Whether each partition has been read to this end, or has nothing more; new ones are entered."""
        return all(
            place in self._at_end or part.next >= ends.setdefault(place, part.end)
            for place, part in self.state.partitions.items()
        )

    def _poll_errors(self) -> None:
        """Learn who the cluster is; the first request meets all that can be wrong with an address."""
        self._consumer.poll(0)
        try:
            found = self._consumer.list_topics(timeout=SECONDS)
        except KafkaException as error:
            self._consumer.poll(0)
            raise self._client.explained(error.args[0], "asking for its topics") from None
        self._cluster = found.cluster_id or self.address.brokers
        for topic in self.address.topics:
            missing = found.topics.get(topic)
            if missing is None or missing.error is not None:
                known = [name for name in found.topics if not name.startswith("__")]
                listed = ", ".join(sorted(known)[:10]) or "none"
                raise InputError(
                    f"there is no topic {topic!r} at {self.address.brokers}, or this user may not read it; "
                    f"topics there: {listed}"
                )

    def _parts_of(self, topic: str, but: frozenset[int] = frozenset()) -> list[TopicPartition]:
        """The partitions of a topic, each at the place where it goes on."""
        found = self._consumer.list_topics(topic, timeout=SECONDS).topics[topic]
        if found.error is not None and found.error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise InputError(f"topic {topic} is gone: it was deleted while it was read")
        if found.error is not None:
            raise self._client.explained(found.error, f"asking for the partitions of {topic}")
        kept = self._positions(self._source(topic))
        numbers = sorted(set(found.partitions) - but)
        return [self._placed(topic, number, kept.get(str(number)), is_new=bool(but)) for number in numbers]

    def _placed(self, topic: str, number: int, kept: str | None, *, is_new: bool) -> TopicPartition:
        part = TopicPartition(topic, number)
        try:
            low, high = self._consumer.get_watermark_offsets(part, timeout=SECONDS)
        except KafkaException as error:
            raise self._client.explained(error.args[0], f"asking where {topic}/{number} ends") from None
        if kept is None:
            at_end = self.address.options.get("from") == "end" and not is_new
            part.offset = high if at_end else low
        else:
            part.offset = self._places.next_in(topic, number, kept, low, high)
        self.state.partitions[topic, number] = Partition(topic, number, part.offset, high)
        return part

    def _consume(self, rows: int, wait_seconds: float) -> list[Message]:
        messages: list[Message] = []
        size = 0
        while len(messages) < rows and size < _CHUNK_BYTES:
            wait = 0.001 if messages else wait_seconds
            some = self._consumer.consume(min(_CHUNK, rows - len(messages)), wait)
            for message in some:
                error = message.error()
                if error is None:
                    messages.append(message)
                    size += len(message)
                    if self._at_end:
                        self._at_end.discard(_place(message))
                else:
                    self._met(error, message)
            if not some:
                break
        return messages

    def _met(self, error: KafkaError, message: Message) -> None:
        """What comes in a message's place: the end of a partition, or why it cannot go on."""
        code = error.code()
        if code == KafkaError._PARTITION_EOF:  # noqa: SLF001 (a public constant)
            part = self.state.partitions[_place(message)]
            part.end = int(message.offset() or 0)
            self._at_end.add(_place(message))
            part.next = max(part.next, part.end)
            self._client.problem = ""
            return
        if code in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE):  # noqa: SLF001
            where = f"{message.topic()}/{message.partition()}"
            raise InputError(
                f"the next records of {where} are gone while it was read: retention took them, or the topic "
                "was cut off. Start again: it says which are missing, and on_gap=continue goes on behind them"
            )
        if error.retriable() or code in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):  # noqa: SLF001
            self._client.problem = error.str()
            return
        raise self._client.explained(error, "reading")

    def _batch(self, messages: list[Message]) -> StreamBatch:
        state = self.state
        if messages:
            self._client.problem = ""
        now_ms = self._now_ms()
        piece = self._plain(messages, now_ms)
        if piece is None:
            records = (streamed_of(message, self._decoding, self._registry) for message in messages)
            piece = self._decoding(records, now_ms)
        moved: dict[tuple[str, int], int] = {}
        for message in messages:
            moved[_place(message)] = int(message.offset() or 0) + 1
        for (topic, number), after in moved.items():
            part = state.partitions[topic, number]
            part.next = max(part.next, after)
            low_high = self._consumer.get_watermark_offsets(TopicPartition(topic, number), cached=True)
            part.end = max(part.end, after, low_high[1] if low_high else 0)
        state.records += len(messages)
        state.skipped += piece.skipped
        state.bad += len(piece.bad)
        positions = tuple(
            Position(self._source(topic), str(number), self._places.mark(topic, after))
            for (topic, number), after in moved.items()
        )
        total = state.records + state.lag
        batch = StreamBatch(piece.events, piece.labels, piece.bad, positions, state.records, total)
        return replace(batch, skipped=piece.skipped, empty=piece.empty)

    def _plain(self, messages: list[Message], now_ms: int) -> FilePiece | None:
        values = [value for message in messages if isinstance(value := message.value(), bytes)]
        if not values or len(values) < len(messages) or any(map(says_structured, messages)):
            return None
        piece = self._decoding.plain(values, now_ms)
        return None if piece is None else standing_in(piece, messages)

    def _source(self, topic: str) -> str:
        return f"kafka:{self._cluster}/{topic}"

    def _look_around(self) -> None:
        now = time.monotonic()
        if now - self._told >= _TELL_SECONDS:
            self._told = now
            self._tell(wait=False)
        if now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        for topic in self.address.topics:
            own = frozenset(number for name, number in self.state.partitions if name == topic)
            try:
                fresh = self._parts_of(topic, own)
            except (KafkaException, KeyError, StoreError):
                return  # brokers are away: the next look tells
            if fresh:
                self._say(f"{topic} has {len(fresh)} new partitions: they are read from their beginning")
                self._consumer.incremental_assign(fresh)
                self.state.assignments += 1
        self._places.look_again()
        self._client.problem = ""  # they answer: partitions without a new record say nothing of it

    def _tell(self, *, wait: bool) -> None:
        """Offsets to the group, as the journal has them."""
        told = []
        for topic in self.address.topics:
            for number, kept in self._positions(self._source(topic)).items():
                offset = mark_in(kept).offset
                if offset > 0 and (topic, int(number)) in self.state.partitions:
                    told.append(TopicPartition(topic, int(number), offset))
        if not told:
            return
        try:
            self._consumer.commit(offsets=told, asynchronous=not wait)
        except KafkaException:
            return  # the group is for information: lag is in /metrics as well


def _place(message: Message) -> tuple[str, int]:
    return str(message.topic()), int(message.partition() or 0)
