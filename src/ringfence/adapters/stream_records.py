"""Records of streams to events: what readers of Kafka and of Kinesis share."""

from __future__ import annotations

import base64
import binascii
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

import msgspec
import pyarrow as pa

from ringfence.adapters.files.json_reader import JsonReader
from ringfence.adapters.files.readers import FilePiece
from ringfence.events.bad import ORIGINAL_LIMIT, BadRecord, Fault, Reason
from ringfence.events.decoding.decode import NO_EVENTS, RECORD_LIMIT
from ringfence.events.decoding.decode_block import BlockDecoder
from ringfence.events.repeated import repeated_fault

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ringfence.events.privacy.tokens import Tokenizer
    from ringfence.events.values.vocabulary import Mapping as FieldMapping

LONGEST: Final = 1024
"""Characters of a key or header that are kept."""

_MAGIC: Final = 0  # first byte of a value with the id of its schema behind it
_CANONICAL: Final = "canonical"
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_ONE_LINE: Final = bytes.maketrans(b"\r\n", b"  ")


class _Envelope(msgspec.Struct):
    """A CloudEvent in structured mode."""

    specversion: str
    data: msgspec.Raw = msgspec.Raw(b"")
    data_base64: str | None = None


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


class Streamed(NamedTuple):
    """One record of a stream.

    Attributes:
        source: where it stands, for people and for quarantine.
        position: its number there.
        row_id: an id by which it is known again, where the mapping may take that for the payment's.
        raw: its bytes as they came.
        value: its JSON on one line, or what is wrong with it; None where it is no record, and no fault.
        kept: fields beside those of the value.
    """

    source: str
    position: int
    row_id: str
    raw: bytes
    value: bytes | Fault | None
    kept: Mapping[str, Any] = {}


class RecordDecoding(Protocol):
    """Reads records; attributes and methods as of `StreamDecoding`."""

    @property
    def keep(self) -> frozenset[str]: ...

    @property
    def enveloped(self) -> bool: ...

    @property
    def needs_row_ids(self) -> bool: ...

    def plain(self, values: Sequence[bytes], now_ms: int, /) -> FilePiece | None: ...

    def __call__(self, records: Iterable[Streamed], now_ms: int, /) -> FilePiece: ...


class StreamDecoding:
    """Reads records by one mapping. One thread at a time.

    Attributes:
        keep: what is kept beside the value, as the address or the mapping says.
        enveloped: whether each value is a CloudEvent.
        needs_row_ids: whether the mapping may ask for `Streamed.row_id`.
        changes: whether each value is a change of a row of a DynamoDB table.
    """

    def __init__(
        self,
        mapping: FieldMapping,
        tokenizer: Tokenizer,
        names: Mapping[str, str],
        *,
        keep: frozenset[str] = frozenset(),
        enveloped: bool = False,
        changes: bool = False,
    ) -> None:
        """`names` say under which column a mapping finds what can be kept; what it names is kept anyway."""
        self.enveloped = enveloped
        self.changes = changes
        self._mapping = mapping
        self._tokenizer = tokenizer
        self._is_canonical = mapping.name == _CANONICAL
        self.needs_row_ids = not self._is_canonical
        self._blocks = BlockDecoder(tokenizer)
        named = "" if self._is_canonical else " ".join(mapping.columns)
        self.keep = keep | {what for what, name in names.items() if name in named}

    def __call__(self, records: Iterable[Streamed], now_ms: int) -> FilePiece:
        """Events of the good ones in order; `empty` counts tombstones, ticks and the like."""
        lines: list[bytes] = []
        own: list[Streamed] = []  # the record of each line
        bad: list[BadRecord] = []
        empty = 0
        for record in records:
            value = record.value
            if value is None:
                empty += 1
            elif isinstance(value, Fault):
                bad.append(self.refused(record, value))
            else:
                lines.append(with_attributes(value, record.kept, canonical=self._is_canonical))
                own.append(record)
        piece = self._read(lines, own, now_ms) if lines else FilePiece(NO_EVENTS, None, [])
        for found in piece.bad:
            record = own[found.position - 1]
            bad.append(replace(found, source=record.source, position=record.position))
        return FilePiece(piece.events, piece.labels, bad, piece.skipped, empty)

    def plain(self, values: Sequence[bytes], now_ms: int) -> FilePiece | None:
        """The usual case, without a look at each record: payments of the shape of those before.

        The position of a bad one is its place among `values`. None where it is not the usual case.
        """
        if not self._is_canonical or self.enveloped or self.keep or self.changes:
            return None
        found = self._blocks.plain(values, now_ms, "stream")
        return None if found is None else FilePiece(found[0], None, found[1])

    def _read(self, lines: list[bytes], own: list[Streamed], now_ms: int) -> FilePiece:
        if self._is_canonical:
            events, refused = self._blocks.decode(b"\n".join(lines), now_ms, "stream")
            return FilePiece(events, None, refused)
        reader = JsonReader(self._mapping, self._tokenizer, now_ms, max(len(lines), 1), None, 0)
        ids = pa.array([record.row_id for record in own], pa.string())
        return reader.records("stream", lines, ids)

    def refused(self, record: Streamed, fault: Fault) -> BadRecord:
        """A value that holds no record; bytes that are no text are kept as they are, if they may be."""
        whole, mapping = record.raw, self._mapping
        clean = self._tokenizer.sanitize_json(
            whole[: 2 * ORIGINAL_LIMIT], mapping.card_columns, mapping.id_columns, mapping.personal_columns
        )
        faults = [fault]
        if len(whole) > ORIGINAL_LIMIT:
            said = f"the first {ORIGINAL_LIMIT} of {len(whole)} bytes are kept"
            faults.append(Fault(Reason.TOO_LARGE, "", said))
        return BadRecord(
            record.source, record.position, tuple(faults), clean[:ORIGINAL_LIMIT], "json", mapping.name
        )


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
    if repeated_fault(line) is not None:
        return line  # likewise: written anew, one of the two would be gone
    if canonical:
        attributes = record.get("attributes")
        if attributes is not None and not isinstance(attributes, dict):
            return line
        record["attributes"] = {**(attributes or {}), **kept}
    else:
        record |= kept
    return msgspec.json.encode(record)


def too_large(raw: bytes) -> Fault | None:
    """The fault of a value that is longer than a record may be."""
    if len(raw) > RECORD_LIMIT:
        return Fault(Reason.TOO_LARGE, "", f"{len(raw)} bytes, at most {RECORD_LIMIT} are allowed")
    return None


def _unreadable(raw: bytes) -> Fault | None:
    """What is wrong with a value before anybody looks into it."""
    if fault := too_large(raw):
        return fault
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
    if (repeated := repeated_fault(raw)) is not None:
        return repeated
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
