"""All that Ringfence uses of Numba beyond its public names, in one place.

Numba documents `njit`, `intrinsic`, `types` and `config`. The engine needs four things more, each for a
measured reason:

- a compiler pipeline of its own, so that kernels that only kernels call are optimised once, in the entry
  that holds them: a quarter of the time of a first start;
- array indices that are not looked at for their sign: a fifth of the engine's time;
- the address of an array's element inside an intrinsic, for code that LLVM does not find by itself;
- the files of a function's compile cache, to say beforehand whether a start will compile.

`tests/docs/test_libraries.py` names the versions of Numba that were read for this file, and fails
with what to compare when another one is installed. `pyproject.toml` has the upper bound.
"""

from __future__ import annotations

from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from llvmlite import ir
from numba import config
from numba.core import cgutils
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering
from numba.cpython import slicing

if TYPE_CHECKING:
    from collections.abc import Iterator

_SETTINGS: Any = config  # untyped, as what follows
_BUILDER: Any = DefaultPassBuilder
_PASS: Any = register_pass
_GENERATE: Any = cgutils
_INDEXING: Any = slicing
_PARTLY: Any = type(_SETTINGS.OPT)(1)  # LLVM's level for what is optimised again in its callers
_LATE: Final = ("numba.np.arraymath", "numba.core.typing.cffi_utils")

NO_REFERENCE_COUNTS: Final[dict[str, Any]] = {"_nrt": False}
"""An option of `njit`: kernels neither allocate nor keep arrays, and counting costs more than the work."""


def _as_it_is(_builder: Any, index: Any, _size: Any) -> Any:
    """An index that counts from the beginning: none of ours counts from the end, as Python's may."""
    return index


@contextmanager
def _indexed_from_the_beginning() -> Iterator[None]:
    """Leave out Numba's look at every index for its sign."""
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


class Whole(CompilerBase):
    """How kernels are compiled that Python calls."""

    _lowering: type = _WholeLowering

    def define_pipelines(self) -> list[Any]:
        """Numba's pipeline with our lowering in the place of its own."""
        manager = _BUILDER.define_nopython_pipeline(self.state)
        manager.passes = [
            (self._lowering if one is NativeLowering else one, said) for one, said in manager.passes
        ]
        manager.finalize()
        return [manager]


class PartOptions(Whole):
    """How kernels are compiled that only kernels call."""

    _lowering = _PartLowering


def load_all() -> None:
    """Load the modules that Numba otherwise loads with the first kernel, at a time of the caller's choice."""
    for name in _LATE:
        import_module(name)


def cache_files(function: Any) -> Iterator[Path]:
    """The files of machine code that Numba keeps for a function compiled with `cache=True`."""
    yield from _kept_as(function, "nbc")


def index_files(function: Any) -> Iterator[Path]:
    """The files that say which of these is for which processor and which arguments."""
    yield from _kept_as(function, "nbi")


def _kept_as(function: Any, ending: str) -> Iterator[Path]:
    yield from Path(function._cache.cache_path).glob(f"*.{function.__name__}-*.{ending}")  # noqa: SLF001 (shown nowhere else)


def pointer_to(context: Any, builder: Any, array: tuple[Any, Any], index: list[Any]) -> Any:
    """LLVM's pointer to an element, inside an intrinsic; `array` is its Numba type with its LLVM value."""
    helper = context.make_array(array[0])(context, builder, array[1])
    return _GENERATE.get_item_pointer(context, builder, array[0], helper, index)


def address_of(context: Any, builder: Any, array: tuple[Any, Any], index: Any) -> Any:
    """The address, a 64-bit integer, of an element of a one-dimensional array, which need not be in it."""
    helper = context.make_array(array[0])(context, builder, array[1])
    stride = builder.extract_value(helper.strides, 0)
    return builder.add(builder.ptrtoint(helper.data, ir.IntType(64)), builder.mul(index, stride))


def declared(module: Any, signature: Any, name: str) -> Any:
    """LLVM's function of this name, declared in a module that may know it already."""
    return _GENERATE.get_or_insert_function(module, signature, name)
