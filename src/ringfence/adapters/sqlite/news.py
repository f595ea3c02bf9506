"""Whether others have written to the log since somebody last asked, for less than a look at it costs."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from ringfence.adapters.sqlite.problems import BUSY_SECONDS, explain

if TYPE_CHECKING:
    from pathlib import Path


class News:
    """A connection of its own, which sees every commit of another one. One thread at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen = -1
        try:
            self._connection = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro",
                uri=True,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
        except sqlite3.Error as error:
            raise explain(error, path) from error

    def __call__(self) -> bool:
        """Whether there was a commit since the call before; True the first time."""
        try:
            ((version,),) = self._connection.execute("PRAGMA data_version").fetchall()
        except sqlite3.Error as error:
            raise explain(error, self._path) from error
        is_new, self._seen = version != self._seen, version
        return is_new

    def close(self) -> None:
        """Release the file."""
        self._connection.close()
