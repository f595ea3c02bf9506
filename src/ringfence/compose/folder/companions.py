"""The files beside a log that nothing makes again: once they were there, they are missed."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

from ringfence.adapters.sqlite import Store
from ringfence.adapters.sqlite.roll import SqliteRoll
from ringfence.errors import CorruptError, StoreError
from ringfence.store import BUS, CASES, LOG, TRAIL

if TYPE_CHECKING:
    from pathlib import Path

    from ringfence.store import DataFolder

_KEPT: Final = {TRAIL: "audit trail", CASES: "cases", BUS: "subscriptions, alerts and messages"}
_MEANWHILE: Final = {
    CASES: "Payments are decided meanwhile, and nobody can open or close a case",
    BUS: "Payments are decided meanwhile, and nobody hears of alerts",
}
"""Of the files without which payments are decided."""


def look_after(store: DataFolder) -> list[str]:
    """Have the store remember which of them there are; what to warn of. Errors as `check_not_ahead`.

    Whoever writes on record finds out about the trail.
    """
    check_not_ahead(store)
    for name in _KEPT:
        if _is_there(store.folder, name) and store.remembered(_had(name)) is None:
            store.remember(_had(name), "yes")
    return told_of_lost(store)


def check_not_ahead(store: DataFolder) -> None:
    """`StoreError` where followers have read what the log does not hold: it is older than they are.

    What is decided next would stand where they have been already, and they would pass over it.
    """
    if not SqliteRoll.is_in(store.folder):
        return
    with closing(SqliteRoll(store.folder)) as roll:
        entries = [one for one in roll.entries() if not one.rebuild]
    ends = {topic: store.log.end_offset(topic) for one in entries for topic in one.positions}
    ahead = {one.name: at for one in entries for topic, at in one.positions.items() if at > ends[topic]}
    if ahead:
        names = sorted(ahead)
        again = "; ".join(f"ringfence followers rebuild {name}" for name in names)
        raise StoreError(
            f"{store.folder / LOG} is older than what was made of it: {', '.join(names)} have read up to "
            f"record {max(ahead.values()):,}, and it holds fewer. Put back the newer file, or restore a "
            f"backup whole (ringfence restore). If the newer file is lost, have these made again: {again}. "
            "A follower that no setting names any more: ringfence followers forget"
        )


def told_of_lost(store: DataFolder) -> list[str]:
    """What to do about cases and messages that were there and are gone."""
    return [
        f"{_said(store.folder, name)}. {meanwhile}"
        for name, meanwhile in _MEANWHILE.items()
        if is_lost(store, name)
    ]


def is_lost(store: DataFolder, name: str) -> bool:
    """Whether a file was beside this log and is gone."""
    return not _is_there(store.folder, name) and store.remembered(_had(name)) is not None


def check_not_lost(folder: Path, name: str) -> None:
    """`CorruptError` where a file was beside this folder's log and is gone: it must not be made anew."""
    if _is_there(folder, name) or not (folder / LOG).exists():
        return
    try:
        store = Store.open(folder, read_only=True)
    except StoreError:  # the log's own damage is told by those who read it
        return
    with store:
        if is_lost(store, name):
            raise CorruptError(_said(folder, name))


def _said(folder: Path, name: str) -> str:
    return (
        f"{folder / name} is missing or empty, and this store had its {_KEPT[name]} there: restore the "
        "folder from a backup (`ringfence restore`), put the copy of one in its place, or, where there is "
        f"none, have it begun anew (`ringfence accept-loss {name}`)"
    )


def _is_there(folder: Path, name: str) -> bool:
    path = folder / name
    try:
        return path.is_dir() or path.is_symlink() or (path.is_file() and path.stat().st_size > 0)
    except PermissionError:  # nobody may look into the folder: who opens the file is told so
        return True


def _had(name: str) -> str:
    return f"had {name}"
