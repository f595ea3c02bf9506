"""`ringfence.follow.Roll` in a file of its own: no report makes the deciding process wait for a lock."""

from __future__ import annotations

import json
import sqlite3
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.sqlite.opening import closed_if_it_raises
from ringfence.adapters.sqlite.problems import BUSY_SECONDS, explain
from ringfence.errors import InputError
from ringfence.follow.roll import DeclaredFollower
from ringfence.store import FOLLOWERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS follower (
  name      TEXT PRIMARY KEY,
  least     INTEGER NOT NULL,
  positions TEXT    NOT NULL,
  paused    INTEGER NOT NULL DEFAULT 0,
  rebuild   INTEGER NOT NULL DEFAULT 0,
  failures  INTEGER NOT NULL DEFAULT 0,
  failing   INTEGER NOT NULL DEFAULT 0,
  problem   TEXT    NOT NULL DEFAULT '',
  heard_ms  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS restored (id INTEGER PRIMARY KEY CHECK (id = 1), ends TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS proven (name TEXT PRIMARY KEY) STRICT;
"""
_DAMAGED: Final = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_COLUMNS: Final = "name, least, positions, paused, rebuild, failures, failing, problem, heard_ms"
_DECLARE: Final = """
INSERT INTO follower (name, least, positions) VALUES (?, ?, ?)
ON CONFLICT (name) DO UPDATE SET least = excluded.least
"""
_REPORT: Final = "UPDATE follower SET positions = ?, heard_ms = ?, failing = 0, problem = '' WHERE name = ?"
_REBUILT: Final = """
UPDATE follower SET rebuild = 0, positions = (SELECT json_group_object(key, 0) FROM json_each(positions))
WHERE name = ?
"""
_FAILURE: Final = """
UPDATE follower SET failures = failures + 1, failing = failing + 1, problem = ?, heard_ms = ? WHERE name = ?
"""

_UNPROVEN: Final = "SELECT ends FROM restored WHERE NOT EXISTS (SELECT * FROM proven WHERE name = ?)"


class SqliteRoll:
    """The followers of one data folder. Any thread and any process may use it."""

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether a follower has ever been declared in a data folder."""
        return (folder / FOLLOWERS).exists()

    def __init__(self, folder: Path) -> None:
        self._path = folder / FOLLOWERS
        self._lock = Lock()
        with self._errors():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._path.touch(mode=0o600)
            try:
                self._connection = self._connect()
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF not in _DAMAGED:
                    raise
                self._path.unlink()  # no loss but of wishes: each follower is declared at every start
                self._path.touch(mode=0o600)
                self._connection = self._connect()

    def declare(self, name: str, topics: Iterable[str], least: int) -> None:
        """See `Roll.declare`."""
        self._write(_DECLARE, (name, least, json.dumps(dict.fromkeys(topics, 0))))

    def entries(self) -> list[DeclaredFollower]:
        """See `Roll.entries`."""
        with self._lock, self._errors():
            rows = self._connection.execute(f"SELECT {_COLUMNS} FROM follower ORDER BY name").fetchall()  # noqa: S608 (constants)
        return [_entry(row) for row in rows]

    def entry(self, name: str) -> DeclaredFollower:
        """See `Roll.entry`."""
        known = self.entries()
        for one in known:
            if one.name == name:
                return one
        names = ", ".join(one.name for one in known) or "none yet: `ringfence serve` declares its own"
        raise InputError(f"there is no follower {name!r}: {names}")

    def pause(self, name: str) -> None:
        """See `Roll.pause`."""
        self._wish("UPDATE follower SET paused = 1 WHERE name = ?", name)

    def resume(self, name: str) -> None:
        """See `Roll.resume`."""
        self._wish("UPDATE follower SET paused = 0 WHERE name = ?", name)

    def rebuild(self, name: str) -> None:
        """See `Roll.rebuild`."""
        self._wish("UPDATE follower SET rebuild = 1 WHERE name = ?", name)

    def rebuilt(self, name: str) -> None:
        """See `Roll.rebuilt`."""
        self._wish(_REBUILT, name)

    def forget(self, name: str) -> None:
        """See `Roll.forget`."""
        self._wish("DELETE FROM follower WHERE name = ?", name)

    def report(self, name: str, positions: Mapping[str, int], now_ms: int) -> None:
        """See `Roll.report`."""
        self._write(_REPORT, (json.dumps(dict(positions)), now_ms, name), durable=False)

    def report_failure(self, name: str, problem: str, now_ms: int) -> None:
        """See `Roll.report_failure`."""
        self._write(_FAILURE, (problem, now_ms, name), durable=False)

    def restored(self, ends: Mapping[str, int]) -> None:
        """See `Roll.restored`."""
        self._write("INSERT OR REPLACE INTO restored VALUES (1, ?)", (json.dumps(dict(ends)),))

    def unproven(self, name: str) -> Mapping[str, int] | None:
        """See `Roll.unproven`."""
        with self._lock, self._errors():
            row = self._connection.execute(_UNPROVEN, (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def prove(self, name: str) -> None:
        """See `Roll.prove`."""
        self._write("INSERT OR IGNORE INTO proven VALUES (?)", (name,))

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        with self._lock:
            self._connection.close()

    def _wish(self, statement: str, name: str) -> None:
        self.entry(name)
        self._write(statement, (name,))

    def _write(self, statement: str, arguments: tuple[Any, ...], *, durable: bool = True) -> None:
        with self._lock, self._errors():
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
            self._connection.execute(statement, arguments)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        with closed_if_it_raises(connection):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)
        return connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise explain(error, self._path) from error


def _entry(row: tuple[Any, ...]) -> DeclaredFollower:
    name, least, positions, paused, rebuild, *rest = row
    return DeclaredFollower(name, least, json.loads(positions), bool(paused), bool(rebuild), *rest)
