"""Hash tables with linear probing: cells by key, pairs by (cell, tracker, value), events by id.

An entry is 0 (empty) or a word: 32 bits of the hash above what is entered, a number from 1 on. The 64-bit
hash itself is found elsewhere, and asked for only where these bits agree: a look along the table costs no
look at what its neighbours stand for. Removal shifts later entries back, so that no tombstones gather.
Capacities are powers of two, at most two thirds full. While a table moves into a larger one (see
`features.moving`) it is the one that is asked; entries are made and removed in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.features.kernel.jit import entry, inlined, kernel
from ringfence.features.kernel.layout import KEY, PAIR_HASH, UNIT

if TYPE_CHECKING:
    from ringfence.features.kernel.layout import State, Words

_LOW32 = (1 << 32) - 1


@inlined
def home(hashed: int, mask: int) -> int:
    """Where a hash belongs in a table."""
    return (hashed ^ (hashed >> 32)) & mask


@inlined
def word_of(hashed: int, number: int) -> int:
    """The entry for a number with this hash."""
    return ((hashed ^ (hashed >> 32)) << 32) | number


@inlined
def number_of(word: int) -> int:
    """What is entered, 0 in an empty entry."""
    return word & _LOW32


@inlined
def probe(table: Words, hashed: int, at: int) -> int:
    """First place from `at` on whose entry may be this hash's, or is empty."""
    mask = table.size - 1
    wanted = word_of(hashed, 0)
    while table[at] != 0 and (table[at] ^ wanted) >> 32 != 0:
        at = (at + 1) & mask
    return at


@kernel
def take_out(table: Words, hole: int) -> None:
    """Empty an entry."""
    mask = table.size - 1
    at = hole
    while True:
        at = (at + 1) & mask
        if table[at] == 0:
            break
        wanted = (table[at] >> 32) & mask
        if ((at - wanted) & mask) >= ((at - hole) & mask):
            table[hole] = table[at]
            hole = at
    table[hole] = 0


@inlined
def find_cell(s: State, hashed: int) -> int:
    """Place in the table of the cell with this key, or of the empty entry where it would go."""
    mask = s.table.size - 1
    at = probe(s.table, hashed, home(hashed, mask))
    while s.table[at] != 0 and s.arena[number_of(s.table[at]) * UNIT + KEY] != hashed:
        at = probe(s.table, hashed, (at + 1) & mask)
    return at


@inlined
def pair_hash(cell: int, tracker: int, value: int) -> int:
    """Hash of a (key, value) pair: the value's own hash, moved by the cell and the tracker."""
    wide: Any = np.int64(
        cell
    )  # in plain Python a cell of `State.slots` has 32 bits, and so has what is shifted
    return value ^ (wide << 31) ^ (wide << 11) ^ (tracker << 57)


@inlined
def find_pair(s: State, hashed: int) -> int:
    """Place in the pair table of this pair, or of the empty entry where it would go."""
    mask = s.pair_table.size - 1
    at = probe(s.pair_table, hashed, home(hashed, mask))
    while s.pair_table[at] != 0 and s.pairs_known[number_of(s.pair_table[at]) - 1, PAIR_HASH] != hashed:
        at = probe(s.pair_table, hashed, (at + 1) & mask)
    return at


@inlined
def find_id(s: State, hashed: int, column: int) -> int:
    """Place in the id table of the event with this id, or of the empty entry where it would go."""
    mask = s.id_table.size - 1
    rows = s.rows.shape[0] - 1
    at = probe(s.id_table, hashed, home(hashed, mask))
    while s.id_table[at] != 0 and s.rows[(number_of(s.id_table[at]) - 1) & rows, column] != hashed:
        at = probe(s.id_table, hashed, (at + 1) & mask)
    return at


@inlined
def enter_larger(larger: Words, word: int) -> None:
    """Enter what has just been entered into a table also into the one that it is moving into, if any."""
    if larger.size > 1:
        enter(larger, word)


@kernel
def enter(larger: Words, word: int) -> None:
    """Enter a word unless it is there."""
    mask = larger.size - 1
    at = (word >> 32) & mask
    while larger[at] != 0 and larger[at] != word:
        at = (at + 1) & mask
    larger[at] = word


@inlined
def remove_larger(larger: Words, word: int) -> None:
    """Remove what has just been removed from a table also from the one that it is moving into, if any."""
    if larger.size > 1:
        remove(larger, word)


@kernel
def remove(larger: Words, word: int) -> None:
    """Remove a word if it is there."""
    mask = larger.size - 1
    at = (word >> 32) & mask
    while larger[at] != 0 and larger[at] != word:
        at = (at + 1) & mask
    if larger[at] != 0:
        take_out(larger, at)


@kernel
def remove_id(s: State, ref: int, column: int) -> bool:
    """Forget an event's id, unless a later event has taken it over."""
    place = find_id(s, s.rows[ref & (s.rows.shape[0] - 1), column], column)
    if number_of(s.id_table[place]) != ref + 1:
        return False
    word = s.id_table[place]
    take_out(s.id_table, place)
    remove_larger(s.id_larger, word)
    return True


@entry
def reinsert(table: Words, larger: Words, begin: int, end: int) -> None:
    """Enter what stands at the places [begin, end) of one table into a larger one, unless it is there."""
    for place in range(begin, end):
        if table[place] != 0:
            enter(larger, table[place])
