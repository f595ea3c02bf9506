"""Copies the write-ahead log into the file beside the writer, so that no append has to wait for it."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSE_SECONDS: Final = 0.5  # what gathers meanwhile is copied at once
_COPY: Final = "PRAGMA wal_checkpoint(PASSIVE)"


class Checkpointer:
    """A thread that begins with the first `note`.

    Most is copied while the writer goes on. What it added meanwhile is copied with `lock` held, which is a
    moment's work: then all is in the file, and the next append starts the write-ahead log anew. Where a pass
    fails, the next one copies more, and in the end the writer does what SQLite has it do.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        lock: threading.Lock,
        pause_seconds: float = _PAUSE_SECONDS,
    ) -> None:
        self._connect = connect
        self._pause_seconds = pause_seconds
        self._lock = lock
        self._written = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def note(self) -> None:
        """Something was committed; by the writer, with the lock held."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="ringfence-checkpoint", daemon=True)
            self._thread.start()
        self._written.set()

    def close(self) -> None:
        """Finish the pass under way; without the lock held."""
        self._stopped.set()
        self._written.set()
        if self._thread is not None:
            self._thread.join()

    def _loop(self) -> None:
        with contextlib.closing(self._connect()) as connection:
            while self._written.wait() and not self._stopped.wait(self._pause_seconds):
                self._written.clear()
                if self._stopped.is_set():  # between the pause and the clearing: nobody sets it again
                    break
                with contextlib.suppress(sqlite3.Error):
                    connection.execute(_COPY).fetchall()
                    with self._lock:
                        connection.execute(_COPY).fetchall()
