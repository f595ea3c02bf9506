"""Rings and links as the API, the command line and the dashboard give them. Amounts are in major units."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from ringfence.graph.rings import entities_of, score_of, why

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ringfence.features.links import Graph
    from ringfence.graph.rings import FoundRing, LinkBook, Node, Pair, Ring


class NodeView(msgspec.Struct, frozen=True):
    """A kind of thing and its id."""

    kind: str
    id: str


class PairView(msgspec.Struct, frozen=True):
    """All live links of one type between two nodes."""

    type: str
    source: NodeView
    target: NodeView
    first_ms: int
    last_ms: int
    count: int
    amount: float


class MemberView(msgspec.Struct, frozen=True):
    """A node of a ring: links away from where it was looked from, and its payments that were fraud."""

    kind: str
    id: str
    hops: int
    frauds: int
    is_entity: bool


class HubView(msgspec.Struct, frozen=True):
    """An id that joins nobody, and why."""

    kind: str
    id: str
    why: str


class RingView(msgspec.Struct, frozen=True):
    """The ring around a node. `cut`: it has more members than were looked for."""

    start: NodeView
    score: float
    why: list[str]
    members: list[MemberView]
    links: list[PairView]
    payments: list[PairView]
    hubs: list[HubView]
    cut: bool


class NeighboursView(msgspec.Struct, frozen=True):
    """What a node is linked to, newest first. `cut`: kinds of link of which there are more."""

    node: NodeView
    links: list[PairView]
    cut: list[str]


class FoundRingView(msgspec.Struct, frozen=True):
    """A ring that the macro analysis found around a payment that was reviewed or declined."""

    ring: int
    score: float
    members: int
    why: list[str]
    start: NodeView
    found_ms: int
    changed_ms: int


class RingsView(msgspec.Struct, frozen=True):
    """Rings that were found, the highest score first."""

    rings: list[FoundRingView]


def node_of(node: Node) -> NodeView:
    """A node."""
    return NodeView(node.kind, node.id)


def pair_of(pair: Pair, graph: Graph) -> PairView:
    """A pair."""
    ends = node_of(pair.source), node_of(pair.target)
    title = graph.links[pair.link].title
    return PairView(title, *ends, pair.first_ms, pair.last_ms, pair.count, pair.amount / 1000)


def ring_of(ring: Ring, graph: Graph, stopped: int = 0) -> RingView:
    """A ring; `stopped` members made payments that were reviewed or declined."""
    score, reasons = score_of(ring, graph, stopped)
    acting = entities_of(graph)
    return RingView(
        node_of(ring.start),
        score,
        reasons or why(ring, graph),
        [
            MemberView(node.kind, node.id, hops, ring.frauds.get(node, 0), node.kind in acting)
            for node, hops in ring.nodes.items()
        ],
        [pair_of(pair, graph) for pair in ring.pairs],
        [pair_of(pair, graph) for pair in ring.payments],
        [HubView(hub.kind, hub.id, reason) for hub, reason in ring.hubs.items()],
        ring.cut,
    )


def neighbours_of(node: Node, book: LinkBook, limit: int) -> NeighboursView:
    """What a node is linked to: of each kind of link and each direction, at most so many."""
    lists = Counter[tuple[int, bool]]()
    shown = []
    for pair in book.pairs(node, limit + 1):
        lists[pair.link, pair.source == node] += 1
        if lists[pair.link, pair.source == node] <= limit:
            shown.append(pair_of(pair, book.graph))
    longer = {link for (link, _), count in lists.items() if count > limit}
    return NeighboursView(node_of(node), shown, [book.graph.links[link].title for link in sorted(longer)])


def rings_of(found: Iterable[FoundRing]) -> RingsView:
    """Rings that were found."""
    return RingsView(
        [
            FoundRingView(
                one.number,
                one.score,
                one.size,
                list(one.reasons),
                node_of(one.start),
                one.found_ms,
                one.changed_ms,
            )
            for one in found
        ]
    )
