"""Puts a backup in place: every file checked on the way, the log last, so that half a restore is no store."""

from __future__ import annotations

import os
import shutil
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final

from ringfence.adapters.backup.manifest import copy, read_manifest, sync_folder
from ringfence.adapters.sqlite.problems import explain
from ringfence.adapters.sqlite.store import FILE_NAME
from ringfence.adapters.sqlite.versions import check_known_file
from ringfence.errors import CorruptError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ringfence.ports.backup import Backup

_OURS: Final = (
    "models",
    "snapshots",
    "tables",
    "index",
    "access.db",
    "audit.db",
    "cases.db",
    "bus.db",
    "followers.db",
    "vault.db",
    "writer.lock",
)


def restore(
    backup: Path, folder: Path, tell: Callable[[int, int | None, str], None] = lambda *_: None
) -> Backup:
    """Copy a backup to a data folder in which there is none yet; what it held.

    `InputError` for what is no backup, or where there is a store already; `CorruptError` for a backup that is
    damaged, `StoreError` for one that a newer Ringfence wrote: then nothing is put in place.
    """
    found = read_manifest(backup)
    for name in found.files:
        parts = PurePosixPath(name).parts
        if name.startswith("/") or ".." in parts or not parts:
            raise CorruptError(f"{backup} names a file outside of it ({name!r}): use another backup")
    partial = folder / f".restore.{os.getpid()}.partial"
    try:
        _check_free(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.mkdir(mode=0o700)
        done = 0

        def heard(size: int) -> None:
            nonlocal done
            done += size
            tell(done, found.nbytes, "copying")

        for name, expected in found.files.items():
            _copy(backup / name, partial / name, expected, heard)
        for path in sorted(partial.glob("*.db")):
            check_known_file(path, is_log=path.name == FILE_NAME)
        for path in sorted(partial.iterdir(), key=lambda path: path.name == FILE_NAME):
            path.rename(folder / path.name)
        sync_folder(folder)
    except OSError as error:
        raise explain(error, folder) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found


def _check_free(folder: Path) -> None:
    taken = [name for name in _OURS if os.path.lexists(folder / name)]
    taken += [path.name for path in folder.glob(f"{FILE_NAME}*")]
    if taken:
        raise InputError(
            f"{folder} holds {taken[0]} already, and nothing is overwritten: move the folder away, or name a "
            "new one"
        )


def _copy(source: Path, target: Path, expected: tuple[int, str], heard: Callable[[int], None]) -> None:
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise CorruptError(
            f"{source} of the backup cannot be read ({error.strerror}): use another one"
        ) from None
    try:
        found = copy(descriptor, target, heard)
    finally:
        os.close(descriptor)
    if found != expected:
        raise CorruptError(f"{source} fails its checksum: use another backup")
