"""A topic of decisions, counted as it grows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, TopicPartition

if TYPE_CHECKING:
    from ringfence.adapters.kafka.client import KafkaClient


class Counted:
    """Committed records of a topic of one partition; what has been counted is not read again."""

    def __init__(self, client: KafkaClient, topic: str) -> None:
        self.count = 0
        self._consumer: Any = client.made(
            Consumer,
            group_id="ringfence-count",
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
        )
        self._consumer.assign([TopicPartition(topic, 0, 0)])

    def now(self, wait_seconds: float = 0.5) -> int:
        """How many there are, after a wait for more."""
        while some := self._consumer.consume(5000, wait_seconds):
            self.count += sum(message.error() is None for message in some)
        return self.count

    def close(self) -> None:
        """Leave the brokers."""
        self._consumer.close()
