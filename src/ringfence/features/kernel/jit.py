"""The one way in which kernels are compiled. With `NUMBA_DISABLE_JIT=1` they run as plain Python."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import numba

from ringfence.compiling import cache_base, kept_in
from ringfence.features.kernel.numba_internals import NO_REFERENCE_COUNTS, PartOptions, Whole, cache_files

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

SHIPPED: Final = "SHIPPED"
"""A file beside kernels whose machine code came with them, in `__pycache__`: nobody changes them any more."""

_SETTINGS: Any = numba.config  # untyped
_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "pipeline_class": Whole,
    **NO_REFERENCE_COUNTS,
}
_INNER: dict[str, Any] = _OPTIONS | {
    "no_cpython_wrapper": True,  # Python calls none
    "no_cfunc_wrapper": True,
    "pipeline_class": PartOptions,
}


def entry(function: F) -> F:
    """A kernel that Python calls: its machine code, with that of all that it calls, is kept on disk."""
    home = Path(function.__code__.co_filename).parent
    if (home / SHIPPED).exists():
        with suppress(RuntimeError):  # where nothing can be written, Numba reads no cache either
            shipped: F = numba.njit(**_OPTIONS, cache=True)(function)
            return shipped
    folder = cache_folder(home)
    if folder is None:
        compiled: F = numba.njit(**_OPTIONS)(function)
        return compiled
    return kept_in(folder, function, _OPTIONS)


def kernel(function: F) -> F:
    """Compile for machine speed, without the interpreter lock, division as in IEEE 754, indices from 0 on.

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
    if _SETTINGS.DISABLE_JIT:
        return True
    if cache_base() is None:
        return False
    try:
        return any(cache_files(function))
    except PermissionError:  # another user's
        return False


@cache
def cache_folder(home: Path) -> Path | None:
    """Where the machine code of kernels in the folder `home` is kept, by the content of all of them and ours.

    None where no folder can be written.

    Numba looks only at the file that a function stands in; a kernel holds the code of other files as well.
    """
    files = {path for folder in (Path(__file__).parent, home) for path in folder.glob("*.py")}
    text = b"".join(path.read_bytes() for path in sorted(files))
    base = cache_base()
    return None if base is None else base / f"kernels-{hashlib.sha256(text).hexdigest()[:16]}"
