"""A mapping applied to the columns that a source really has."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import ColumnsError, InputError
from ringfence.events.attributes import ATTRIBUTES_LIMIT
from ringfence.events.bad import Fault, Reason
from ringfence.events.batch import EventBatch
from ringfence.events.buffers import is_text
from ringfence.events.decoding.draft import Draft
from ringfence.events.decoding.filling import Filler
from ringfence.events.model import Kind
from ringfence.events.values.durations import parse_delay_ms
from ringfence.events.values.moments import MomentReader
from ringfence.events.values.numbers import to_bools
from ringfence.events.values.shaping import ShapedRows, as_text, chosen, emptied, one_of
from ringfence.events.values.vocabulary import KINDS, FieldSource, LabelColumn, MappedRecord, Mapping, nearest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from numpy.typing import NDArray

    from ringfence.events.privacy.tokens import Tokenizer

_FIRST: Final = ("currency", "card_number")  # amounts need the currency, and an id may be told from the card
NEEDED: Final = {
    Kind.TRANSACTION: ("transaction_id", "event_time_ms", "amount_minor"),
    Kind.LABEL: ("transaction_id", "event_time_ms", "label"),
    Kind.PROFILE: ("entity_type", "entity_id", "event_time_ms"),
    Kind.LIST_ENTRY: ("list_name", "list_kind", "entity_id", "event_time_ms"),
    Kind.FLAG: ("entity_type", "entity_id", "event_time_ms"),
    Kind.LIFECYCLE: ("transaction_id", "event_time_ms", "action", "amount_minor"),
}


@dataclass(frozen=True, slots=True)
class Mapped:
    """What became of some rows: events in row order, the row of each, labels, the faults of refused rows."""

    events: EventBatch
    rows: NDArray[np.int64]
    labels: EventBatch | None
    faults: dict[int, tuple[Fault, ...]]
    skipped: int = 0  # rows that the mapping leaves out on purpose


@dataclass(frozen=True, slots=True)
class _Bound:
    record: MappedRecord
    fields: dict[str, FieldSource]
    attributes: dict[str, FieldSource]
    delay_ms: int


@dataclass(slots=True)
class Binding:
    """`apply` turns rows into events. Made by `bind`; counts rows where they have to serve as ids."""

    mapping: Mapping
    columns: list[str]  # what has to be read of the source
    tokenizer: Tokenizer
    ingest_time_ms: int
    _records: list[_Bound] = field(repr=False)
    _times: MomentReader = field(repr=False)

    @property
    def needs_row_ids(self) -> bool:
        """Whether `apply` needs the ids of rows."""
        sources = (source for bound in self._records for source in bound.fields.values())
        return any(source.row_id and source.column not in self.columns for source in sources)

    def apply(
        self,
        table: pa.RecordBatch,
        row_numbers: NDArray[np.int64],
        faults: dict[int, tuple[Fault, ...]] | None = None,
        row_ids: Any = None,
    ) -> Mapped:
        """Events of the rows of a batch that has at least `columns`; rows with faults already are left out.

        `row_numbers` count the rows of all sources from 0, `row_ids` are told from their content: they serve
        as ids where a mapping says so.
        """
        refused = dict(faults or {})
        every = dict(zip(table.schema.names, table.columns, strict=True))
        left_out = np.zeros(table.num_rows, bool)
        for column, values in self.mapping.skip.items():
            left_out |= one_of(every[column], [values] if isinstance(values, str) else values)
        left_out[list(refused)] = False
        dropped = [*refused, *np.flatnonzero(left_out).tolist()]
        kept = np.delete(np.arange(table.num_rows), dropped)
        clean = table.take(pa.array(kept)) if dropped else table
        columns = dict(zip(clean.schema.names, clean.columns, strict=True))
        parts: list[tuple[EventBatch, NDArray[np.int64]]] = []
        labels: list[EventBatch] = []
        taken = np.zeros(len(kept), bool)
        skipped = int(left_out.sum())
        for bound in self._records:
            mine = chosen(columns, bound.record, self.mapping.null_values, len(kept))
            taken |= mine
            rows = np.flatnonzero(mine)
            part = clean if len(rows) == len(kept) else clean.take(pa.array(rows))
            ids = None if row_ids is None else row_ids.take(pa.array(kept[rows]))
            draft = self._draft(bound, part, row_numbers[kept[rows]], ids)
            events, good = draft.finish()
            skipped += int(draft.skipped.sum())
            refused |= {int(kept[rows[row]]): tuple(found) for row, found in draft.faults.items()}
            parts.append((events, kept[rows[good]]))
            labels += self._labels(bound, events, part, good)
        refused |= {int(kept[row]): (_NO_KIND,) for row in np.flatnonzero(~taken)}
        events, rows = in_row_order(parts)
        return Mapped(events, rows, EventBatch.concat(labels) if labels else None, refused, skipped)

    def _draft(self, bound: _Bound, table: pa.RecordBatch, numbers: NDArray[np.int64], ids: Any) -> Draft:
        kind = KINDS[bound.record.kind]
        draft = Draft(kind, table.num_rows, self.tokenizer, self.ingest_time_ms)
        columns = dict(zip(table.schema.names, table.columns, strict=True))
        norms = self.tokenizer.norms.but(self.mapping.keep_values)
        nulls = frozenset(self.mapping.null_values)
        filler = Filler(draft, ShapedRows(columns, numbers, ids), nulls, norms, self._times)
        for name, source in bound.fields.items():
            if source.field is not None:
                draft.copy(source.field, name)
            else:
                filler.field(name, source)
        for name, source in bound.attributes.items():
            filler.attribute(name, source)
        draft.require(*NEEDED[kind])
        label = bound.record.label
        if label is not None and label.column in columns:
            _, unclear = told_fraud(label, self._said(label, columns[label.column]))
            draft.fault(unclear, Reason.WRONG_TYPE, label.column, _UNCLEAR)
        return draft

    def _said(self, label: LabelColumn, values: Any) -> Any:
        return emptied(values, {*self.mapping.null_values} - {*label.fraud, *label.good})

    def _labels(
        self, bound: _Bound, events: EventBatch, table: pa.RecordBatch, good: NDArray[np.int64]
    ) -> list[EventBatch]:
        label = bound.record.label
        if label is None or label.column not in table.schema.names:
            return []
        told, _ = told_fraud(label, self._said(label, table.column(label.column)))
        fraud = pc.fill_null(told, fill_value=False).to_numpy(zero_copy_only=False)[good]
        known = told.is_valid().to_numpy(zero_copy_only=False)[good] if label.good else fraud
        rows = np.flatnonzero(known)
        if not len(rows):
            return []
        return [_label_events(events.take(rows), fraud[rows], bound.delay_ms, self.mapping.name)]


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
    times: MomentReader | None = None,
) -> Binding:
    """The mapping fitted to a source's columns; `ColumnsError` names a missing column and the nearest one.

    `times` goes on from what came before in the source.
    """
    names = list(schema.names)
    fitting = [record for record in mapping.records if record.fits(names)]
    if not fitting:
        raise ColumnsError(_does_not_fit(mapping, names, where))
    records = [_bind_record(record, names, where, mapping.name, label_delay) for record in fitting]
    for column in mapping.skip:
        if column not in names:
            raise ColumnsError(
                f"{where} has no column {column!r}{nearest(column, names)}, which {mapping.name} skips by"
            )
    sources = [source for bound in records for source in (*bound.fields.values(), *bound.attributes.values())]
    used = {column for source in sources for column in source.columns} | mapping.skip.keys()
    used |= {bound.record.label.column for bound in records if bound.record.label}
    used |= {column for bound in records for column in (*bound.record.only, *bound.record.optional_columns)}
    reader = times or MomentReader(ingest_time_ms, mapping.zone_names)
    columns = [name for name in names if name in used]
    return Binding(mapping, columns, tokenizer, ingest_time_ms, records, reader)


def told_fraud(label: LabelColumn, values: Any) -> tuple[Any, NDArray[np.bool_]]:
    """Which rows a label column calls fraud, Arrow booleans, and which values it says nothing clear with.

    >>> told_fraud(LabelColumn("said", fraud=["stolen"]), pa.array(["stolen", "paid", None]))[0].to_pylist()
    [True, False, False]
    """
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)
    if not (label.fraud or label.good or label.unknown):
        told, unclear = to_bools(values)
        return told, unclear & ~_blank(values)
    texts = as_text(values)
    fraud, good, unknown = (
        pc.is_in(texts, value_set=pa.array(words, pa.string()))
        for words in (label.fraud, label.good, label.unknown)
    )
    if not (label.good or label.unknown):
        return fraud, np.zeros(len(values), bool)
    told = pc.if_else(fraud, True, pc.if_else(good, False, None))  # Arrow's values
    if not (label.fraud and label.good):
        others, _ = to_bools(pc.if_else(pc.or_(pc.or_(fraud, good), unknown), None, texts))
        told = pc.coalesce(told, others)
    clear = pc.or_(told.is_valid(), unknown).to_numpy(zero_copy_only=False)
    return told, ~clear & ~_blank(values)


def _blank(values: Any) -> NDArray[np.bool_]:
    """Which values are null or blank."""
    none: NDArray[np.bool_] = np.asarray(pc.is_null(values, nan_is_null=True))
    if is_text(values):
        empty = pc.equal(pc.utf8_trim_whitespace(values.cast(pa.string())), "")
        none = none | pc.fill_null(empty, fill_value=True).to_numpy(zero_copy_only=False)
    return none


def missing_columns(mapping: Mapping, names: Sequence[str]) -> list[str]:
    """Columns that keep the mapping's best record from fitting these; empty when the mapping fits."""
    if any(record.fits(names) and not absent_columns(record, names) for record in mapping.records):
        return []
    lacking = [
        sorted({*(name for name in record.when if name not in names), *absent_columns(record, names)})
        for record in mapping.records
    ]
    return min(lacking, key=len)


def absent_columns(record: MappedRecord, names: Sequence[str]) -> list[str]:
    """Columns that the record needs and the source has not."""
    every = [*record.sources().values(), *record.attribute_sources(names).values()]
    lacking = [column for source in every for column in source.lacks(names)]
    return [*lacking, *(column for column in record.only if column not in names)]


def _does_not_fit(mapping: Mapping, names: list[str], where: str) -> str:
    lacking = missing_columns(mapping, names) or [name for record in mapping.records for name in record.when]
    hints = ", ".join(f"{name}{nearest(name, names)}" for name in lacking)
    has = ", ".join(names[:30])
    return (
        f"mapping {mapping.name} does not fit {where}: it lacks {hints}. It has {has}: choose another mapping"
    )


def _bind_record(
    record: MappedRecord, names: list[str], where: str, mapping: str, label_delay: str | None
) -> _Bound:
    lacking = absent_columns(record, names)
    if lacking:
        raise ColumnsError(
            f"{where} has no column {lacking[0]!r}{nearest(lacking[0], names)}, which mapping {mapping} needs"
        )
    sources = record.sources()
    order = [*(name for name in _FIRST if name in sources), *(name for name in sources if name not in _FIRST)]
    order.sort(key=lambda name: sources[name].field is not None)  # copies come last
    fields = {name: sources[name] for name in order if sources[name].there(names)}
    attributes = {
        name: source for name, source in record.attribute_sources(names).items() if source.there(names)
    }
    if len(attributes) > ATTRIBUTES_LIMIT:
        raise InputError(
            f"{where}: {len(attributes)} attributes, at most {ATTRIBUTES_LIMIT}: list those that matter"
        )
    if record.label and label_delay is not None and record.label.column not in names:
        raise InputError(f"{where} has no column {record.label.column!r}: a label delay needs it")
    delay = label_delay or (record.label.delay if record.label else "0s")
    return _Bound(record, fields, attributes, parse_delay_ms(delay))


def makes_ids(record: MappedRecord, objects: Iterable[Collection[str] | None]) -> bool:
    """Whether a record needs ids told from some of these objects."""
    columns = [source.column for source in record.sources().values() if source.row_id]
    return any(column not in item for column in columns for item in objects if item is not None)


def _label_events(payments: EventBatch, fraud: NDArray[np.bool_], delay_ms: int, source: str) -> EventBatch:
    rows = len(payments)
    targets = payments.column("transaction_id")
    columns = {
        "kind": pa.array(np.full(rows, int(Kind.LABEL), np.uint8)),
        "event_id": pc.binary_join_element_wise("label-", targets, ""),
        "event_time_ms": pa.array(payments.event_time_ms + delay_ms),
        "ingest_time_ms": payments.column("ingest_time_ms"),
        "transaction_id": targets,
        "label": pa.array(fraud),
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
