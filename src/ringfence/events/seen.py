"""Which ids have been seen, and at which log offset: tens of millions of them, for deduplication."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numba
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_SLACK = 4096  # slots after the last home: probing runs on into them and never wraps
_LEAST = 1024
_FILL = 0.78  # grown by half from here: 20 to 31 bytes an id
_BLOCK = 32  # ids whose slots are fetched from memory together
_32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_MIX = np.uint64(0x9E3779B1)  # odd: ids whose hashes are not random, as in tests, spread as well


class SeenIds:
    """Open-addressing table from the 64-bit hash of an id to its log offset.

    A hash is no proof: two ids may share one. The caller compares with the log, and where the ids differ
    looks at the other `offsets_of` the hash and adds its own with `insert`.

    >>> seen = SeenIds()
    >>> seen.admit(np.array([11, 22, 11, 33]), base=100).tolist()
    [-1, -1, 100, -1]
    >>> seen.offsets_of(33)
    [102]
    """

    def __init__(self) -> None:
        self._table = _empty(_LEAST)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Memory of the table in bytes."""
        return self._table.nbytes

    def admit(self, hashes: NDArray[np.int64], base: int) -> NDArray[np.int64]:
        """Per row the offset of the first entry with this hash, or -1 where the row is new.

        New rows take the offsets from `base` on, one after the other; a row sees the rows before it. A hash
        of 0 stands for an event without an id: always new, never entered.
        """
        found = np.empty(len(hashes), np.int64)
        done, offset = 0, base
        while True:
            done, self._count, offset = _admit(self._table, self._count, hashes, offset, found, done)
            if done == len(hashes):
                return found
            self._grow()

    def offsets_of(self, id_hash: int) -> list[int]:
        """Offsets of all entries with this hash, in the order in which they came."""
        slots = self._table
        slot = int(_home(np.int64(id_hash), len(slots)))
        found = []
        while slots[slot, 1]:
            if slots[slot, 0] == id_hash:
                found.append(int(slots[slot, 1]) - 1)
            slot += 1
        return found

    def insert(self, id_hash: int, offset: int) -> None:
        """Add an entry beside those with the same hash."""
        while not _insert(self._table, np.int64(id_hash), np.int64(offset + 1)):
            self._grow()
        self._count += 1
        if self._count > (len(self._table) - _SLACK) * _FILL:
            self._grow()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state as it is, for a snapshot: no copies."""
        return {"seen": self._table, "seen_count": np.array([self._count], np.int64)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The table that `arrays` gave; it keeps and changes the array."""
        seen = cls()
        seen._table = arrays["seen"]
        seen._count = int(arrays["seen_count"][0])
        return seen

    def _grow(self) -> None:
        homes = len(self._table) - _SLACK
        while True:
            homes += homes // 2
            larger = _empty(homes)
            if _move(self._table, larger):
                self._table = larger
                return


def _empty(homes: int) -> NDArray[np.int64]:
    """Rows of (hash, offset + 1); 0 in the second column is a free slot."""
    return np.zeros((homes + _SLACK, 2), np.int64)


@numba.njit(cache=True, nogil=True, inline="always")
def _home(id_hash: np.int64, slots: int) -> np.int64:
    """Homes are in the order of the mixed hashes whatever the size, so growing reads and writes in order."""
    mixed = (np.uint64(id_hash) & _LOW) * _MIX ^ (np.uint64(id_hash) >> _32)
    return np.int64(((mixed & _LOW) * np.uint64(slots - _SLACK)) >> _32)


@numba.njit(cache=True, nogil=True)
def _admit(
    table: NDArray[np.int64],
    count: int,
    hashes: NDArray[np.int64],
    offset: int,
    found: NDArray[np.int64],
    start: int,
) -> tuple[int, int, int]:
    """Rows from `start` on, until the table has to grow. Returns (rows done, count, next offset)."""
    slots = len(table)
    limit = int((slots - _SLACK) * _FILL)
    for block in range(start, len(hashes), _BLOCK):
        end = min(block + _BLOCK, len(hashes))
        fetched = np.int64(0)
        for row in range(block, end):  # loads that do not wait for each other
            fetched |= table[_home(hashes[row], slots), 1]
        if fetched < 0:  # never: keeps the loads
            return block, count, offset
        for row in range(block, end):
            if hashes[row] == 0:
                found[row] = -1
                offset += 1
                continue
            slot = _home(hashes[row], slots)
            while table[slot, 1] != 0 and table[slot, 0] != hashes[row]:
                slot += 1
            if table[slot, 1] != 0:
                found[row] = table[slot, 1] - 1
                continue
            if count >= limit or slot >= slots - 1:
                return row, count, offset
            table[slot, 0] = hashes[row]
            table[slot, 1] = offset + 1
            found[row] = -1
            count += 1
            offset += 1
    return len(hashes), count, offset


@numba.njit(cache=True, nogil=True)
def _insert(table: NDArray[np.int64], id_hash: np.int64, marked: np.int64) -> bool:
    """Into the first free slot; False where probing reaches the last slot, which stays free as a stop."""
    slot = _home(id_hash, len(table))
    while table[slot, 1] != 0:
        slot += 1
    if slot >= len(table) - 1:
        return False
    table[slot, 0] = id_hash
    table[slot, 1] = marked
    return True


@numba.njit(cache=True, nogil=True)
def _move(table: NDArray[np.int64], larger: NDArray[np.int64]) -> bool:
    for slot in range(len(table)):
        if table[slot, 1] != 0 and not _insert(larger, table[slot, 0], table[slot, 1]):
            return False
    return True
