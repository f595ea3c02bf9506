"""The one way in which kernels are compiled. With `NUMBA_DISABLE_JIT=1` they run as plain Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numba

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., object]")

_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}


def kernel(function: F) -> F:
    """Compile for machine speed: cached on disk, without the interpreter lock, division as in IEEE 754.

    Kernels neither allocate nor keep arrays, so that reference counts, which cost more than the work, are
    left out.
    """
    compiled: F = numba.njit(**_OPTIONS)(function)
    return compiled


def inlined(function: F) -> F:
    """A kernel that becomes part of its caller: passing on a state of many arrays would cost more."""
    compiled: F = numba.njit(**_OPTIONS, forceinline=True)(function)
    return compiled
