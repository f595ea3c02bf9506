"""The statements of the relational store, by name."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from ringfence.adapters.questions.statements import parse

_FOLDER = files("ringfence.adapters.relational") / "sql"

SQL: Final = parse((_FOLDER / "store.sql").read_text("utf-8"))
"""Of PostgreSQL."""

PORTION: Final = parse((_FOLDER / "portion.sql").read_text("utf-8"))
"""Of DuckDB, over the rows of one portion."""
