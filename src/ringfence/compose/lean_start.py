"""How our processes load their modules: without packages that libraries load only for other callers."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEFT_OUT: Final = frozenset({"pandas", "scipy", "cffi"})


@contextmanager
def lean() -> Iterator[None]:
    """While the block runs, pandas, SciPy and cffi are not installed.

    Numba and PyArrow load them where they are, for callers who use them: most of a second of a start, and
    tens of megabytes in each process. What Numba would load with its first kernel is loaded in the block.
    """
    finder = _Absent()
    sys.meta_path.insert(0, finder)
    try:
        yield
        if "numba" in sys.modules:
            import_module("ringfence.features.kernel.numba_internals").load_all()
    finally:
        sys.meta_path.remove(finder)


class _Absent:
    """Finds nothing, and says so."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> None:
        if name in _LEFT_OUT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
