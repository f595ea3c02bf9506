"""Backups of a data folder: to a folder or to S3, from there back, and when the next one is due."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import xxhash

from ringfence.adapters import backup as kept
from ringfence.adapters.backup.writing import room_for
from ringfence.adapters.sqlite.problems import explain
from ringfence.adapters.watchbook import WatchBook
from ringfence.compose.clock import now_ms
from ringfence.compose.folder.store import open_store
from ringfence.compose.messaging.messages import locked
from ringfence.errors import InputError, StoreError, StoreFullError
from ringfence.settings import load_settings, period_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ringfence.ports.backup import Backup

    Tell = Callable[[int, int | None, str], None]

OVERDUE_MS: Final = 2 * 3_600_000
"""A backup that is due for so long is worth a warning: it takes its time, and is tried every hour."""

_LOCK_NAME: Final = "backup.lock"
_REFUSAL: Final = "process {holder} is backing up {folder} already: wait for it"


class BackupMade(NamedTuple):
    """What a backup holds, its address, and remarks on what is odd."""

    backup: Backup
    address: str
    remarks: list[str]


class BackupSchedule(NamedTuple):
    """Where backups go by the clock, and how often."""

    to: str
    every_ms: int


def back_up(
    folder: Path, to: str, tell: Tell, *, with_snapshot: bool = False, spool: Path | None = None
) -> BackupMade:
    """Copy a data folder to a new folder, or below `s3://BUCKET/PREFIX` by way of a copy in `spool`.

    Errors as of `adapters.backup.back_up` and of `BackupBucket`; `StoreFullError` where the copy has no room,
    `InUseError` where another process is at it.
    """
    if "://" not in to:
        made, remarks = kept.back_up(folder, Path(to), tell, with_snapshot=with_snapshot)
        return BackupMade(made, to, remarks)
    bucket = kept.BackupBucket(to)
    with open_store(folder, read_only=True) as store:
        store_id = store.meta.store_id
    with _spooled(
        folder, store_id, spool or load_settings().backup_spool or folder.absolute().parent
    ) as passing:
        name = bucket.begin(store_id, now_ms(), secrets.randbits(32))
        made, remarks = kept.back_up(
            folder, passing / "copy", tell, with_snapshot=with_snapshot, passing=True
        )
        address = bucket.put(name, made, passing / "copy", tell)
    return BackupMade(made, address, remarks + _noted(folder, made))


def restore(source: str, folder: Path, tell: Tell) -> BackupMade:
    """Put a backup in place, of a folder or of S3, there the newest of a log. Errors: see `BackupBucket`."""
    backup, remarks = _kept_at(source)
    found = kept.restore(backup, folder, tell)
    return BackupMade(found, backup.address, remarks + (_noted(folder, found) if "://" in source else []))


def verify(source: str, tell: Tell) -> BackupMade:
    """Read and check every file of a backup, as `restore` would."""
    backup, remarks = _kept_at(source)
    return BackupMade(kept.verify(backup, tell), backup.address, remarks)


def schedule() -> BackupSchedule | None:
    """What the settings say; None without `backup_to`. `InputError` where that cannot be one."""
    settings = load_settings()
    every_ms = period_ms(settings.backup_every)
    if not settings.backup_to or every_ms is None:
        return None
    try:
        kept.check_address(settings.backup_to)
    except InputError as error:
        raise InputError(f"setting 'backup_to': {error}") from None
    return BackupSchedule(settings.backup_to, every_ms)


def last_backup_ms(folder: Path) -> int | None:
    """The moment that the newest backup on S3 is of, in milliseconds since 1970, as this folder knows."""
    return WatchBook(folder).backed_up_ms()


def newest_at(address: str, store_id: str) -> tuple[str, int]:
    """Address and moment of the newest whole backup of a log at an address; errors as of `BackupBucket`."""
    backup, _ = kept.kept_at(address, store_id)
    return backup.address, kept.parse_manifest(backup.manifest(), backup.address).created_ms


def _kept_at(source: str) -> tuple[kept.KeptBackup, list[str]]:
    if "://" not in source:
        return kept.FolderBackup(Path(source)), []
    kept.check_address(source)
    backup, skipped = kept.kept_at(source)
    return backup, [f"{said}; this is the one before" for said in skipped]


def _noted(folder: Path, made: Backup) -> list[str]:
    """Remember when it was made; a remark where that cannot be written. What is to come is no such moment."""
    at_ms, now = last_backup_ms(folder), now_ms()
    try:
        if at_ms is None or not made.created_ms <= at_ms <= now:
            WatchBook(folder).keep_backed_up(min(made.created_ms, now))
    except StoreError as error:
        return [f"the backup is whole, but when it was made is not noted: {error}"]
    return []


@contextmanager
def _spooled(folder: Path, store_id: str, spool: Path) -> Iterator[Path]:
    """A folder of its own in `spool` for a copy in passing, gone afterwards, and so is what a crash left."""
    mine = f".ringfence-backup-{xxhash.xxh3_64_hexdigest(f'{store_id} {folder.absolute()}'.encode())}."
    with locked(folder, _LOCK_NAME, _REFUSAL):
        try:
            spool.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left_over in spool.glob(f"{mine}*"):
                shutil.rmtree(left_over, ignore_errors=True)
            needed, free = room_for(folder), shutil.disk_usage(spool).free
            if needed > free:
                raise StoreFullError(
                    f"a copy of {folder} takes up to {needed / 2**20:,.0f} MiB before it is uploaded, and "
                    f"{spool} has {free / 2**20:,.0f}: name a folder with more room (--spool, backup_spool)"
                )
            passing = Path(tempfile.mkdtemp(prefix=mine, dir=spool))
        except OSError as error:
            raise explain(error, spool) from error
        try:
            yield passing
        finally:
            shutil.rmtree(passing, ignore_errors=True)
