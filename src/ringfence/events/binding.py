"""A mapping applied to the columns that a source really has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InputError
from ringfence.events.amounts import with_point
from ringfence.events.bad import Fault, Reason
from ringfence.events.batch import EventBatch
from ringfence.events.buffers import is_text
from ringfence.events.draft import Draft
from ringfence.events.durations import parse_delay_ms
from ringfence.events.mapping import KINDS, Label, Mapping, Record, Source, nearest
from ringfence.events.model import Kind
from ringfence.events.numbers import to_bools

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from ringfence.events.tokens import Tokenizer

ATTRIBUTES_LIMIT: Final = 512
"""Attributes of one event, and different ones among events that become columns together: each is a column."""

_FIRST: Final = ("currency", "card_number")  # amounts need the currency, and an id may be told from the card
_TIMES: Final = {
    "event_time": "event_time_ms",
    "effective_at": "effective_at_ms",
    "expires_at": "expires_at_ms",
}
NEEDED: Final = {
    Kind.TRANSACTION: ("transaction_id", "event_time_ms", "amount_minor"),
    Kind.LABEL: ("transaction_id", "event_time_ms", "label"),
    Kind.PROFILE: ("entity_type", "entity_id", "event_time_ms"),
    Kind.LIST_ENTRY: ("list_name", "list_kind", "entity_id", "event_time_ms"),
    Kind.FLAG: ("entity_type", "entity_id", "event_time_ms"),
}


@dataclass(frozen=True, slots=True)
class Mapped:
    """What became of some rows: events in row order, the row of each, labels, the faults of refused rows."""

    events: EventBatch
    rows: NDArray[np.int64]
    labels: EventBatch | None
    faults: dict[int, tuple[Fault, ...]]


@dataclass(frozen=True, slots=True)
class _Bound:
    record: Record
    fields: dict[str, Source]
    attributes: dict[str, Source]
    delay_ms: int


@dataclass(slots=True)
class Binding:
    """`apply` turns rows into events. Made by `bind`; counts rows where they have to serve as ids."""

    mapping: Mapping
    columns: list[str]  # what has to be read of the source
    tokenizer: Tokenizer
    ingest_time_ms: int
    _records: list[_Bound] = field(repr=False)

    def apply(
        self,
        table: pa.RecordBatch,
        row_numbers: NDArray[np.int64],
        faults: dict[int, tuple[Fault, ...]] | None = None,
    ) -> Mapped:
        """Events of the rows of a batch that has at least `columns`; rows with faults already are left out.

        `row_numbers` count the rows of all sources from 0: they serve as ids where a mapping says so.
        """
        refused = dict(faults or {})
        kept = np.delete(np.arange(table.num_rows), list(refused)) if refused else np.arange(table.num_rows)
        clean = table.take(pa.array(kept)) if refused else table
        parts: list[tuple[EventBatch, NDArray[np.int64]]] = []
        labels: list[EventBatch] = []
        taken = np.zeros(len(kept), bool)
        for bound in self._records:
            rows = _chosen(bound.record, clean)
            taken[rows] = True
            part = clean if len(rows) == len(kept) else clean.take(pa.array(rows))
            draft = self._draft(bound, part, row_numbers[kept[rows]])
            events, good = draft.finish()
            refused |= {int(kept[rows[row]]): tuple(found) for row, found in draft.faults.items()}
            parts.append((events, kept[rows[good]]))
            labels += self._labels(bound, events, part, good)
        refused |= {int(kept[row]): (_NO_KIND,) for row in np.flatnonzero(~taken)}
        events, rows = in_row_order(parts)
        return Mapped(events, rows, EventBatch.concat(labels) if labels else None, refused)

    def _draft(self, bound: _Bound, table: pa.RecordBatch, row_numbers: NDArray[np.int64]) -> Draft:
        kind = KINDS[bound.record.kind]
        draft = Draft(kind, table.num_rows, self.tokenizer, self.ingest_time_ms)
        columns = dict(zip(table.schema.names, table.columns, strict=True))
        for name, source in bound.fields.items():
            if source.field is not None:
                draft.copy(source.field, name)
            else:
                _fill(draft, name, source, _values(source, columns, row_numbers))
        for name, source in bound.attributes.items():
            _fill_attribute(draft, name, source, _values(source, columns, row_numbers))
        draft.require(*NEEDED[kind])
        label = bound.record.label
        if label is not None and label.column in columns:
            _, unclear = told_fraud(label, columns[label.column])
            draft.fault(unclear, Reason.WRONG_TYPE, label.column, _UNCLEAR)
        return draft

    def _labels(
        self, bound: _Bound, events: EventBatch, table: pa.RecordBatch, good: NDArray[np.int64]
    ) -> list[EventBatch]:
        label = bound.record.label
        if label is None or label.column not in table.schema.names:
            return []
        told, _ = told_fraud(label, table.column(label.column))
        fraud = pc.fill_null(told, fill_value=False).to_numpy(zero_copy_only=False)[good]
        rows = np.flatnonzero(fraud)
        if not len(rows):
            return []
        return [_label_events(events.take(rows), bound.delay_ms, self.mapping.name)]


_UNCLEAR: Final = (
    "says neither fraud nor good (1 or 0, true or false, yes or no, nothing): name the values that mean "
    "fraud in the mapping, label = { column = ..., fraud = [...] }"
)
_NO_KIND: Final = Fault(
    Reason.MALFORMED, "kind", "no record of the mapping takes this row: see `only` in the mapping"
)


def bind(
    mapping: Mapping,
    schema: pa.Schema,
    where: str,
    *,
    tokenizer: Tokenizer,
    ingest_time_ms: int,
    label_delay: str | None = None,
) -> Binding:
    """The mapping fitted to a source's columns; `InputError` names a missing column and the nearest one."""
    names = list(schema.names)
    fitting = [record for record in mapping.records if record.fits(names)]
    if not fitting:
        raise InputError(_does_not_fit(mapping, names, where))
    records = [_bind_record(record, names, where, mapping.name, label_delay) for record in fitting]
    used = {
        source.column for bound in records for source in (*bound.fields.values(), *bound.attributes.values())
    }
    used |= {bound.record.label.column for bound in records if bound.record.label}
    used |= {column for bound in records for column in bound.record.only}
    return Binding(mapping, [name for name in names if name in used], tokenizer, ingest_time_ms, records)


def told_fraud(label: Label, values: Any) -> tuple[Any, NDArray[np.bool_]]:
    """Which rows a label column calls fraud, Arrow booleans, and which values it says nothing clear with.

    >>> told_fraud(Label("said", fraud=["stolen"]), pa.array(["stolen", "paid", None]))[0].to_pylist()
    [True, False, False]
    """
    if not label.fraud:
        told, unclear = to_bools(values)
        if unclear.any() and is_text(values):
            blank = pc.equal(pc.utf8_trim_whitespace(values.cast(pa.string())), "")
            unclear &= ~pc.fill_null(blank, fill_value=False).to_numpy(zero_copy_only=False)
        return told, unclear
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    found = pc.is_in(values.cast(pa.string()), value_set=pa.array(label.fraud, pa.string()))
    return found, np.zeros(len(values), bool)


def missing_columns(mapping: Mapping, names: Sequence[str]) -> list[str]:
    """Columns that keep the mapping's best record from fitting these; empty when the mapping fits."""
    if any(record.fits(names) and not absent_columns(record, names) for record in mapping.records):
        return []
    lacking = [
        sorted({*(name for name in record.when if name not in names), *absent_columns(record, names)})
        for record in mapping.records
    ]
    return min(lacking, key=len)


def absent_columns(record: Record, names: Sequence[str]) -> list[str]:
    """Columns that the record needs and the source has not."""
    every = [*record.sources().values(), *record.attribute_sources(names).values()]
    return [
        source.column
        for source in every
        if source.column is not None
        and source.column not in names
        and not source.optional
        and not source.row_number
    ]


def _does_not_fit(mapping: Mapping, names: list[str], where: str) -> str:
    lacking = missing_columns(mapping, names) or [name for record in mapping.records for name in record.when]
    hints = ", ".join(f"{name}{nearest(name, names)}" for name in lacking)
    has = ", ".join(names[:30])
    return (
        f"mapping {mapping.name} does not fit {where}: it lacks {hints}. It has {has}: choose another mapping"
    )


def _bind_record(
    record: Record, names: list[str], where: str, mapping: str, label_delay: str | None
) -> _Bound:
    lacking = absent_columns(record, names)
    if lacking:
        raise InputError(
            f"{where} has no column {lacking[0]!r}{nearest(lacking[0], names)}, which mapping {mapping} needs"
        )
    sources = record.sources()
    order = [*(name for name in _FIRST if name in sources), *(name for name in sources if name not in _FIRST)]
    order.sort(key=lambda name: sources[name].field is not None)  # copies come last
    fields = {name: sources[name] for name in order if _there(sources[name], names)}
    attributes = {
        name: source for name, source in record.attribute_sources(names).items() if _there(source, names)
    }
    if len(attributes) > ATTRIBUTES_LIMIT:
        raise InputError(
            f"{where}: {len(attributes)} attributes, at most {ATTRIBUTES_LIMIT}: list those that matter"
        )
    if record.label and label_delay is not None and record.label.column not in names:
        raise InputError(f"{where} has no column {record.label.column!r}: a label delay needs it")
    delay = label_delay or (record.label.delay if record.label else "0s")
    return _Bound(record, fields, attributes, parse_delay_ms(delay))


def _there(source: Source, names: list[str]) -> bool:
    return source.column is None or source.column in names or source.row_number


def _chosen(record: Record, table: pa.RecordBatch) -> NDArray[np.int64]:
    rows = np.ones(table.num_rows, bool)
    for column, value in record.only.items():
        rows &= pc.fill_null(pc.equal(table.column(column), value), fill_value=False).to_numpy(
            zero_copy_only=False
        )
    return np.flatnonzero(rows)


def _values(source: Source, columns: dict[str, Any], row_numbers: NDArray[np.int64]) -> Any:
    if source.constant is not None:
        return pa.repeat(source.constant, len(row_numbers))
    return columns[source.column] if source.column in columns else pa.array(row_numbers)


def _fill(draft: Draft, name: str, source: Source, values: Any) -> None:
    if name == "amount":
        values = with_point(values) if source.decimal == "," else values
        draft.amount(values, minor_units=source.unit == "minor", shift=len(str(source.scale)) - 1)
    elif name == "card_number":
        draft.card(values)
    elif source.card:
        draft.id_of_card(name, values, source.prefix or ("cus_" if name == "customer_id" else "crd_"))
    elif name == "currency":
        draft.currency(values)
    elif name in _TIMES:
        draft.time(_TIMES[name], values, source.format, source.zone, source.offset_s * 1000)
    elif name in ("lat", "lon"):
        limit = 90.0 if name == "lat" else 180.0
        draft.number(name, values, -limit, limit)
    elif name in ("label", "removed"):
        draft.boolean(name, values)
    else:
        draft.text(name, _shaped(source, values), source.prefix)


def _fill_attribute(draft: Draft, name: str, source: Source, values: Any) -> None:
    if source.type == "number":
        draft.number(f"attributes.{name.removeprefix('attributes.')}", values)
    elif source.type == "boolean":
        draft.boolean(f"attributes.{name.removeprefix('attributes.')}", values)
    elif source.type == "text" or source.pad or source.prefix or source.strip_prefix:
        draft.text(f"attributes.{name.removeprefix('attributes.')}", _shaped(source, values), source.prefix)
    else:
        draft.attribute(name, values)


def _shaped(source: Source, values: Any) -> Any:
    """Texts without the prefix to strip and with leading zeros."""
    if not (source.strip_prefix or source.pad):
        return values
    if pa.types.is_dictionary(values.type):
        return _shaped(source, values.dictionary).take(values.indices)
    texts = values.cast(pa.string())
    if source.strip_prefix:
        rest = pc.utf8_slice_codeunits(texts, len(source.strip_prefix))
        texts = pc.if_else(pc.starts_with(texts, source.strip_prefix), rest, texts)
    return pc.utf8_lpad(texts, source.pad, "0") if source.pad else texts


def _label_events(frauds: EventBatch, delay_ms: int, source: str) -> EventBatch:
    rows = len(frauds)
    targets = frauds.column("transaction_id")
    columns = {
        "kind": pa.array(np.full(rows, int(Kind.LABEL), np.uint8)),
        "event_id": pc.binary_join_element_wise("label-", targets, ""),
        "event_time_ms": pa.array(frauds.event_time_ms + delay_ms),
        "ingest_time_ms": frauds.column("ingest_time_ms"),
        "transaction_id": targets,
        "label": pa.repeat(pa.scalar(True), rows),
        "label_source": pa.repeat(source, rows),
    }
    return EventBatch(pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns)))


def in_row_order(
    parts: Sequence[tuple[EventBatch, NDArray[np.int64]]],
) -> tuple[EventBatch, NDArray[np.int64]]:
    """Events of several parts in the order of their rows, and the rows."""
    if len(parts) == 1:
        return parts[0]
    rows = np.concatenate([rows for _, rows in parts])
    order = np.argsort(rows, kind="stable")
    return EventBatch.concat([batch for batch, _ in parts]).take(order), rows[order]
