"""The engine's kernels compiled side by side: `python -m ringfence.features.precompile measure` does one.

Numba compiles one function at a time in a process. The first start on a machine waits for the longest part
instead of the sum; what a process has compiled, the others find in the compile cache.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ringfence.compiling import cache_base
from ringfence.features.engine import Engine
from ringfence.features.kernel.jit import is_kept
from ringfence.features.kernel.measure import forget_expired, measure
from ringfence.features.kernel.numba_internals import cache_files, index_files
from ringfence.features.kernel.observe import observe
from ringfence.features.spec import FeatureSpec, entity

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECIDING: Final[dict[str, Any]] = {"measure": measure, "forget_expired": forget_expired}
_KERNELS: Final[dict[str, Any]] = _DECIDING | {"observe": observe}


def is_compiled() -> bool:
    """Whether the compile cache holds what a decision takes."""
    return all(map(is_kept, _DECIDING.values()))


@contextmanager
def compiled_side_by_side(*, observing: bool = False) -> Iterator[None]:
    """While the block runs, what the compile cache lacks is compiled; on leaving it is there.

    Where nothing can be kept, whoever calls a kernel compiles it.

    With `observing` also what `Engine.observe` calls. Where a process fails, whoever calls the kernel
    compiles it.
    """
    wanted = _KERNELS if observing else _DECIDING
    can_keep = cache_base() is not None
    lacking = [name for name, kernel in wanted.items() if can_keep and not is_kept(kernel)]
    children = [
        subprocess.Popen(  # noqa: S603 (this interpreter and a name of ours)
            [sys.executable, "-m", "ringfence.features.precompile", name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in lacking
    ]
    try:
        yield
        for child in children:
            child.wait()
    finally:
        for child in children:
            child.kill()
            child.wait()


def kept_files() -> list[str]:
    """The files that hold the machine code of what a decision takes, compiled if need be.

    They serve copies of the package on machines with the same processor, beside the kernels (`SHIPPED`).
    Empty where nothing can be kept.
    """
    with compiled_side_by_side():
        pass
    if cache_base() is None:
        return []
    found = (
        file for one in _DECIDING.values() for files in (cache_files, index_files) for file in files(one)
    )
    return sorted(map(str, found))


def main(name: str) -> None:
    """Compile one kernel."""
    loaded: dict[str, Any] = sys.modules
    for unused in ("scipy", "cffi"):  # which Numba looks for, and no kernel of ours needs
        loaded.setdefault(unused, None)
    engine = Engine(FeatureSpec.of(entity("card").count("1d")))
    engine.compile(_KERNELS[name])


if __name__ == "__main__":
    main(sys.argv[1])
