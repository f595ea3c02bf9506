"""The memory behind an Arrow text column, as NumPy arrays that compiled code can walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray


def _fixed(array: NDArray[Any]) -> NDArray[Any]:
    """Never written to: compiled code has one type for Arrow's memory, part of which is writable."""
    array.flags.writeable = False
    return array


_NO_BYTES = _fixed(np.empty(0, np.uint8))


def is_text(values: Any) -> bool:
    """Whether an array is string, large_string, binary or large_binary."""
    kind = values.type
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


def spans(values: Any) -> tuple[NDArray[np.uint8], NDArray[np.int32] | NDArray[np.int64]]:
    """Bytes and offsets of a text array: row i is `data[offsets[i]:offsets[i + 1]]`; a null has any bytes."""
    kind = values.type
    wide = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    _, offsets, data = values.buffers()
    width: Any = np.int64 if wide else np.int32
    if offsets is None or not len(values):
        return _NO_BYTES, _fixed(np.zeros(len(values) + 1, width))
    every = np.frombuffer(offsets, width)
    mine = _fixed(every[values.offset : values.offset + len(values) + 1])
    return (_NO_BYTES if data is None else _fixed(np.frombuffer(data, np.uint8))), mine


def null_mask(values: Any) -> NDArray[np.bool_] | None:
    """Which rows are null, or None when none is."""
    return values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
