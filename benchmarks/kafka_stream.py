"""Topics of a real Kafka as sources, for measuring: a broker, payments in a topic, a source over them."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.kafka import broker

from benchmarks.spine import SystemClock, payments
from ringfence.adapters.kafka.address import KafkaAddress
from ringfence.adapters.kafka.client import KafkaClient
from ringfence.adapters.kafka.outlet import OPTIONS as OUTLET_OPTIONS
from ringfence.adapters.kafka.outlet import TopicOutlet
from ringfence.adapters.kafka.records import NAMES
from ringfence.adapters.kafka.source import OPTIONS, KafkaSource
from ringfence.adapters.stream_records import StreamDecoding
from ringfence.events.mapping import load_mapping
from ringfence.events.privacy.tokens import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ringfence.adapters.sqlite.store import Store


def brokers(given: str | None) -> str:
    """Address of the brokers that are named, or of one that is fetched from Maven Central and started."""
    return given or broker().address


def fill(address: str, topic: str, events: int, partitions: int) -> str:
    """A topic of generated payments in canonical JSON, keyed by customer; the address of a source of it."""
    source = f"kafka://{address}/{topic}"
    client = KafkaClient(KafkaAddress.of(f"{source}?partitions={partitions}", OUTLET_OPTIONS), {})
    outlet = TopicOutlet(client)
    outlet.open()
    table = payments(events)
    for begin in range(0, events, 10_000):
        rows = table.slice(begin, 10_000).to_pylist()
        outlet.send(topic, ((row["customer_id"], json.dumps(row, default=_time)) for row in rows))
    outlet.close()
    return source


def _time(value: object) -> str:
    return value.isoformat()  # type: ignore[attr-defined]


@contextmanager
def opened(store: Store, address: str) -> Iterator[KafkaSource]:
    """A source that goes on where the store's journal says."""
    decoding = StreamDecoding(load_mapping("canonical"), Tokenizer(store.meta.token_key), NAMES)
    client = KafkaClient(KafkaAddress.of(address, OPTIONS), {})
    source = KafkaSource(
        client, decoding, store.positions, SystemClock().now_ms, group=f"ringfence-{store.log.identity}"
    )
    try:
        source.open()
        yield source
    finally:
        source.close()
