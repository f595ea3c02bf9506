"""Whether two events with one id say the same: a hash of all that they say."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ringfence.events.buffers import is_text
from ringfence.events.ids.hashing import hash_text
from ringfence.events.model import BIN_FIELDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch

_NOT_CONTENT: Final = frozenset({"ingest_time_ms", *BIN_FIELDS})  # as `intake` compares
_ODD: Final = np.uint64(0x9E3779B97F4A7C15)
_SHIFT: Final = np.uint64(29)


def content_hashes(events: EventBatch, seed: int) -> NDArray[np.int64]:
    """64 bits of each row's content, int64 (n,): columns without a value make no difference."""
    total = np.zeros(len(events), np.uint64)
    names = dict.fromkeys([*events.table.schema.names, *events.attribute_names])
    for name in names:
        if name in _NOT_CONTENT or name == "attributes":
            continue
        column = events.column(name)
        if column.null_count == len(column) and name not in events.others:
            continue
        words = _words(events, name, column, seed)
        mixed = (words ^ _name_word(name, seed)) * _ODD
        mixed ^= mixed >> _SHIFT
        total += np.where(words == 0, np.uint64(0), mixed * _ODD)
    return total.view(np.int64)


@lru_cache(maxsize=1024)
def _name_word(name: str, seed: int) -> np.uint64:
    return np.uint64(hash_text(name, seed) & ((1 << 64) - 1))


def _words(events: EventBatch, name: str, column: Any, seed: int) -> NDArray[np.uint64]:
    """64 bits per row, 0 for null."""
    kind = column.type
    if is_text(column) or pa.types.is_dictionary(kind) or name.startswith("attributes"):
        return events.hashes(name, seed).view(np.uint64)
    if pa.types.is_boolean(kind):
        column = column.cast(pa.uint8())
    words: NDArray[Any] = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    if words.dtype.kind == "f":
        words = (words + 0.0).astype(np.float64).view(np.uint64)
    else:
        words = words.astype(np.int64).view(np.uint64)
    words = words ^ np.uint64(1 << 63)  # so that none that is there is 0
    if column.null_count:
        words = np.where(column.is_null().to_numpy(zero_copy_only=False), np.uint64(0), words)
    return words
