"""What expires when: buckets of time in a ring, of which the current one is a heap.

There are two timelines, of the forest's edges and of pairs. An entry waits once, at or before the time at
which it expires; whatever lives longer by then is put where it belongs. So an expiry that moves later costs
nothing when it moves. Pairs with neighbouring numbers wait together, for the first that expires.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ringfence.features.kernel.jit import inlined, kernel
from ringfence.graph.kernel.layout import (
    EDGE_BUCKET,
    EDGE_HEAP,
    FREE,
    GROUP_BITS,
    L_TTL,
    NONE,
    PAIR_BUCKET,
    PAIR_HEAP,
    S_GRAIN,
)
from ringfence.graph.kernel.tables import last_of, link_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ringfence.graph.kernel.layout import Program, State

NEVER = 1 << 62
"""Later than any expiry."""


@inlined
def pair_end(s: State, p: Program, pair: int) -> int:
    """When the last link of a pair expires."""
    return last_of(s, pair) + p.links[link_of(s, pair), L_TTL]


@kernel
def push(heap: NDArray[np.int64], count: int, key: int, number: int) -> None:
    """Put an entry into a heap of `count`."""
    at = count
    while at > 0:
        above = (at - 1) >> 1
        if heap[above, 0] <= key:
            break
        heap[at, 0], heap[at, 1] = heap[above, 0], heap[above, 1]
        at = above
    heap[at, 0], heap[at, 1] = key, number


@kernel
def pop(heap: NDArray[np.int64], count: int) -> None:
    """Take the first entry out of a heap of `count`."""
    last = count - 1
    key, number = heap[last, 0], heap[last, 1]
    at = 0
    while True:
        below = 2 * at + 1
        if below >= last:
            break
        if below + 1 < last and heap[below + 1, 0] < heap[below, 0]:
            below += 1
        if heap[below, 0] >= key:
            break
        heap[at, 0], heap[at, 1] = heap[below, 0], heap[below, 1]
        at = below
    heap[at, 0], heap[at, 1] = key, number


@kernel
def queue_edge(s: State, p: Program, node: int) -> None:
    """Have a node's edge wait for its expiry."""
    wide: Any = s.node_until[node]
    bucket = wide // p.shape[S_GRAIN]
    if bucket <= s.counters[EDGE_BUCKET]:
        push(s.edge_heap, s.counters[EDGE_HEAP], s.node_until[node], node)
        s.counters[EDGE_HEAP] += 1
        s.node_wait[node] = NONE
    else:
        place = bucket & (s.edge_buckets.size - 1)
        s.node_wait[node] = s.edge_buckets[place]
        s.edge_buckets[place] = node


@kernel
def queue_group(s: State, p: Program, group: int, when: int) -> None:
    """Have a group of pairs wait until then."""
    wide: Any = when
    bucket = wide // p.shape[S_GRAIN]
    s.group_when[group] = when
    if bucket <= s.counters[PAIR_BUCKET]:
        push(s.pair_heap, s.counters[PAIR_HEAP], when, group)
        s.counters[PAIR_HEAP] += 1
        s.group_wait[group] = NONE
    else:
        place = bucket & (s.pair_buckets.size - 1)
        s.group_wait[group] = s.pair_buckets[place]
        s.pair_buckets[place] = group


@kernel
def queue_pair(s: State, p: Program, pair: int) -> None:
    """Have a pair wait for its expiry with its group, or in the heap by itself if the group's comes later."""
    group, end = pair >> GROUP_BITS, pair_end(s, p, pair)
    if s.group_wait[group] == FREE:
        queue_group(s, p, group, end)
    elif end < s.group_when[group]:
        push(s.pair_heap, s.counters[PAIR_HEAP], end, -1 - pair)
        s.counters[PAIR_HEAP] += 1


@inlined
def steps_to(s: State, p: Program, counter: int, now: int, ring: int) -> int:
    """The first bucket to look at so that, ring round at most, all up to the one of now are looked at."""
    return max(s.counters[counter] + 1, now // p.shape[S_GRAIN] - ring + 1)
