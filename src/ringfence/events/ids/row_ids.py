"""Ids of payments whose source gives none: told from what stands in the row, under the store's key.

The same row gets the same id in every file that holds it, so next month's export collides with nothing and
one that overlaps changes nothing. Equal rows of one file are told apart by their number among their equals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa

from ringfence.compiling import compiled
from ringfence.events.ids.hashing import hash_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_FIRST_SLOTS: Final = 1 << 12
_FULL: Final = 0.5


class RowIds:
    """The ids of one source's rows, in their order; remembers 12 bytes per different row."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._keys = np.zeros(_FIRST_SLOTS, np.int64)
        self._counts = np.zeros(_FIRST_SLOTS, np.int32)
        self._used = 0

    def of(self, records: Sequence[bytes]) -> Any:
        """Arrow texts `row-<32 hex digits>`, and `-2` and so on for rows that came before in the source.

        >>> ids = RowIds(7).of([b"a,1", b"b,2", b"a,1"]).to_pylist()
        >>> ids[2] == ids[0] + "-2", ids[1] != ids[0]
        (True, True)
        """
        rows = pa.array(records, pa.binary())
        lanes = [hash_column(rows, self._seed ^ lane) for lane in (0, 1 << 96)]
        counts = self._counted(lanes[0])
        digits = np.stack(lanes, axis=1).byteswap().tobytes().hex()
        return pa.array(
            [
                f"row-{digits[32 * at : 32 * at + 32]}" + (f"-{count}" if count > 1 else "")
                for at, count in enumerate(counts.tolist())
            ],
            pa.string(),
        )

    def _counted(self, hashes: NDArray[np.int64]) -> NDArray[np.int32]:
        while self._used + len(hashes) > _FULL * len(self._keys):
            keys, counts = self._keys, self._counts
            self._keys, self._counts = np.zeros(2 * len(keys), np.int64), np.zeros(2 * len(keys), np.int32)
            _move(keys, counts, self._keys, self._counts)
        out = np.empty(len(hashes), np.int32)
        self._used += _count(hashes, self._keys, self._counts, out)
        return out


@compiled(nogil=True)
def _slot(key: int, keys: NDArray[np.int64]) -> int:
    """Where a hash, never 0, stands or belongs."""
    mask = len(keys) - 1
    at = (key ^ (key >> 32)) & mask
    while keys[at] not in (0, key):
        at = (at + 1) & mask
    return at


@compiled(nogil=True)
def _count(
    hashes: NDArray[np.int64], keys: NDArray[np.int64], counts: NDArray[np.int32], out: NDArray[np.int32]
) -> int:
    new = 0
    for row in range(len(hashes)):
        at = _slot(hashes[row], keys)
        new += 1 if keys[at] == 0 else 0
        keys[at] = hashes[row]
        counts[at] += 1
        out[row] = counts[at]
    return new


@compiled(nogil=True)
def _move(
    keys: NDArray[np.int64], counts: NDArray[np.int32], to: NDArray[np.int64], to_counts: NDArray[np.int32]
) -> None:
    for at in range(len(keys)):
        if keys[at] != 0:
            place = _slot(keys[at], to)
            to[place] = keys[at]
            to_counts[place] = counts[at]
