"""Makes clients of Kafka from an address and what is set, for streams and for followers."""

from __future__ import annotations

import os
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from ringfence.errors import InputError
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.adapters.kafka.client import KafkaClient
    from ringfence.adapters.kafka.outlet import TopicOutlet
    from ringfence.adapters.kafka.topic_check import TopicFacts
    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.ports.topics import TopicBrowser

Options: TypeAlias = dict[str, tuple[str, ...] | None]
_ENVIRONMENT: Final = "RINGFENCE_KAFKA_"  # and a property of librdkafka with _ for its dots
_TOPIC_OPTIONS: Final = ("flag_matches", "quarantine", "flagged", "decisions", "control")  # name topics
_NOT_PROPERTIES: Final = frozenset({"PROPERTIES", "SINK", "CONTROL"})  # settings of our own


def kafka_client(address: str, options: Options, topic: str | None = None) -> KafkaClient:
    """A maker of clients for an address that may have these options; `InputError` says what is wrong.

    `topic` stands in for the topics of the address.
    """
    needs_kafka()
    from ringfence.adapters.kafka.address import KafkaAddress  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kafka.client import KafkaClient, properties_in  # noqa: PLC0415 (likewise)

    file = load_settings().kafka_properties
    properties: dict[str, Any] = {} if file is None else dict(properties_in(file))
    for name, value in os.environ.items():
        rest = name.removeprefix(_ENVIRONMENT)
        if name.startswith(_ENVIRONMENT) and rest not in _NOT_PROPERTIES:
            properties[rest.lower().replace("_", ".")] = value
    made = KafkaAddress.of(address, options)
    return KafkaClient(made if topic is None else replace(made, topics=(topic,)), properties)


class KafkaOptions(NamedTuple):
    """What an address may say: of a source, of a sink, and of a control topic that is written to."""

    source: Options
    sink: Options
    control: Options


def kafka_options() -> KafkaOptions:
    """The options that there are; `InputError` where the client library is missing."""
    needs_kafka()
    from ringfence.adapters.kafka import (  # noqa: PLC0415 (an extra)
        control,
        control_sink,
        decided,
        sink,
        source,
    )

    return KafkaOptions(
        source.OPTIONS | decided.OPTIONS | control.OPTIONS, sink.OPTIONS, control_sink.OPTIONS
    )


def look_at(client: KafkaClient, topics: Iterable[str]) -> list[TopicFacts]:
    """What a cluster says of topics, on one question."""
    from ringfence.adapters.kafka import topic_check  # noqa: PLC0415 (an extra)

    return topic_check.look_at(client, topics)


def schema_problems(client: KafkaClient, topics: Iterable[str]) -> list[str]:
    """What is wrong with the newest schemas of topics; empty without a registry, or where all can be read.

    `StoreError` or `InputError` where the registry does not answer, or lets nobody in.
    """
    from ringfence.adapters.kafka.registry import URL, SchemaRegistry  # noqa: PLC0415 (an extra)

    if URL not in client.registry:
        return []
    registry = SchemaRegistry(client.registry)
    try:
        registry.look()
        told = [(topic, registry.problem_of(topic)) for topic in topics]
    finally:
        registry.close()
    return [f"values of {topic} are not read: its newest {said}" for topic, said in told if said]


def topic_outlet(address: str) -> TopicOutlet:
    """What puts made-up events into topics; errors as of `kafka_client`."""
    needs_kafka()
    from ringfence.adapters.kafka.outlet import OPTIONS, TopicOutlet  # noqa: PLC0415 (an extra)

    return TopicOutlet(kafka_client(address, OPTIONS))


def topics_of(client: KafkaClient) -> list[str]:
    """All topics that an address names, also in its options."""
    options = client.address.options
    return [*client.address.topics, *(options[name] for name in _TOPIC_OPTIONS if options.get(name))]


def topic_browsers(addresses: Iterable[str], tokenizer: Tokenizer) -> list[TopicBrowser]:
    """Who looks into the topics of the brokers that some addresses name, of sources or sinks, once for each.

    `tokenizer` says what may be shown of messages. Errors as of `kafka_client`; none is asked yet.
    """
    named: dict[str, tuple[KafkaClient, set[str]]] = {}
    for address in addresses:
        known = kafka_options()
        client = kafka_client(address, known.source | known.sink)
        _, topics = named.setdefault(client.address.brokers, (client, set()))
        topics |= set(topics_of(client))
    if not named:
        return []
    from ringfence.adapters.kafka.browser import KafkaBrowser  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kafka.registry import URL, SchemaRegistry  # noqa: PLC0415 (likewise)

    return [
        KafkaBrowser(
            client,
            frozenset(topics),
            tokenizer,
            SchemaRegistry(client.registry) if URL in client.registry else None,
        )
        for client, topics in named.values()
    ]


def needs_kafka() -> None:
    """`InputError` where Kafka's client library is not installed."""
    if find_spec("confluent_kafka") is None:
        raise InputError("Kafka needs its client library: pip install 'ringfence[kafka]'")
