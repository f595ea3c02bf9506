"""The files beside a log that nothing makes again: once they were there, they are missed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.adapters.cases.store import FILE_NAME as CASES_FILE
from ringfence.adapters.outbox.database import FILE_NAME as BUS_FILE
from ringfence.adapters.sqlite import Store
from ringfence.adapters.sqlite.store import FILE_NAME as LOG
from ringfence.adapters.sqlite.trail import FILE_NAME as TRAIL_FILE
from ringfence.errors import CorruptError, StoreError

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.store import DataFolder

BUS: Final = BUS_FILE
CASES: Final = CASES_FILE
TRAIL: Final = TRAIL_FILE
_KEPT: Final = {TRAIL: "audit trail", CASES: "cases", BUS: "subscriptions, alerts and messages"}


def look_after(store: DataFolder) -> list[str]:
    """Have the store remember which of them there are; what to warn of. `CorruptError` where cases are gone.

    Without messages payments are decided all the same, and `compose.bus.open_bus` refuses the rest. Whoever
    writes on record finds out about the trail.
    """
    for name in _KEPT:
        if _is_there(store.folder, name) and store.remembered(_had(name)) is None:
            store.remember(_had(name), "yes")
    if not _is_there(store.folder, CASES):
        _miss(store, CASES)
    lost = lost_messages(store)
    return [] if lost is None else [lost]


def lost_messages(store: DataFolder) -> str | None:
    """What to do about messages that were there and are gone; None where all is well."""
    try:
        if not _is_there(store.folder, BUS):
            _miss(store, BUS)
    except CorruptError as error:
        return f"{error}. Payments are decided meanwhile, and nobody hears of alerts"
    return None


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
