"""Confirmed fraud close by: a search over entities, one hop being a link, or two over a shared attribute."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
def keep(s: State, node: int, count: int, is_last: bool) -> int:
    """Find an entity; after the last hop only one with confirmed fraud: no other is counted there."""
    if is_last and (s.known_nodes[node >> WORD_BITS] >> (node & WORD)) & 1 == 0:
        return count
    return note(s, node, count)


@inlined
def sharers(s: State, p: Program, attribute: int, count: int, is_last: bool) -> int:
    """Find the entities that an attribute joins, newest first; how many are found then."""
    kind = s.node_type[attribute]
    for port in range(p.types[kind, 0]):
        if is_hub(s, p, attribute, p.sides[kind, port, 0]):
            continue
        pair = s.port_head[s.node_port[attribute] + port]
        for _ in range(p.shape[S_REACH]):
            if pair == NONE or not may_look(s, p):
                break
            count = keep(s, s.pair_from[pair], count, is_last)
            pair = s.pair_next[pair, 1]
    return count


@inlined
def hop(s: State, p: Program, node: int, count: int, is_last: bool) -> int:
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
            if is_attribute:
                count = sharers(s, p, other, count, is_last)
            else:
                count = keep(s, other, count, is_last)
            pair = s.pair_next[pair, side]
    return count


@inlined
def fetch_lists(s: State, p: Program, first: int, end: int) -> None:
    """Ask for the pairs of the entities found from `first` on: all their lists at once, entry by entry."""
    count, most = 0, s.found_until.size
    for place in range(first, end):
        fetch(s.port_head, s.node_port[s.found[place]])
    for place in range(first, end):
        node = s.found[place]
        kind = s.node_type[node]
        for port in range(p.types[kind, 0]):
            pair = s.port_head[s.node_port[node] + port]
            if pair != NONE and count < most:
                fetch_pair(s, pair)
                s.found_until[count] = 2 * pair + p.sides[kind, port, 1]
                count += 1
    looked = count
    while count > 0 and looked < p.shape[S_PAIRS]:
        left = 0
        for place in range(count):
            side = s.found_until[place] & 1
            pair = s.pair_next[s.found_until[place] >> 1, side]
            if pair != NONE:
                fetch_pair(s, pair)
                s.found_until[left] = 2 * pair + side
                left += 1
        count = left
        looked += left


@inlined
def known_within(s: State, p: Program, node: int) -> int:
    """Entities with confirmed fraud one and two hops away, in bits 0 to 19 and 20 to 39."""
    first, last, found = 0, begin(s, node), 0
    for shift in (0, 20):
        end = last
        if shift:
            fetch_lists(s, p, first, end)
        for place in range(first, end):
            if shift == 0 or s.node_live[s.found[place]] <= p.shape[S_REACH]:
                last = hop(s, p, s.found[place], last, shift > 0)
        for place in range(end, last):
            if s.node_fraud[s.found[place]] > 0:
                found += 1 << shift
        first = end
    return found
