"""Hash tables with linear probing from keys to numbers, and how entries leave them again.

An entry is 0 (empty) or a number + 1; the key itself is read where the number points. Removal shifts later
entries back, so that no tombstones gather. While a table moves into a larger one (`features.moving`) it
is the one that is asked; entries are made and removed in both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.features.kernel.jit import entry, inlined, kernel
from ringfence.features.kernel.prefetch import fetch
from ringfence.graph.kernel.layout import (
    FEW,
    L_FROM_PORT,
    L_TO_PORT,
    LATE_BITS,
    LATE_UNIT,
    LINK_BITS,
    NONE,
    S_LISTS,
    TABLED,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.graph.kernel.layout import Program, State

_ONE: Final = 2654435761  # below 2^32, so that its product with a number of 31 bits stays below 2^63
_TWO: Final = 2246822519
_LATEST: Final = (1 << LATE_BITS) - 1


@inlined
def spread(key: int) -> int:
    """A key's bits, the upper half laid over the lower."""
    return key ^ (key >> 32)


@inlined
def pair_key(source: int, target: int, link: int) -> int:
    """What stands for a pair in its table."""
    one: Any = np.int64(source)
    two: Any = np.int64(target)
    mixed = (one * _ONE) ^ (two * _TWO) ^ (np.int64(link) << 20)
    return mixed ^ (mixed >> 17)


@inlined
def key_of_pair(s: State, number: int) -> int:
    """The key of a pair that is there."""
    return pair_key(s.pair_from[number], s.pair_to[number], link_of(s, number))


@inlined
def link_of(s: State, pair: int) -> int:
    """The type of a pair's links."""
    return s.pair_word[pair] & ((1 << LINK_BITS) - 1)


@inlined
def last_of(s: State, pair: int) -> int:
    """The time of a pair's latest link."""
    return s.pair_word[pair] >> (LINK_BITS + LATE_BITS)


@inlined
def word_of(link: int, last: int, now: int) -> int:
    """`pair_word` of a pair whose links' latest time is `last`, and of which one came now."""
    wide: Any = last
    late = min((now - wide + (1 << LATE_UNIT) - 1) >> LATE_UNIT, _LATEST)
    return (((wide << LATE_BITS) | late) << LINK_BITS) | link


@inlined
def is_older(s: State, pair: int, since: int) -> bool:
    """True only if a pair's latest link came by then; exact unless a link was late."""
    late = (s.pair_word[pair] >> LINK_BITS) & _LATEST
    return late != _LATEST and last_of(s, pair) + (late << LATE_UNIT) <= since


@inlined
def find_node(s: State, key: int) -> int:
    """Place in the table of the node with this key, or of the empty entry where it would go."""
    mask = s.node_table.size - 1
    at = spread(key) & mask
    while s.node_table[at] != 0 and s.node_key[s.node_table[at] - 1] != key:
        at = (at + 1) & mask
    return at


@inlined
def find_pair(s: State, p: Program, source: int, target: int, link: int) -> int:
    """The number of this pair, `NONE` if there is none."""
    if p.shape[S_LISTS]:
        port = s.node_port[source] + p.links[link, L_FROM_PORT]
        if s.port_count[port] <= FEW:
            number = s.port_head[port]
            while number != NONE and s.pair_to[number] != target:
                number = s.pair_next[number, 0]
            return number
        port = s.node_port[target] + p.links[link, L_TO_PORT]
        if s.port_count[port] <= FEW:
            number = s.port_head[port]
            while number != NONE and s.pair_from[number] != source:
                number = s.pair_next[number, 1]
            return number
    mask = s.pair_table.size - 1
    at = spread(pair_key(source, target, link)) & mask
    while s.pair_table[at] != 0:
        number = s.pair_table[at] - 1
        if s.pair_to[number] == target and s.pair_from[number] == source and link_of(s, number) == link:
            return number
        at = (at + 1) & mask
    return NONE


@inlined
def is_tabled(s: State, p: Program, source: int, target: int, link: int) -> bool:
    """Whether `find_pair` asks the table: both ends have many neighbours, or nothing keeps lists."""
    return not p.shape[S_LISTS] or (
        s.port_count[s.node_port[source] + p.links[link, L_FROM_PORT]] > FEW
        and s.port_count[s.node_port[target] + p.links[link, L_TO_PORT]] > FEW
    )


@kernel
def table_pair(s: State, p: Program, pair: int) -> None:
    """Have a pair in the table if it is asked for there; it may have been there before."""
    if not is_tabled(s, p, s.pair_from[pair], s.pair_to[pair], link_of(s, pair)):
        return
    place = place_from(s.pair_table, spread(key_of_pair(s, pair)), pair + 1)
    if s.pair_table[place] == 0:
        s.pair_table[place] = pair + 1
        s.counters[TABLED] += 1
        if s.pair_larger.size > 1:
            enter_pair(s, s.pair_larger, pair)


@kernel
def untable_pair(s: State, pair: int) -> None:
    """Have a pair out of the table."""
    if s.counters[TABLED] == 0:
        return
    place = place_from(s.pair_table, spread(key_of_pair(s, pair)), pair + 1)
    if s.pair_table[place] != 0:
        take_out_pair(s, s.pair_table, place)
        s.counters[TABLED] -= 1
        if s.pair_larger.size > 1:
            remove_pair(s, s.pair_larger, pair)


@inlined
def fetch_pair(s: State, pair: int) -> None:
    """Ask for the line in which a pair stands."""
    fetch(s.pair_word, max(pair, 0))


@inlined
def find_paid(s: State, key: int) -> int:
    """Place in the table of the payment with this hash of its id, or of the empty entry where it would go."""
    mask = s.paid_table.size - 1
    at = spread(key) & mask
    while s.paid_table[at] != 0 and s.paid_keys[s.paid_table[at] - 1, 0] != key:
        at = (at + 1) & mask
    return at


@kernel
def take_out_node(s: State, table: Any, hole: int) -> None:
    """Empty an entry of a table of nodes."""
    mask = table.size - 1
    at = hole
    while True:
        at = (at + 1) & mask
        if table[at] == 0:
            break
        wanted = spread(s.node_key[table[at] - 1]) & mask
        if ((at - wanted) & mask) >= ((at - hole) & mask):
            table[hole] = table[at]
            hole = at
    table[hole] = 0


@kernel
def take_out_pair(s: State, table: Any, hole: int) -> None:
    """Empty an entry of a table of pairs."""
    mask = table.size - 1
    at = hole
    while True:
        at = (at + 1) & mask
        if table[at] == 0:
            break
        wanted = spread(key_of_pair(s, table[at] - 1)) & mask
        if ((at - wanted) & mask) >= ((at - hole) & mask):
            table[hole] = table[at]
            hole = at
    table[hole] = 0


@kernel
def take_out_paid(keys: Any, table: Any, hole: int) -> None:
    """Empty an entry of a table of payments, whose ring has these keys."""
    mask = table.size - 1
    at = hole
    while True:
        at = (at + 1) & mask
        if table[at] == 0:
            break
        wanted = spread(keys[table[at] - 1, 0]) & mask
        if ((at - wanted) & mask) >= ((at - hole) & mask):
            table[hole] = table[at]
            hole = at
    table[hole] = 0


@inlined
def place_from(table: Any, at: int, entry: int) -> int:
    """First place from `at` on that has this entry, or is empty."""
    mask = table.size - 1
    at = at & mask
    while table[at] != 0 and table[at] != entry:
        at = (at + 1) & mask
    return at


@kernel
def enter_node(s: State, table: Any, node: int) -> None:
    """Enter a node into the table that the nodes' table is moving into, unless it is there."""
    table[place_from(table, spread(s.node_key[node]), node + 1)] = node + 1


@kernel
def remove_node(s: State, table: Any, node: int) -> None:
    """Remove a node from the table that the nodes' table is moving into, if it is there."""
    place = place_from(table, spread(s.node_key[node]), node + 1)
    if table[place] != 0:
        take_out_node(s, table, place)


@kernel
def enter_pair(s: State, table: Any, pair: int) -> None:
    """Enter a pair into the table that the pairs' table is moving into, unless it is there."""
    table[place_from(table, spread(key_of_pair(s, pair)), pair + 1)] = pair + 1


@kernel
def remove_pair(s: State, table: Any, pair: int) -> None:
    """Remove a pair from the table that the pairs' table is moving into, if it is there."""
    place = place_from(table, spread(key_of_pair(s, pair)), pair + 1)
    if table[place] != 0:
        take_out_pair(s, table, place)


@entry
def copy_nodes(s: State, table: Any, begin: int, end: int) -> None:
    """Enter what stands at the places [begin, end) of the nodes' table into a larger one."""
    for place in range(begin, end):
        if s.node_table[place] != 0:
            enter_node(s, table, s.node_table[place] - 1)


@entry
def copy_pairs(s: State, table: Any, begin: int, end: int) -> None:
    """Enter what stands at the places [begin, end) of the pairs' table into a larger one."""
    for place in range(begin, end):
        if s.pair_table[place] != 0:
            enter_pair(s, table, s.pair_table[place] - 1)


@entry
def enter_paid(keys: Any, table: Any, begin: int, end: int) -> None:
    """Enter the payments [begin, end), which are not there, into the table of the ring with these keys."""
    for sequence in range(begin, end):
        place = sequence & (keys.shape[0] - 1)
        table[place_from(table, spread(keys[place, 0]), place + 1)] = place + 1


@entry
def remove_paid(keys: Any, table: Any, begin: int, end: int) -> None:
    """Remove the payments [begin, end), which are there, from the table of the ring with these keys."""
    for sequence in range(begin, end):
        place = sequence & (keys.shape[0] - 1)
        take_out_paid(keys, table, place_from(table, spread(keys[place, 0]), place + 1))


@entry
def look_up(s: State, keys: NDArray[np.int64], out: NDArray[np.int32]) -> None:
    """The nodes with these keys, -1 for none."""
    for row in range(keys.size):
        out[row] = s.node_table[find_node(s, keys[row])] - 1


@entry
def known_payments(s: State, keys: NDArray[np.int64], out: NDArray[np.bool_]) -> None:
    """Whether the payments with these hashes of their ids are kept."""
    for row in range(keys.size):
        out[row] = s.paid_table[find_paid(s, keys[row])] != 0
