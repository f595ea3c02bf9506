"""Payments written as JSON to columns, for blocks of thousands of lines that are alike.

Arrow reads a block without a Python object per line and without the interpreter lock. It is told the type of
every field beforehand (the block's `Shape`), learned from lines that the exact path had to look at; what it
might read in another way than the exact path (`decode`), or does not read at all, is left to that path.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import json as arrow_json

from ringfence.events.attributes import ATTRIBUTES_LIMIT
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.binding import NEEDED
from ringfence.events.decoding.decode import NO_EVENTS, PLAIN_FIELDS, RECORD_LIMIT, JsonDecoder, fill
from ringfence.events.decoding.draft import Draft
from ringfence.events.decoding.record import Transaction
from ringfence.events.model import ATTRIBUTE_PREFIX, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from ringfence.events.bad import BadRecord
    from ringfence.events.privacy.tokens import Tokenizer

_PIECE: Final = 512  # lines that are tried together once a whole block was refused
_NEWLINE, _OPEN, _CLOSE = b"\n{}"
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")  # half a character: readers differ
_KIND: Final = "transaction"
_TEXT, _NUMBER, _WHOLE, _TRUTH = pa.string(), pa.float64(), pa.int64(), pa.bool_()
_FIELDS: Final[dict[str, Any]] = dict.fromkeys(
    (field.name for field in msgspec.structs.fields(Transaction) if field.name != "attributes"), _TEXT
) | {"amount_minor": _WHOLE, "lat": _NUMBER, "lon": _NUMBER}
_ONE_TYPE: Final = frozenset({"currency", "amount_minor", "lat", "lon"})
_ANY: Final = msgspec.json.Decoder(dict[str, Any])


class BlockDecoder:
    """`JsonDecoder.decode_lines` for lines in one piece. Remembers how lines looked, for speed only."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._exact = JsonDecoder(tokenizer)
        self._fields = dict(_FIELDS)
        self._attributes: dict[str, Any] = {}

    def decode(
        self, block: bytes, ingest_time_ms: int, source: str, first_position: int = 1
    ) -> tuple[EventBatch, list[BadRecord]]:
        """Events of the good lines in order, and the bad ones; line i stands at `first_position + i`."""
        ends = line_ends(block)
        found = self._alike(block, ends, ingest_time_ms, source, first_position)
        if found is not None:
            return found
        parts: list[EventBatch] = []
        bad: list[BadRecord] = []
        for first in range(0, len(ends), _PIECE):
            start = int(ends[first - 1]) + 1 if first else 0
            rows = ends[first : first + _PIECE]
            piece = block[start : int(rows[-1])]
            events, refused = self._piece(piece, rows - start, ingest_time_ms, source, first_position + first)
            bad += refused
            if len(events):
                parts.append(events)
        return (EventBatch.concat(parts) if parts else NO_EVENTS), bad

    def plain(
        self, lines: Sequence[bytes], ingest_time_ms: int, source: str
    ) -> tuple[EventBatch, list[BadRecord]] | None:
        """Events of lines each of which is a payment of the known shape; a bad one's position is its row.

        None where some are not, or are no single lines: `decode` learns their shape.
        """
        block = b"\n".join(lines)
        ends = line_ends(block)
        sizes = np.fromiter(map(len, lines), np.int64, len(lines))
        if not np.array_equal(ends, np.cumsum(sizes + 1) - 1):
            return None
        return self._alike(block, ends, ingest_time_ms, source, 0)

    def _piece(
        self, piece: bytes, ends: NDArray[np.int64], ingest_time_ms: int, source: str, position: int
    ) -> tuple[EventBatch, list[BadRecord]]:
        found = self._alike(piece, ends, ingest_time_ms, source, position)
        if found is None:
            lines = piece.split(b"\n")
            if self._learn(lines):
                found = self._alike(piece, ends, ingest_time_ms, source, position)
            if found is None:
                found = self._exact.decode_lines(lines, ingest_time_ms, source, position)
        return found

    def _alike(
        self, block: bytes, ends: NDArray[np.int64], ingest_time_ms: int, source: str, position: int
    ) -> tuple[EventBatch, list[BadRecord]] | None:
        """The events, where each line is one plain payment of the known shape; else None."""
        table = read_block(block, ends, self._schema()) if is_plain(block, ends) else None
        if table is None:
            return None
        draft = Draft(Kind.TRANSACTION, table.num_rows, self._tokenizer, ingest_time_ms)
        _fill_all(draft, dict(zip(table.schema.names, table.columns, strict=True)))
        events, _ = draft.finish()
        bad = []
        for row in sorted(draft.faults):
            line = block[int(ends[row - 1]) + 1 if row else 0 : int(ends[row])]
            bad.append(self._exact.refused(line, source, position + row, tuple(draft.faults[row])))
        return (events if len(events) else NO_EVENTS), bad  # without rows, columns may be missing

    def _schema(self) -> pa.Schema:
        attributes = pa.struct(list(self._attributes.items()))
        return pa.schema([*self._fields.items(), ("attributes", attributes)])

    def _learn(self, lines: Sequence[bytes]) -> bool:
        """Take the types of fields and attributes from lines; whether anything was new."""
        fields, attributes = dict(self._fields), dict(self._attributes)
        for line in lines:
            try:
                record = _ANY.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            fields |= _field_types(record)
            fields.pop("kind", None)
            if isinstance(record.get("kind"), str):
                fields["kind"] = _TEXT
            given = record.get("attributes")
            if isinstance(given, dict):
                attributes |= self._attribute_types(given)
        if len(attributes) > ATTRIBUTES_LIMIT:
            attributes = self._attributes
        new = fields != self._fields or attributes != self._attributes
        self._fields, self._attributes = fields, attributes
        return new

    def _attribute_types(self, given: Mapping[str, Any]) -> dict[str, Any]:
        types = {bool: _TRUTH, str: _TEXT, int: _NUMBER, float: _NUMBER}
        return {
            name: types[type(value)]
            for name, value in given.items()
            if type(value) in types
            and not name.startswith(ATTRIBUTE_PREFIX)
            and self._tokenizer.guard_text(name[:80], counted=False) == name
        }


def line_ends(block: bytes) -> NDArray[np.int64]:
    """Place after each line of a block, without its newline; the last line may lack one."""
    ends = np.flatnonzero(np.frombuffer(block, np.uint8) == _NEWLINE)
    return ends if block.endswith(b"\n") else np.append(ends, len(block))


def is_plain(block: bytes, ends: NDArray[np.int64]) -> bool:
    """Whether each line is at least one object and none spans lines, in text that all readers read alike.

    An object that has begun can only go on in the next line where that does not begin with a brace.
    """
    if not len(ends):
        return False
    data = np.frombuffer(block, np.uint8)
    starts = np.append(0, ends[:-1] + 1)
    sizes = ends - starts
    if sizes.min() < 2 or sizes.max() > RECORD_LIMIT:
        return False
    braced = bool((data[starts] == _OPEN).all() and (data[ends - 1] == _CLOSE).all())
    return braced and _is_text(block) and not _SURROGATE.search(block)


def read_block(block: bytes, ends: NDArray[np.int64], schema: pa.Schema) -> pa.RecordBatch | None:
    """The columns of a plain block; None where a line is not one payment of this shape."""
    try:
        table = arrow_json.read_json(
            pa.BufferReader(block),
            arrow_json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="error"),
        )
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    if table.num_rows != len(ends):
        return None
    batch = table.combine_chunks().to_batches()[0]
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    return batch if _is_read_alike(columns) else None


def _is_read_alike(columns: Mapping[str, Any]) -> bool:
    """Whether the exact path would have read the same."""
    kind, minor, amount = columns.get("kind"), columns["amount_minor"], columns["amount"]
    if kind is not None and (kind.null_count or not pc.all(pc.equal(kind, _KIND)).as_py()):
        return False
    if minor.null_count not in (0, len(minor)) or (not minor.null_count and amount.null_count < len(minor)):
        return False
    floats = [column for column in _leaves(columns) if pa.types.is_floating(column.type)]
    return all(map(_is_ordinary, floats))


def _leaves(columns: Mapping[str, Any]) -> list[Any]:
    return [*columns.values(), *columns["attributes"].flatten()]


def _is_ordinary(column: Any) -> bool:
    """Whether it has no NaN, infinity or negative zero, which Arrow reads and the exact path does not."""
    values = pc.fill_null(column, 1.0).to_numpy(zero_copy_only=False)
    return bool(np.isfinite(values).all() and (values.all() or not np.signbit(values[values == 0]).any()))


def _fill_all(draft: Draft, columns: Mapping[str, Any]) -> None:
    """As the exact path fills, in its order."""
    given = {name: column for name, column in columns.items() if column.null_count < len(column)}
    for name in PLAIN_FIELDS[_KIND]:
        if name in given:
            fill(draft, name, given[name])
    if "currency" in given:
        draft.currency(given["currency"])
    if "card_number" in given:
        draft.card(given["card_number"])
    is_minor = "amount_minor" in given
    draft.amount(columns["amount_minor" if is_minor else "amount"], minor_units=is_minor)
    attributes = columns["attributes"]
    for field, column in zip(attributes.type, attributes.flatten(), strict=True):
        draft.attribute(field.name, column)
    draft.require(*NEEDED[Kind.TRANSACTION])


def _field_types(record: Mapping[str, Any]) -> dict[str, Any]:
    """How this record writes the fields that may be written in two ways."""
    found = {}
    for name, value in record.items():
        if name in _FIELDS and name not in _ONE_TYPE:
            if isinstance(value, str):
                found[name] = _TEXT
            elif name == "amount" and isinstance(value, int | float):
                found[name] = _NUMBER
            elif isinstance(value, int):
                found[name] = _WHOLE
    return found


def _is_text(block: bytes) -> bool:
    if block.isascii():
        return True
    try:
        block.decode()
    except UnicodeDecodeError:
        return False
    return True
