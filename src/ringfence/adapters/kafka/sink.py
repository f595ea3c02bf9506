"""Decisions, flag matches and quarantined records as messages: a follower that writes to topics of Kafka.

Its position is in a file of the data folder, written once all messages before it are acknowledged by every
replica in sync. After a crash the messages behind the position are sent again: each carries its log and its
offset in headers, by which a receiver knows it again. With `mode=transactional` the position commits with the
messages, and who reads committed messages only sees each once.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from ringfence.adapters.flagged_payments import FlagsInForce
from ringfence.adapters.kafka.client import RAISED
from ringfence.adapters.kafka.transactions import Transactions
from ringfence.adapters.sink_messages import QUARANTINE, OutgoingMessage, SentUpTo, StreamSink
from ringfence.errors import StoreError
from ringfence.ports import DECISIONS, EVENTS, FLAG_MATCHES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from confluent_kafka import Message

    from ringfence.adapters.kafka.address import KafkaAddress
    from ringfence.adapters.kafka.client import KafkaClient
    from ringfence.ports import EventLog, LogBatch, Quarantine

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {
    "flag_matches": None,
    "quarantine": None,
    "flagged": None,
    "mode": ("idempotent", "transactional"),
}
"""What the address of a sink may say beside the topic of decisions."""

FLAGS_FILE_NAME: Final = "kafka-flagged-flags.json"
LOG_HEADER: Final = "ringfence-log"
TOPIC_HEADER: Final = "ringfence-topic"  # of the log: offsets of two are not of one row
OFFSET_HEADER: Final = "ringfence-offset"
RECORD_HEADER: Final = "ringfence-quarantine"  # id of a quarantined record, in the offset's place
_FLUSH_SECONDS: Final = 30.0


class KafkaSink(StreamSink):
    """`ringfence.follow.Follower` on topics.

    A decision's key is its payment's card, or else account, customer, and at last the payment itself, so that
    decisions on one entity stay in order. What has been sent cannot be taken back: made again, everything is
    sent again.
    """

    name = "kafka"
    partition: ClassVar[int] = -1  # of its topics that it writes to; -1: by the key
    seconds: ClassVar[float] = _FLUSH_SECONDS  # that brokers have for a message

    def __init__(
        self, log: EventLog, client: KafkaClient, folder: Path, quarantine: Quarantine | None = None
    ) -> None:
        """`client` has the address of the topic of decisions."""
        options = client.address.options
        self._transactions = (
            Transactions(client, log.identity, self._home(client.address))
            if options.get("mode") == "transactional"
            else None
        )
        sent = self._transactions or SentUpTo(folder / f"{self.name}-sink.json")
        super().__init__(log, sent, self._routes_of(client.address), quarantine)
        self._client = client
        self._producer: Any = None
        self._refused: list[KafkaError] = []

    def close(self) -> None:
        """See `Follower.close`."""
        if self._transactions is not None:
            self._transactions.close()
        self._producer = None
        self._refused = []

    def _send(self, topic: str, messages: list[OutgoingMessage]) -> None:
        self._producer = self._made()
        for message in messages:
            self._send_one(topic, message)

    def _made(self) -> Any:
        settings = {
            "enable_idempotence": True,
            "acks": "all",
            "linger_ms": 5,
            "delivery_timeout_ms": int(self.seconds * 1000),
        }
        if self._transactions is not None:
            settings["transaction_timeout_ms"] = 2 * int(self.seconds * 1000)
            return self._transactions.producer(**settings)
        if self._producer is None:
            self._client.problem = ""
            return self._client.made(Producer, **settings)
        return self._producer

    def _send_one(self, topic: str, message: OutgoingMessage) -> None:
        which = (RECORD_HEADER, message.id) if topic == QUARANTINE else (OFFSET_HEADER, str(message.offset))
        headers = [
            (LOG_HEADER, self._log.identity.encode()),
            (TOPIC_HEADER, topic.encode()),
            (which[0], which[1].encode()),
            ("content-type", b"application/json"),
        ]
        while True:
            try:
                self._producer.produce(
                    self._routes[topic],
                    message.value,
                    key=message.key,
                    partition=self.partition,
                    headers=headers,
                    on_delivery=self._delivered,
                )
            except BufferError:  # full: brokers take what is there first
                self._served(lambda: self._producer.poll(1.0))
                self._check()
                continue
            except KafkaException as error:
                raise self._client.explained(error.args[0], "writing") from None
            self._served(lambda: self._producer.poll(0))
            return

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._refused.append(error)

    def _settle(self) -> None:
        """Wait until all is acknowledged; the error where something is not."""
        if self._producer is None:
            return
        left = self._served(lambda: self._producer.flush(self.seconds + 5))
        self._check()
        if left:
            self._forget()
            raise StoreError(f"Kafka at {self._client.address.brokers} does not acknowledge: {left} wait")

    def _served(self, act: Callable[[], int]) -> int:
        """Let the library call back; a producer that another one has fenced raises from within."""
        try:
            return act()
        except RAISED as error:
            told = self._client.problem or str(error)
            self._forget()
            raise StoreError(f"Kafka at {self._client.address.brokers} ended this producer: {told}") from None

    def _check(self) -> None:
        if self._refused:
            error = self._refused[0]
            self._forget()
            raise self._client.explained(error, "writing")

    def _forget(self) -> None:
        """What has not gone out must not go out later, behind what comes again."""
        if self._producer is not None:
            with suppress(*RAISED):
                self._producer.purge()
                self._producer.flush(1.0)
        self.close()

    def _home(self, address: KafkaAddress) -> str:
        """The topic that positions of transactions stand at."""
        return address.topics[0]

    def _routes_of(self, address: KafkaAddress) -> dict[str, str]:
        """Where each topic of the log goes, and what is quarantined."""
        routes = {DECISIONS: address.topics[0]}
        for topic, option in ((FLAG_MATCHES, "flag_matches"), (QUARANTINE, "quarantine")):
            if to := address.options.get(option):
                routes[topic] = to
        return routes


class FlaggedSink(KafkaSink):
    """Payments and the flags that cover them, whichever came first: the topic that `flagged` names.

    A follower of its own, with a position of its own.
    """

    name = "kafka-flagged"

    def __init__(self, log: EventLog, client: KafkaClient, folder: Path) -> None:
        """`client` has the address of the sink."""
        super().__init__(log, client, folder)
        self._flags = FlagsInForce(log, folder / FLAGS_FILE_NAME)

    def take(self, topic: str, batches: Iterable[LogBatch], /) -> None:
        """See `Follower.take`. Flags are kept before payments are told."""
        self._flags.up_to(self.positions()[EVENTS])
        super().take(topic, batches)

    def reset(self) -> None:
        """See `Follower.reset`."""
        super().reset()
        self._flags.forget()

    def close(self) -> None:
        """See `Follower.close`."""
        super().close()
        self._flags.close()

    def positions(self) -> dict[str, int]:
        """See `Follower.positions`."""
        kept = self._sent.read()
        return {topic: kept.get(self._route(topic), 0) for topic in self._routes}

    def _messages(self, topic: str, batch: LogBatch, kept: dict[str, int]) -> list[OutgoingMessage]:  # noqa: ARG002
        if topic == FLAG_MATCHES:
            return self._flags.late(batch)
        told = self._flags.take(batch)
        self._flags.write()
        return told

    def _home(self, address: KafkaAddress) -> str:
        return address.options["flagged"]

    def _routes_of(self, address: KafkaAddress) -> dict[str, str]:
        return dict.fromkeys((EVENTS, FLAG_MATCHES), address.options["flagged"])
