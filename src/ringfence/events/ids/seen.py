"""Which ids have been seen, and at which log offset: tens of millions of them, for deduplication."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from ringfence.compiling import compiled

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_SLACK = 4096  # slots after the last home: probing runs on into them and never wraps
_LEAST = 1024
_FILL = 0.78  # grown by half from here: 20 to 31 bytes an id
_BLOCK = 32  # ids whose slots are fetched from memory together
_PACE = 32  # slots that move into the larger table with each id: it has room for all that come meanwhile
_LEAST_MOVED = 4096
_32, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_MIX = np.uint64(0x9E3779B1)  # odd: ids whose hashes are not random, as in tests, spread as well


class _Tables(NamedTuple):
    """The table, and while it grows the one that it moves to, a little with each call.

    `moved` slots have moved; the next one is free, so what has its home before it is in the larger table.
    Nothing is ever taken out of either: whoever holds a trio finds in it all that it had.
    """

    table: NDArray[np.int64]
    larger: NDArray[np.int64]
    moved: int


class SeenIds:
    """Open-addressing table from the 64-bit hash of an id to its log offset.

    A hash is no proof: two ids may share one. The caller compares with the log, and where the ids differ
    looks at the other `offsets_of` the hash and enters its own with `correct`.

    One thread adds. Others may ask for `offsets_of`: they find all that was there when they asked.

    >>> seen = SeenIds()
    >>> seen.admit(np.array([11, 22, 11, 33]), base=100).tolist()
    [-1, -1, 100, -1]
    >>> seen.offsets_of(33)
    [102]
    """

    def __init__(self) -> None:
        self._tables = _Tables(_empty(_LEAST), _NONE, 0)  # replaced together
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def nbytes(self) -> int:
        """Memory of the table in bytes; while it grows, of both."""
        tables = self._tables
        return tables.table.nbytes + tables.larger.nbytes

    def admit(self, hashes: NDArray[np.int64], base: int) -> NDArray[np.int64]:
        """Per row the offset of the first entry with this hash, or -1 where the row is new.

        New rows take the offsets from `base` on, one after the other; a row sees the rows before it. A hash
        of 0 stands for an event without an id: always new, never entered.
        """
        found = np.empty(len(hashes), np.int64)
        done, offset = 0, base
        while True:
            table, larger, moved = self._tables
            done, self._count, offset, moved = _admit(
                table, larger, moved, self._count, hashes, offset, found, done
            )
            is_emptied = moved == len(table)
            self._tables = _Tables(larger, _NONE, 0) if is_emptied else _Tables(table, larger, moved)
            if done == len(hashes):
                return found
            self._grow()

    def offsets_of(self, id_hash: int) -> list[int]:
        """Offsets of all entries with this hash, in the order in which they came."""
        slots = self._table_of(id_hash)
        slot = int(_home(np.int64(id_hash), len(slots)))
        found = []
        while slots[slot, 1]:
            if slots[slot, 0] == id_hash:
                found.append(int(slots[slot, 1]) - 1)
            slot += 1
        return found

    def insert(self, id_hash: int, offset: int) -> None:
        """Add an entry beside those with the same hash."""
        while not _insert(self._table_of(id_hash), np.int64(id_hash), np.int64(offset + 1)):
            self._rebuild()
        self._count += 1

    def correct(
        self, hashes: NDArray[np.int64], found: NDArray[np.int64], offsets: NDArray[np.int64], base: int
    ) -> None:
        """After `admit` of these rows gave `found`: they have these `offsets`, -1 for a row that is not new.

        A new row that was found to be known shares its hash with another id: it gets an entry beside it.
        """
        given = base
        for row, id_hash in enumerate(hashes.tolist()):
            if found[row] >= 0:
                if offsets[row] >= 0:
                    self.insert(id_hash, int(offsets[row]))
                continue
            if id_hash and offsets[row] != given:
                self._renumber(id_hash, given, int(offsets[row]))
            given += 1

    def move(self, hashes: NDArray[np.int64], before: NDArray[np.int64], after: NDArray[np.int64]) -> None:
        """Entries (a hash of 0 has none) whose offsets turn out to be greater, in ascending order."""
        told = zip(hashes.tolist()[::-1], before.tolist()[::-1], after.tolist()[::-1], strict=True)
        for id_hash, one, other in told:
            if id_hash and one != other:
                self._renumber(id_hash, one, other)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The state as it is, for a snapshot: no copies."""
        table, larger, moved = self._tables
        counts = np.array([self._count, moved], np.int64)
        if not len(larger):
            return {"seen": table, "seen_count": counts}
        return {"seen_before": table, "seen_larger": larger, "seen_count": counts}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The table that `arrays` gave, also an older version's; it keeps and changes the arrays."""
        seen = cls()
        growing = "seen_larger" in arrays
        seen._count, moved = (*arrays["seen_count"].tolist(), 0)[:2]
        table = arrays["seen_before" if growing else "seen"]
        seen._tables = _Tables(table, arrays["seen_larger"] if growing else _NONE, moved)
        return seen

    def _table_of(self, id_hash: int) -> NDArray[np.int64]:
        table, larger, moved = self._tables
        return larger if _home(np.int64(id_hash), len(table)) < moved else table

    def _renumber(self, id_hash: int, before: int, after: int) -> None:
        slots = self._table_of(id_hash)
        slot = int(_home(np.int64(id_hash), len(slots)))
        while slots[slot, 0] != id_hash or slots[slot, 1] != before + 1:
            slot += 1
        slots[slot, 1] = after + 1

    def _grow(self) -> None:
        table, larger, _ = self._tables
        if len(larger):  # no way on with the one that is being filled
            self._rebuild()
        else:
            self._tables = _Tables(table, _empty(_half_more(table)), 0)

    def _rebuild(self) -> None:
        """Move all at once: where many share a home, or nearly, a table is full before its time."""
        before, larger, moved = self._tables
        homes = _half_more(larger if len(larger) else before)
        while True:
            table = _empty(homes)
            if _all_moved(larger, 0, table) and _all_moved(before, moved, table):
                self._tables = _Tables(table, _NONE, 0)
                return
            homes += homes // 2


def _empty(homes: int) -> NDArray[np.int64]:
    """Rows of (hash, offset + 1); 0 in the second column is a free slot."""
    return np.zeros((homes + _SLACK, 2), np.int64)


_NONE = np.zeros((0, 2), np.int64)


def _half_more(table: NDArray[np.int64]) -> int:
    homes = len(table) - _SLACK
    return homes + homes // 2


def _all_moved(table: NDArray[np.int64], begin: int, larger: NDArray[np.int64]) -> bool:
    return bool(_move(table, larger, begin, len(table))[1])


@compiled(nogil=True, inline="always")
def _home(id_hash: np.int64, slots: int) -> np.int64:
    """Homes are in the order of the mixed hashes whatever the size, so growing reads and writes in order."""
    mixed = (np.uint64(id_hash) & _LOW) * _MIX ^ (np.uint64(id_hash) >> _32)
    return np.int64(((mixed & _LOW) * np.uint64(slots - _SLACK)) >> _32)


@compiled(nogil=True, inline="always")
def _fetched(
    old: NDArray[np.int64], larger: NDArray[np.int64], moved: int, hashes: NDArray[np.int64]
) -> np.int64:
    """Something of all homes: loads that do not wait for each other."""
    together = np.int64(0)
    for row in range(len(hashes)):
        home = _home(hashes[row], len(old))
        together |= larger[_home(hashes[row], len(larger)), 1] if home < moved else old[home, 1]
    return together


@compiled(nogil=True)
def _admit(
    old: NDArray[np.int64],
    larger: NDArray[np.int64],
    moved: int,
    count: int,
    hashes: NDArray[np.int64],
    offset: int,
    found: NDArray[np.int64],
    start: int,
) -> tuple[int, int, int, int]:
    """Rows from `start` on, until the table has to grow. Returns (rows done, count, next offset, moved)."""
    slots = len(old)
    limit = int((slots - _SLACK) * _FILL)
    if len(larger) and start < len(hashes):
        limit = len(larger)
        moved, has_room = _move(old, larger, moved, max(_LEAST_MOVED, _PACE * (len(hashes) - start)))
        if not has_room:
            return start, count, offset, moved
    for block in range(start, len(hashes), _BLOCK):
        end = min(block + _BLOCK, len(hashes))
        if _fetched(old, larger, moved, hashes[block:end]) < 0:  # never: keeps the loads
            return block, count, offset, moved
        for row in range(block, end):
            if hashes[row] == 0:
                found[row] = -1
                offset += 1
                continue
            if _home(hashes[row], slots) < moved:
                before = _enter(larger, hashes[row], offset + 1, count < limit)
            else:
                before = _enter(old, hashes[row], offset + 1, count < limit)
            if before < 0:
                return row, count, offset, moved
            found[row] = before - 1
            if before == 0:
                count += 1
                offset += 1
    return len(hashes), count, offset, moved


@compiled(nogil=True, inline="always")
def _enter(table: NDArray[np.int64], id_hash: np.int64, marked: int, may_enter: bool) -> int:
    """What is marked for this hash; where nothing is, 0 once that is entered and -1 where it cannot be."""
    slot = _home(id_hash, len(table))
    while table[slot, 1] != 0 and table[slot, 0] != id_hash:
        slot += 1
    if table[slot, 1] != 0:
        return table[slot, 1]
    if not may_enter or slot >= len(table) - 1:
        return -1
    table[slot, 0] = id_hash
    table[slot, 1] = marked
    return 0


@compiled(nogil=True)
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


@compiled(nogil=True)
def _move(table: NDArray[np.int64], larger: NDArray[np.int64], begin: int, least: int) -> tuple[int, bool]:
    """Move so many slots and those up to the next free one; the first one left, and whether all had room."""
    slot = begin
    while slot < len(table) and (slot < begin + least or table[slot, 1] != 0):
        if table[slot, 1] != 0 and not _insert(larger, table[slot, 0], table[slot, 1]):
            return slot, False
        slot += 1
    return slot, True
