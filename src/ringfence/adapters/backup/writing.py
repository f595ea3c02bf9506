"""Writes a backup beside whatever serves the folder, reads it back, and only then gives it its name.

What follows the log (outbox, cases, audit trail) goes first, so that the copied log is not behind it. Each
database is copied in one read transaction (`VACUUM INTO`), which no writer waits for. Models come last: what
the copied log names is there by then, and models are never changed. A snapshot fits where it is not ahead of
the copied log; it is held open beforehand, as the server keeps the newest few only.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import ExitStack, closing
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.artifacts import ModelRegistry
from ringfence.adapters.backup.manifest import FORMAT, MANIFEST, copy, read_open, sum_of, sync_folder
from ringfence.adapters.snapshots import Snapshots, layout
from ringfence.adapters.sqlite import Store
from ringfence.adapters.sqlite.problems import explain
from ringfence.errors import InputError, RingfenceError, StoreError
from ringfence.ports import EVENTS
from ringfence.ports.backup import Backup
from ringfence.store import BUS, CASES, KEYS, LOG, TRAIL, VAULT, VIEWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Tell = Callable[[int, int | None, str], None]

_MODELS: Final = "models"
_STEPS: Final = 20_000  # of SQLite's machine between two looks at how far it is


def back_up(
    folder: Path,
    target: Path,
    tell: Tell = lambda *_: None,
    *,
    with_snapshot: bool = False,
    passing: bool = False,
) -> tuple[Backup, list[str]]:
    """Copy log, keys, audit trail and models of a folder to `target`, a new one; a snapshot too, if asked.

    What it holds, and remarks on models that are damaged already. All of it or nothing: `target` is there
    once every file has been read back. A snapshot goes along in any case where the log's beginning has been
    trimmed: without it nothing could go on. A copy in `passing`, on its way elsewhere, may be inside the
    folder. `InputError` where `target` cannot be one, `StoreError` where the folder cannot be read, is
    damaged, or there is no room.
    """
    partial = _prepare(folder, target, passing=passing)
    try:
        with ExitStack() as stack:
            snapshots = _opened_snapshots(folder, stack)
            store = stack.enter_context(Store.open(folder, read_only=True))
            for name in (BUS, CASES, TRAIL, VAULT):  # before the log, which may not be behind them
                if (folder / name).exists():
                    _vacuum(folder / name, partial / name, tell)
            _vacuum(store.log.database.path, partial / LOG, tell)
            topics, trimmed = _check_log(partial, tell)
            for name in (KEYS, VIEWS):
                if (folder / name).exists():
                    _vacuum(folder / name, partial / name, tell)
            remarks = _copy_models(folder, partial, tell)
            if with_snapshot or trimmed:
                _copy_snapshot(snapshots, partial, topics, tell, needed=trimmed)
            made = Backup(
                FORMAT,
                version("ringfence"),
                store.meta.store_id,
                time.time_ns() // 1_000_000,
                topics,
                {str(path.relative_to(partial)): sum_of(path) for path in _files(partial)},
            )
        (partial / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(made)))
        for path in partial.rglob("*"):
            _sync(path)
        sync_folder(partial)
        partial.rename(target)
        sync_folder(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise explain(error, target) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return made, remarks


def room_for(folder: Path) -> int:
    """At most how many bytes a copy of a data folder takes."""
    paths = [*folder.glob("*.db"), *folder.glob("*.db-wal"), *_files(folder / _MODELS)]
    newest = max((path.stat().st_size for path in _files(folder / "snapshots")), default=0)
    return newest + sum(path.stat().st_size for path in paths)


def _prepare(folder: Path, target: Path, *, passing: bool) -> Path:
    if target.exists() or target.is_symlink():
        raise InputError(f"{target} is there already, and nothing is overwritten: name a new folder")
    if not passing and target.absolute().resolve().is_relative_to(folder.absolute().resolve()):
        raise InputError(f"{target} is inside {folder}: name a folder elsewhere, best on another disk")
    partial = target.absolute().parent / f".{target.name}.{os.getpid()}.partial"
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.mkdir(mode=0o700)
    except OSError as error:
        raise explain(error, target) from error
    return partial


def _opened_snapshots(folder: Path, stack: ExitStack) -> dict[int, int]:
    """Descriptors by offset, newest first."""
    found, snapshots = {}, Snapshots(folder / "snapshots")
    for offset in snapshots.offsets():
        try:
            descriptor = os.open(snapshots.path_of(offset), os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # gone meanwhile, or no file: the next one may do
            continue
        stack.callback(os.close, descriptor)
        found[offset] = descriptor
    return found


def _vacuum(source: Path, target: Path, tell: Tell) -> None:
    """A consistent copy of a database that others are writing to."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    wal = source.with_name(f"{source.name}-wal")
    total = sum(path.stat().st_size for path in (source, wal) if path.exists())
    stopped: list[KeyboardInterrupt] = []

    def look() -> int:
        try:
            tell(target.stat().st_size, total, source.name)
        except KeyboardInterrupt as error:
            stopped.append(error)
        return len(stopped)

    try:
        with closing(
            sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True, timeout=10.0)
        ) as connection:
            connection.set_progress_handler(look, _STEPS)
            connection.execute("VACUUM INTO ?", (str(target),))
    except sqlite3.Error as error:
        raise (stopped[0] if stopped else explain(error, source)) from error


def _check_log(partial: Path, tell: Tell) -> tuple[dict[str, tuple[int, int]], bool]:
    """Read all of the copy, none of which may be missing. Its topics, and whether events were trimmed."""
    with Store.open(partial, read_only=True) as copied:
        broken = copied.log.database.fetch("integrity")
        if broken != [("ok",)]:
            raise StoreError(
                f"the copy of the log is not sound ({broken[0][0]}): run `ringfence doctor --deep`"
            )
        log = copied.log
        topics = {name: (log.start_offset(name), log.end_offset(name)) for name in log.topics()}
        total, done = sum(end - start for start, end in topics.values()), 0
        for name in topics:
            for batch in log.read(name):
                done += batch.count
                tell(done, total, "checking the copy")
    return topics, topics.get(EVENTS, (0, 0))[0] > 0


def _copy_models(folder: Path, partial: Path, tell: Tell) -> list[str]:
    remarks: list[str] = []
    registry = ModelRegistry(folder / _MODELS)
    for path in _files(folder / _MODELS):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            copy(read_open(descriptor), partial / path.relative_to(folder), lambda _: tell(0, None, "models"))
        finally:
            os.close(descriptor)
    for digest in registry.digests():
        try:
            ModelRegistry(partial / _MODELS).read(digest)
        except RingfenceError as error:
            remarks.append(f"model {digest} is damaged, and so it is copied: {error}")
    return remarks


def _copy_snapshot(
    snapshots: dict[int, int], partial: Path, topics: dict[str, tuple[int, int]], tell: Tell, *, needed: bool
) -> None:
    start, end = topics.get(EVENTS, (0, 0))
    for offset, descriptor in snapshots.items():
        if not start <= offset <= end:
            continue
        path = Snapshots(partial / "snapshots").path_of(offset)
        copy(read_open(descriptor), path, lambda _: tell(0, None, "snapshot"))
        try:
            layout.read(path)
        except StoreError:
            path.unlink()
            continue
        return
    if needed:
        raise StoreError(
            "the log's beginning has been trimmed, and no sound snapshot has what was before it: a copy "
            "could not go on. Let the server save one (it does every few minutes), then back up again"
        )


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


def _sync(path: Path) -> None:
    if path.is_dir():
        sync_folder(path)
        return
    descriptor: Any = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
