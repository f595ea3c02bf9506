"""Whether brokers answer, and whether topics are there: asked before anything depends on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from confluent_kafka import KafkaException, TopicPartition

from ringfence.adapters.kafka.client import ADMIN, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.adapters.kafka.client import KafkaClient


class TopicFacts(NamedTuple):
    """A topic as brokers tell of it: how many partitions, 0 where it is missing or not for this user.

    `latest_ms` is the latest time that a message has; None where none has one, or brokers do not tell.
    """

    topic: str
    partitions: int
    latest_ms: int | None = None


def look_at(client: KafkaClient, topics: Iterable[str]) -> list[TopicFacts]:
    """The topics as they are; errors of `KafkaClient.explained` where no broker lets anybody in."""
    admin = client.made(ADMIN.AdminClient)
    admin.poll(0)
    try:
        found = admin.list_topics(timeout=SECONDS).topics
    except KafkaException as error:
        admin.poll(0)
        raise client.explained(error.args[0], "asking for its topics") from None
    return [
        TopicFacts(name, 0)
        if name not in found or found[name].error is not None
        else TopicFacts(
            name, len(found[name].partitions), _latest_ms(admin, name, len(found[name].partitions))
        )
        for name in topics
    ]


def _latest_ms(admin: Any, topic: str, partitions: int) -> int | None:
    parts = [TopicPartition(topic, number) for number in range(partitions)]
    asked = admin.list_offsets(
        dict.fromkeys(parts, ADMIN.OffsetSpec.max_timestamp()), request_timeout=SECONDS
    )
    times = []
    for answer in asked.values():
        try:
            times.append(int(answer.result(SECONDS).timestamp))
        except (KafkaException, TimeoutError):
            continue  # brokers before 3.0
    return max((one for one in times if one >= 0), default=None)
