"""Only questions: what may be asked of the analysis tables.

DuckDB counts `WITH x AS (COPY …) SELECT …` as a SELECT, and `query('…')` runs any text, so the parsed tree is
looked at: only the kinds of node and the table functions that read are let through.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import duckdb

from ringfence.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NODES: Final = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "RECURSIVE_CTE_NODE"})
_TABLE_FUNCTIONS: Final = frozenset(
    {"range", "generate_series", "unnest", "repeat", "duckdb_columns", "duckdb_views"}
)
_TEXT_LIMIT: Final = 64 * 1024
_SPILL: Final = "1GB"  # of the disk, for a connection whose memory is limited


def connect(tables: Path, memory: str | None = None) -> duckdb.DuckDBPyConnection:
    """A connection in memory that can read files in one folder and nothing else.

    With `memory`, such as 512MB, it takes one core, about so much memory, and 1 GB of the disk.
    """
    connection = duckdb.connect(config={"python_enable_replacements": "false"})
    if memory is not None:
        connection.execute("SET threads = 1")
        connection.execute("SET memory_limit = $memory", {"memory": memory})
        connection.execute("SET max_temp_directory_size = $disk", {"disk": _SPILL})
    connection.execute("SET temp_directory = $folder", {"folder": str(tables / "spill")})
    connection.execute("SET allowed_directories = $folders", {"folders": [str(tables)]})
    connection.execute("SET autoinstall_known_extensions = false")
    connection.execute("SET autoload_known_extensions = false")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def check_only_reads(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """`InputError` unless the text is one statement that reads: SELECT, WITH, DESCRIBE, EXPLAIN, ...

    >>> check_only_reads(duckdb.connect(), "DROP TABLE decisions")
    Traceback (most recent call last):
    ...
    ringfence.errors.InputError: only statements that read are allowed, such as SELECT: this one is DROP
    """
    if len(text) > _TEXT_LIMIT:
        raise InputError(f"a statement has at most {_TEXT_LIMIT} characters: this one has {len(text)}")
    asked = re.sub(r"^\s*explain(\s+analyze)?\b", "", text, flags=re.IGNORECASE)
    try:
        kinds = [statement.type.name for statement in connection.extract_statements(asked)]
        if len(kinds) != 1:
            raise InputError(f"one statement at a time: this text holds {len(kinds)}")
        if kinds != ["SELECT"]:
            raise _not_reading(kinds[0])
        found = connection.sql("SELECT json_serialize_sql($text)", params={"text": asked}).fetchall()
    except duckdb.Error as error:
        raise InputError(str(error)) from None
    for node in _nodes(json.loads(found[0][0])):
        _check_node(node)


def _check_node(node: dict[str, Any]) -> None:
    kind = str(node.get("type", ""))
    if kind.endswith("_NODE") and kind not in _NODES:
        raise _not_reading(kind.removesuffix("_NODE").removesuffix("_QUERY"))
    if kind == "TABLE_FUNCTION":
        name = str(node.get("function", {}).get("function_name", "")).lower()
        if name not in _TABLE_FUNCTIONS:
            allowed = ", ".join(sorted(_TABLE_FUNCTIONS))
            raise InputError(f"{name}() cannot be asked here: of the table functions only {allowed}")
    if node.get("error") is True:
        raise InputError(str(node.get("error_message")))


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _not_reading(kind: str) -> InputError:
    return InputError(f"only statements that read are allowed, such as SELECT: this one is {kind}")
