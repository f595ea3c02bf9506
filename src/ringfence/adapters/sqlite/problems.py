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
RESTORE = (
    "restore the folder from a backup (`ringfence restore`), or name another one and read the sources again"
)
# An error in a statement of ours can only mean that the tables are not those that we made.
_DAMAGED = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_CONSTRAINT,
)
_REMEDIES = {
    sqlite3.SQLITE_BUSY: f"it was so for {BUSY_SECONDS:.0f} s: end the process that holds it, or wait",
    sqlite3.SQLITE_LOCKED: "end the process that holds it, or wait",
    sqlite3.SQLITE_CANTOPEN: "give this user the right to read and write it and its folder",
    sqlite3.SQLITE_READONLY: "give this user the right to write it and its folder",
}
_FULL_BYTES = 4 * 1024 * 1024  # an I/O error with less room than this is a full disk


def explain(error: sqlite3.Error | OSError, path: Path, if_damaged: str = RESTORE) -> StoreError:
    """The error to raise in place of this one; `if_damaged` is the remedy for a damaged file."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _full(path)
        where = error.filename or path
        if error.errno in (errno.EACCES, errno.EPERM):
            return StoreError(f"{where}: {error.strerror}; {_REMEDIES[sqlite3.SQLITE_CANTOPEN]}")
        return StoreError(
            f"{where}: {error.strerror}. Choose a folder that can be written, on a healthy disk"
        )
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # without its detail
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _is_full(path)):
        return _full(path)
    if code in _DAMAGED or "decode" in str(error):
        return CorruptError(f"{path} is damaged ({error}): {if_damaged}")
    remedy = _REMEDIES.get(code, "check the folder's permissions and its disk")
    return StoreError(f"{path}: {error}; {remedy}")


def _full(path: Path) -> StoreFullError:
    return StoreFullError(
        f"no room left for {path}: what was acknowledged is safe, the batch at hand is not in; "
        "free space and run the command again"
    )


def _is_full(path: Path) -> bool:
    return shutil.disk_usage(path.parent).free < _FULL_BYTES
