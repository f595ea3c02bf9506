"""Puts a backup in place: every file checked on the way, the log last, so that half a restore is no store."""

from __future__ import annotations

import os
import shutil
from contextlib import closing
from typing import TYPE_CHECKING, Final

from ringfence.adapters.backup.manifest import MANIFEST, copy, parse_manifest, summed, sync_folder
from ringfence.adapters.sqlite.problems import explain
from ringfence.adapters.sqlite.roll import SqliteRoll
from ringfence.adapters.sqlite.versions import HEAD_BYTES, check_known_file, check_known_head, topic_ends
from ringfence.errors import CorruptError, InputError
from ringfence.store import BUS, CASES, FOLLOWERS, KEYS, LOG, TRAIL, VAULT, VIEWS, WRITER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ringfence.adapters.backup.kept_backup import KeptBackup
    from ringfence.ports.backup import Backup

    Tell = Callable[[int, int | None, str], None]

_OURS: Final = (
    "models",
    "snapshots",
    "tables",
    "index",
    KEYS,
    TRAIL,
    CASES,
    BUS,
    FOLLOWERS,
    VAULT,
    VIEWS,
    WRITER,
)


def restore(backup: KeptBackup, folder: Path, tell: Tell = lambda *_: None) -> Backup:
    """Copy a backup to a data folder in which there is none yet; what it held.

    `InputError` for what is no backup, or where there is a store already; `CorruptError` for a backup that is
    damaged, `StoreError` for one that a newer Ringfence wrote, or cannot be reached: then nothing is put in
    place.
    """
    found = parse_manifest(backup.manifest(), backup.address)
    partial = folder / f".restore.{os.getpid()}.partial"
    heard = _counted(found, tell, "copying")
    try:
        _check_free(folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial.mkdir(mode=0o700)
        for name, expected in found.files.items():
            _check(backup, name, expected, copy(backup.pieces(name, expected[0]), partial / name, heard))
        for path in sorted(partial.glob("*.db")):
            check_known_file(path, f"{backup.address}/{path.name}", is_log=path.name == LOG)
        ends = topic_ends(partial / LOG)
        if ends != {topic: end for topic, (_, end) in found.topics.items()}:
            raise CorruptError(
                f"{backup.address}/{MANIFEST} tells of another log than is there: use another backup"
            )
        with closing(SqliteRoll(partial)) as roll:  # no follower goes on behind what was lost
            roll.restored(ends)
        for path in sorted(partial.iterdir(), key=lambda path: path.name == LOG):
            path.rename(folder / path.name)
        sync_folder(folder)
    except OSError as error:
        raise explain(error, folder) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return found


def verify(backup: KeptBackup, tell: Tell = lambda *_: None) -> Backup:
    """Read every file of a backup and check it, keeping nothing; what it holds. Errors as of `restore`."""
    found = parse_manifest(backup.manifest(), backup.address)
    heard = _counted(found, tell, "reading")
    for name, expected in found.files.items():
        head = bytearray()

        def each(piece: bytes, head: bytearray = head) -> None:
            head.extend(piece[: HEAD_BYTES - len(head)])
            heard(len(piece))

        _check(backup, name, expected, summed(backup.pieces(name, expected[0]), each))
        if name.endswith(".db"):
            check_known_head(bytes(head), f"{backup.address}/{name}", is_log=name == LOG)
    return found


def _counted(found: Backup, tell: Tell, what: str) -> Callable[[int], None]:
    done = 0

    def heard(size: int) -> None:
        nonlocal done
        done += size
        tell(done, found.nbytes, what)

    return heard


def _check(backup: KeptBackup, name: str, expected: tuple[int, str], read: tuple[int, str]) -> None:
    if read != expected:
        raise CorruptError(f"{backup.address}/{name} fails its checksum: use another backup")


def _check_free(folder: Path) -> None:
    taken = [name for name in _OURS if os.path.lexists(folder / name)]
    taken += [path.name for path in folder.glob(f"{LOG}*")]
    if taken:
        raise InputError(
            f"{folder} holds {taken[0]} already, and nothing is overwritten: move the folder away, or name a "
            "new one"
        )
