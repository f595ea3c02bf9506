"""Makes clients of Kafka from an address and what is set, for streams and for followers."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from ringfence.errors import InputError
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.adapters.kafka.client import Client
    from ringfence.adapters.kafka.look import Seen

Options: TypeAlias = dict[str, tuple[str, ...] | None]
_ENVIRONMENT: Final = "RINGFENCE_KAFKA_"  # and a property of librdkafka with _ for its dots
_NOT_PROPERTIES: Final = frozenset({"PROPERTIES", "SINK"})  # settings of our own


def kafka_client(address: str, options: Options) -> Client:
    """A maker of clients for an address that may have these options; `InputError` says what is wrong."""
    needs_kafka()
    from ringfence.adapters.kafka.address import Address  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kafka.client import Client, properties_in  # noqa: PLC0415 (likewise)

    file = load_settings().kafka_properties
    properties: dict[str, Any] = {} if file is None else dict(properties_in(file))
    for name, value in os.environ.items():
        rest = name.removeprefix(_ENVIRONMENT)
        if name.startswith(_ENVIRONMENT) and rest not in _NOT_PROPERTIES:
            properties[rest.lower().replace("_", ".")] = value
    return Client(Address.of(address, options), properties)


class KafkaOptions(NamedTuple):
    """What an address may say, of a source and of a sink."""

    source: Options
    sink: Options


def kafka_options() -> KafkaOptions:
    """The options that there are; `ImportError` where the client library is missing."""
    from ringfence.adapters.kafka import sink, source  # noqa: PLC0415 (an extra)

    return KafkaOptions(source.OPTIONS, sink.OPTIONS)


def look_at(client: Client, topics: Iterable[str]) -> list[Seen]:
    """What a cluster says of topics, on one question; a registry of schemas is asked first."""
    from ringfence.adapters.kafka import look  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kafka.registry import URL, Registry  # noqa: PLC0415 (likewise)

    if URL in client.registry:
        registry = Registry(client.registry)
        registry.look()
        registry.close()
    return look.look_at(client, topics)


def needs_kafka() -> None:
    """`InputError` where Kafka's client library is not installed."""
    if find_spec("confluent_kafka") is None:
        raise InputError("Kafka needs its client library: pip install 'ringfence[kafka]'")
