"""Ids of a piece in order, for whoever knows only how one begins."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from pyarrow import compute

if TYPE_CHECKING:
    from collections.abc import Iterator

COLUMNS: Final = ("transaction_id", "customer_id", "card_id", "merchant_id", "device_id")
"""Columns whose ids are found by their beginning."""

SCHEMA: Final = pa.schema([("name", pa.large_string())])


def ordered(rows: pa.Table) -> pa.Table:
    """The distinct ids of some rows, ascending, each behind the place of its column in `COLUMNS`."""
    parts = [
        compute.binary_join_element_wise(str(at), distinct(rows.column(name)), "").cast(pa.large_string())
        for at, name in enumerate(COLUMNS)
    ]
    names = pa.concat_arrays([part.take(compute.sort_indices(part)) for part in parts])
    return pa.table({"name": names}, SCHEMA)


def distinct(column: pa.ChunkedArray) -> pa.Array:
    """The values that a column has, each once, null left out."""
    found = compute.drop_null(compute.unique(column))
    return found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found


def beginning(names: pa.Array, column: str, start: str, most: int) -> list[str]:
    """The first ids of a column that begin so, ascending, from what `ordered` made."""
    return list(_from(names, f"{COLUMNS.index(column)}{start}", most))


def scanned(column: pa.ChunkedArray, start: str, most: int) -> list[str]:
    """Likewise, by a look at every row."""
    found = distinct(column.filter(compute.starts_with(column, start)))
    return sorted(found.to_pylist())[:most]


def _from(names: pa.Array, start: str, most: int) -> Iterator[str]:
    first = bisect_left(names, start, key=_text)
    for at in range(first, min(first + most, len(names))):
        name = _text(names[at])
        if not name.startswith(start):
            return
        yield name[1:]


def _text(value: Any) -> str:
    return str(value.as_py())
