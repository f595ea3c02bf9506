"""Free attributes in the analysis tables: one column of JSON objects, however many names there are."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Any, Final

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.errors import InputError
from ringfence.events.buffers import is_text
from ringfence.events.model import ATTRIBUTE_PREFIX, OTHER_ATTRIBUTES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

    from ringfence.events.batch import EventBatch

ATTRIBUTES: Final = OTHER_ATTRIBUTES
_MOST_NAMES: Final = 256
_SHOWN_ROWS: Final = 10_000
_TO_ESCAPE: Final = r'["\\\x00-\x1f]'
_MENTIONED: Final = re.compile(
    r"""\battributes\s*(?:\.\s*(?:"((?:[^"]|"")+)"|([^\W\d]\w*))|\[\s*'((?:[^']|'')+)'\s*\])""",
    re.IGNORECASE,
)
_TYPES: Final = {"number": "DOUBLE", "truth": "BOOLEAN", "text": "VARCHAR"}


def objects_of(events: EventBatch) -> Any:
    """Per event the JSON object of its attributes, null for one without any."""
    members = [
        _members(name.removeprefix(ATTRIBUTE_PREFIX), column)
        for name, column in zip(events.table.schema.names, events.table.columns, strict=True)
        if name.startswith(ATTRIBUTE_PREFIX) and column.null_count < len(column)
    ]
    others = events.column(OTHER_ATTRIBUTES)
    if others.null_count < len(others):
        members.append(pc.utf8_slice_codeunits(others, 1, -1))  # without its braces
    if not members:
        return pa.nulls(len(events), pa.string())
    # Arrow's join leaves out rows that have none, so each has an empty text to begin with
    joined = pc.binary_join_element_wise("", *members, ",", null_handling="skip")
    joined = pc.utf8_slice_codeunits(joined, 1)
    objects = pc.binary_join_element_wise("{", joined, "}", "")
    return pc.if_else(pc.equal(joined, ""), None, objects)


def _members(name: str, column: Any) -> Any:
    """`"name":value` per row, null where there is no value."""
    head = msgspec.json.encode(name).decode() + ":"
    if pa.types.is_dictionary(column.type):
        return _members(name, column.dictionary).take(column.indices)
    if not is_text(column):
        if pa.types.is_floating(column.type):
            column = pc.if_else(pc.is_finite(column), column, None)
        return pc.binary_join_element_wise(head, column.cast(pa.string()), "")
    if pc.any(pc.match_substring_regex(column, _TO_ESCAPE), min_count=0).as_py():
        texts = [None if text is None else msgspec.json.encode(text).decode() for text in column.to_pylist()]
        return pc.binary_join_element_wise(head, pa.array(texts, pa.string()), "")
    return pc.binary_join_element_wise(head + '"', column, '"', "")


def mentioned(statement: str) -> list[str]:
    """The attributes that a statement asks for as `attributes.x`, `attributes."x y"` or `attributes['x']`.

    >>> mentioned("SELECT attributes.basket FROM events WHERE attributes['card type'] = 'x'")
    ['basket', 'card type']
    """
    found: dict[str, str] = {}
    for quoted, plain, indexed in _MENTIONED.findall(statement):
        name = quoted.replace('""', '"') or plain or indexed.replace("''", "'")
        found.setdefault(name.lower(), name)
    if len(found) > _MOST_NAMES:
        raise InputError(f"a statement may ask for {_MOST_NAMES} attributes: this one asks for {len(found)}")
    return list(found.values())


def types_of(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> dict[str, str]:
    """The SQL type of attributes: a number or a truth value where every event has one, else a text.

    `InputError` with the nearest names for one that no event has.
    """
    parts = []
    for name in names:
        kind = f"json_type({ATTRIBUTES}, {_literal(_pointer(name))})"
        parts += [
            f"count(*) FILTER ({kind} IS NOT NULL)",
            f"bool_and({kind} IN ('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE'))",
            f"bool_and({kind} = 'BOOLEAN')",
        ]
    told = connection.sql(f"SELECT {', '.join(parts)} FROM raw_events").fetchall()[0]  # noqa: S608 (quoted)
    found: dict[str, str] = {}
    for place, name in enumerate(names):
        count, numbers, truths = told[3 * place : 3 * place + 3]
        if not count:
            raise InputError(f"no event has an attribute {name[:80]!r}{_nearest(connection, name)}")
        found[name] = _TYPES["number" if numbers else "truth" if truths else "text"]
    return found


def as_struct(types: Mapping[str, str]) -> str:
    """SQL of the column `attributes` of a view: these attributes by name, or all as a JSON object."""
    if not types:
        return f"CAST({ATTRIBUTES} AS JSON)"
    fields = [
        f"{_literal(name)}: CAST(json_extract_string({ATTRIBUTES}, {_literal(_pointer(name))}) AS {kind})"
        for name, kind in types.items()
    ]
    return "{" + ", ".join(fields) + "}"


def _nearest(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    query = (
        f"SELECT DISTINCT unnest(json_keys({ATTRIBUTES})) FROM "  # noqa: S608 (constants)
        f"(SELECT {ATTRIBUTES} FROM raw_events WHERE {ATTRIBUTES} IS NOT NULL LIMIT {_SHOWN_ROWS}) LIMIT 1000"
    )
    names = [row[0] for row in connection.sql(query).fetchall()]
    near = difflib.get_close_matches(name[:80], names, n=3, cutoff=0.6) or sorted(names)[:5]
    return f": there are {', '.join(near)}" if near else ": no event has any"


def _pointer(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
