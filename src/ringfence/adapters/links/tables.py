"""The live links, the rings and their members as tables for SQL."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from ringfence.adapters.links.news import news_stamp
from ringfence.adapters.links.schema import FILE_NAME, opened
from ringfence.features.links import Graph

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

MOST_LINKS: Final = 1_000_000
"""Live pairs that a statement sees, of each type of link the first ones by id."""

SCHEMAS: Final = {
    "graph_links": pa.schema(
        [
            *((name, pa.string()) for name in ("type", "source_kind", "source", "target_kind", "target")),
            *((name, pa.int64()) for name in ("first_ms", "last_ms", "payments")),
            ("amount", pa.float64()),
        ]
    ),
    "graph_rings": pa.schema(
        [
            ("ring", pa.int64()),
            ("score", pa.float64()),
            ("members", pa.int64()),
            ("why", pa.list_(pa.string())),
            ("found_ms", pa.int64()),
            ("changed_ms", pa.int64()),
        ]
    ),
    "graph_members": pa.schema([("ring", pa.int64()), ("kind", pa.string()), ("id", pa.string())]),
}
"""Of the tables that join decisions and features: `ON graph_members.id = transactions.account_id`."""


def tables_of(folder: Path) -> tuple[object, dict[str, pa.Table]]:
    """The tables, empty where no links are kept; and what stays the same as long as they do."""
    stamp = news_stamp(folder)
    if not (folder / FILE_NAME).exists():
        return stamp, {name: schema.empty_table() for name, schema in SCHEMAS.items()}
    with closing(opened(folder, read_only=True)) as connection:
        connection.execute("BEGIN")
        found = {
            "graph_links": _links(connection),
            "graph_rings": [
                (ring, score, size, json.loads(why), *times)
                for ring, score, size, why, *times in connection.execute(
                    "SELECT id, score, size, reasons, found_ms, changed_ms FROM ring "
                    "WHERE merged_into IS NULL ORDER BY id"
                )
            ],
            "graph_members": connection.execute("SELECT ring, kind, name FROM member ORDER BY 1, 2, 3"),
        }
        return stamp, {name: _table(name, rows) for name, rows in found.items()}


def _links(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
    row = connection.execute("SELECT value FROM meta WHERE name = 'graph'").fetchone()
    if row is None:
        return []
    graph = Graph.from_data(json.loads(row[0]))
    asked = (
        "SELECT link, source, target, first_ms, last_ms, count, amount FROM pair "
        "ORDER BY link, source, target LIMIT ?"
    )
    found = []
    for number, source, target, *facts, amount in connection.execute(asked, (MOST_LINKS,)):
        link = graph.links[number]
        found.append((link.title, link.source, source, link.target, target, *facts, amount / 1000))
    return found


def _table(name: str, rows: Any) -> pa.Table:
    schema = SCHEMAS[name]
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)
