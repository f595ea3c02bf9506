"""Puts the streams that a run or a server reads together. Beside `compose`: their libraries are extras."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from ringfence.errors import InputError
from ringfence.events.mapping import load_mapping
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from ringfence.adapters.kafka import KafkaSource
    from ringfence.adapters.kafka.client import Client
    from ringfence.compose import Session
    from ringfence.events.vocabulary import Mapping

_SCHEME: Final = "kafka://"
_ENVIRONMENT: Final = "RINGFENCE_KAFKA_"  # and a property of librdkafka with _ for its dots
_NOT_PROPERTIES: Final = frozenset({"PROPERTIES", "SINK"})  # settings of our own
_KEPT: Final = frozenset({"key", "headers", "timestamp"})


def is_stream(source: str) -> bool:
    """Whether a source goes on for ever, as opposed to a file."""
    return source.lower().startswith(_SCHEME)


def kafka_client(address: str, options: dict[str, tuple[str, ...] | None]) -> Client:
    """A maker of clients for an address that may have these options; `InputError` says what is wrong."""
    if find_spec("confluent_kafka") is None:
        raise InputError("Kafka needs its client library: pip install 'ringfence[kafka]'")
    from ringfence.adapters.kafka.address import Address  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kafka.client import Client, properties_in  # noqa: PLC0415 (likewise)

    file = load_settings().kafka_properties
    properties: dict[str, Any] = {} if file is None else dict(properties_in(file))
    for name, value in os.environ.items():
        rest = name.removeprefix(_ENVIRONMENT)
        if name.startswith(_ENVIRONMENT) and rest not in _NOT_PROPERTIES:
            properties[rest.lower().replace("_", ".")] = value
    return Client(Address.of(address, options), properties)


def stream_of(session: Session, address: str, mapping: str | None, say: Callable[[str], None]) -> KafkaSource:
    """The source that an address names, to be opened; its own mapping goes before `mapping`."""
    from ringfence.adapters.kafka.decoding import Decoding  # noqa: PLC0415 (an extra)
    from ringfence.adapters.kafka.source import OPTIONS, KafkaSource  # noqa: PLC0415 (likewise)

    client = kafka_client(address, OPTIONS)
    options = client.address.options
    used: Mapping = load_mapping(options.get("mapping") or mapping or "canonical")
    session.register_mapping(used)
    keep = frozenset(filter(None, options.get("keep", "").split(",")))
    if keep - _KEPT:
        raise InputError(f"option keep of the address names some of {', '.join(sorted(_KEPT))}")
    decoding = Decoding(used, session.tokenizer, keep=keep, enveloped=options.get("format") == "cloudevents")
    return KafkaSource(
        client,
        decoding,
        session.store.positions,
        session.clock.now_ms,
        group=f"ringfence-{session.store.log.identity}",
        say=say,
    )
