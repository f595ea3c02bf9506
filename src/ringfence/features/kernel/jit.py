"""The one way in which kernels are compiled. With `NUMBA_DISABLE_JIT=1` they run as plain Python."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numba
from numba.core import config
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering
from numba.cpython import slicing

from ringfence.events.compiled import cache_base, kept_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

F = TypeVar("F", bound="Callable[..., object]")

_SETTINGS: Any = config  # untyped, as what follows
_BUILDER: Any = DefaultPassBuilder
_PASS: Any = register_pass
_PARTLY: Any = type(_SETTINGS.OPT)(1)  # LLVM's level for what is optimised again in its callers
_INDEXING: Any = slicing


def _as_it_is(_builder: Any, index: Any, _size: Any) -> Any:
    """An index that counts from the beginning: none of ours counts from the end, as Python's may."""
    return index


@contextmanager
def _indexed_from_the_beginning() -> Iterator[None]:
    """Leave out Numba's look at every index for its sign, which took a fifth of the engine's time."""
    before = _INDEXING.fix_index
    _INDEXING.fix_index = _as_it_is
    try:
        yield
    finally:
        _INDEXING.fix_index = before


@_PASS(mutates_CFG=True, analysis_only=False)
class _WholeLowering(NativeLowering):
    """Numba's, with indices as they are."""

    _name = "ringfence_whole_lowering"

    def run_pass(self, state: Any) -> Any:
        lowering: Any = super()
        with _indexed_from_the_beginning():
            return lowering.run_pass(state)


@_PASS(mutates_CFG=True, analysis_only=False)
class _PartLowering(_WholeLowering):
    """With less of LLVM's time for each part: the entry that holds them all gets the whole of it."""

    _name = "ringfence_part_lowering"

    def run_pass(self, state: Any) -> Any:
        before = _SETTINGS.OPT, _SETTINGS.LOOP_VECTORIZE
        _SETTINGS.OPT, _SETTINGS.LOOP_VECTORIZE = _PARTLY, 0
        try:
            return super().run_pass(state)
        finally:
            _SETTINGS.OPT, _SETTINGS.LOOP_VECTORIZE = before


class _Whole(CompilerBase):
    """How kernels are compiled."""

    _lowering: type = _WholeLowering

    def define_pipelines(self) -> list[Any]:
        manager = _BUILDER.define_nopython_pipeline(self.state)
        manager.passes = [
            (self._lowering if one is NativeLowering else one, said) for one, said in manager.passes
        ]
        manager.finalize()
        return [manager]


class _Part(_Whole):
    """How kernels are compiled that only kernels call."""

    _lowering = _PartLowering


_OPTIONS: dict[str, Any] = {
    "nogil": True,
    "error_model": "numpy",
    "_nrt": False,
    "pipeline_class": _Whole,
}
_INNER: dict[str, Any] = _OPTIONS | {
    "no_cpython_wrapper": True,  # Python calls none
    "no_cfunc_wrapper": True,
    "pipeline_class": _Part,
}


def entry(function: F) -> F:
    """A kernel that Python calls: its machine code, with that of all that it calls, is kept on disk."""
    folder = cache_folder(Path(function.__code__.co_filename).parent)
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
    found = Path(function._cache.cache_path).glob(f"*.{function.__name__}-*.nbc")  # noqa: SLF001 (Numba shows it nowhere else)
    try:
        return any(found)
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
