"""What a SQLite file beside the log has; one process at a time adds what an earlier version lacks."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileSchema:
    """What a file has to have.

    Attributes:
        text: a script that makes all of it where it is missing, and drops what is `gone`.
        table: one that a file of any earlier version has.
        gone: names of indexes that earlier versions had.
        added: pairs of a query, which has a row where a step has been taken, and the script that takes it.
    """

    text: str
    table: str
    gone: frozenset[str] = field(default=frozenset())
    added: tuple[tuple[str, str], ...] = ()

    def bring_up_to_date(self, connection: sqlite3.Connection, path: Path) -> None:
        """Give a file all of it, one process at a time: others wait, however long it takes.

        An index of many rows takes longer to make than SQLite waits for whoever holds its lock. A file that
        has everything is used at once.
        """
        if self._is_met(connection):
            return
        with _alone(path):
            if self._is_met(connection):
                return
            if self.table in _names(connection):
                _LOGGER.warning(
                    "An earlier version wrote %s. This process adds its indexes; other processes wait.", path
                )
            self._make(connection)

    def _is_met(self, connection: sqlite3.Connection) -> bool:
        found = _names(connection)
        return (
            self._made <= found
            and found.isdisjoint(self.gone)
            and all(connection.execute(query).fetchone() for query, _ in self.added)
        )

    def _make(self, connection: sqlite3.Connection) -> None:
        connection.executescript(self.text)
        for query, script in self.added:
            if connection.execute(query).fetchone() is None:
                connection.executescript(script)

    @cached_property
    def _made(self) -> set[str]:
        """What a new file has."""
        with closing(sqlite3.connect(":memory:")) as empty:
            self._make(empty)
            return _names(empty)


def _names(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Others wait, of this process and of any other one, until the block is left or its process ends."""
    held = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(held, fcntl.LOCK_UN)  # a child that was forked meanwhile has it open, too
        os.close(held)
