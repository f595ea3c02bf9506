"""JSON events to columns: all lines at once when they are good, one by one where they are not.

What is said of one bad line does not depend on its neighbours, and none is lost: it becomes an event or a bad
record.
"""

from __future__ import annotations

import contextlib
from functools import lru_cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec
import numpy as np
import pyarrow as pa

from ringfence.events.attributes import ARROW_TYPE
from ringfence.events.bad import ORIGINAL_LIMIT, BadRecord, Fault, Reason, unreadable
from ringfence.events.batch import EventBatch
from ringfence.events.decoding.actions import fill_action
from ringfence.events.decoding.binding import NEEDED, in_row_order
from ringfence.events.decoding.draft import Draft
from ringfence.events.decoding.free_fields import fill_attributes
from ringfence.events.decoding.record import RECORDS, Event, Lifecycle, Transaction
from ringfence.events.model import BIN_FIELDS
from ringfence.events.repeated import may_repeat, repeated_fault
from ringfence.events.values.times import format_ms
from ringfence.events.values.vocabulary import KINDS, nearest
from ringfence.masking import mask_cards

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ringfence.events.privacy.tokens import Tokenizer

RECORD_LIMIT: Final = 1024 * 1024
"""Bytes of one record."""

_DECIMAL_ID: Final = "Expected `int | str`, got `float`"
_ID_AS_TEXT: Final = ": write it as a text, or without a point and an exponent"
_MOST_FAULTS: Final = 20  # told of one record: it may have 100,000 fields that nobody knows
CARD_FIELDS: Final = frozenset({"card_number"})
_DECODERS: Final = {kind: msgspec.json.Decoder(struct) for kind, struct in RECORDS.items()}
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_TRANSACTIONS: Final = _DECODERS["transaction"]
_TYPES: Final = {
    kind: {field.name: field.type for field in msgspec.structs.fields(struct)}
    for kind, struct in RECORDS.items()
}
NO_EVENTS: Final = EventBatch(
    pa.RecordBatch.from_pydict({"kind": pa.array([], pa.uint8()), "event_time_ms": pa.array([], pa.int64())})
)
_TIMES: Final = {
    "event_time": "event_time_ms",
    "effective_at": "effective_at_ms",
    "expires_at": "expires_at_ms",
}
_LAST: Final = (
    "amount",
    "amount_minor",
    "card_number",
    "currency",
    "attributes",
)  # not for `fill`
PLAIN_FIELDS: Final = {
    kind: [name for name in fields if name not in _LAST] for kind, fields in _TYPES.items()
}
"""Fields that `fill` sees to, by kind, in the order in which their faults are told."""

_NUMBERS: Final = frozenset({"lat", "lon"})
_BOOLEANS: Final = frozenset({"label", "removed"})


class JsonDecoder:
    """Decodes events written as JSON objects. Holds no state between calls."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer

    def decode_one(
        self, record: bytes, ingest_time_ms: int, source: str = "request"
    ) -> EventBatch | BadRecord:
        """The event, or what is wrong with it, field by field."""
        events, bad = self.decode_lines([record], ingest_time_ms, source)
        return bad[0] if bad else events

    def decode_lines(
        self, lines: Sequence[bytes], ingest_time_ms: int, source: str, first_position: int = 1
    ) -> tuple[EventBatch, list[BadRecord]]:
        """Events of the good lines in order, and the bad ones; line i stands at `first_position + i`.

        Blank lines are skipped.
        """
        records, faults = _decode(lines)
        parts: list[tuple[EventBatch, Any]] = []
        for rows, part in _groups(records):
            draft = self._draft(part, ingest_time_ms)
            events, good = draft.finish()
            faults |= {rows[row]: tuple(found) for row, found in draft.faults.items()}
            if len(events):
                parts.append((events, np.asarray(rows)[good]))
        bad = [self.refused(lines[row], source, first_position + row, faults[row]) for row in sorted(faults)]
        return (in_row_order(parts)[0] if parts else NO_EVENTS), bad

    def refused(self, line: bytes, source: str, position: int, faults: tuple[Fault, ...]) -> BadRecord:
        """A bad line, without card numbers, and no longer than what quarantine keeps."""
        clean = self._tokenizer.sanitize_json(line, CARD_FIELDS)
        if len(clean) > ORIGINAL_LIMIT:
            said = f"the first {ORIGINAL_LIMIT} of {len(clean)} bytes are kept"
            faults = (*faults, Fault(Reason.TOO_LARGE, "", said))
        return BadRecord(source, position, faults, clean[:ORIGINAL_LIMIT])

    def _draft(self, records: Sequence[Event], ingest_time_ms: int) -> Draft:
        kind = records[0].__struct_config__.tag
        assert isinstance(kind, str)
        draft = Draft(KINDS[kind], len(records), self._tokenizer, ingest_time_ms)
        for name in PLAIN_FIELDS[kind]:
            values = list(map(attrgetter(name), records))
            if values.count(None) < len(values):
                fill(draft, name, _column(name, values))
        if isinstance(records[0], Transaction):
            _fill_cards(draft, records)
        if isinstance(records[0], (Transaction, Lifecycle)):
            _fill_money(draft, records)
        if "attributes" in _TYPES[kind]:
            fill_attributes(draft, list(map(attrgetter("attributes"), records)))
        draft.require(*NEEDED[KINDS[kind]])
        return draft


def _decode(lines: Sequence[bytes]) -> tuple[list[Event | None], dict[int, tuple[Fault, ...]]]:
    """A record, or None, per line, and the faults of lines that are no record."""
    if max(map(len, lines), default=0) <= RECORD_LIMIT:
        with contextlib.suppress(*_UNREADABLE):
            every: list[Event | None] = list(map(_TRANSACTIONS.decode, lines))
            if not may_repeat(lines):
                return every, {}
    records: list[Event | None] = []
    faults: dict[int, tuple[Fault, ...]] = {}
    for row, line in enumerate(lines):
        record = _decode_one(line)
        if isinstance(record, tuple):
            faults[row] = record
            record = None
        records.append(record)
    return records, faults


def _decode_one(line: bytes) -> Event | tuple[Fault, ...] | None:
    if not line or line.isspace():
        return None
    if len(line) > RECORD_LIMIT:
        return (
            Fault(
                Reason.TOO_LARGE, "", f"{len(line)} bytes, at most {RECORD_LIMIT} are allowed in one record"
            ),
        )
    try:
        record: Event | tuple[Fault, ...] = _TRANSACTIONS.decode(line)
    except _UNREADABLE:
        record = _decode_other(line)
    if isinstance(record, tuple):
        return record
    repeated = repeated_fault(line)
    return record if repeated is None else (repeated,)


def _decode_other(line: bytes) -> Event | tuple[Fault, ...]:
    """An event of another kind, or field by field what is wrong."""
    try:
        raw = msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return (unreadable(line, error),)
    kind = raw.get("kind", "transaction")
    if not isinstance(kind, str) or kind not in RECORDS:
        hint = nearest(kind, RECORDS) if isinstance(kind, str) else ""
        return (Fault(Reason.WRONG_TYPE, "kind", f"is none of {', '.join(RECORDS)}{hint}"),)
    try:
        return _DECODERS[kind].decode(line)
    except msgspec.DecodeError as error:
        return _field_faults(raw, kind) or (Fault(Reason.MALFORMED, "", str(error)),)


def _field_faults(raw: dict[str, Any], kind: str) -> tuple[Fault, ...]:
    types, faults = _TYPES[kind], list[Fault]()
    for done, (name, value) in enumerate(raw.items()):
        if name == "kind":
            continue
        if len(faults) == _MOST_FAULTS:
            said = f"the first {_MOST_FAULTS} faults are told, {len(raw) - done} more fields not looked at"
            return (*faults, Fault(Reason.TOO_LARGE, "", said))
        if name not in types:
            faults.append(_unknown_field(kind, mask_cards(name[:120])[:40]))
            continue
        try:
            msgspec.convert(value, types[name], strict=True)
        except msgspec.ValidationError as error:
            said = str(error).replace(" | null", "")
            faults.append(Fault(Reason.WRONG_TYPE, name, said + _ID_AS_TEXT * (said == _DECIMAL_ID)))
    return tuple(faults)


@lru_cache(maxsize=1024)  # a source that has one has it in every record, and looking for the nearest is slow
def _unknown_field(kind: str, name: str) -> Fault:
    shown = name if name.isidentifier() else "a name"
    said = f"no such field{nearest(name, _TYPES[kind])}: free fields belong under attributes"
    return Fault(Reason.UNKNOWN_FIELD, shown, said)


def _groups(records: Sequence[Event | None]) -> Iterable[tuple[Sequence[int], Sequence[Event]]]:
    """Records that can share columns, with their rows: one kind, and one way to write amounts."""
    groups: dict[tuple[type, bool], tuple[list[int], list[Event]]] = {}
    kinds = set(map(type, records))
    if kinds == {Transaction}:
        every = cast("Sequence[Transaction]", records)
        if len({record.amount_minor is None for record in every}) == 1:
            return [(range(len(every)), every)]
    for row, record in enumerate(records):
        if record is not None:
            key = (type(record), getattr(record, "amount_minor", None) is None)
            rows, found = groups.setdefault(key, ([], []))
            rows.append(row)
            found.append(record)
    return groups.values()


def _column(name: str, values: list[Any]) -> Any:
    """Values of one field, which is no amount, as the Arrow column that `fill` takes."""
    if name in _TIMES:
        return _times(values)
    if name in _NUMBERS:
        return pa.array(values, pa.float64())
    return pa.array(values, pa.bool_()) if name in _BOOLEANS else _texts(values)


def fill(draft: Draft, name: str, column: Any) -> None:
    """One field that is neither an amount nor a card number nor the attributes."""
    if name in _TIMES:
        draft.time(_TIMES[name], column, "iso", None)
    elif name in _NUMBERS:
        limit = 90.0 if name == "lat" else 180.0
        draft.number(name, column, -limit, limit)
    elif name in _BOOLEANS:
        draft.boolean(name, column)
    elif name in BIN_FIELDS:
        draft.bin(name, column)
    elif name == "action":
        fill_action(draft, column)
    else:
        draft.text(name, column)


def _fill_cards(draft: Draft, records: Sequence[Any]) -> None:
    cards = [record.card_number for record in records]
    if cards.count(None) < len(cards):
        draft.card(_texts(cards))


def _fill_money(draft: Draft, records: Sequence[Any]) -> None:
    currencies = [record.currency for record in records]
    if currencies.count(None) < len(currencies):
        draft.currency(pa.array(currencies, pa.string()))
    minor = [record.amount_minor for record in records]
    amounts = [record.amount for record in records]
    if minor[0] is None:  # so are all of the group
        draft.amount(_amounts(amounts), minor_units=False)
        return
    both = np.array([amount is not None for amount in amounts])
    draft.fault(both, Reason.WRONG_TYPE, "amount", "give amount or amount_minor, not both")
    draft.amount(pa.array(minor, pa.int64()), minor_units=True)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _texts(values: list[Any]) -> Any:
    try:
        return pa.array(values, pa.string())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([_text(value) for value in values], pa.string())


def _times(values: list[Any]) -> Any:
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {str}:
        return pa.array(values, pa.string())
    try:
        if kinds == {int}:
            return pa.array(values, pa.int64())
    except (OverflowError, pa.ArrowInvalid):
        pass
    return pa.array([format_ms(value) if isinstance(value, int) else value for value in values], pa.string())


def _amounts(values: list[Any]) -> Any:
    kinds = set(map(type, values)) - {type(None)}
    if len(kinds) == 1:
        return pa.array(values, ARROW_TYPE[kinds.pop()])
    return pa.array([repr(value) if isinstance(value, float) else value for value in values], pa.string())
