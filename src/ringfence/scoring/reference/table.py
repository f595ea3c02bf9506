"""From 64-bit ids to dense row numbers.

Open addressing over two arrays, found and inserted a column at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.compiling import compiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

_EMPTY = 0  # the hash of null: never stored, never found


@compiled(nogil=True)
def _find(
    slots: NDArray[np.int64], rows: NDArray[np.int64], ids: NDArray[np.int64], out: NDArray[np.int64]
) -> None:
    mask = slots.size - 1
    for i in range(ids.size):
        wanted = ids[i]
        at = wanted & mask
        while slots[at] != wanted and slots[at] != 0:
            at = (at + 1) & mask
        out[i] = rows[at] if wanted != 0 and slots[at] == wanted else -1


@compiled(nogil=True)
def _insert(
    slots: NDArray[np.int64],
    rows: NDArray[np.int64],
    count: int,
    ids: NDArray[np.int64],
    out: NDArray[np.int64],
) -> int:
    mask = slots.size - 1
    for i in range(ids.size):
        wanted = ids[i]
        out[i] = -1
        if wanted == 0:
            continue
        at = wanted & mask
        while slots[at] != wanted and slots[at] != 0:
            at = (at + 1) & mask
        if slots[at] == 0:
            slots[at] = wanted
            rows[at] = count
            count += 1
        out[i] = rows[at]
    return count


class IdTable:
    """Row number of each id, in order of first insertion. Id 0 stands for null and has none.

    One thread has it. What others look up in is a `view`, which nothing changes.

    >>> table = IdTable()
    >>> table.insert(np.array([7, 9, 7, 0])).tolist(), table.find(np.array([9, 5])).tolist(), len(table)
    ([0, 1, 0, -1], [1, -1], 2)
    """

    def __init__(self, ids: NDArray[np.int64] | None = None) -> None:
        self._table = np.zeros(16, np.int64), np.zeros(16, np.int64)  # slots and rows: replaced together
        self._count = 0
        self._is_shared = False  # with a view: copied before it changes
        if ids is not None and ids.size:
            self.insert(ids)

    def __len__(self) -> int:
        return self._count

    def find(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row of each id, -1 where it is unknown."""
        out = np.full(ids.size, -1, np.int64)
        if self._count:
            _find(*self._table, ids, out)
        return out

    def insert(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Row of each id, a new one for an unknown id."""
        if self._is_shared:
            rows = self.find(ids)
            if not ((rows < 0) & (ids != _EMPTY)).any():
                return rows
            slots, rows_of = self._table
            self._table, self._is_shared = (slots.copy(), rows_of.copy()), False
        self._reserve(self._count + ids.size)
        out = np.empty(ids.size, np.int64)
        self._count = int(_insert(*self._table, self._count, ids, out))
        return out

    def view(self) -> IdTable:
        """The table as it is now, for any thread: no copy, until this one has a new id.

        >>> table = IdTable(np.array([7]))
        >>> view = table.view()
        >>> table.insert(np.array([9])).tolist(), view.find(np.array([9, 7])).tolist()
        ([1], [-1, 0])
        """
        self._is_shared = True
        view = IdTable()
        view._table, view._count, view._is_shared = self._table, self._count, True
        return view

    def ids(self) -> NDArray[np.int64]:
        """All ids by row: what rebuilds the table."""
        slots, rows = self._table
        out = np.empty(self._count, np.int64)
        used = slots != _EMPTY
        out[rows[used]] = slots[used]
        return out

    def _reserve(self, count: int) -> None:
        if 2 * count <= self._table[0].size:
            return
        ids = self.ids()
        size = 1 << (2 * count - 1).bit_length()
        grown_table = np.zeros(size, np.int64), np.zeros(size, np.int64)
        self._count = int(_insert(*grown_table, 0, ids, np.empty(ids.size, np.int64)))
        self._table = grown_table


def grown(values: NDArray[np.generic], size: int, fill: float) -> NDArray[np.generic]:
    """The array itself, or a copy with room for `size` values, filled up."""
    if values.size >= size:
        return values
    out = np.full(max(size, 2 * values.size, 16), fill, values.dtype)
    out[: values.size] = values
    return out
