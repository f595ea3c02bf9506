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
def build(name: str) -> ctypes.CDLL:
    """`name`.c compiled into a temporary folder and loaded."""
    source = Path(__file__).with_name(f"{name}.c")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / f"{name}.so"
        subprocess.run(["gcc", *FLAGS, str(source), "-o", str(target), "-lm"], check=True)
        library = ctypes.CDLL(str(target))
    getattr(
        library, f"{name}_new"
    ).restype = ctypes.c_void_p  # an attribute is kept, an item is made anew each time
    return library


class Kernel:
    """One filled state of a C kernel. `push` takes the next columns and returns (rows, n) float64."""

    def __init__(self, name: str, rows: int) -> None:
        library = build(name)
        self._push, self._free, self._rows = (
            getattr(library, f"{name}_push"),
            getattr(library, f"{name}_free"),
            rows,
        )
        self._state = ctypes.c_void_p(getattr(library, f"{name}_new")())

    def push(self, columns: Columns) -> NDArray[np.float64]:
        """`columns`: as the kernel's push function takes them; the second is the times."""
        rows = len(columns[1])
        out = np.empty((self._rows, rows))
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
