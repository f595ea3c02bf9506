"""Asking the processor for what the next payments will touch, level by level, so that the waits overlap.

Nodes, pairs and remembered payments stand at places that no cache holds, and each says only where the next
one is. Results never depend on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ringfence.features.kernel.jit import inlined
from ringfence.features.kernel.prefetch import fetch
from ringfence.graph.kernel.layout import (
    F_BEFORE_OUT,
    F_PAYEE,
    F_PAYER,
    FLOWS_OLDEST,
    IN_ID,
    IN_KEYS,
    L_FROM,
    L_FROM_PORT,
    L_FROM_TYPE,
    L_TO,
    L_TO_PORT,
    NONE,
    S_CHAINS,
    S_FANS,
    S_FLOW,
    S_FLOWS,
    S_FRAUD,
    S_LISTS,
)
from ringfence.graph.kernel.tables import fetch_pair, find_node, is_tabled, pair_key, spread

if TYPE_CHECKING:
    from ringfence.graph.kernel.layout import Program, State, Words

BLOCK: Final = 8
"""Input rows that are looked after at once: what they touch stays in the second cache."""

_DEEP: Final = 8  # entries of a list
LISTS: Final = 4
"""Of a payment: what its payer paid, and was paid, and what its payee paid, and was paid."""

_PAYER_OUT, _PAYER_IN, _PAYEE_IN = 0, 1, 3


@inlined
def look_ahead(s: State, p: Program, rows: Words, start: int, trail: Words) -> int:
    """Ask for what a block of rows from `start` on will touch; where the next block begins.

    `trail`, of `BLOCK` rows, takes each one's nodes by key, then where its `LISTS` lists have come to.
    """
    stop = min(start + BLOCK, rows.shape[0])
    _fetch_nodes(s, p, rows, start, stop)
    _find_nodes(s, p, rows, start, stop, trail)
    if p.shape[S_LISTS]:
        _fetch_pairs(s, p, stop - start, trail)
    if p.shape[S_FLOWS]:
        _fetch_flows(s, p, stop - start, trail)
    if p.shape[S_CHAINS]:
        for row in range(stop - start):
            _fetch_further(s, p, row, trail)
    return stop


@inlined
def _fetch_nodes(s: State, p: Program, rows: Words, start: int, stop: int) -> None:
    """The tables' entries, then the nodes to which these point."""
    keys, mask = rows.shape[1] - IN_KEYS, s.node_table.size - 1
    for row in range(start, stop):
        for column in range(keys):
            fetch(s.node_table, spread(rows[row, IN_KEYS + column]) & mask)
        if p.shape[S_FRAUD]:
            fetch(s.paid_table, spread(rows[row, IN_ID]) & (s.paid_table.size - 1))
    for row in range(start, stop):
        for column in range(keys):
            number = max(s.node_table[spread(rows[row, IN_KEYS + column]) & mask] - 1, 0)
            fetch(s.node_key, number)
            fetch(s.node_sizes, number)
            fetch(s.node_port, number)


@inlined
def _find_nodes(s: State, p: Program, rows: Words, start: int, stop: int, trail: Words) -> None:
    """Which nodes they are; then their ports, what is above them, and the pairs' table."""
    keys, mask, tabled = rows.shape[1] - IN_KEYS, s.pair_table.size - 1, not p.shape[S_LISTS]
    for row in range(start, stop):
        mine = trail[row - start]
        for column in range(keys):
            node = s.node_table[find_node(s, rows[row, IN_KEYS + column])] - 1
            mine[column] = node
            if node != NONE:
                fetch(s.port_head, s.node_port[node])
                fetch(s.node_key, s.node_parent[node])
                fetch(s.node_sizes, s.node_parent[node])
        for link in range(p.links.shape[0] if tabled else 0):
            source, target = mine[p.links[link, L_FROM]], mine[p.links[link, L_TO]]
            if source != NONE and target != NONE:
                fetch(s.pair_table, spread(pair_key(source, target, link)) & mask)


@inlined
def _fetch_pairs(s: State, p: Program, count: int, trail: Words) -> None:
    """The payments' pairs, and those at the front of the lists in which they stand."""
    mask, flow = s.pair_table.size - 1, p.shape[S_FLOW]
    first = trail.shape[1] - LISTS
    for row in range(count):
        mine = trail[row]
        for link in range(p.links.shape[0]):
            source, target = mine[p.links[link, L_FROM]], mine[p.links[link, L_TO]]
            if source != NONE and target != NONE and is_tabled(s, p, source, target, link):
                fetch(s.pair_table, spread(pair_key(source, target, link)) & mask)
            if source != NONE:
                fetch_pair(s, s.port_head[s.node_port[source] + p.links[link, L_FROM_PORT]])
            if target != NONE:
                fetch_pair(s, s.port_head[s.node_port[target] + p.links[link, L_TO_PORT]])
        for place in range(LISTS):
            mine[first + place] = NONE
            if p.shape[S_FANS]:
                node, side = mine[p.links[flow, L_FROM + (place >> 1)]], place & 1
                if node != NONE and p.links[flow, L_FROM_TYPE + side] == s.node_type[node]:
                    mine[first + place] = s.port_head[s.node_port[node] + p.links[flow, L_FROM_PORT + side]]
    if p.shape[S_FANS]:
        for _ in range(_DEEP):
            for row in range(count):
                for place in range(LISTS):
                    pair = trail[row, first + place]
                    if pair != NONE:
                        pair = s.pair_next[pair, place & 1]
                        fetch_pair(s, pair)
                        trail[row, first + place] = pair


@inlined
def _fetch_flows(s: State, p: Program, count: int, trail: Words) -> None:
    """The latest payments of payer and payee, and who the others were."""
    mask, oldest, flow = s.flow.shape[0] - 1, s.counters[FLOWS_OLDEST], p.shape[S_FLOW]
    first = trail.shape[1] - LISTS
    for row in range(count):
        for place in range(LISTS):
            node = trail[row, p.links[flow, L_FROM + (place >> 1)]]
            sequence = NONE
            if node != NONE:
                sequence = s.node_in[node] if place & 1 else s.node_out[node]
                fetch(s.flow, sequence & mask)
            trail[row, first + place] = sequence
    for _ in range(_DEEP):
        for row in range(count):
            for place in range(LISTS):
                sequence = trail[row, first + place]
                if sequence >= oldest:
                    one = s.flow[sequence & mask]
                    fetch(s.node_port, one[F_PAYER] if place & 1 else one[F_PAYEE])
                    sequence = one[F_BEFORE_OUT + (place & 1)]
                    fetch(s.flow, sequence & mask)
                    trail[row, first + place] = sequence


@inlined
def _fetch_further(s: State, p: Program, row: int, trail: Words) -> None:
    """The latest payments of those others, and whom they lead to: what searches for shapes look at."""
    mask, oldest, flow = s.flow.shape[0] - 1, s.counters[FLOWS_OLDEST], p.shape[S_FLOW]
    count, most, ends = 0, s.found_until.size - 1, s.found_until
    for place in (_PAYER_OUT, _PAYER_IN, _PAYEE_IN):
        node, sequence = trail[row, p.links[flow, L_FROM + (place >> 1)]], NONE
        if node != NONE:
            sequence = s.node_in[node] if place & 1 else s.node_out[node]
        for _ in range(_DEEP):
            if sequence < oldest or count >= most:
                break
            one = s.flow[sequence & mask]
            other = one[F_PAYER] if place & 1 else one[F_PAYEE]
            if place != _PAYER_OUT:
                fetch(s.flow, s.node_in[other] & mask)
                ends[count] = 2 * s.node_in[other] + 1
                count += 1
            if place != _PAYER_IN:
                fetch(s.flow, s.node_out[other] & mask)
                ends[count] = 2 * s.node_out[other]
                count += 1
            sequence = one[F_BEFORE_OUT + (place & 1)]
    for _ in range(_DEEP):
        left = 0
        for place in range(count):
            sequence, side = ends[place] >> 1, ends[place] & 1
            if sequence >= oldest:
                one = s.flow[sequence & mask]
                fetch(s.flow, one[F_BEFORE_OUT + side] & mask)
                ends[left] = 2 * one[F_BEFORE_OUT + side] + side
                left += 1
        count = left
