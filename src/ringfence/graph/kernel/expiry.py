"""What time does: edges of the forest are cut, pairs and nodes without a live link are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.features.kernel.jit import inlined, kernel
from ringfence.graph.kernel.forest import add_sizes
from ringfence.graph.kernel.layout import (
    EDGE_BUCKET,
    EDGE_HEAP,
    F_SEEN,
    FLOWS_END,
    FLOWS_OLDEST,
    FREE,
    GROUP,
    GROUP_BITS,
    KNOWN,
    L_FROM_PORT,
    L_TO_PORT,
    NODE_FREE,
    NODES,
    NONE,
    PAIR_BUCKET,
    PAIR_FREE,
    PAIR_HEAP,
    PAIRS,
    PAIRS_TOP,
    PAYMENTS_END,
    PAYMENTS_OLDEST,
    S_GRAIN,
    S_LISTS,
    S_LONGEST,
    S_MEMORY,
    WORD,
    WORD_BITS,
)
from ringfence.graph.kernel.tables import (
    find_node,
    find_paid,
    link_of,
    remove_node,
    take_out_node,
    take_out_paid,
    untable_pair,
)
from ringfence.graph.kernel.timeline import (
    NEVER,
    pair_end,
    pop,
    queue_edge,
    queue_group,
    queue_pair,
    steps_to,
)

if TYPE_CHECKING:
    from ringfence.graph.kernel.layout import Program, State


@kernel
def cut(s: State, p: Program, node: int, now: int) -> None:
    """An edge's turn has come: it is cut, or waits on where it was renewed meanwhile."""
    if s.node_until[node] > now:
        queue_edge(s, p, node)
        return
    s.node_wait[node] = FREE
    add_sizes(s, node, s.node_parent[node], -1)
    s.node_parent[node] = node


@inlined
def leave(s: State, p: Program, pair: int, side: int) -> None:
    """Take a pair out of the list on one of its sides."""
    before, after = s.pair_before[pair, side], s.pair_next[pair, side]
    if before == NONE:
        s.port_head[port_of(s, p, pair, side)] = after
    else:
        s.pair_next[before, side] = after
    if after != NONE:
        s.pair_before[after, side] = before


@inlined
def port_of(s: State, p: Program, pair: int, side: int) -> int:
    """The port at which a pair's list on one of its sides begins."""
    link = link_of(s, pair)
    if side == 0:
        return s.node_port[s.pair_from[pair]] + p.links[link, L_FROM_PORT]
    return s.node_port[s.pair_to[pair]] + p.links[link, L_TO_PORT]


@inlined
def enter(s: State, p: Program, pair: int, side: int) -> None:
    """Put a pair at the front of the list on one of its sides."""
    port = port_of(s, p, pair, side)
    head = s.port_head[port]
    s.pair_before[pair, side] = NONE
    s.pair_next[pair, side] = head
    if head != NONE:
        s.pair_before[head, side] = pair
    s.port_head[port] = pair


@kernel
def release(s: State, node: int) -> None:
    """Forget a node that no link and no confirmed fraud holds."""
    take_out_node(s, s.node_table, find_node(s, s.node_key[node]))
    if s.node_larger.size > 1:
        remove_node(s, s.node_larger, node)
    kind = s.node_type[node]
    block = s.node_port[node]
    s.port_head[block] = s.port_free[kind]
    s.port_free[kind] = block
    s.node_wait[node] = s.counters[NODE_FREE]
    s.node_type[node] = NONE
    s.counters[NODE_FREE] = node
    s.counters[NODES] -= 1


@kernel
def let_go(s: State, node: int) -> None:
    """A node lost a pair."""
    s.node_live[node] -= 1
    if s.node_live[node] == 0 and s.node_fraud[node] == 0:
        release(s, node)


@kernel
def part(s: State, p: Program, pair: int) -> None:
    """Forget a pair."""
    source, target = s.pair_from[pair], s.pair_to[pair]
    untable_pair(s, pair)
    for side in range(2):
        if p.shape[S_LISTS]:
            leave(s, p, pair, side)
        s.port_count[port_of(s, p, pair, side)] -= 1
    s.pair_from[pair], s.pair_to[pair] = NONE, s.counters[PAIR_FREE]
    s.counters[PAIR_FREE] = pair
    s.counters[PAIRS] -= 1
    let_go(s, source)
    let_go(s, target)


@kernel
def part_group(s: State, p: Program, group: int, now: int) -> None:
    """A group's turn has come: what has expired is forgotten, the rest waits on."""
    first, when = group << GROUP_BITS, NEVER
    s.group_wait[group] = FREE
    for pair in range(first, min(first + GROUP, s.counters[PAIRS_TOP])):
        if s.pair_from[pair] != NONE:
            end = pair_end(s, p, pair)
            if end <= now:
                part(s, p, pair)
            else:
                when = min(when, end)
    if when != NEVER:
        queue_group(s, p, group, when)


@kernel
def part_early(s: State, p: Program, pair: int, now: int) -> None:
    """The turn has come of a pair that does not wait for its group's."""
    if s.pair_from[pair] == NONE:
        return
    if pair_end(s, p, pair) <= now:
        part(s, p, pair)
    else:
        queue_pair(s, p, pair)


@inlined
def expire_edges(s: State, p: Program, now: int) -> None:
    """Cut every edge of the forest that does not live beyond now."""
    ring, last = s.edge_buckets.size, now // p.shape[S_GRAIN]
    bucket = steps_to(s, p, EDGE_BUCKET, now, ring)
    while True:
        while s.counters[EDGE_HEAP] > 0 and s.edge_heap[0, 0] <= now:
            node = s.edge_heap[0, 1]
            pop(s.edge_heap, s.counters[EDGE_HEAP])
            s.counters[EDGE_HEAP] -= 1
            cut(s, p, node, now)
        if bucket > last:
            return
        s.counters[EDGE_BUCKET] = bucket
        node = s.edge_buckets[bucket & (ring - 1)]
        s.edge_buckets[bucket & (ring - 1)] = NONE
        while node != NONE:
            after = s.node_wait[node]
            cut(s, p, node, now)
            node = after
        bucket += 1


@inlined
def expire_pairs(s: State, p: Program, now: int) -> None:
    """Forget every pair that does not live beyond now; after the edges, which never outlive all pairs."""
    ring, last = s.pair_buckets.size, now // p.shape[S_GRAIN]
    bucket = steps_to(s, p, PAIR_BUCKET, now, ring)
    while True:
        while s.counters[PAIR_HEAP] > 0 and s.pair_heap[0, 0] <= now:
            number = s.pair_heap[0, 1]
            pop(s.pair_heap, s.counters[PAIR_HEAP])
            s.counters[PAIR_HEAP] -= 1
            if number < 0:
                part_early(s, p, -1 - number, now)
            else:
                part_group(s, p, number, now)
        if bucket > last:
            return
        s.counters[PAIR_BUCKET] = bucket
        group = s.pair_buckets[bucket & (ring - 1)]
        s.pair_buckets[bucket & (ring - 1)] = NONE
        while group != NONE:
            after = s.group_wait[group]
            part_group(s, p, group, now)
            group = after
        bucket += 1


@kernel
def blame(s: State, key: int, change: int) -> None:
    """One more, or one less, payment of the node with this key is known to be fraud."""
    place = find_node(s, key)
    if s.node_table[place] == 0:
        return
    node = s.node_table[place] - 1
    before, one = s.node_fraud[node], np.int64(1)
    s.node_fraud[node] += change
    if before == 0:
        s.counters[KNOWN] += 1
        s.known_nodes[node >> WORD_BITS] |= one << (node & WORD)
    elif s.node_fraud[node] == 0:
        s.counters[KNOWN] -= 1
        s.known_nodes[node >> WORD_BITS] &= ~(one << (node & WORD))
        if s.node_live[node] == 0:
            release(s, node)


@inlined
def expire_payments(s: State, p: Program, now: int) -> None:
    """Forget payments that labels can no longer name, with what they say of those who made them."""
    mask = s.paid_clock.size - 1
    while s.counters[PAYMENTS_OLDEST] < s.counters[PAYMENTS_END]:
        place = s.counters[PAYMENTS_OLDEST] & mask
        if s.paid_clock[place] + p.shape[S_MEMORY] > now:
            return
        take_out_paid(s.paid_keys, s.paid_table, find_paid(s, s.paid_keys[place, 0]))
        if s.paid_fraud[place]:
            for side in range(1, 3):
                if s.paid_keys[place, side] != 0:
                    blame(s, s.paid_keys[place, side], -1)
        s.counters[PAYMENTS_OLDEST] += 1


@inlined
def expire_flows(s: State, p: Program, now: int) -> None:
    """Forget payments that no window reaches."""
    mask = s.flow.shape[0] - 1
    while (
        s.counters[FLOWS_OLDEST] < s.counters[FLOWS_END]
        and s.flow[s.counters[FLOWS_OLDEST] & mask, F_SEEN] + p.shape[S_LONGEST] <= now
    ):
        s.counters[FLOWS_OLDEST] += 1
