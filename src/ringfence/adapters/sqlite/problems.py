"""What SQLite's and the system's errors mean, and what to do about them."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from typing import TYPE_CHECKING

from ringfence.errors import CorruptError, StoreError, StoreFullError

if TYPE_CHECKING:
    from pathlib import Path

BUSY_SECONDS = 10.0
_FULL_BYTES = 4 * 1024 * 1024  # an I/O error with less room than this is a full disk


def explain(error: sqlite3.Error | OSError, path: Path) -> StoreError:
    """The error to raise in place of this one."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _full(path)
        return StoreError(f"{path}: {error.strerror}. Choose a folder that can be written, on a healthy disk")
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without its detail
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return _full(path)
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return CorruptError(
            f"{path} is damaged ({error}): restore it from a backup, "
            "or move it away and read the sources again"
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return StoreError(
            f"{path} was locked for {BUSY_SECONDS:.0f} s: end the process that holds it, or wait"
        )
    return StoreError(f"{path}: {error}. Check the folder's permissions and its disk")


def _full(path: Path) -> StoreFullError:
    return StoreFullError(
        f"no room left for {path}: what was acknowledged is safe, the batch at hand is not in; "
        "free space and run the command again"
    )


def _is_full(path: Path) -> bool:
    return shutil.disk_usage(path.parent).free < _FULL_BYTES
