"""The topics of a job: what they have to be like, and ticks, by which an idle partition holds nobody up."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition, admin
from confluent_kafka.admin import AdminClient

from ringfence.adapters.kafka.client import SECONDS
from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from ringfence.adapters.kafka.client import KafkaClient

_Admin: Final[Any] = admin  # whose types leave two public names out
_STAMPED: Final = "LogAppendTime"
_COMPACTED: Final = "compact"
_TICK_SECONDS: Final = 0.04
_LEAVE_SECONDS: Final = 5.0
_READ_AT_ONCE: Final = 1000
_READ_SECONDS: Final = 10.0
_IN_JAVA: Final = {
    "security.protocol": "security.protocol",
    "sasl.mechanism": "sasl.mechanism",
    "sasl.mechanisms": "sasl.mechanism",
    "ssl.endpoint.identification.algorithm": "ssl.endpoint.identification.algorithm",
    "client.id": "client.id",
}
_LOGIN: Final = {"PLAIN": "plain.PlainLoginModule"}
_SCRAM: Final = "scram.ScramLoginModule"


def partitions_of(client: KafkaClient, outputs: Iterable[str]) -> list[str]:
    """Every partition that is read, as `TOPIC/NUMBER`, in the order of topics and numbers.

    `InputError` where a topic, or one of `outputs`, is missing, or where a topic's records do not carry the
    time at which the broker took them; errors of `KafkaClient.explained` where no broker answers.
    """
    admin = client.made(AdminClient)
    admin.poll(0)
    try:
        found = admin.list_topics(timeout=SECONDS).topics
    except KafkaException as error:
        admin.poll(0)
        raise client.explained(error.args[0], "asking for its topics") from None
    topics = client.address.topics
    missing = [name for name in (*topics, *outputs) if name not in found or found[name].error is not None]
    if missing:
        named = ", ".join(dict.fromkeys(missing))
        raise InputError(
            f"there is no topic {named} at {client.address.brokers}, or this user may not use it: create it "
            "first, or check its name"
        )
    for topic in topics:
        _check(client, admin, topic)
    return [f"{topic}/{number}" for topic in topics for number in sorted(found[topic].partitions)]


def _check(client: KafkaClient, admin: Any, topic: str) -> None:
    resource = _Admin.ConfigResource(_Admin.ResourceType.TOPIC, topic)
    try:
        config = admin.describe_configs([resource], request_timeout=SECONDS)[resource].result()
    except KafkaException as error:
        raise client.explained(error.args[0], f"asking how {topic} is configured") from None
    if config["message.timestamp.type"].value != _STAMPED:
        raise InputError(
            f"records of topic {topic} carry the time of whoever sent them, by which no order of several "
            "partitions can be had: set message.timestamp.type=LogAppendTime for the topic (kafka-configs "
            f"--alter --entity-type topics --entity-name {topic} --add-config "
            "message.timestamp.type=LogAppendTime). Records that are in it already are taken as they stand"
        )
    if _COMPACTED in config["cleanup.policy"].value:
        raise InputError(
            f"topic {topic} is compacted: it forgets payments, and takes no ticks. Set "
            "cleanup.policy=delete for it"
        )


class Ticker:
    """Keeps the clocks of all partitions going: a record without key and value to each, every 40 ms.

    Decisions wait until every partition's clock has passed their payment. A tick is no record to any other
    reader of these topics.
    """

    def __init__(self, client: KafkaClient, partitions: Sequence[str]) -> None:
        """`partitions` as `TOPIC/NUMBER`; of a single one nobody waits for another."""
        self.problem = ""
        self._client = client
        self._partitions = [_split(name) for name in partitions]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def __enter__(self) -> Self:
        if len(self._partitions) > 1:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2 * _LEAVE_SECONDS)

    def _run(self) -> None:
        producer = self._client.made(Producer, linger_ms=0, acks="all", delivery_timeout_ms=5000)
        while not self._stop.wait(_TICK_SECONDS):
            for topic, number in self._partitions:
                try:
                    producer.produce(topic, None, partition=number, on_delivery=self._delivered)
                except (BufferError, KafkaException) as error:
                    self.problem = str(error)
            producer.poll(0)
        producer.flush(_LEAVE_SECONDS)

    def _delivered(self, error: Any, _message: Any) -> None:
        self.problem = "" if error is None else error.str()


def _split(name: str) -> tuple[str, int]:
    topic, _, number = name.rpartition("/")
    return topic, int(number)


def java_properties(client: KafkaClient) -> dict[str, str]:
    """What Kafka's client in Java is told, of what librdkafka would be; secrets are among them.

    `InputError` names a property that has no counterpart.
    """
    given = {name: str(value) for name, value in client.given.items()}
    made: dict[str, str] = {}
    user, password = given.pop("sasl.username", None), given.pop("sasl.password", None)
    authority = given.pop("ssl.ca.location", None)
    for name, value in given.items():
        if name not in _IN_JAVA:
            raise InputError(
                f"{name} is not passed on to Flink's Kafka client: only {', '.join(_IN_JAVA)}, "
                "sasl.username, sasl.password and ssl.ca.location are"
            )
        made[_IN_JAVA[name]] = value
    if user is not None:
        module = _LOGIN.get(made.get("sasl.mechanism", "PLAIN"), _SCRAM)
        made["sasl.jaas.config"] = (
            f"org.apache.kafka.common.security.{module} required "
            f'username="{_quoted(user)}" password="{_quoted(password or "")}";'
        )
    if authority is not None:
        made |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": authority}
    return made


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def put(client: KafkaClient, topic: str, values: Iterable[bytes]) -> None:
    """Append records to the first partition of a topic; errors of `KafkaClient.explained`."""
    producer = client.made(
        Producer, acks="all", enable_idempotence=True, delivery_timeout_ms=int(SECONDS * 1000)
    )
    refused: list[KafkaError] = []
    for value in values:
        producer.produce(
            topic, value, partition=0, on_delivery=lambda error, _: refused.append(error) if error else None
        )
    producer.flush(2 * SECONDS)
    if refused:
        raise client.explained(refused[0], f"writing to {topic}")


class ReadRecords(NamedTuple):
    """Records of one partition that have a value, int64 arrays and values of one length.

    `clock_ms` is the partition's clock at each, `end_ms` that behind all records, ticks among them.
    """

    offsets: NDArray[np.int64]
    append_ms: NDArray[np.int64]
    clock_ms: NDArray[np.int64]
    values: list[bytes]
    end_ms: int


def read_topic(client: KafkaClient, partition: str) -> ReadRecords:
    """What a partition, `TOPIC/NUMBER`, holds now. Errors of `KafkaClient.explained`."""
    found: list[Any] = []
    clocks: list[int] = []
    end = 0
    for message in _messages(client, *_split(partition)):
        end = max(end, message.timestamp()[1])
        if message.value() is not None:
            found.append(message)
            clocks.append(end)
    return ReadRecords(
        np.array([one.offset() for one in found], np.int64),
        np.array([one.timestamp()[1] for one in found], np.int64),
        np.array(clocks, np.int64),
        [one.value() for one in found],
        end,
    )


def read_values(client: KafkaClient, topic: str) -> Iterator[bytes]:
    """The values of a topic's committed records, partition by partition."""
    consumer = client.made(Consumer, group_id="ringfence-flink-check", enable_auto_commit=False)
    try:
        numbers = sorted(consumer.list_topics(topic, timeout=SECONDS).topics[topic].partitions)
    except KafkaException as error:
        raise client.explained(error.args[0], f"asking for {topic}") from None
    finally:
        consumer.close()
    for number in numbers:
        for message in _messages(client, topic, number):
            if message.value() is not None:
                yield message.value()


def _messages(client: KafkaClient, topic: str, number: int) -> Iterator[Any]:
    consumer = client.made(
        Consumer,
        group_id="ringfence-flink-check",
        enable_auto_commit=False,
        enable_partition_eof=True,
        auto_offset_reset="earliest",
        isolation_level="read_committed",
    )
    try:
        consumer.assign([TopicPartition(topic, number, 0)])
        while True:
            for message in consumer.consume(_READ_AT_ONCE, _READ_SECONDS):
                error = message.error()
                if error is None:
                    yield message
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 (a public constant)
                    return
                else:
                    raise client.explained(error, f"reading {topic}/{number}")
    finally:
        consumer.close()
