"""A SQLite file of its own beside the store: threads take turns at it, and processes share it."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

from ringfence.adapters.sqlite.opening import closed_if_it_raises
from ringfence.adapters.sqlite.problems import BUSY_SECONDS, RESTORE, explain
from ringfence.adapters.sqlite.transactions import writing
from ringfence.adapters.sqlite.versions import check_known

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


class SharedFile:
    """One file with one connection, for its owner's eyes. What a transaction wrote survives a power cut.

    Errors are those of `problems.explain`, inside the blocks, too.
    """

    def __init__(
        self, path: Path, schema: str, pragmas: Sequence[str] = (), *, if_damaged: str = RESTORE
    ) -> None:
        """Open it, or make it with its folder; `StoreError` where a newer Ringfence wrote it."""
        self.path = path
        self._if_damaged = if_damaged
        self._lock = Lock()
        with self._errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            with closed_if_it_raises(self._connection):
                check_known(self._connection, path)
                for pragma in (*pragmas, "journal_mode = WAL", "synchronous = FULL"):
                    self._connection.execute(f"PRAGMA {pragma}")
                self._connection.executescript(schema)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone while the block runs."""
        with self._lock, self._errors():
            yield self._connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Likewise; nobody else writes meanwhile, and an error in the block takes back what it wrote."""
        with self.reading() as connection, writing(connection):
            yield connection

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """The answer to one question."""
        with self.reading() as connection:
            return connection.execute(statement, values).fetchall()

    def empty_log(self) -> None:
        """Write changed pages back to the file, so that the write-ahead log holds none of before."""
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise explain(error, self.path, self._if_damaged) from error


class FileAtFirstUse:
    """A `SharedFile` that is opened, or made, when something is first asked of it; any thread may ask."""

    def __init__(self, path: Path, schema: str, *, if_damaged: str) -> None:
        """As of `SharedFile`, whose errors come when it is opened."""
        self._path, self._schema, self._if_damaged = path, schema, if_damaged
        self._opening = Lock()
        self._opened: SharedFile | None = None

    @property
    def is_there(self) -> bool:
        """Whether it would be opened, not made."""
        return self._opened is not None or self._path.exists()

    def opened(self) -> SharedFile:
        """The file."""
        with self._opening:
            if self._opened is None:
                self._opened = SharedFile(self._path, self._schema, if_damaged=self._if_damaged)
            return self._opened

    def close(self) -> None:
        """Closing twice is allowed."""
        with self._opening:
            if self._opened is not None:
                self._opened.close()
                self._opened = None
