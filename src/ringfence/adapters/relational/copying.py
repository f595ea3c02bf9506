"""Arrow tables into PostgreSQL by COPY: columns are written as CSV by Arrow, no Python object a row."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from psycopg import sql
from pyarrow import csv

if TYPE_CHECKING:
    import psycopg

_OPTIONS: Final = csv.WriteOptions(include_header=False)
_SLICE: Final = 8192  # rows that are written down while the server takes in those before
_QUOTED_IS_DATA: Final = 180_000  # PostgreSQL 18
_END_OF_DATA: Final = r"(^|\n)\\\.\r?(\n|$)"


def copy_into(cursor: psycopg.Cursor[Any], table: str, rows: pa.Table) -> None:
    """Append all rows; the table has columns of these names. Null is null, an empty text an empty text."""
    if not len(rows):
        return
    is_old = cursor.connection.info.server_version < _QUOTED_IS_DATA
    names = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(sql.Identifier(table), names)
    with cursor.copy(statement) as copy:
        for begin in range(0, len(rows), _SLICE):
            part = rows.slice(begin, _SLICE)
            written = pa.table({name: _written(part[name], is_old=is_old) for name in part.column_names})
            sink = io.BytesIO()
            csv.write_csv(written, sink, _OPTIONS)
            copy.write(sink.getbuffer())


def _written(column: pa.ChunkedArray, *, is_old: bool) -> pa.ChunkedArray:
    if pa.types.is_list(column.type):
        return pa.chunked_array([_array_texts(chunk) for chunk in column.chunks], pa.string())
    if is_old and pa.types.is_string(column.type):
        return _without_end_of_data(column)
    return column


def _without_end_of_data(texts: pa.ChunkedArray) -> pa.ChunkedArray:
    r"""Older servers end the data at a line of `\.`, inside quotes too: a space goes after it."""
    hit = pc.match_substring_regex(texts, _END_OF_DATA)
    if not pc.any(hit, min_count=0).as_py():
        return texts
    return pc.replace_substring_regex(texts, r"(?m)^\\\.\r?$", r"\\. ")


def _array_texts(lists: Any) -> Any:
    """Lists of texts as PostgreSQL writes arrays: {"a","b"}."""
    values = lists.flatten()
    if not len(values):
        return pc.if_else(lists.is_valid(), "{}", pa.scalar(None, pa.string()))
    escaped = pc.replace_substring_regex(values.cast(pa.string()), r'(["\\])', r"\\\1")
    quoted = pc.binary_join_element_wise('"', escaped, '"', "")
    offsets = lists.offsets
    if len(offsets) and offsets[0].as_py():
        offsets = pc.subtract(offsets, offsets[0])
    joined = pc.binary_join(pa.ListArray.from_arrays(offsets, quoted), ",")
    return pc.binary_join_element_wise("{", joined, "}", "")
