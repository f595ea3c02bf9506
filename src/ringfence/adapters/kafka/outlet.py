"""Puts made-up events into topics, as the systems whose events they stand for would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import KafkaError, KafkaException, Producer

from ringfence.adapters.kafka.client import ADMIN, SECONDS
from ringfence.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from confluent_kafka import Message

    from ringfence.adapters.kafka.client import KafkaClient

OPTIONS: Final[dict[str, tuple[str, ...] | None]] = {"partitions": None}
"""What an address may say: how many partitions a topic gets that is not there yet."""

_PARTITIONS: Final = "3"
_MOST_PARTITIONS: Final = 1000
_FLUSH_SECONDS: Final = 30.0


class TopicOutlet:
    """Topics of one address, made where they are missing."""

    def __init__(self, client: KafkaClient) -> None:
        self._client = client
        self._refused: list[KafkaError] = []
        self._producer: Any = client.made(
            Producer, enable_idempotence=True, linger_ms=5, compression_type="lz4"
        )

    @property
    def topics(self) -> tuple[str, ...]:
        """Those of the address."""
        return self._client.address.topics

    def open(self) -> list[str]:
        """Make the topics that are missing, and tell which; errors of `KafkaClient.explained`."""
        told = self._client.address.options.get("partitions", _PARTITIONS)
        if not (told.isdecimal() and 1 <= int(told) <= _MOST_PARTITIONS):
            raise InputError(f"option partitions of the address is a number from 1 to {_MOST_PARTITIONS}")
        count = int(told)
        admin = self._client.made(ADMIN.AdminClient)
        try:
            there = admin.list_topics(timeout=SECONDS).topics
            missing = [name for name in self.topics if name not in there]
            if missing:
                made = admin.create_topics(
                    [ADMIN.NewTopic(name, count) for name in missing], request_timeout=SECONDS
                )
                for answer in made.values():
                    answer.result(SECONDS)
        except KafkaException as error:
            admin.poll(0)
            raise self._client.explained(error.args[0], "making topics") from None
        return missing

    def send(self, topic: str, messages: Iterable[tuple[str, str]]) -> None:
        """Send pairs of key and value, in order; the error of one that was not taken."""
        for key, value in messages:
            while True:
                try:
                    self._producer.produce(topic, value, key=key, on_delivery=self._delivered)
                except BufferError:  # full: brokers take what is there first
                    self._producer.poll(0.5)
                    self._check()
                    continue
                except KafkaException as error:
                    raise self._client.explained(error.args[0], "writing") from None
                break
        self._producer.poll(0)
        self._check()

    def close(self) -> None:
        """Return once all has arrived; `StoreError` where something has not."""
        left = self._producer.flush(_FLUSH_SECONDS)
        self._check()
        if left:
            raise StoreError(f"Kafka at {self._client.address.brokers} does not acknowledge: {left} wait")

    def _delivered(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._refused.append(error)

    def _check(self) -> None:
        if self._refused:
            raise self._client.explained(self._refused[0], "writing")
