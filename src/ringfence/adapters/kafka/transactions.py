"""Positions of a sink that commit in one transaction of Kafka with the messages before them.

The position is the offset of a group of its own on the first partition of a topic of the sink, with the
positions of all routes as its text. A transactional id names log and topic: a process that begins to write
ends what another one has begun.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from ringfence.adapters.kafka.client import RAISED
from ringfence.errors import StoreError

if TYPE_CHECKING:
    from ringfence.adapters.kafka.client import KafkaClient

_SECONDS: Final = 30.0


class Transactions:
    """A sink's `Sent`, and the producer whose transactions hold it."""

    def __init__(self, client: KafkaClient, log_id: str, topic: str) -> None:
        """`topic` is one that the sink writes to; no two sinks of a log have the same."""
        self._client = client
        self._topic = topic
        self._id = f"ringfence-{log_id}-{topic}"
        self._consumer: Any = None
        self._producer: Any = None
        self._known: dict[str, int] | None = None  # while nobody else can have moved it
        self._is_begun = False

    def read(self) -> dict[str, int]:
        """See `Sent.read`; `StoreError` while brokers do not answer."""
        return self._asked() if self._known is None else dict(self._known)

    def producer(self, **settings: Any) -> Any:
        """The producer, in a transaction.

        `StoreError` where another process moved the positions since they were read: those count.
        """
        if self._producer is None:
            before = self._asked()
            self._client.problem = ""
            made = self._client.made(Producer, transactional_id=self._id, **settings)
            self._do(lambda: made.init_transactions(_SECONDS))
            self._producer, self._known = made, self._asked()
            if before != self._known:
                self.close()
                raise StoreError(
                    f"another process writes to {self._topic} for this log, too: end one of them"
                )
        if not self._is_begun:
            self._do(self._producer.begin_transaction)
            self._is_begun = True
        return self._producer

    def write(self, positions: dict[str, int]) -> None:
        """See `Sent.write`: the transaction is committed, with all that was produced in it."""
        producer = self.producer()
        place = TopicPartition(self._topic, 0, sum(positions.values()), json.dumps(positions))
        group = self._group().consumer_group_metadata()
        self._do(lambda: producer.send_offsets_to_transaction([place], group, _SECONDS))
        self._do(lambda: producer.commit_transaction(_SECONDS))
        self._is_begun, self._known = False, positions

    def forget(self) -> None:
        """See `Sent.forget`."""
        self.write({})

    def close(self) -> None:
        """Give up what has been begun, and leave the brokers."""
        if self._producer is not None:
            with suppress(*RAISED):
                self._producer.purge()
                if self._is_begun:
                    self._producer.abort_transaction(1.0)
        if self._consumer is not None:
            self._consumer.close()
        self._consumer = self._producer = self._known = None
        self._is_begun = False

    def _asked(self) -> dict[str, int]:
        [found] = self._do(lambda: self._group().committed([TopicPartition(self._topic, 0)], _SECONDS))
        if found.error is not None:
            raise self._client.explained(found.error, "asking how far messages are sent")
        try:
            return {name: int(at) for name, at in json.loads(found.metadata or "{}").items()}
        except (AttributeError, TypeError, ValueError):
            raise StoreError(
                f"group {self._id} holds no positions of a sink: delete it, and all is sent again"
            ) from None

    def _group(self) -> Any:
        if self._consumer is None:
            self._consumer = self._client.made(Consumer, group_id=self._id, enable_auto_commit=False)
        return self._consumer

    def _do(self, act: Any) -> Any:
        try:
            return act()
        except RAISED as error:
            self.close()
            cause = error.args[0] if isinstance(error, KafkaException) else error
            if isinstance(cause, KafkaError):
                raise self._client.explained(cause, "writing in a transaction") from None
            raise StoreError(f"the transaction ended: {self._client.problem or cause}") from None
