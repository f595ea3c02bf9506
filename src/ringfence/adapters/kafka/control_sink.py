"""What people put in force here, as records of a control topic: a Flink job and other servers take it over.

    dashboard, HTTP, commands ──► log ──► this follower ──► control topic ──► jobs, servers

A record and the position behind it commit in one transaction of Kafka, so that who reads committed records
sees each once, in the order of the log. What this log took over from the topic itself is never sent back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple

from confluent_kafka import KafkaException

from ringfence.adapters.kafka.client import SECONDS
from ringfence.adapters.kafka.sink import KafkaSink
from ringfence.adapters.sink_messages import OutgoingMessage
from ringfence.errors import InputError, StoreError
from ringfence.events import codec
from ringfence.events.activation import Part, places
from ringfence.events.model import AUTHOR
from ringfence.ports import EVENTS
from ringfence.scoring.artifacts.deployment import Deployment
from ringfence.sharded.changes import activation_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ringfence.adapters.kafka.address import KafkaAddress
    from ringfence.adapters.kafka.client import KafkaClient
    from ringfence.events.batch import EventBatch
    from ringfence.ports import EventLog, LogBatch

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {}
"""What the address of a control topic may say."""


class _Activated(NamedTuple):
    """A version that came into force at an offset; `place` where it was taken over from, empty for here."""

    offset: int
    events: EventBatch
    place: str


class ControlSink(KafkaSink):
    """`ringfence.follow.Follower` that sends activations to a control topic.

    Of several activations of one part that have not been sent yet, the last is sent.
    """

    name = "kafka-control"
    most = 50_000  # nearly all of them are payments, which are only counted
    partition = 0
    seconds = 10.0  # a job decides nothing behind a transaction that a dead machine has left open

    def __init__(
        self, log: EventLog, client: KafkaClient, folder: Path, text_of: Callable[[Part, str], str | None]
    ) -> None:
        """`client` has the address of the topic; `text_of` the text of a version."""
        client.address = replace(client.address, options={"mode": "transactional"})
        super().__init__(log, client, folder)
        self._text_of = text_of
        self._newest: dict[Part, int] = {}  # offset of the last activation, as far as has been looked
        self._looked = 0

    def positions(self) -> dict[str, int]:
        """See `Follower.positions`."""
        return {EVENTS: self._sent.read().get(self._route(EVENTS), 0)}

    def take(self, topic: str, batches: Iterable[LogBatch], /) -> None:
        """See `Follower.take`."""
        end = None
        last: dict[Part, _Activated] = {}
        for batch in batches:
            for part, found in _activated(batch):
                last.pop(part, None)  # so that parts go in the order of their last activations
                last[part] = found
            end = batch.next_offset
        if end is None:
            return
        sent = self._sent.read()
        self._producer = self._made()
        changes = [
            self._message(part, found)
            for part, found in last.items()
            if not found.place and not self._is_superseded(part, end)
        ]
        if changes:
            self._check_topic()
            self._send(topic, changes)
            self._settle()
        self._sent.write(sent | {self._route(topic): end})

    def _is_superseded(self, part: Part, end: int) -> bool:
        """Whether another version of a part came into force in the log behind `end`."""
        if self._newest.get(part, -1) < end:
            for batch in self._log.read(EVENTS, max(end, self._looked), self._log.end_offset(EVENTS)):
                self._newest |= {one: found.offset for one, found in _activated(batch)}
                self._looked = batch.next_offset
        return self._newest.get(part, -1) >= end

    def _message(self, part: Part, found: _Activated) -> OutgoingMessage:
        digest, note, author = (
            found.events.column(name)[0].as_py() or "" for name in ("entity_id", "note", AUTHOR)
        )
        text = self._text_of(part, digest) if digest else Deployment().to_json()
        if text is None:
            raise StoreError(f"{part} {digest} are named in the log and not kept: restore the data folder")
        return OutgoingMessage(
            found.offset, str(part), activation_record(part, digest, text, author=author, note=note)
        )

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


def _activated(batch: LogBatch) -> list[tuple[Part, _Activated]]:
    """The activations of a batch, in order."""
    events = codec.decode(batch.payload)
    if events.only_payments:
        return []
    return [
        (part, _Activated(batch.base_offset + row, events.slice(row, row + 1), place))
        for row, part, place in places(events)
    ]
