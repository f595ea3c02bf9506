"""The one way in which kernels are compiled. With `NUMBA_DISABLE_JIT=1` they run as plain Python."""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numba
from numba.core import config
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

_SETTINGS: Any = config  # untyped, as what follows
_BUILDER: Any = DefaultPassBuilder
_PASS: Any = register_pass
_PARTLY: Any = type(_SETTINGS.OPT)(1)  # LLVM's level for what is optimised again in its callers


@_PASS(mutates_CFG=True, analysis_only=False)
class _PartLowering(NativeLowering):
    """Numba's, with less of LLVM's time for each part: the entry that holds them all gets the whole of it."""

    _name = "ringfence_part_lowering"

    def run_pass(self, state: Any) -> Any:
        lowering: Any = super()
        before = _SETTINGS.OPT, _SETTINGS.LOOP_VECTORIZE
        _SETTINGS.OPT, _SETTINGS.LOOP_VECTORIZE = _PARTLY, 0
        try:
            return lowering.run_pass(state)
        finally:
            _SETTINGS.OPT, _SETTINGS.LOOP_VECTORIZE = before


class _Part(CompilerBase):
    """How kernels are compiled that only kernels call."""

    def define_pipelines(self) -> list[Any]:
        manager = _BUILDER.define_nopython_pipeline(self.state)
        manager.passes = [
            (_PartLowering if one is NativeLowering else one, said) for one, said in manager.passes
        ]
        manager.finalize()
        return [manager]


_OPTIONS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}
_INNER: dict[str, Any] = _OPTIONS | {
    "no_cpython_wrapper": True,  # Python calls none
    "no_cfunc_wrapper": True,
    "pipeline_class": _Part,
}


def entry(function: F) -> F:
    """A kernel that Python calls: its machine code, with that of all that it calls, is kept on disk."""
    before = _SETTINGS.CACHE_DIR
    _SETTINGS.CACHE_DIR = before or str(cache_folder(Path(function.__code__.co_filename).parent))
    try:
        compiled: F = numba.njit(**_OPTIONS, cache=True)(function)
    finally:
        _SETTINGS.CACHE_DIR = before
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
    if _SETTINGS.DISABLE_JIT:
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
