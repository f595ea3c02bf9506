"""Confirmed fraud close by: a search over entities, one hop being a link, or two over a shared attribute."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.features.kernel.jit import inlined, kernel
from ringfence.graph.kernel.layout import L_CAP, L_TO_PORT, LOOKED, N_MARK, NONE, S_PAIRS, S_REACH, STAMP

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
    if s.node_search[node, N_MARK] == s.counters[STAMP]:
        return count
    s.node_search[node, N_MARK] = s.counters[STAMP]
    s.found[count] = node
    return count + 1


@inlined
def begin(s: State, node: int) -> int:
    """Begin a search with a node as the first that is found."""
    s.counters[STAMP] += 1
    s.counters[LOOKED] = 0
    return note(s, node, 0)


@inlined
def may_look(s: State, p: Program) -> bool:
    """Whether a search may look at one more pair, which it then does."""
    s.counters[LOOKED] += 1
    return s.counters[LOOKED] <= p.shape[S_PAIRS]


@kernel
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


@kernel
def hop(s: State, p: Program, node: int, count: int) -> int:
    """Find the entities that are one hop from a node, newest first; how many are found then."""
    kind = s.node_type[node]
    for port in range(p.types[kind, 0]):
        side = p.sides[kind, port, 1]
        pair = s.port_head[s.node_port[node] + port]
        for _ in range(p.shape[S_REACH]):
            if pair == NONE or not may_look(s, p):
                break
            other = s.pair_to[pair] if side == 0 else s.pair_from[pair]
            if p.types[s.node_type[other], 1] == 0:
                count = note(s, other, count)
            else:
                count = sharers(s, p, other, count)
            pair = s.pair_next[pair, side]
    return count


@kernel
def known_within(s: State, p: Program, node: int) -> int:
    """Entities with confirmed fraud one and two hops away, in bits 0 to 19 and 20 to 39."""
    first = begin(s, node)
    end = hop(s, p, node, first)
    one = 0
    for place in range(first, end):
        if s.node_fraud[s.found[place]] > 0:
            one += 1
    last = end
    for place in range(first, end):
        if s.node_live[s.found[place]] <= p.shape[S_REACH]:
            last = hop(s, p, s.found[place], last)
    two = 0
    for place in range(end, last):
        if s.node_fraud[s.found[place]] > 0:
            two += 1
    return one | (two << 20)
