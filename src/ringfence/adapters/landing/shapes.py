"""What lands: columns that stay the same whatever features and attributes there are, for tables of a lake."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from ringfence.adapters.lake.shapes import events_in, rows_in, rows_of
from ringfence.events.batch import NULL_INT
from ringfence.events.model import EVENT_SCHEMA, Kind
from ringfence.ports import DECISIONS, EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ringfence.events.batch import EventBatch
    from ringfence.ports import LogBatch

Format = Literal["parquet", "ndjson", "csv"]
Layout = Literal["hive", "calendar"]
ENDINGS: Final[dict[str, str]] = {"parquet": "parquet", "ndjson": "ndjson.gz", "csv": "csv.gz"}

_TIME: Final = pa.timestamp("ms", "UTC")
_MONEY: Final = pa.decimal128(22, 3)
_DAY_MS: Final = 86_400_000
_LISTS: Final = ("reasons", "rules", "shadow_rules", "typologies", "degraded")
_LATEST_DAY: Final = 47_482  # 2100-01-01; a wilder clock's payments land there


def _event_schema() -> pa.Schema:
    fields = [("offset", pa.int64()), ("kind", pa.string())]
    for field in EVENT_SCHEMA:
        if field.name.endswith("_ms"):
            fields.append((field.name.removesuffix("_ms"), _TIME))
        elif field.name == "amount_minor":
            fields.append(("amount", _MONEY))
        elif field.name != "kind":
            fields.append((field.name, field.type))
    return pa.schema([*fields, ("attributes", pa.string())])


SCHEMAS: Final[dict[str, pa.Schema]] = {
    EVENTS: _event_schema(),
    DECISIONS: pa.schema(
        [
            ("offset", pa.int64()),
            ("transaction_id", pa.string()),
            ("event_time", _TIME),
            ("decided_at", _TIME),
            ("outcome", pa.string()),
            ("score", pa.float64()),
            ("probability", pa.float64()),
            ("model", pa.string()),
            ("control", pa.bool_()),
            *((name, pa.list_(pa.string())) for name in _LISTS),
            ("latency_us", pa.int64()),
            ("features_digest", pa.string()),
            ("rules_digest", pa.string()),
        ]
    ),
}
"""By topic. Columns are only ever added, at the end."""

_KINDS: Final = pa.array([kind.name.lower() for kind in Kind], pa.string())


def rows(topic: str, batches: Iterable[LogBatch]) -> pa.Table:
    """The records of batches that follow one another, under the columns of their topic."""
    schema = SCHEMAS[topic]
    tables = (
        (_event_columns(events, np.arange(begin, end)) for begin, end, events in events_in(batches))
        if topic == EVENTS
        else (_columns(found.table) for found in rows_in(topic, batches))
    )
    return pa.concat_tables(
        [schema.empty_table(), *(_under(schema, columns) for columns in tables)]
    ).combine_chunks()


def _event_columns(events: EventBatch, offsets: Any) -> dict[str, Any]:
    columns = _columns(rows_of(events, offsets))
    columns["kind"] = _KINDS.take(pa.array(events.kind))
    fixed = events.amount_fixed
    whole = pa.array(fixed, mask=fixed == NULL_INT).cast(pa.decimal128(22, 0))
    columns["amount"] = pa.Array.from_buffers(_MONEY, len(whole), whole.buffers(), whole.null_count)
    return columns


def _columns(table: pa.Table) -> dict[str, Any]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _under(schema: pa.Schema, columns: dict[str, Any]) -> pa.Table:
    for name in list(columns):
        if name.endswith("_ms"):
            columns[name.removesuffix("_ms")] = columns[name].cast(pa.int64()).cast(pa.timestamp("ms"))
    count = len(columns["offset"])
    found = [_as(columns.get(field.name), field.type, count) for field in schema]
    return pa.Table.from_arrays(found, schema=schema)


def _as(column: Any, kind: Any, count: int) -> Any:
    if column is None:
        return pa.nulls(count, kind)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_list(kind):
        return column.cast(pa.list_(pa.string())) if column.type != kind else column
    return column.cast(kind) if column.type != kind else column


def by_day(table: pa.Table) -> Iterator[tuple[date, pa.Table]]:
    """The rows of each day of their event time, UTC; days in order, rows in the order of the log."""
    days = table["event_time"].cast(pa.int64()).to_numpy() // _DAY_MS
    days = np.clip(days, 0, _LATEST_DAY)
    for day in np.unique(days).tolist():
        mine = table if (days == day).all() else table.filter(pa.array(days == day))
        yield date(1970, 1, 1) + timedelta(days=day), mine


def written(table: pa.Table, fmt: Format) -> bytes:
    """A file's content: the same bytes for the same rows."""
    sink = io.BytesIO()
    if fmt == "parquet":
        pq.write_table(table, sink, compression="zstd", compression_level=3, row_group_size=128 * 1024)
        return sink.getvalue()
    if fmt == "csv":
        csv.write_csv(_flat(table), sink)
    else:
        for batch in table.to_batches():
            for row in batch.to_pylist():
                sink.write(json.dumps(row, ensure_ascii=False, default=_plain).encode() + b"\n")
    return pa.compress(sink.getvalue(), codec="gzip", asbytes=True)


def read_back(content: bytes, fmt: Format, topic: str) -> pa.Table:
    """The rows of a file of such content; `ValueError` or Arrow's error for another."""
    if fmt == "parquet":
        return pq.read_table(io.BytesIO(content)).cast(SCHEMAS[topic])
    raise ValueError(fmt)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return format(value, "f") if isinstance(value, Decimal) else str(value)


def _flat(table: pa.Table) -> pa.Table:
    """Times as ISO 8601, lists as JSON, and no cell that a spreadsheet takes for a formula."""
    columns = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_timestamp(column.type):
            column = pc.binary_join_element_wise(pc.strftime(column, "%Y-%m-%dT%H:%M:%S"), "Z", "")
        elif pa.types.is_list(column.type):
            texts = [None if one is None else json.dumps(one) for one in column.to_pylist()]
            column = pa.array(texts, pa.string())
        elif pa.types.is_string(column.type):
            risky = pc.fill_null(pc.match_substring_regex(column, r"^[=+\-@\t\r]"), False)
            column = pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
        columns[name] = column
    return pa.table(columns)
