"""Hash tables of int32 with linear probing: cells by key, pairs by (cell, tracker, value), events by id.

An entry is 0 (empty) or something whose 64-bit hash is found elsewhere: a table holds no keys of its own.
Removal shifts later entries back, so that no tombstones gather. Capacities are powers of two, at most two
thirds full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.features.kernel.jit import entry, inlined, kernel
from ringfence.features.kernel.layout import KEY, PAIR_HASH, UNIT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ringfence.features.kernel.layout import State, Words


@inlined
def home(hashed: int, mask: int) -> int:
    """Where a hash belongs in a table."""
    return (hashed ^ (hashed >> 32)) & mask


@inlined
def find_cell(s: State, hashed: int) -> int:
    """Place in the table of the cell with this key, or of the empty entry where it would go."""
    mask = s.table.size - 1
    at = home(hashed, mask)
    while s.table[at] != 0 and s.arena[s.table[at] * UNIT + KEY] != hashed:
        at = (at + 1) & mask
    return at


@kernel
def remove_cell(s: State, hashed: int) -> None:
    """Take a cell out of the table."""
    mask = s.table.size - 1
    hole = find_cell(s, hashed)
    at = hole
    while True:
        at = (at + 1) & mask
        if s.table[at] == 0:
            break
        wanted = home(s.arena[s.table[at] * UNIT + KEY], mask)
        if ((at - wanted) & mask) >= ((at - hole) & mask):
            s.table[hole] = s.table[at]
            hole = at
    s.table[hole] = 0


@inlined
def pair_hash(cell: int, tracker: int, value: int) -> int:
    """Hash of a (key, value) pair: the value's own hash, moved by the cell and the tracker."""
    return value ^ (cell << 31) ^ (cell << 11) ^ (tracker << 57)


@inlined
def find_pair(s: State, hashed: int) -> int:
    """Place in the pair table of this pair, or of the empty entry where it would go."""
    mask = s.pair_table.size - 1
    at = home(hashed, mask)
    while s.pair_table[at] != 0 and s.pairs_known[s.pair_table[at] - 1, PAIR_HASH] != hashed:
        at = (at + 1) & mask
    return at


@kernel
def remove_pair(s: State, hashed: int) -> None:
    """Take a pair out of its table."""
    mask = s.pair_table.size - 1
    hole = find_pair(s, hashed)
    at = hole
    while True:
        at = (at + 1) & mask
        if s.pair_table[at] == 0:
            break
        wanted = home(s.pairs_known[s.pair_table[at] - 1, PAIR_HASH], mask)
        if ((at - wanted) & mask) >= ((at - hole) & mask):
            s.pair_table[hole] = s.pair_table[at]
            hole = at
    s.pair_table[hole] = 0


@inlined
def find_id(s: State, hashed: int, column: int) -> int:
    """Place in the id table of the event with this id, or of the empty entry where it would go."""
    mask = s.id_table.size - 1
    rows = s.rows.shape[0] - 1
    at = home(hashed, mask)
    while s.id_table[at] != 0 and s.rows[(s.id_table[at] - 1) & rows, column] != hashed:
        at = (at + 1) & mask
    return at


@kernel
def remove_id(s: State, ref: int, column: int) -> bool:
    """Forget an event's id, unless a later event has taken it over."""
    mask = s.id_table.size - 1
    rows = s.rows.shape[0] - 1
    hole = find_id(s, s.rows[ref & rows, column], column)
    if s.id_table[hole] != ref + 1:
        return False
    at = hole
    while True:
        at = (at + 1) & mask
        if s.id_table[at] == 0:
            break
        wanted = home(s.rows[(s.id_table[at] - 1) & rows, column], mask)
        if ((at - wanted) & mask) >= ((at - hole) & mask):
            s.id_table[hole] = s.id_table[at]
            hole = at
    s.id_table[hole] = 0
    return True


@entry
def reinsert(table: NDArray[np.int32], hashes: Words, larger: NDArray[np.int32]) -> None:
    """Enter every entry of one table, whose hashes lie beside it, into a larger one."""
    mask = larger.size - 1
    for place in range(table.size):
        if table[place] != 0:
            at = home(hashes[place], mask)
            while larger[at] != 0:
                at = (at + 1) & mask
            larger[at] = table[place]
