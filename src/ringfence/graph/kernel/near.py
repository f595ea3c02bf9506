"""Confirmed fraud close by: a search over entities, one hop being a link, or two over a shared attribute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.features.kernel.jit import inlined
from ringfence.features.kernel.prefetch import fetch
from ringfence.graph.kernel.layout import (
    FIRST_BIT,
    L_CAP,
    L_FROM_TYPE,
    L_TO_PORT,
    LOOKED,
    N_BITS,
    NONE,
    S_PAIRS,
    S_REACH,
    WORD,
    WORD_BITS,
)
from ringfence.graph.kernel.notes import begin_search, notes_of
from ringfence.graph.kernel.tables import fetch_pair

if TYPE_CHECKING:
    from ringfence.graph.kernel.layout import Program, State

# A list of which pairs are to be looked at: the next one, its side, and how many.
_PAIR_BIT: Final = 32
_SIDE_BIT: Final = 31
_PAIRS: Final = (1 << _SIDE_BIT) - 1


@inlined
def is_known(s: State, node: int) -> bool:
    """Whether an entity has confirmed fraud."""
    return (s.known_nodes[node >> WORD_BITS] >> (node & WORD)) & 1 != 0


@inlined
def is_hub(s: State, p: Program, attribute: int, link: int) -> bool:
    """Whether an attribute joins nobody: it is declared open to all, or has more entities than the cap."""
    port = s.node_port[attribute] + p.links[link, L_TO_PORT]
    return s.node_open[attribute] != 0 or s.port_count[port] > p.links[link, L_CAP]


@inlined
def note(s: State, node: int, count: int) -> int:
    """Find a node, unless it has been found; how many there are then."""
    place = notes_of(s, node)
    if s.notes[place, N_BITS]:
        return count
    s.notes[place, N_BITS] = FIRST_BIT
    s.found[count] = node
    return count + 1


@inlined
def begin(s: State, node: int) -> int:
    """Begin a search with a node as the first that is found."""
    begin_search(s)
    s.counters[LOOKED] = 0
    return note(s, node, 0)


@inlined
def may_look(s: State, p: Program) -> bool:
    """Whether a search may look at one more pair, which it then does."""
    s.counters[LOOKED] += 1
    return s.counters[LOOKED] <= p.shape[S_PAIRS]


@inlined
def may_look_at(s: State, p: Program, pairs: int) -> int:
    """How many of a list's newest pairs a search may look at, which it then does."""
    count = max(min(pairs, p.shape[S_REACH], p.shape[S_PAIRS] - s.counters[LOOKED]), 0)
    s.counters[LOOKED] += count
    return count


@inlined
def sharers(s: State, p: Program, attribute: int, count: int) -> int:
    """Find the entities that an attribute joins, newest first; how many are found then."""
    kind = s.node_type[attribute]
    for port in range(p.types[kind, 0]):
        if is_hub(s, p, attribute, p.sides[kind, port, 0]):
            continue
        pair = s.port_head[s.node_port[attribute] + port]
        for _ in range(p.shape[S_REACH]):
            if pair == NONE or not may_look(s, p):
                break
            count = note(s, s.pair_from[pair], count)
            pair = s.pair_next[pair, 1]
    return count


@inlined
def hop(s: State, p: Program, node: int, count: int) -> int:
    """Find the entities that are one hop from a node, newest first; how many are found then."""
    kind = s.node_type[node]
    for port in range(p.types[kind, 0]):
        link, side = p.sides[kind, port, 0], p.sides[kind, port, 1]
        is_attribute = p.types[p.links[link, L_FROM_TYPE + 1 - side], 1]
        pair = s.port_head[s.node_port[node] + port]
        for _ in range(p.shape[S_REACH]):
            if pair == NONE or not may_look(s, p):
                break
            other = s.pair_to[pair] if side == 0 else s.pair_from[pair]
            count = sharers(s, p, other, count) if is_attribute else note(s, other, count)
            pair = s.pair_next[pair, side]
    return count


@inlined
def fetch_ends(s: State, p: Program, first: int, end: int) -> None:
    """Ask for the lists of the entities found from `first` on, then for those of what they use."""
    for place in range(first, end):
        fetch(s.node_port, s.found[place])
    for place in range(first, end):
        fetch(s.port_head, s.node_port[s.found[place]])
    for step in range(3):
        for place in range(first, end):
            node = s.found[place]
            kind = s.node_type[node]
            for port in range(p.types[kind, 0]):
                link, side = p.sides[kind, port, 0], p.sides[kind, port, 1]
                pair = s.port_head[s.node_port[node] + port]
                if pair == NONE or not p.types[p.links[link, L_FROM_TYPE + 1 - side], 1]:
                    continue
                if step == 0:
                    fetch_pair(s, pair)
                elif step == 1:
                    fetch(s.node_port, s.pair_to[pair])
                else:
                    fetch(s.port_head, s.node_port[s.pair_to[pair]])


@inlined
def queue(s: State, p: Program, port: int, side: int, count: int) -> int:
    """Have a list's newest pairs looked at, as many as may be; how many lists there are then."""
    pairs = may_look_at(s, p, s.port_count[port])
    if pairs == 0:
        return count
    wide: Any = np.int64(s.port_head[port])
    fetch_pair(s, wide)
    s.found_until[count] = (wide << _PAIR_BIT) | (side << _SIDE_BIT) | pairs
    return count + 1


@inlined
def queue_lists(s: State, p: Program, node: int, count: int) -> int:
    """Have the pairs looked at that lead one hop from a node; how many lists there are then."""
    kind = s.node_type[node]
    for port in range(p.types[kind, 0]):
        link, side = p.sides[kind, port, 0], p.sides[kind, port, 1]
        if not p.types[p.links[link, L_FROM_TYPE + 1 - side], 1]:
            count = queue(s, p, s.node_port[node] + port, side, count)
            continue
        pair = s.port_head[s.node_port[node] + port]
        for _ in range(p.shape[S_REACH]):
            if pair == NONE or not may_look(s, p):
                break
            attribute = s.pair_to[pair]
            other = s.node_type[attribute]
            for place in range(p.types[other, 0]):
                if not is_hub(s, p, attribute, p.sides[other, place, 0]):
                    count = queue(s, p, s.node_port[attribute] + place, 1, count)
            pair = s.pair_next[pair, side]
    return count


@inlined
def known_in(s: State, count: int) -> int:
    """Entities with confirmed fraud in so many lists that are not found yet, all lists pair by pair."""
    known = 0
    while count > 0:
        left = 0
        for place in range(count):
            word = s.found_until[place]
            pair, side = word >> _PAIR_BIT, (word >> _SIDE_BIT) & 1
            other = s.pair_to[pair] if side == 0 else s.pair_from[pair]
            if is_known(s, other):
                seen = notes_of(s, other)
                known += s.notes[seen, N_BITS] == 0
                s.notes[seen, N_BITS] = FIRST_BIT
            pairs = (word & _PAIRS) - 1
            if pairs > 0:
                after: Any = np.int64(s.pair_next[pair, side])
                fetch_pair(s, after)
                s.found_until[left] = (after << _PAIR_BIT) | (side << _SIDE_BIT) | pairs
                left += 1
        count = left
    return known


@inlined
def known_within(s: State, p: Program, node: int) -> int:
    """Entities with confirmed fraud one and two hops away, in bits 0 to 19 and 20 to 39.

    How many pairs of each list the second hop looks at is settled before it looks: what it counts does not
    depend on their order.
    """
    first = begin(s, node)
    end, known, lists = hop(s, p, node, first), 0, 0
    fetch_ends(s, p, first, end)
    for place in range(first, end):
        known += is_known(s, s.found[place])
        if s.node_live[s.found[place]] <= p.shape[S_REACH]:
            lists = queue_lists(s, p, s.found[place], lists)
    return known | (known_in(s, lists) << 20)
