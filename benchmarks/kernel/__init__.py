"""The C kernels that the engine is measured against, built on the spot by gcc and called through ctypes."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.workload import Workload

Columns = tuple["NDArray[np.generic]", ...]

FLAGS = ("-std=gnu11", "-O3", "-march=native", "-Wall", "-Werror", "-shared", "-fPIC")
PREFETCHING = frozenset({"r1"})
"""Kernels that can be built to prefetch."""
R2_DISTINCT_FIELDS = ("card", "merchant")
"""Fields whose hashes r2.c takes, in its order."""


def compiler() -> str:
    """First line of `gcc --version`; empty where there is none."""
    found = shutil.which("gcc")
    return (
        subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[
            0
        ]
        if found
        else ""
    )


@cache
def build(name: str, *, prefetch: bool = False) -> ctypes.CDLL:
    """`name`.c compiled into a temporary folder and loaded; `prefetch` asks for memory some events ahead."""
    source = Path(__file__).with_name(f"{name}.c")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{name}.so"
        subprocess.run(
            ["gcc", *FLAGS, f"-DPREFETCH={prefetch:d}", str(source), "-o", str(target), "-lm"], check=True
        )
        library = ctypes.CDLL(str(target))
    getattr(
        library, f"{name}_new"
    ).restype = ctypes.c_void_p  # an attribute is kept, an item is made anew each time
    return library


class Kernel:
    """One filled state of a C kernel."""

    def __init__(self, name: str, rows: int, *, prefetch: bool = False) -> None:
        library = build(name, prefetch=prefetch)
        self._push, self._free, self._rows = (
            getattr(library, f"{name}_push"),
            getattr(library, f"{name}_free"),
            rows,
        )
        self._state = ctypes.c_void_p(getattr(library, f"{name}_new")())

    def push(self, columns: Columns, out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Take the next columns as the C function has them, times second; fill `out`, (rows, n)."""
        rows = len(columns[1])
        out = np.empty((self._rows, rows)) if out is None else out
        pointers = [ctypes.c_void_p(column.ctypes.data) for column in (*columns, out)]
        self._push(self._state, ctypes.c_int64(rows), *pointers)
        return out

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._free(self._state)


def r1_columns(work: Workload, rows: int) -> list[Columns]:
    """The workload in batches, ready to push into r1: keys, times, values."""
    keys = np.stack([work.hashes(name) for name in ("card", "merchant")])
    return [
        (keys[:, cut].copy(), work.time_ms[cut], work.amount_fixed[cut]) for cut in _cuts(len(work), rows)
    ]


def r2_columns(work: Workload, rows: int) -> list[Columns]:
    """Likewise for r2: keys, times, values, hashes of the distinct fields, positions."""
    keys = np.stack([work.hashes(name) for name in work.ids])
    fields = np.stack([work.hashes(name) for name in R2_DISTINCT_FIELDS])
    where = np.stack([work.lat, work.lon])
    return [
        (
            keys[:, cut].copy(),
            work.time_ms[cut],
            work.amount_fixed[cut],
            fields[:, cut].copy(),
            where[:, cut].copy(),
        )
        for cut in _cuts(len(work), rows)
    ]


def _cuts(events: int, rows: int) -> list[slice]:
    return [slice(start, min(start + rows, events)) for start in range(0, events, rows)]
