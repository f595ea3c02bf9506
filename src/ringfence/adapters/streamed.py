"""What stands in the value of a stream's record: JSON as it is, or the data of a CloudEvent."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.events.bad import Fault, Reason
from ringfence.events.decode import RECORD_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST: Final = 1024
"""Characters of a key or header that are kept."""

_MAGIC: Final = 0  # first byte of a value with the id of its schema behind it
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")


class _Envelope(msgspec.Struct):
    """A CloudEvent in structured mode."""

    specversion: str
    data: msgspec.Raw = msgspec.Raw(b"")
    data_base64: str | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


def json_in(raw: bytes, *, enveloped: bool = False) -> bytes | Fault:
    """The JSON in a value, on one line, or what is wrong with it; with `enveloped` it is a CloudEvent."""
    if fault := _unreadable(raw):
        return fault
    if enveloped:
        return _data_of(raw)
    return raw.translate(_ONE_LINE) if b"\n" in raw else raw


def with_attributes(line: bytes, kept: Mapping[str, Any], *, canonical: bool) -> bytes:
    """A record with more fields, as attributes or as columns of a mapping."""
    if not kept:
        return line
    try:
        record = _OBJECT.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return line  # it is refused, and keeps its bytes
    if canonical:
        attributes = record.get("attributes")
        if attributes is not None and not isinstance(attributes, dict):
            return line
        record["attributes"] = {**(attributes or {}), **kept}
    else:
        record |= kept
    return msgspec.json.encode(record)


def _unreadable(raw: bytes) -> Fault | None:
    """What is wrong with a value before anybody looks into it."""
    if len(raw) > RECORD_LIMIT:
        return Fault(Reason.TOO_LARGE, "", f"{len(raw)} bytes, at most {RECORD_LIMIT} are allowed")
    if not raw.strip():
        return Fault(Reason.MALFORMED, "", "an empty value")
    if raw[0] == _MAGIC:
        said = "names its schema by an id, as values of a registry do: name it by schema.registry.url"
        return Fault(Reason.MALFORMED, "", said)
    return None


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
