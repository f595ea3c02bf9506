"""The format of a SQLite file beside the log, which the file itself says: `PRAGMA user_version`."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Final

from ringfence.adapters.sqlite.migrate import LATEST
from ringfence.adapters.sqlite.problems import explain
from ringfence.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 0
"""Of files beside the log; tables that are added leave it as it is."""

HEAD_BYTES: Final = 100
"""How much of a file its header takes: https://www.sqlite.org/fileformat.html#the_database_header"""

_USER_VERSION: Final = slice(60, 64)


def check_known(connection: sqlite3.Connection, name: Path | str, latest: int = FORMAT) -> None:
    """`StoreError` for a file that a newer Ringfence wrote: this one would write to what it cannot read."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    _check(found, name, latest)


def _check(found: int, name: Path | str, latest: int) -> None:
    if found > latest:
        raise StoreError(
            f"{name} has format {found}, this Ringfence knows {latest}: use the newer Ringfence that wrote it"
        )


def check_known_file(path: Path, name: str, *, is_log: bool) -> None:
    """As `check_known`, of a file that nobody has open, by the name that people know it by."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
            check_known(opened, name, LATEST if is_log else FORMAT)
    except sqlite3.Error as error:
        raise explain(error, path) from error


def check_known_head(head: bytes, name: str, *, is_log: bool) -> None:
    """As `check_known_file`, of the first `HEAD_BYTES` of a file that is not at hand as a file.

    A shorter one is an empty database and has no format yet.
    """
    if len(head) >= HEAD_BYTES:
        _check(int.from_bytes(head[_USER_VERSION], signed=True), name, LATEST if is_log else FORMAT)


def topic_ends(path: Path) -> dict[str, int]:
    """By topic of a log of any format that nobody has open: the offset after its last record."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
            return dict(opened.execute("SELECT name, end_offset FROM topic"))
    except sqlite3.Error as error:
        raise explain(error, path) from error
