"""A transaction that writes, the same way in every SQLite file of ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """All of it when the block ends, or nothing where it raises; nobody else writes meanwhile.

    What is raised is what went wrong: SQLite takes back by itself what a full disk interrupts, and to take it
    back once more would be an error of its own, by which the file seems damaged.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
