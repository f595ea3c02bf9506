"""Free attributes in columns, and the column that holds those that have none of their own.

What a value is, number, truth value or text, is what its own record says, whoever else is in the batch. But a
column has one type, and each column costs every step. So a batch keeps most values in columns
`attributes.<name>`, and in the column `attributes`, as a JSON object per row, the values of another type than
their column and of names beyond `COLUMNS_LIMIT`. A row has a value in one of the two places, never in both.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec
import pyarrow as pa

from ringfence.events.buffers import is_text
from ringfence.events.model import ATTRIBUTE_PREFIX, OTHER_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

Value: TypeAlias = str | bool | float
Row: TypeAlias = "dict[str, Any]"

ATTRIBUTES_LIMIT: Final = 512
"""Attributes of one event; columns of attributes among events that come together."""

COLUMNS_LIMIT: Final = 128
"""Names that get a column of their own where each event names its attributes itself."""

_COLUMNS_OF_FEW: Final = 32
_FEW: Final = 64  # events

ARROW_TYPE: Final = {str: pa.string(), bool: pa.bool_(), float: pa.float64()}
_EXPONENT_FROM: Final = 1e10  # Arrow writes larger numbers with an exponent
_DECODER: Final = msgspec.json.Decoder(dict[str, str | bool | float])


def told_attributes(told: str | None) -> dict[str, str | bool | float]:
    """The attributes in a JSON object of them."""
    return {} if told is None else _DECODER.decode(told)


def fold(rows: Sequence[Row | None], safe: Callable[[str], str]) -> Sequence[Row | None]:
    """The attributes under the names that are stored: `attributes.x` as `x`, each made `safe`.

    Of two names of one event that become the same, the last one with a value stays.
    """
    names = set(chain.from_iterable(row for row in rows if row))
    stored = {name: safe(name).removeprefix(ATTRIBUTE_PREFIX) for name in names}
    if all(name == kept for name, kept in stored.items()):
        return rows
    return [
        {stored[name]: value for name, value in row.items() if value is not None} if row else None
        for row in rows
    ]


def columns_limit(rows: int) -> int:
    """Names that get a column among so many events: a column costs as much as many rows."""
    return _COLUMNS_OF_FEW if rows <= _FEW else COLUMNS_LIMIT


def arrange(
    rows: Sequence[Row | None],
) -> tuple[dict[str, tuple[type, list[Any]]], list[Row | None] | None]:
    """Values by name with the type of the column, and by row what has no place in one.

    >>> arrange([{"a": 1.0, "b": "x"}, {"a": "1"}])
    ({'a': (<class 'float'>, [1.0, None]), 'b': (<class 'str'>, ['x', None])}, [None, {'a': '1'}])
    """
    names = dict.fromkeys(chain.from_iterable(row for row in rows if row))
    columns: dict[str, tuple[type, list[Any]]] = {}
    rest: list[Row | None] | None = None
    if len(names) > (most := columns_limit(len(rows))):
        names = dict.fromkeys(islice(names, most))
        rest = [
            {name: value for name, value in row.items() if name not in names and value is not None} or None
            if row
            else None
            for row in rows
        ]
    for name in names:
        values = [row.get(name) if row else None for row in rows]
        kinds = set(map(type, values))
        kinds.discard(type(None))
        if not kinds:
            continue
        kind = next(iter(kinds))
        if len(kinds) > 1:
            kind = next(type(value) for value in values if value is not None)
            rest = [None] * len(rows) if rest is None else rest
            for place, value in enumerate(values):
                if value is not None and type(value) is not kind:
                    _put(rest, place, name, value)
                    values[place] = None
        columns[name] = kind, values
    return columns, rest


def _put(rows: list[Row | None], place: int, name: str, value: Value) -> None:
    row = rows[place]
    if row is None:
        rows[place] = {name: value}
    else:
        row[name] = value


def encoded(rows: Iterable[Row | None]) -> Any:
    """The column `attributes` of what `arrange` left over."""
    plain = ({name: _plain(value) for name, value in row.items()} if row else None for row in rows)
    return pa.array([msgspec.json.encode(row).decode() if row else None for row in plain], pa.string())


def _plain(value: Value) -> Value:
    """A whole number as one is written, 5 and not 5.0: as the analysis tables write columns of numbers."""
    if type(value) is float and value.is_integer() and abs(value) < _EXPONENT_FROM and str(value) != "-0.0":
        return int(value)
    return value


def decoded(column: Any) -> list[dict[str, Value] | None]:
    """Row by row what `encoded` was given."""
    return [None if text is None else _DECODER.decode(text) for text in column.to_pylist()]


def by_name(rows: Sequence[Mapping[str, Value] | None]) -> dict[str, list[tuple[int, Value]]]:
    """What a column `attributes` holds, `decoded`: by full name the rows, ascending, and their values."""
    found: dict[str, list[tuple[int, Value]]] = {}
    for place, row in enumerate(rows):
        for name, value in (row or {}).items():
            found.setdefault(ATTRIBUTE_PREFIX + name, []).append((place, value))
    return found


def as_text(values: Sequence[Value]) -> list[str]:
    """Values as Arrow writes a column of their type."""
    return [value if isinstance(value, str) else _written(value) for value in values]


def _written(value: bool | float) -> str:
    text: str = pa.array([value], ARROW_TYPE[type(value)]).cast(pa.string())[0].as_py()
    return text


def alike(tables: Sequence[pa.Table]) -> Sequence[pa.Table]:
    """The tables with one type per attribute and no more columns than allowed; the rest in `attributes`."""
    types: dict[str, dict[Any, None]] = {}
    for table in tables:
        for field in table.schema:
            if field.name.startswith(ATTRIBUTE_PREFIX) and not pa.types.is_null(field.type):
                types.setdefault(field.name, {})[field.type] = None
    if len(types) <= ATTRIBUTES_LIMIT and all(len(found) == 1 for found in types.values()):
        return tables
    wanted = {
        name: next(iter(found)) if len(found) == 1 else ARROW_TYPE[_kind(next(iter(found))) or str]
        for name, found in islice(types.items(), ATTRIBUTES_LIMIT)
    }
    return [_fitted(table, wanted) for table in tables]


def _fitted(table: pa.Table, wanted: Mapping[str, Any]) -> pa.Table:
    odd, kept = [], []
    for field in table.schema:
        if not field.name.startswith(ATTRIBUTE_PREFIX):
            kept.append(field)
        elif field.name in wanted and _kind(field.type) in (_kind(wanted[field.name]), None):
            kept.append(pa.field(field.name, wanted[field.name]))
        else:
            odd.append(field.name)
    moved = _moved(table, odd) if odd else table
    schema = pa.schema([*kept, *([] if OTHER_ATTRIBUTES not in moved.schema.names else [_OTHERS])])
    schema = pa.schema({field.name: field for field in schema}.values())
    return moved.select(schema.names).cast(schema)


_OTHERS: Final = pa.field(OTHER_ATTRIBUTES, pa.string())


def _moved(table: pa.Table, names: Sequence[str]) -> pa.Table:
    """These columns' values in the column `attributes`."""
    rows: list[Row | None] = [None] * len(table)
    if OTHER_ATTRIBUTES in table.schema.names:
        rows = list(decoded(table.column(OTHER_ATTRIBUTES)))
        table = table.drop_columns([OTHER_ATTRIBUTES])
    for name in names:
        kind = _kind(table.schema.field(name).type) or str
        for place, value in enumerate(table.column(name).to_pylist()):
            if value is not None:
                _put(rows, place, name.removeprefix(ATTRIBUTE_PREFIX), kind(value))
    return table.append_column(_OTHERS, encoded(rows))


def _kind(kind: Any) -> type | None:
    """What values of an Arrow type are, None for the type of nulls."""
    if pa.types.is_null(kind):
        return None
    if pa.types.is_boolean(kind):
        return bool
    if pa.types.is_dictionary(kind) or is_text(pa.array([], kind)):
        return str
    return float
