"""What the value of a message is: JSON as it is, the data of a CloudEvent, or nothing that can be read."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.events.bad import Fault, Reason
from ringfence.events.decode import RECORD_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from confluent_kafka import Message


KEY: Final = "kafka_key"
HEADER: Final = "kafka_header_"
TIMESTAMP: Final = "kafka_timestamp"
_MAGIC: Final = 0  # first byte of a value with the id of its schema behind it
_MOST_HEADERS: Final = 32
_LONGEST: Final = 1024  # characters of a key or header that are kept
_STRUCTURED: Final = b"application/cloudevents+json"
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")


class _Envelope(msgspec.Struct):
    """A CloudEvent in structured mode."""

    specversion: str
    data: msgspec.Raw = msgspec.Raw(b"")
    data_base64: str | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


def value_of(message: Message, *, enveloped: bool = False) -> bytes | Fault | None:
    """The JSON in a message, on one line; what is wrong with it; None for a tombstone.

    With `enveloped` each value is a CloudEvent.
    """
    value = message.value()
    if value is None:
        return None
    raw = value if isinstance(value, bytes) else str(value).encode()
    if fault := _unreadable(raw):
        return fault
    if enveloped or _says_structured(message):
        return _data_of(raw)
    return raw.translate(_ONE_LINE) if b"\n" in raw else raw


def _unreadable(raw: bytes) -> Fault | None:
    """What is wrong with a value before anybody looks into it."""
    if len(raw) > RECORD_LIMIT:
        return Fault(Reason.TOO_LARGE, "", f"{len(raw)} bytes, at most {RECORD_LIMIT} are allowed")
    if not raw.strip():
        return Fault(Reason.MALFORMED, "", "an empty value")
    if raw[0] == _MAGIC:
        said = "names its schema by an id, as Avro and Protobuf of a registry do: only JSON is read"
        return Fault(Reason.MALFORMED, "", said)
    return None


def _says_structured(message: Message) -> bool:
    headers = message.headers()
    if not headers:
        return False
    return any(
        name.lower() == "content-type" and _bytes(value).lower().startswith(_STRUCTURED)
        for name, value in _pairs(headers)
    )


def _data_of(raw: bytes) -> bytes | Fault:
    try:
        envelope = _ENVELOPE.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Fault(Reason.MALFORMED, "", f"no CloudEvent: {error}")
    if envelope.data_base64 is not None:
        try:
            data = base64.b64decode(envelope.data_base64, validate=True)
        except (binascii.Error, ValueError):
            return Fault(Reason.MALFORMED, "data_base64", "is no base64")
    else:
        data = bytes(envelope.data)
    if not data.strip():
        return Fault(Reason.MISSING_FIELD, "data", "is missing: the CloudEvent holds no record")
    return data.translate(_ONE_LINE)


def with_kept(line: bytes, message: Message, keep: frozenset[str], *, canonical: bool) -> bytes:
    """A record with the key and the headers of its message, as attributes or as columns of a mapping."""
    try:
        record = _OBJECT.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line  # it is refused, and keeps its bytes
    kept = kept_of(message, keep)
    if not kept:
        return line
    if canonical:
        attributes = record.get("attributes")
        if attributes is not None and not isinstance(attributes, dict):
            return line
        record["attributes"] = {**(attributes or {}), **kept}
    else:
        record |= kept
    return msgspec.json.encode(record)


def kept_of(message: Message, keep: frozenset[str]) -> dict[str, Any]:
    """Key, headers and time of a message under the names that they have in an event."""
    kept: dict[str, Any] = {}
    key = message.key()
    if "key" in keep and key is not None:
        kept[KEY] = _text(key)[:_LONGEST]
    if "headers" in keep:
        for name, value in _pairs(message.headers() or ())[:_MOST_HEADERS]:
            kept[HEADER + name] = _text(value)[:_LONGEST]
    if "timestamp" in keep and message.timestamp()[0]:
        kept[TIMESTAMP] = message.timestamp()[1]
    return kept


def _pairs(headers: Mapping[str, Any] | Sequence[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return list(headers.items()) if hasattr(headers, "items") else list(headers)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value or "").encode()


def _text(value: Any) -> str:
    """As UTF-8, or in hexadecimal where it is none."""
    raw = _bytes(value)
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.hex()
