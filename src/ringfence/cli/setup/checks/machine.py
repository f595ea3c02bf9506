"""The machine: versions, memory, clock, disk, compile cache."""

from __future__ import annotations

import importlib
import os
import platform
import shutil
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ringfence.cli.setup.checks.check import Check, State
from ringfence.features.kernel import measure
from ringfence.features.kernel.jit import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_NEEDED: Final = ("numpy", "pyarrow", "numba", "duckdb", "msgspec", "onnxruntime")
_TRAINING: Final = ("lightgbm", "sklearn", "optuna", "onnx")
_GIB: Final = 1 << 30
_MIB: Final = 1 << 20
_FEW_DAYS: Final = 14
_EPOCH_S: Final = 1_735_689_600  # 2025: no machine that runs this is earlier
_DAY_MS: Final = 86_400_000
_SLOW_SYNC_MS: Final = 20.0
_REMOTE: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs"})


def versions() -> Iterator[Check]:
    """Python, Ringfence and the libraries that it cannot do without."""
    text = f"Python {platform.python_version()}, ringfence {version('ringfence')}, {platform.platform()}"
    old = sys.version_info < (3, 11)
    yield Check(
        "versions", State.BAD if old else State.FINE, text, "Install Python 3.11 or newer." if old else ""
    )
    broken = [found for name in _NEEDED if (found := _import_error(name))]
    if broken:
        yield Check(
            "libraries", State.BAD, "; ".join(broken), "Install again: make setup, or pip install ringfence."
        )
    else:
        named = ", ".join(f"{name} {_version(name)}" for name in _NEEDED)
        yield Check("libraries", State.FINE, named)
    missing = [name for name in _TRAINING if find_spec(name) is None]
    if missing:
        said = f"{', '.join(missing)} not installed: models can decide, but not be trained here"
        yield Check("training", State.NOTE, said, "pip install 'ringfence[train]', where you want to train.")
    else:
        yield Check("training", State.FINE, "libraries are there")


def resources() -> Iterator[Check]:
    """Processors and memory."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    said = f"{cores} cores, {memory / _GIB:.1f} GiB"
    if memory < 2 * _GIB:
        yield Check(
            "machine", State.NOTE, said, "State is kept in memory: a large store needs 2 GiB and more."
        )
    else:
        yield Check("machine", State.FINE, said)


def clock(newest_ms: int | None) -> Iterator[Check]:
    """The time of day: nothing in the log (`newest_ms`) can be dated more than a day ahead of it."""
    now = time.time()
    said = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    remedy = "Set the clock, and keep it set: timedatectl set-ntp true."
    if now < _EPOCH_S:
        yield Check("clock", State.BAD, f"{said} cannot be", remedy)
    elif newest_ms is not None and newest_ms > 1000 * now + _DAY_MS:
        yield Check("clock", State.BAD, f"{said} is more than a day behind what the log has received", remedy)
    else:
        yield Check("clock", State.FINE, said)


def disk(folder: Path) -> Iterator[Check]:
    """Room, rights, and how long it takes until a write is on stable storage."""
    place = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    kind = _file_system(place)
    if kind in _REMOTE:
        said = f"{folder} is on a network file system ({kind}), where locks and syncs cannot be relied on"
        yield Check(
            "disk", State.BAD, said, "Name a folder on a local disk: --data, or data_dir in ringfence.toml."
        )
    free = shutil.disk_usage(place).free
    try:
        sync_ms = _sync_ms(place)
    except OSError as error:
        yield Check(
            "disk",
            State.BAD,
            f"{place} cannot be written ({error.strerror})",
            "Give this user the right to write there.",
        )
        return
    said = f"{free / _GIB:.1f} GiB free at {place}, a durable write takes {sync_ms:.1f} ms"
    if free < _GIB:
        yield Check(
            "disk",
            State.BAD if free < _GIB // 8 else State.NOTE,
            said,
            "Free space: a full disk stops decisions.",
        )
    elif sync_ms > _SLOW_SYNC_MS:
        yield Check(
            "disk", State.NOTE, said, "Every answer waits for one: a faster disk makes faster answers."
        )
    else:
        yield Check("disk", State.FINE, said)


def room(folder: Path, bytes_a_day: float) -> Iterator[Check]:
    """For how many days like the last ones there is room."""
    if not bytes_a_day:
        return
    days = shutil.disk_usage(folder).free / bytes_a_day
    said = f"a day adds about {bytes_a_day / _MIB:,.1f} MiB: there is room for {min(days, 9999):,.0f} days"
    if days < _FEW_DAYS:
        remedy = "Forget what is old (`ringfence trim --keep 90d`), or give it a larger disk."
        yield Check("room", State.BAD if days < 2 else State.NOTE, said, remedy)
    else:
        yield Check("room", State.FINE, said)


def compile_cache() -> Iterator[Check]:
    """Where machine code is kept between runs."""
    folder = cache_folder(Path(measure.__file__).parent)
    if folder is None:
        said = "no folder for machine code can be written: every command compiles the engine again"
        yield Check("compile cache", State.NOTE, said, "Name a writable folder: export XDG_CACHE_HOME=...")
    elif any(folder.glob("**/*.nbc")):
        yield Check("compile cache", State.FINE, f"kept in {folder}")
    else:
        yield Check("compile cache", State.NOTE, "empty: the first run compiles the engine, about 15 s")


def _import_error(name: str) -> str:
    try:
        importlib.import_module(name)
    except ImportError as error:
        return f"{name}: {error}"
    return ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "?"


def _sync_ms(folder: Path) -> float:
    """Milliseconds of a small durable write, the best of five."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".ringfence-doctor-") as file:
        taken = []
        for _ in range(5):
            file.write(bytes(4096))
            file.flush()
            begin = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(1000 * (time.perf_counter() - begin))
    return min(taken)


def _file_system(folder: Path) -> str:
    """What kind of file system a folder is on, empty where nobody says."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return ""
    found = [line.split()[1:3] for line in mounts.read_text("utf-8").splitlines()]
    above = [
        (len(point), kind) for point, kind in found if folder == Path(point) or Path(point) in folder.parents
    ]
    return max(above)[1] if above else ""
