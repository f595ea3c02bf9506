"""What people put in force here, as records of a control topic: a Flink job and other servers take it over.

    dashboard, HTTP, commands ──► log ──► this follower ──► control topic ──► jobs, servers

A record and the position behind it commit in one transaction of Kafka, so that who reads committed records
sees each once, in the order of the log. What this log took over from the topic itself is never sent back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Final

from confluent_kafka import KafkaException

from ringfence.adapters.kafka.client import SECONDS
from ringfence.adapters.kafka.sink import KafkaSink
from ringfence.adapters.sink_messages import OutgoingMessage
from ringfence.errors import InputError, StoreError
from ringfence.events import codec
from ringfence.events.activation import places
from ringfence.events.model import ADDED_BY, AUTHOR
from ringfence.events.origin import EventOrigin, origin_of
from ringfence.ports import EVENTS
from ringfence.rulebook.statements import LaterStatements, part_subject, statements
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.sharded.changes import activation_record
from ringfence.sharded.references import reference_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from ringfence.adapters.kafka.address import KafkaAddress
    from ringfence.adapters.kafka.client import KafkaClient
    from ringfence.events.activation import Part
    from ringfence.events.batch import EventBatch
    from ringfence.ports import EventLog, LogBatch
    from ringfence.rulebook.statements import Subject

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {}
"""What the address of a control topic may say."""


class ControlSink(KafkaSink):
    """`ringfence.follow.Follower` that sends versions, list entries, flags, profiles and labels.

    Of several that have not been sent yet and speak of one thing, the last is sent.
    """

    name = "kafka-control"
    most = 50_000  # nearly all of them are payments, which are only counted
    at_once: ClassVar[int] = 10_000  # records of a transaction: a list may be imported with many more
    partition = 0
    seconds = 10.0  # a job decides nothing behind a transaction that a dead machine has left open

    def __init__(
        self,
        log: EventLog,
        client: KafkaClient,
        folder: Path,
        text_of: Callable[[Part, str], str | None],
        keys: str,
    ) -> None:
        """`client` has the address of the topic; `text_of` the text of a version; `keys` as of `keys_of`."""
        client.address = replace(client.address, options={"mode": "transactional"})
        super().__init__(log, client, folder)
        self._text_of = text_of
        self._keys = keys
        self._later = LaterStatements(log)

    def positions(self) -> dict[str, int]:
        """See `Follower.positions`."""
        return {EVENTS: self._sent.read().get(self._route(EVENTS), 0)}

    def take(self, topic: str, batches: Iterable[LogBatch], /) -> None:
        """See `Follower.take`. Many records take several transactions, each with the position behind it."""
        sent = self._sent.read()
        begin, end = sent.get(self._route(topic), 0), None
        if begin < self._later.since:  # all is sent again
            self._later = LaterStatements(self._log)
        found: list[tuple[int, EventBatch]] = []
        for batch in batches:
            events = codec.decode(batch.payload)
            if not events.only_payments:
                self._later.add(events, batch.base_offset)
                found.append((batch.base_offset, events))
            end = batch.next_offset
        if end is None:
            return
        self._producer = self._made()
        waiting: list[OutgoingMessage] = []
        for message in self._messages_in(found, begin, end):
            if not waiting:
                self._check_topic()
            waiting.append(message)
            if len(waiting) == self.at_once:
                self._commit(topic, waiting, sent | {self._route(topic): message.offset + 1})
                self._producer, waiting = self._made(), []
        self._commit(topic, waiting, sent | {self._route(topic): end})
        self._later.forget(end)

    def _commit(self, topic: str, messages: list[OutgoingMessage], positions: dict[str, int]) -> None:
        if messages:
            self._send(topic, messages)
            self._settle()
        self._sent.write(positions)

    def _messages_in(
        self, found: list[tuple[int, EventBatch]], begin: int, end: int
    ) -> Iterator[OutgoingMessage]:
        """What is to be sent of some batches, from an offset on, in order."""
        for base, events in found:
            made = [*self._activations(events, base, end), *self._references(events, base, end)]
            made.sort(key=lambda message: message.offset)
            yield from (message for message in made if message.offset >= begin)

    def _is_last(self, at: int, end: int, subject: Subject, whole: Subject | None = None) -> bool:
        """Whether the log, which is looked at up to `end` already, speaks of this nowhere behind `at`."""
        if self._later.of(subject, whole) > at:
            return False
        self._later.look(end)
        return self._later.of(subject, whole) == at

    def _activations(self, events: EventBatch, base: int, end: int) -> Iterator[OutgoingMessage]:
        for row, part, place in places(events):
            if not place and self._is_last(base + row, end, part_subject(part)):
                yield self._activation(part, events.slice(row, row + 1), base + row)

    def _activation(self, part: Part, event: EventBatch, offset: int) -> OutgoingMessage:
        digest, note, author = (event.column(name)[0].as_py() or "" for name in ("entity_id", "note", AUTHOR))
        text = self._text_of(part, digest) if digest else Deployment().to_json()
        if text is None:
            raise StoreError(f"{part} {digest} are named in the log and not kept: restore the data folder")
        value = activation_record(part, digest, text, author=author, note=note)
        return OutgoingMessage(offset, str(part), value)

    def _references(self, events: EventBatch, base: int, end: int) -> Iterator[OutgoingMessage]:
        """List entries, flags, profiles and labels that were made here, and are the last word of this log."""
        columns = (AUTHOR, ADDED_BY, "entity_id", "transaction_id")
        authors, rules, ids, payments = (events.column(name).to_pylist() for name in columns)
        origin = origin_of(events)
        for one in statements(events):
            row = one.row
            if not _was_made_here(origin, authors[row], rules[row]):
                continue
            last = [subject for subject in one.subjects if self._is_last(base + row, end, subject, one.whole)]
            if last:
                names = [str(subject[-1]) for subject in last]
                value = reference_record(events, row, self._keys, names)
                yield OutgoingMessage(base + row, str(ids[row] or payments[row]), value)

    def _check_topic(self) -> None:
        """`InputError` where records of the topic have no order."""
        name = self._routes[EVENTS]
        try:
            told = self._producer.list_topics(name, timeout=SECONDS).topics[name]
        except KafkaException as error:
            raise self._client.explained(error.args[0], f"asking for {name}") from None
        if told.error is not None:
            raise self._client.explained(told.error, f"asking for {name}")
        if len(told.partitions) != 1:
            raise InputError(
                f"topic {name} has {len(told.partitions)} partitions, over which changes have no order: name "
                "a control topic of one partition by kafka_control"
            )

    def _home(self, address: KafkaAddress) -> str:
        return address.topics[0]

    def _routes_of(self, address: KafkaAddress) -> dict[str, str]:
        return {EVENTS: address.topics[0]}


def _was_made_here(origin: EventOrigin | None, author: str | None, rule: str | None) -> bool:
    """Whether a list entry, flag, profile or label came from no topic that others read as well.

    Of what older versions logged, entries of lists that somebody made here have an author.
    """
    if origin is None:
        return author is not None
    return origin is EventOrigin.HERE or (origin is EventOrigin.STREAM and rule is not None)
