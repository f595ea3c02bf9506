"""What the value of a message is: JSON as it is, the data of a CloudEvent, or nothing that can be read."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.kafka.registry import begins_with_id
from ringfence.adapters.stream_records import LONGEST, Streamed, json_in, too_large
from ringfence.events.bad import Fault
from ringfence.events.privacy.garbled import mask_digits

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message

    from ringfence.adapters.files.readers import FilePiece
    from ringfence.adapters.kafka.registry import SchemaRegistry
    from ringfence.adapters.stream_records import RecordDecoding

KEY: Final = "kafka_key"
HEADER: Final = "kafka_header_"
TIMESTAMP: Final = "kafka_timestamp"
NAMES: Final = {"key": KEY, "headers": HEADER, "timestamp": TIMESTAMP}
"""What can be kept of a message beside its value, and the column of each."""

_BRACE: Final = b"{"
_MOST_HEADERS: Final = 32
_STRUCTURED: Final = b"application/cloudevents+json"


def streamed_of(message: Message, decoding: RecordDecoding, registry: SchemaRegistry | None) -> Streamed:
    """A message as a record of a stream: its source is `topic/partition`, its position the offset."""
    value = value_of(message, enveloped=decoding.enveloped, registry=registry)
    source, offset = source_of(message.topic(), message.partition()), message.offset() or 0
    raw = _bytes(message.value()) if isinstance(value, Fault) else b""
    kept = kept_of(message, decoding.keep) if decoding.keep else {}
    row_id = f"{source}/{offset}" if decoding.needs_row_ids else ""
    return Streamed(source, offset, row_id, raw, value, kept)


@lru_cache(maxsize=4096)
def source_of(topic: str | None, partition: int | None) -> str:
    """Where a message stands, for people: `payments/3`."""
    return f"{topic}/{partition}"


def value_of(
    message: Message, *, enveloped: bool = False, registry: SchemaRegistry | None = None
) -> bytes | Fault | None:
    """The JSON in a message, on one line; what is wrong with it; None for a tombstone.

    With `enveloped` each value is a CloudEvent. With a `registry` a value may name its schema by an id;
    `StoreError` where that does not answer.
    """
    value = message.value()
    if value is None:
        return None
    raw = value if isinstance(value, bytes) else str(value).encode()
    if raw[:1] == _BRACE and not enveloped and not message.headers():
        return json_in(raw)  # the usual case, told at once
    if registry is not None and begins_with_id(raw):
        if fault := too_large(raw):
            return fault
        told = registry.json_in(raw)
        if isinstance(told, Fault):
            return told
        raw = told
    return json_in(raw, enveloped=enveloped or says_structured(message))


def says_structured(message: Message) -> bool:
    """Whether its headers say that its value is a CloudEvent."""
    headers = message.headers()
    if not headers:
        return False
    return any(
        name.lower() == "content-type" and _bytes(value).lower().startswith(_STRUCTURED)
        for name, value in _pairs(headers)
    )


def kept_of(message: Message, keep: frozenset[str]) -> dict[str, Any]:
    """Key, headers and time of a message under the names that they have in an event."""
    kept: dict[str, Any] = {}
    key = message.key()
    if "key" in keep and key is not None:
        kept[KEY] = _text(key)[:LONGEST]
    if "headers" in keep:
        for name, value in _pairs(message.headers() or ())[:_MOST_HEADERS]:
            kept[HEADER + name] = _text(value)[:LONGEST]
    if "timestamp" in keep and message.timestamp()[0]:
        kept[TIMESTAMP] = message.timestamp()[1]
    return kept


def _pairs(headers: Mapping[str, Any] | Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return list(headers.items()) if hasattr(headers, "items") else list(headers)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value or "").encode()


def _text(value: Any) -> str:
    """As UTF-8, or in hexadecimal where it is none: there nobody would find a card number any more."""
    raw = _bytes(value)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return mask_digits(raw).hex()


def standing_in(piece: FilePiece, messages: Sequence[Message]) -> FilePiece:
    """A piece whose bad records are told by where their messages stand."""
    bad = []
    for one in piece.bad:
        message = messages[one.position]
        source = source_of(str(message.topic()), int(message.partition() or 0))
        bad.append(replace(one, source=source, position=int(message.offset() or 0)))
    return replace(piece, bad=bad)
