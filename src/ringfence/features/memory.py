"""Arrays of zeros that grow where they are: the addresses are reserved, the memory comes as it is written.

An array of a megabyte or more takes `_RESERVED` bytes of addresses, of which only what has been written takes
memory. Growing it is a longer view of the same addresses and copies nothing. Where the system reserves none
(strict overcommit, a limit on addresses), arrays are copied as they grow.
"""

from __future__ import annotations

import mmap
import sys
from contextlib import suppress
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LINE = 64  # bytes of a cache line
_LARGE = 1 << 20  # bytes; below, a copy is quick
_RESERVED = 1 << 35  # bytes
_UNCOUNTED = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)


def zeros(
    shape: int | tuple[int, ...], dtype: Any, *, growing: bool = False, filled: bool = False
) -> NDArray[Any]:
    """Zeros that begin where a cache line does, so that cells and rows take up as few lines as they can.

    `growing` reserves addresses for `extended`; `filled` says that all of it is about to be written.
    """
    size = prod(shape if isinstance(shape, tuple) else (shape,)) * np.dtype(dtype).itemsize
    if size >= _LARGE:
        mapping = _mapped(max(_RESERVED, 16 * size), large_pages=True) if growing else None
        mapping = mapping or _mapped(size, large_pages=growing or filled)
        if mapping is not None:
            return np.frombuffer(mapping, np.uint8, size).view(dtype).reshape(shape)
    room = np.zeros(size + _LINE, np.uint8)
    begin = -room.ctypes.data % _LINE
    return room[begin : begin + size].view(dtype).reshape(shape)


def extended(array: NDArray[Any], rows: int) -> NDArray[Any]:
    """An array that begins with this one's rows, and of so many: in its place if there is room.

    Only what `zeros` or this has given, and only the longest view of it: zeros follow.
    """
    shape = (rows, *array.shape[1:])
    size = prod(shape) * array.dtype.itemsize
    mapping = _mapping_of(array)
    if mapping is not None and size <= len(mapping):
        return np.frombuffer(mapping, np.uint8, size).view(array.dtype).reshape(shape)
    larger = zeros(shape, array.dtype, growing=True)
    larger[: len(array)] = array
    return larger


def is_mapped(array: NDArray[Any]) -> bool:
    """Whether an array has a mapping of its own, of which `give_back` gives memory back."""
    return _mapping_of(array) is not None


def give_back(array: NDArray[Any], begin: int, end: int) -> None:
    """Give the memory of rows [begin, end) back to the system; they are zeros then, or as they were.

    Only whole pages go, and only those of an array that `is_mapped`.
    """
    mapping = _mapping_of(array)
    if mapping is None:
        return
    row = array.nbytes // len(array)
    first, last = -(-begin * row // mmap.PAGESIZE), end * row // mmap.PAGESIZE
    if last > first:
        mapping.madvise(mmap.MADV_DONTNEED, first * mmap.PAGESIZE, (last - first) * mmap.PAGESIZE)


def _mapped(size: int, *, large_pages: bool) -> mmap.mmap | None:
    """Private memory, of which a forked child sees what was there when it was forked.

    Large pages for what is written in order. The system clears one in milliseconds, when its first word is
    written: a few entries at random places of a new hash table would wait for as many of them.
    """
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _UNCOUNTED
    try:
        mapping = mmap.mmap(-1, size, flags=flags)
    except (OSError, ValueError, OverflowError):
        return None
    if large_pages:
        with suppress(AttributeError, OSError):  # asked for as NumPy does for its own large arrays
            mapping.madvise(mmap.MADV_HUGEPAGE)
    return mapping


def _mapping_of(array: NDArray[Any]) -> mmap.mmap | None:
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, memoryview):
        base = base.obj
    return base if isinstance(base, mmap.mmap) else None
