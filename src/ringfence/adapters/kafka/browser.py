"""Looks into topics for people: brokers, groups and their lag, configuration, and messages.

Nothing is committed and no group is joined. Whoever looks shares the interpreter with whoever decides: a
search is bounded in messages, bytes and seconds of computing, and decodes only what may fit.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import (
    Consumer,
    ConsumerGroupTopicPartitions,
    KafkaError,
    KafkaException,
    TopicPartition,
)

from ringfence.adapters.kafka.client import ADMIN
from ringfence.adapters.kafka.masked_messages import MessageVeil, fits
from ringfence.errors import InputError, StoreError
from ringfence.masking import mask_cards
from ringfence.ports.topics import (
    BrokerSeen,
    Cluster,
    GroupSeen,
    MessagesFound,
    PartitionSeen,
    TopicDetails,
    TopicSeen,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from confluent_kafka import Message

    from ringfence.adapters.kafka.client import KafkaClient
    from ringfence.adapters.kafka.registry import SchemaRegistry
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.ports.topics import MessageQuery, MessageSeen

_SECONDS: Final = 5.0  # for one answer of brokers
_PATIENCE_SECONDS: Final = 2.0  # for others who ask
_SCAN_SECONDS: Final = 5.0
_MOST_SCANNED: Final = 5000
_CPU_SECONDS: Final = 1.0  # of one request for messages
_SCAN_BYTES: Final = 64 << 20
_MOST_TOPICS: Final = 300
_MOST_PARTITIONS: Final = 2000
_MOST_GROUPS: Final = 50
_MOST_FOLLOWED: Final = 8  # searches whose last places are known
_CHUNK: Final = 100
_WAIT_SECONDS: Final = 0.05


class KafkaBrowser:
    """`ringfence.ports.topics.TopicBrowser` over one set of brokers."""

    def __init__(
        self,
        client: KafkaClient,
        topics: frozenset[str],
        tokenizer: Tokenizer,
        registry: SchemaRegistry | None = None,
    ) -> None:
        """`topics` are those that the settings name; `registry` knows schemas of values."""
        self.topics = topics
        self._client = client
        self._veil = MessageVeil(tokenizer, registry)
        self._followed: OrderedDict[tuple[str, MessageQuery], tuple[dict[int, int], list[MessageSeen]]] = (
            OrderedDict()
        )
        self._lock = Lock()
        self._admin: Any = None
        self._consumer: Any = None

    @property
    def name(self) -> str:
        """Addresses of the brokers."""
        return self._client.address.brokers

    def cluster(self) -> Cluster:
        """See `TopicBrowser.cluster`."""
        with self._asking() as admin:
            found = admin.list_topics(timeout=_SECONDS)
            names = sorted(name for name in found.topics if not name.startswith("__"))
            shown = names[:_MOST_TOPICS]
            sizes = self._sizes(found, shown)
            topics = [
                TopicSeen(
                    name,
                    len(found.topics[name].partitions),
                    max((len(one.replicas) for one in found.topics[name].partitions.values()), default=0),
                    sizes.get(name),
                )
                for name in shown
            ]
            brokers = [
                BrokerSeen(number, f"{one.host}:{one.port}", number == found.controller_id)
                for number, one in sorted(found.brokers.items())
            ]
            groups, left = self._groups()
        more = [f"{len(names) - len(shown):,} topics"] if len(names) > len(shown) else []
        more += [f"{left:,} groups"] if left else []
        return Cluster(brokers, topics, groups, " and ".join(more))

    def details(self, topic: str) -> TopicDetails:
        """See `TopicBrowser.details`."""
        with self._asking() as admin:
            found = self._topic(topic)
            ends = self._ends([TopicPartition(topic, number) for number in found.partitions])
            partitions = [
                PartitionSeen(
                    number, one.leader, list(one.replicas), list(one.isrs), *ends.get((topic, number), (0, 0))
                )
                for number, one in sorted(found.partitions.items())
            ]
            resource = ADMIN.ConfigResource(ADMIN.ConfigResource.Type.TOPIC, topic)
            told = admin.describe_configs([resource], request_timeout=_SECONDS)[resource].result(_SECONDS)
            settings = [
                (name, "***" if entry.is_sensitive else mask_cards(str(entry.value)), bool(entry.is_default))
                for name, entry in told.items()
            ]
        return TopicDetails(partitions, sorted(settings, key=lambda one: (one[2], one[0])))

    def messages(self, topic: str, wanted: MessageQuery) -> MessagesFound:
        """See `TopicBrowser.messages`."""
        with self._asking():
            found = self._topic(topic)
            numbers = sorted(found.partitions)
            if wanted.partition is not None or wanted.offset is not None:
                only = wanted.partition or 0
                if only not in found.partitions:
                    raise InputError(f"{topic} has no partition {only}: it has 0 to {numbers[-1]}")
                numbers = [only]
            ends = self._ends([TopicPartition(topic, number) for number in numbers])
            spans = {number: ends[topic, number] for number in numbers if (topic, number) in ends}
            return self._looked(topic, wanted, spans)

    def close(self) -> None:
        """See `TopicBrowser.close`."""
        with self._lock:
            self._leave()

    def _looked(self, topic: str, wanted: MessageQuery, spans: dict[int, tuple[int, int]]) -> MessagesFound:
        """The messages of some partitions, each given with its first and next offset."""
        is_search = bool(wanted.key or wanted.match)
        is_forward = wanted.offset is not None or wanted.since_ms is not None
        each = max(_MOST_SCANNED // max(len(spans), 1), 1)
        each = each if is_search else min(each, wanted.count)
        begins = self._begins(topic, wanted, spans, each)
        places, before = self._followed.get((topic, wanted), ({}, [])) if wanted.follow else ({}, [])
        places = {
            number: place
            for number, place in places.items()
            if number in begins and begins[number] <= place <= spans[number][1]
        }
        begins |= places
        left = {number: (begin, min(spans[number][1], begin + each)) for number, begin in begins.items()}
        come, scanned, taken = dict(begins), 0, []
        until = time.thread_time() + _CPU_SECONDS
        for message in self._read(topic, left):
            scanned += 1
            come[int(message.partition() or 0)] = int(message.offset() or 0) + 1
            if self._veil.may_fit(message, wanted):
                # Of a search each is decoded, otherwise the few that are shown.
                taken.append((message, self._veil.seen(message) if is_search else None))
            if time.thread_time() > until:
                break
        chosen = [(one, seen) for one, seen in taken if seen is None or fits(seen, wanted)]
        chosen.sort(key=lambda one: (one[0].timestamp()[1], one[0].partition(), one[0].offset()))
        chosen = chosen[: wanted.count] if is_forward else chosen[-wanted.count :]
        kept = [*before, *(seen or self._veil.seen(one) for one, seen in chosen)]
        if wanted.follow and is_search:
            kept = kept[-wanted.count :]
            self._followed[topic, wanted] = come, kept
            self._followed.move_to_end((topic, wanted))
            if len(self._followed) > _MOST_FOLLOWED:
                self._followed.popitem(last=False)
        within = {
            number: begin if is_forward or number in places else spans[number][0]
            for number, begin in begins.items()
        }
        is_cut = scanned < sum(max(spans[number][1] - begin, 0) for number, begin in within.items())
        return MessagesFound(kept, scanned, is_cut)

    def _begins(
        self, topic: str, wanted: MessageQuery, spans: dict[int, tuple[int, int]], back: int
    ) -> dict[int, int]:
        """Where to begin in each partition; `back` is how far before its end without an offset or a time."""
        if wanted.offset is not None:
            [(number, (start, end))] = spans.items()
            if not start <= wanted.offset <= end:
                raise InputError(f"offsets of {topic}/{number} go from {start:,} to {max(end - 1, start):,}")
            return {number: wanted.offset}
        if wanted.since_ms is not None:
            asked = [TopicPartition(topic, number, wanted.since_ms) for number in spans]
            found = self._reader().offsets_for_times(asked, _SECONDS)
            return {
                one.partition: one.offset if one.offset >= 0 else spans[one.partition][1] for one in found
            }
        return {number: max(start, end - back) for number, (start, end) in spans.items()}

    def _read(self, topic: str, spans: dict[int, tuple[int, int]]) -> Iterator[Message]:
        """Messages of partitions between two offsets, not in order, bounded in bytes and time."""
        consumer = self._reader()
        open_ones = {number for number, (begin, end) in spans.items() if begin < end}
        consumer.assign([TopicPartition(topic, number, spans[number][0]) for number in open_ones])
        until, size = time.monotonic() + _SCAN_SECONDS, 0
        try:
            while open_ones and size < _SCAN_BYTES and time.monotonic() < until:
                for message in consumer.consume(_CHUNK, _WAIT_SECONDS):
                    number, error = message.partition(), message.error()
                    if error is not None:
                        if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 (a public constant)
                            raise KafkaException(error)
                        open_ones.discard(number)
                        continue
                    if message.offset() >= spans[number][1] - 1:
                        open_ones.discard(number)
                    if message.offset() < spans[number][1]:
                        size += len(message)
                        yield message
        finally:
            consumer.unassign()

    def _sizes(self, found: Any, names: list[str]) -> dict[str, int]:
        """Records of each topic; of none where there are too many partitions."""
        parts = [TopicPartition(name, number) for name in names for number in found.topics[name].partitions]
        if len(parts) > _MOST_PARTITIONS:
            return {}
        sizes: dict[str, int] = {}
        for (name, _), (start, end) in self._ends(parts).items():
            sizes[name] = sizes.get(name, 0) + end - start
        return sizes

    def _ends(self, parts: list[TopicPartition]) -> dict[tuple[str, int], tuple[int, int]]:
        """First and next offset of partitions that have a leader."""
        found: dict[tuple[str, int], list[int]] = {}
        for spec in (ADMIN.OffsetSpec.earliest(), ADMIN.OffsetSpec.latest()):
            if not parts:
                break
            asked = self._admin.list_offsets(dict.fromkeys(parts, spec), request_timeout=_SECONDS)
            for part, answer in asked.items():
                try:
                    offset = int(answer.result(_SECONDS).offset)
                except KafkaException:
                    continue
                found.setdefault((part.topic, part.partition), []).append(offset)
        return {place: (ends[0], ends[1]) for place, ends in found.items() if len(ends) == 2}

    def _groups(self) -> tuple[list[GroupSeen], int]:
        """Of each group how far it is in each topic; and how many groups are left out."""
        listed = self._admin.list_consumer_groups(request_timeout=_SECONDS).result(_SECONDS)
        states = {one.group_id: one.state.name.lower() for one in listed.valid}
        names = sorted(states)
        asked = {
            name: self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(name)], request_timeout=_SECONDS
            )[name]
            for name in names[:_MOST_GROUPS]
        }
        at: dict[tuple[str, str, int], int] = {}
        for name, answer in asked.items():
            try:
                parts = answer.result(_SECONDS).topic_partitions
            except KafkaException:
                continue
            at |= {(name, one.topic, one.partition): one.offset for one in parts if one.offset >= 0}
        ends = self._ends(
            [TopicPartition(*place) for place in {(topic, part) for _, topic, part in at}][:_MOST_PARTITIONS]
        )
        sums: dict[tuple[str, str], list[int]] = {}
        for (name, topic, part), offset in at.items():
            if (topic, part) in ends:
                found = sums.setdefault((name, topic), [0, 0])
                found[0] += offset
                found[1] += max(ends[topic, part][1] - offset, 0)
        groups = [GroupSeen(name, states[name], topic, *sums[name, topic]) for name, topic in sorted(sums)]
        return groups, max(len(names) - _MOST_GROUPS, 0)

    def _topic(self, topic: str) -> Any:
        found = self._admin.list_topics(topic, timeout=_SECONDS).topics.get(topic)
        if found is None or found.error is not None or not found.partitions:
            raise InputError(
                f"there is no topic {topic!r} at {self.name}, or Ringfence's user may not see it"
            )
        return found

    def _reader(self) -> Any:
        if self._consumer is None:
            self._consumer = self._client.made(
                Consumer,
                group_id="ringfence-look",
                enable_auto_commit=False,
                enable_partition_eof=True,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                queued_max_messages_kbytes=8192,
                fetch_max_bytes=4 << 20,
                max_partition_fetch_bytes=1 << 20,
            )
        return self._consumer

    @contextmanager
    def _asking(self) -> Iterator[Any]:
        """One question at a time; what the library raises becomes words with a remedy."""
        if not self._lock.acquire(timeout=_PATIENCE_SECONDS):
            raise StoreError(f"others are looking into the topics at {self.name} right now: try again")
        try:
            if self._admin is None:
                self._client.problem = ""
                self._admin = self._client.made(ADMIN.AdminClient)
            yield self._admin
        except KafkaException as error:
            self._admin.poll(0)
            self._leave()
            raise self._client.explained(error.args[0], "looking into topics") from None
        except TimeoutError:
            self._leave()
            raise StoreError(f"Kafka at {self.name} does not answer in time") from None
        finally:
            self._lock.release()

    def _leave(self) -> None:
        if self._consumer is not None:
            self._consumer.close()
        self._admin = self._consumer = None
