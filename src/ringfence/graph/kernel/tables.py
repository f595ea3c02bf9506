"""Hash tables with linear probing from keys to numbers, and how entries leave them again.

An entry is 0 (empty) or a number + 1; the key itself is read where the number points. Removal shifts later
entries back, so that no tombstones gather.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.features.kernel.jit import entry, inlined, kernel
from ringfence.features.kernel.prefetch import fetch
from ringfence.graph.kernel.layout import LINK_BITS, SEEN_SHIFT

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.graph.kernel.layout import State

_ONE: Final = 2654435761  # below 2^32, so that its product with a number of 31 bits stays below 2^63
_TWO: Final = 2246822519


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
    return s.pair_tag[pair] & ((1 << LINK_BITS) - 1)


@inlined
def tag_of(link: int, now: int) -> int:
    """`pair_tag` of a pair whose latest link came now."""
    wide: Any = now
    return (((wide >> SEEN_SHIFT) + 1) << LINK_BITS) | link


@inlined
def is_older(s: State, pair: int, since: int) -> bool:
    """Whether a pair's latest link surely came by then; what is younger by a minute may not be sure."""
    wide: Any = since
    return (s.pair_tag[pair] >> LINK_BITS) <= (wide >> SEEN_SHIFT)


@inlined
def find_node(s: State, key: int) -> int:
    """Place in the table of the node with this key, or of the empty entry where it would go."""
    mask = s.node_table.size - 1
    at = spread(key) & mask
    while s.node_table[at] != 0 and s.node_key[s.node_table[at] - 1] != key:
        at = (at + 1) & mask
    return at


@inlined
def find_pair(s: State, source: int, target: int, link: int) -> int:
    """Place in the table of this pair, or of the empty entry where it would go."""
    mask = s.pair_table.size - 1
    at = spread(pair_key(source, target, link)) & mask
    while s.pair_table[at] != 0:
        number = s.pair_table[at] - 1
        if s.pair_to[number] == target and s.pair_from[number] == source and link_of(s, number) == link:
            break
        at = (at + 1) & mask
    return at


@inlined
def fetch_pair(s: State, pair: int) -> None:
    """Ask for both lines in which a pair may stand."""
    fetch(s.pair_last, max(pair, 0))
    fetch(s.pair_tag, max(pair, 0))


@inlined
def find_paid(s: State, key: int) -> int:
    """Place in the table of the payment with this hash of its id, or of the empty entry where it would go."""
    mask = s.paid_table.size - 1
    at = spread(key) & mask
    while s.paid_table[at] != 0 and s.paid_keys[s.paid_table[at] - 1, 0] != key:
        at = (at + 1) & mask
    return at


@kernel
def take_out_node(s: State, hole: int) -> None:
    """Empty an entry of the nodes' table."""
    mask = s.node_table.size - 1
    at = hole
    while True:
        at = (at + 1) & mask
        if s.node_table[at] == 0:
            break
        wanted = spread(s.node_key[s.node_table[at] - 1]) & mask
        if ((at - wanted) & mask) >= ((at - hole) & mask):
            s.node_table[hole] = s.node_table[at]
            hole = at
    s.node_table[hole] = 0


@kernel
def take_out_pair(s: State, hole: int) -> None:
    """Empty an entry of the pairs' table."""
    mask = s.pair_table.size - 1
    at = hole
    while True:
        at = (at + 1) & mask
        if s.pair_table[at] == 0:
            break
        wanted = spread(key_of_pair(s, s.pair_table[at] - 1)) & mask
        if ((at - wanted) & mask) >= ((at - hole) & mask):
            s.pair_table[hole] = s.pair_table[at]
            hole = at
    s.pair_table[hole] = 0


@kernel
def take_out_paid(s: State, hole: int) -> None:
    """Empty an entry of the payments' table."""
    mask = s.paid_table.size - 1
    at = hole
    while True:
        at = (at + 1) & mask
        if s.paid_table[at] == 0:
            break
        wanted = spread(s.paid_keys[s.paid_table[at] - 1, 0]) & mask
        if ((at - wanted) & mask) >= ((at - hole) & mask):
            s.paid_table[hole] = s.paid_table[at]
            hole = at
    s.paid_table[hole] = 0


@entry
def enter_nodes(s: State, table: Any) -> None:
    """Put all nodes that are in the state's table into an empty one."""
    mask = table.size - 1
    for place in range(s.node_table.size):
        number = s.node_table[place]
        if number != 0:
            at = spread(s.node_key[number - 1]) & mask
            while table[at] != 0:
                at = (at + 1) & mask
            table[at] = number


@entry
def enter_pairs(s: State, table: Any) -> None:
    """Put all pairs that are in the state's table into an empty one."""
    mask = table.size - 1
    for place in range(s.pair_table.size):
        number = s.pair_table[place]
        if number != 0:
            at = spread(key_of_pair(s, number - 1)) & mask
            while table[at] != 0:
                at = (at + 1) & mask
            table[at] = number


@entry
def enter_paid(s: State, table: Any, oldest: int, end: int) -> None:
    """Put all payments that are kept into an empty table."""
    mask, ring = table.size - 1, s.paid_clock.size - 1
    for sequence in range(oldest, end):
        number = (sequence & ring) + 1
        at = spread(s.paid_keys[number - 1, 0]) & mask
        while table[at] != 0:
            at = (at + 1) & mask
        table[at] = number


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
