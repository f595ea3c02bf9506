"""One SQLite file, set up for a log: opened privately, written by one, read by many."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from ringfence.adapters.sqlite.checkpoint import Checkpointer
from ringfence.adapters.sqlite.migrate import known_version, migrate
from ringfence.adapters.sqlite.opening import closed_if_it_raises
from ringfence.adapters.sqlite.problems import BUSY_SECONDS, explain
from ringfence.adapters.sqlite.statements import SQL
from ringfence.adapters.sqlite.transactions import writing
from ringfence.errors import CorruptError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PAGE_BYTES = 16 * 1024  # large payloads go in twice as fast as with 4 KiB; see docs/decisions/0010
CHECKPOINT_BYTES = 16 * 1024 * 1024  # the writer copies the log into the file itself where nobody has yet
CACHE_BYTES = 16 * 1024 * 1024


class Database:
    """A file with one writing connection and a pool of reading ones; any thread may use it."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self.closed = False
        self._write_lock = Lock()
        self._idle: deque[sqlite3.Connection] = deque()
        self._readers: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._checkpointer: Checkpointer | None = None
        if read_only:
            if not path.exists():
                raise StoreError(
                    f"{path} does not exist: there is no store here yet. `ringfence run PAYMENTS --data "
                    f"{path.parent}` makes one; --data (or RINGFENCE_DATA_DIR) names another folder"
                )
            with self._errors():
                reader = self._connect_reader()
                with closed_if_it_raises(reader):
                    if not known_version(reader):
                        raise CorruptError(
                            f"{path} is empty: restore the folder from a backup (`ringfence restore`), or "
                            "`ringfence run` some payments first"
                        )
            self._idle.append(reader)
            return
        with self._errors():
            _create_private(path)
            self._writer = self._connect_writer()
        self._checkpointer = Checkpointer(self._connect_plain, self._write_lock)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing: on stable storage when the block ends, gone when it raises.

        A process that holds the store read-only may still write what belongs to a reader.
        """
        self._check_open()
        with self._write_lock, self._errors():
            connection = self._writer or self._connect_writer()
            try:
                with writing(connection):
                    yield connection
                if self._checkpointer is not None:
                    self._checkpointer.note()
            finally:
                if connection is not self._writer:
                    connection.close()

    def fetch(self, name: str, arguments: Mapping[str, Any] | None = None) -> list[Any]:
        """All rows of a named statement, as of now."""
        self._check_open()
        with self._errors():
            try:
                connection = self._idle.pop()
            except IndexError:
                connection = self._connect_reader()
            try:
                return connection.execute(SQL[name], arguments or {}).fetchall()
            finally:
                self._idle.append(connection)

    def fetch_value(self, name: str, arguments: Mapping[str, Any], default: Any) -> Any:
        """The first column of the first row, or a default where there is none."""
        rows = self.fetch(name, arguments)
        return rows[0][0] if rows else default

    def close(self) -> None:
        """Close every connection; the writer's last one folds the write-ahead log into the file."""
        self.closed = True
        if self._checkpointer is not None:
            self._checkpointer.close()
        for connection in self._readers:
            connection.close()
        self._readers.clear()
        self._idle.clear()
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _connect_writer(self) -> sqlite3.Connection:
        connection = self._connect_plain()
        try:
            connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{CACHE_BYTES // 1024}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_BYTES // PAGE_BYTES}")
            connection.execute(f"PRAGMA journal_size_limit = {4 * CHECKPOINT_BYTES}")
            migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect_plain(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)

    def _connect_reader(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=BUSY_SECONDS,
            check_same_thread=False,
        )
        self._readers.append(connection)
        return connection

    def _check_open(self) -> None:
        if self.closed:
            raise StoreError(f"the store {self.path} is closed: open it again")

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise explain(error, self.path) from error


def _create_private(path: Path) -> None:
    """The file holds a key and card holders' data: only its owner may read it, from the first byte on."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
