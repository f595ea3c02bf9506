"""How much memory there is for a training: what this process may still take."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

_TABLE: Final = 0.3  # of what is free: a table is copied once, and learned from after that
_MAPPED: Final = 1 << 30
_CGROUP: Final = Path("/sys/fs/cgroup")


def free_bytes() -> int:
    """The least of what the system has, and what limits of the process and of its group leave it."""
    found = [_of_system(), _of_process(), _of_group()]
    return max(min(one for one in found if one is not None), 0)


def check_room() -> None:
    """`MemoryError` where a limit on addresses leaves less than the libraries of training map.

    Those do not fail in order under such a limit: they end the process, in a thread of their own.
    """
    left = _of_process()
    if left is not None and left < _MAPPED:
        raise MemoryError(
            f"ulimit -v leaves this process {max(left, 0) / 1e9:.1f} GB of addresses, training maps up to "
            f"{_MAPPED / 1e9:.1f} GB more, most of which it never fills. A limit on what is filled, MemoryMax"
            " of systemd or --memory of a container, is kept by leaving out the oldest payments"
        )


def for_table() -> int:
    """What of it the payments that are learned from may take."""
    return int(_TABLE * free_bytes())


def _of_system() -> int:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, StopIteration):  # no Linux
        return sys.maxsize


def _of_process() -> int | None:
    try:
        import resource  # noqa: PLC0415 (not on Windows)

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit == resource.RLIM_INFINITY:
            return None
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
        return limit - pages * os.sysconf("SC_PAGE_SIZE")
    except (ImportError, OSError, ValueError):
        return None


def _of_group() -> int | None:
    try:
        most = (_CGROUP / "memory.max").read_text("ascii").strip()
        if most == "max":
            return None
        return int(most) - int((_CGROUP / "memory.current").read_text("ascii"))
    except (OSError, ValueError):
        return None
