"""Whether brokers answer, and whether topics are there: asked before anything depends on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from ringfence.adapters.kafka.client import SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.adapters.kafka.client import Client


class Seen(NamedTuple):
    """A topic as brokers tell of it: how many partitions, 0 where it is missing or not for this user."""

    topic: str
    partitions: int


def look_at(client: Client, topics: Iterable[str]) -> list[Seen]:
    """The topics as they are; errors of `Client.explained` where no broker answers, or lets nobody in."""
    admin = client.made(AdminClient)
    admin.poll(0)
    try:
        found = admin.list_topics(timeout=SECONDS).topics
    except KafkaException as error:
        admin.poll(0)
        raise client.explained(error.args[0], "asking for its topics") from None
    return [
        Seen(name, 0 if name not in found or found[name].error is not None else len(found[name].partitions))
        for name in topics
    ]
