"""The one way in which kernels are compiled. With `NUMBA_DISABLE_JIT=1` they run as plain Python."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numba
from numba.core import config

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
_INNER: dict[str, Any] = _OPTIONS | {
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}  # Python calls none


def entry(function: F) -> F:
    """A kernel that Python calls: its machine code, with that of all that it calls, is kept on disk."""
    settings: Any = config
    before = settings.CACHE_DIR
    settings.CACHE_DIR = before or str(cache_folder(Path(function.__code__.co_filename).parent))
    try:
        compiled: F = numba.njit(**_OPTIONS, cache=True)(function)
    finally:
        settings.CACHE_DIR = before
    return compiled


def kernel(function: F) -> F:
    """Compile for machine speed, without the interpreter lock, division as in IEEE 754.

    Kernels neither allocate nor keep arrays, so that reference counts, which cost more than the work, are
    left out.
    """
    compiled: F = numba.njit(**_INNER)(function)
    return compiled


def inlined(function: F) -> F:
    """A kernel that becomes part of its caller: passing on a state of many arrays would cost more."""
    compiled: F = numba.njit(**_INNER, forceinline=True)(function)
    return compiled


def spliced(function: F) -> F:
    """A kernel with one caller, which is compiled as a part of it and not by itself as well."""
    compiled: F = numba.njit(**_INNER, inline="always")(function)
    return compiled


def is_kept(function: Any) -> bool:
    """Whether the compile cache may hold machine code of this entry; true where nothing is compiled."""
    settings: Any = config
    if settings.DISABLE_JIT:
        return True
    found = Path(function._cache.cache_path).glob(f"*.{function.__name__}-*.nbc")  # noqa: SLF001 (Numba shows it nowhere else)
    return any(found)


@cache
def cache_folder(home: Path) -> Path:
    """Where the machine code of kernels in the folder `home` is kept, by the content of all of them and ours.

    Numba looks only at the file that a function stands in; a kernel holds the code of other files as well.
    """
    files = {path for folder in (Path(__file__).parent, home) for path in folder.glob("*.py")}
    text = b"".join(path.read_bytes() for path in sorted(files))
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "ringfence" / f"kernels-{hashlib.sha256(text).hexdigest()[:16]}"
