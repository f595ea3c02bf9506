"""The files beside a log that nothing makes again: once they were there, they are missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.adapters.cases import store as cases
from ringfence.adapters.outbox import database as bus
from ringfence.adapters.sqlite import Store, trail
from ringfence.adapters.sqlite.store import FILE_NAME as LOG
from ringfence.errors import CorruptError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.store import DataFolder

BUS: Final = bus.FILE_NAME
CASES: Final = cases.FILE_NAME
TRAIL: Final = trail.FILE_NAME
_KEPT: Final = {TRAIL: "audit trail", CASES: "cases", BUS: "subscriptions, alerts and messages"}


def look_after(store: DataFolder) -> None:
    """Have the store remember which of them there are; `CorruptError` where cases or messages are gone.

    Made anew, `bus.db` would have all alerts of the log sent once more. Whoever writes on record finds out
    about the trail.
    """
    for name in _KEPT:
        if _is_there(store.folder, name) and store.remembered(_had(name)) is None:
            store.remember(_had(name), "yes")
    for name in (CASES, BUS):
        if not _is_there(store.folder, name):
            _miss(store, name)


def check_not_lost(folder: Path, name: str) -> None:
    """`CorruptError` where a file was beside this folder's log and is gone: it must not be made anew."""
    if _is_there(folder, name) or not (folder / LOG).exists():
        return
    try:
        store = Store.open(folder, read_only=True)
    except StoreError:  # the log's own damage is told by those who read it
        return
    with store:
        _miss(store, name)


def _miss(store: DataFolder, name: str) -> None:
    if store.remembered(_had(name)) is not None:
        raise CorruptError(
            f"{store.folder / name} is missing or empty, and this store had its {_KEPT[name]} there: restore "
            "the folder from a backup (`ringfence restore`), or put the copy of one in its place"
        )


def _is_there(folder: Path, name: str) -> bool:
    path = folder / name
    try:
        return path.is_dir() or path.is_symlink() or (path.is_file() and path.stat().st_size > 0)
    except PermissionError:  # nobody may look into the folder: who opens the file is told so
        return True


def _had(name: str) -> str:
    return f"had {name}"
