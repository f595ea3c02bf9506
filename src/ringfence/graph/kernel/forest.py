"""Connectivity over a sliding window: a forest of those edges that expire last.

Two nodes are connected by links that all live until `t` exactly if the edges of the forest that live until
`t` connect them. An edge goes from a node to one with a larger key, so that the forest is a function of the
links alone, whatever their order. Expired edges are cut one by one, and the sizes above them shrink.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.features.kernel.jit import inlined
from ringfence.graph.kernel.layout import CHANGES, FREE
from ringfence.graph.kernel.timeline import queue_edge

if TYPE_CHECKING:
    from ringfence.graph.kernel.layout import Program, State


@inlined
def climb(s: State, node: int, until: int) -> int:
    """The highest node that edges living until then lead to."""
    while s.node_parent[node] != node and s.node_until[node] >= until:
        node = s.node_parent[node]
    return node


@inlined
def root_of(s: State, node: int) -> int:
    """The top of its component; expired edges have been cut."""
    while s.node_parent[node] != node:
        node = s.node_parent[node]
    return node


@inlined
def add_sizes(s: State, node: int, above: int, sign: int) -> None:
    """Add, or take away, what hangs below a node to that of `above` and of all above it."""
    while True:
        for kind in range(s.node_sizes.shape[1]):
            s.node_sizes[above, kind] += sign * s.node_sizes[node, kind]
        if s.node_parent[above] == above:
            return
        above = s.node_parent[above]


@inlined
def connect(s: State, p: Program, one: int, other: int, until: int) -> None:
    """A link between two nodes that lives until then: it may displace edges, which go in again."""
    while True:
        one, other = climb(s, one, until), climb(s, other, until)
        if one == other:
            return
        if s.node_key[one] > s.node_key[other]:
            one, other = other, one
        parent, before = s.node_parent[one], s.node_until[one]
        if parent != one:
            add_sizes(s, one, parent, -1)
        s.node_parent[one] = other
        s.node_until[one] = until
        add_sizes(s, one, other, 1)
        s.counters[CHANGES] += 1
        if s.node_wait[one] == FREE:
            queue_edge(s, p, one)
        if parent == one:
            return
        other, until = parent, before
