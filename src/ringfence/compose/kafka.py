"""Makes clients of Kafka from an address and what is set, for streams and for followers."""

from __future__ import annotations

import os
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from ringfence.errors import InputError
from ringfence.settings import load_settings

if TYPE_CHECKING:
    from ringfence.adapters.kafka.client import Client

_ENVIRONMENT: Final = "RINGFENCE_KAFKA_"  # and a property of librdkafka with _ for its dots
_NOT_PROPERTIES: Final = frozenset({"PROPERTIES", "SINK"})  # settings of our own


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
