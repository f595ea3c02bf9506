"""Decisions, and flag matches, as messages: a follower that writes to topics of Kafka.

Its position is in a file of the data folder, written once all messages before it are acknowledged by every
replica in sync. After a crash the messages behind the position are sent again: each carries its log and its
offset in headers, by which a receiver knows it again.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from ringfence.adapters.outgoing import Outgoing, StreamSink
from ringfence.errors import StoreError
from ringfence.ports import DECISIONS, FLAG_MATCHES

if TYPE_CHECKING:
    from pathlib import Path

    from confluent_kafka import Message

    from ringfence.adapters.kafka.client import Client
    from ringfence.ports import EventLog

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {"flag_matches": None}
"""What the address of a sink may say beside the topic of decisions."""

FILE_NAME: Final = "kafka-sink.json"
LOG_HEADER: Final = "ringfence-log"
OFFSET_HEADER: Final = "ringfence-offset"
_FLUSH_SECONDS: Final = 30.0


class KafkaSink(StreamSink):
    """`ringfence.follow.Follower` on topics.

    A decision's key is its payment's card, or else account, customer, and at last the payment itself, so that
    decisions on one entity stay in order. What has been sent cannot be taken back: made again, everything is
    sent again.
    """

    name = "kafka"

    def __init__(self, log: EventLog, client: Client, folder: Path) -> None:
        """`client` has the address of the topic of decisions."""
        routes = {DECISIONS: client.address.topics[0]}
        matches = client.address.options.get("flag_matches")
        if matches:
            routes[FLAG_MATCHES] = matches
        super().__init__(log, folder / FILE_NAME, routes)
        self._client = client
        self._producer: Any = None
        self._refused: list[KafkaError] = []

    def close(self) -> None:
        """See `Follower.close`."""
        self._producer = None
        self._refused = []

    def _send(self, topic: str, messages: list[Outgoing]) -> None:
        for message in messages:
            self._send_one(topic, message)

    def _send_one(self, topic: str, message: Outgoing) -> None:
        if self._producer is None:
            self._client.problem = ""
            self._producer = self._client.made(
                Producer,
                enable_idempotence=True,
                acks="all",
                linger_ms=5,
                delivery_timeout_ms=int(_FLUSH_SECONDS * 1000),
            )
        headers = [
            (LOG_HEADER, self._log.identity.encode()),
            (OFFSET_HEADER, str(message.offset).encode()),
            ("content-type", b"application/json"),
        ]
        while True:
            try:
                self._producer.produce(
                    self._routes[topic],
                    message.value,
                    key=message.key,
                    headers=headers,
                    on_delivery=self._delivered,
                )
            except BufferError:  # full: brokers take what is there first
                self._producer.poll(1.0)
                self._check()
                continue
            except KafkaException as error:
                raise self._client.explained(error.args[0], "writing") from None
            self._producer.poll(0)
            return

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._refused.append(error)

    def _settle(self) -> None:
        """Wait until all is acknowledged; the error where something is not."""
        if self._producer is None:
            return
        left = self._producer.flush(_FLUSH_SECONDS + 5)
        self._check()
        if left:
            self._forget()
            raise StoreError(f"Kafka at {self._client.address.brokers} does not acknowledge: {left} wait")

    def _check(self) -> None:
        if self._refused:
            error = self._refused[0]
            self._forget()
            raise self._client.explained(error, "writing")

    def _forget(self) -> None:
        """What has not gone out must not go out later, behind what comes again."""
        if self._producer is not None:
            with suppress(KafkaException):
                self._producer.purge()
                self._producer.flush(1.0)
        self.close()
