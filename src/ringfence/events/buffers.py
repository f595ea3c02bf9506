"""The memory behind an Arrow text column, as NumPy arrays that compiled code can walk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NO_BYTES = np.empty(0, np.uint8)


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
    if offsets is None or not len(values):
        return _NO_BYTES, np.zeros(len(values) + 1, np.int64)
    every: Any = np.frombuffer(offsets, np.int64 if wide else np.int32)
    mine = every[values.offset : values.offset + len(values) + 1]
    return (_NO_BYTES if data is None else np.frombuffer(data, np.uint8)), mine


def null_mask(values: Any) -> NDArray[np.bool_] | None:
    """Which rows are null, or None when none is."""
    return values.is_null().to_numpy(zero_copy_only=False) if values.null_count else None
