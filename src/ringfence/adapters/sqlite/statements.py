"""The SQL of the store: named, commented statements, and migrations in pairs, kept as files in `sql/`."""

from __future__ import annotations

import re
from importlib.resources import files

_FOLDER = files("ringfence.adapters.sqlite") / "sql"


def parse(text: str) -> dict[str, str]:
    r"""Statements by the name that the line `-- name: x` above each gives it.

    >>> parse("-- name: one\nSELECT 1;\n\n-- name: two\nSELECT 2;")
    {'one': 'SELECT 1;', 'two': 'SELECT 2;'}
    """
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)[1:]
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}


def migrations(direction: str) -> dict[int, str]:
    """Scripts by the version that `up` leads to and `down` leaves."""
    found = [item for item in _FOLDER.iterdir() if item.name.endswith(f".{direction}.sql")]
    return {int(item.name[:4]): item.read_text("utf-8") for item in found}


SQL = parse((_FOLDER / "queries.sql").read_text("utf-8"))
"""Every statement by its name."""
