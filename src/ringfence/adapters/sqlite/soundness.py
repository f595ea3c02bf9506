"""Whether a store is whole, asked before anything is done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.errors import CorruptError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.adapters.sqlite.database import Database

RESTORE: Final = (
    "Restore the folder from a backup (`ringfence restore`); what came after it can be sent or read again, "
    "duplicates are passed over"
)
_DERIVED: Final = ("snapshots", "tables", "index")  # models may be imported before there is a store


def check_whole(database: Database) -> None:
    """`CorruptError` where batches of a topic are missing; reads an index, no payload."""
    for topic, start, end, count, first, last, records in database.fetch("spans"):
        if topic is None:
            raise CorruptError(
                f"{database.path} holds {count:,} batches of records of no topic: it is damaged. {RESTORE}"
            )
        if (first, last, records) == (start, end, end - start) or (not count and start == end):
            continue
        gaps = database.fetch("first_gap", {"topic": topic, "start": start})
        due, found = gaps[0] if gaps else (start if last is None else last, end)
        raise CorruptError(
            f"the log in {database.path} is not whole: topic {topic!r} has nothing from offset {due:,} to "
            f"{found:,}. {RESTORE}"
        )


def check_not_lost(path: Path) -> None:
    """`StoreError` where the database is gone or no file, and the rest of its folder is still there.

    A new one in its place would have another identity, and begin by clearing away what the old one left.
    """
    if path.is_symlink() and not path.exists():
        raise StoreError(
            f"{path} points to {path.readlink()}, which is not there: mount its disk, or take the link away"
        )
    if path.exists() and not path.is_file():
        raise StoreError(f"{path} is no file: move it away. {RESTORE}")
    if path.exists() and path.stat().st_size:
        return
    found = [name for name in _DERIVED if _holds_something(path.parent / name)]
    wal = path.with_name(f"{path.name}-wal")
    if wal.is_file() and wal.stat().st_size:
        found.append(wal.name)
    if found:
        state = "is empty" if path.exists() else "is missing"
        raise CorruptError(
            f"{path} {state}, but {' and '.join(found)} of a store are there: nothing was changed. "
            f"{RESTORE}. To begin anew, name another folder"
        )


def _holds_something(folder: Path) -> bool:
    return folder.is_dir() and any(folder.iterdir())
