"""Keyed 64-bit hashes of text columns, one compiled pass over Arrow's buffers.

Ids and categories enter the engine as these hashes. The seed is secret to a store, so that nobody can choose
ids that collide; among 10 million keys the chance of any accidental collision is below 3 in a million.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ringfence.events.buffers import is_text, null_mask, spans
from ringfence.events.ids.siphash import hash_spans

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MASK = (1 << 64) - 1


def hash_text(text: str, seed: int) -> int:
    """Signed 64-bit hash of one text, never 0.

    >>> hash_text("card-1", 0) == hash_text("card-1", 0) != hash_text("card-1", 1)
    True
    """
    return int(hash_column(pa.array([text]), seed)[0])


def mark_of(seed: int) -> str:
    """Tells what belongs to a log with this seed from what belongs to another, and gives nothing away."""
    return f"{hash_text('log', seed) & _MASK:016x}"


def hash_column(values: Any, seed: int) -> NDArray[np.int64]:
    """Signed 64-bit hash of each text of an Arrow array, 0 for null. Numbers and booleans hash as their text.

    The low 64 bits of the seed and the next 64 are the two halves of the key.

    >>> import pyarrow as pa
    >>> hash_column(pa.array(["card-1", None]), 5).tolist() == [hash_text("card-1", 5), 0]
    True
    """
    if pa.types.is_null(values.type):
        return np.zeros(len(values), np.int64)
    if pa.types.is_dictionary(values.type):
        return _hash_dictionary(values, seed)
    text = values if is_text(values) else values.cast(pa.string())
    out = _hash(*spans(text), seed)
    empty = null_mask(text)
    if empty is not None:
        out[empty] = 0
    return out


def _hash_dictionary(values: Any, seed: int) -> NDArray[np.int64]:
    words = np.append(hash_column(values.dictionary, seed), 0)
    indices = values.indices.fill_null(len(words) - 1) if values.indices.null_count else values.indices
    taken: NDArray[np.int64] = words[indices.to_numpy(zero_copy_only=False)]
    return taken


def _hash(
    data: NDArray[np.uint8], offsets: NDArray[np.int32] | NDArray[np.int64], seed: int
) -> NDArray[np.int64]:
    k0, k1 = np.uint64(seed & _MASK), np.uint64((seed >> 64) & _MASK)
    with np.errstate(over="ignore"):  # not compiled, NumPy scalars warn where the algorithm means to wrap
        out = hash_spans(data, offsets, k0, k1).view(np.int64)
    out[out == 0] = 1
    return out
