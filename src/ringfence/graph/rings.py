"""Questions to the graph as it stands: who is next to whom, the ring around an entity, a path between two.

They are asked of `Links`, a port: in process of the SQLite file that a follower keeps. Every question is
bounded, and says what it left out.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from ringfence.features.links import Graph

MOST_NODES: Final = 2000
"""Of a ring, unless somebody asks for fewer."""

_LEAST_MEMBERS: Final = 3

MOST_PAIRS: Final = 1000
"""Live pairs of one node and link type that a question looks at, newest first."""


class Node(NamedTuple):
    """A kind of thing and its id, as events have it."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True)
class Pair:
    """All live links of one type between two nodes. Times are ms, amounts thousandths of a major unit."""

    link: int
    source: Node
    target: Node
    first_ms: int
    last_ms: int
    count: int
    amount: int


class Links(Protocol):
    """The live links, for whoever implements a store of them; any thread may ask, each call may block."""

    @property
    def graph(self) -> Graph:
        """Their declaration."""
        ...

    def pairs(self, node: Node, limit: int) -> list[Pair]:
        """Live pairs that a node is an end of, newest first, at most `limit` for each link type and side."""
        ...

    def sharers(self, link: int, target: str, limit: int) -> int:
        """Distinct entities with a live link of a type to this id, counted up to `limit`."""
        ...

    def among(self, nodes: Collection[Node]) -> list[Pair]:
        """Live payments from one of these nodes to another."""
        ...

    def frauds(self, nodes: Collection[Node]) -> dict[Node, int]:
        """How many payments of each of these nodes are known to be fraud; only of those that have any."""
        ...


@dataclass(frozen=True, slots=True)
class FoundRing:
    """A ring as the macro analysis has found it: it grows, and keeps its number."""

    number: int
    score: float
    size: int
    reasons: tuple[str, ...]
    start: Node
    found_ms: int
    changed_ms: int


class LinkBook(Links, Protocol):
    """The links of a data folder, and the rings that were found among them, as of one moment; one thread."""

    @property
    def now_ms(self) -> int:
        """Event time that the links have come to, 0 where there are none."""
        ...

    def find(self, kind: str, identity: str) -> Node | None:
        """The node, None where it has no live link."""
        ...

    def stopped(self, nodes: Collection[Node]) -> int:
        """How many of these nodes made a payment that was reviewed or declined."""
        ...

    def rings(self, limit: int) -> list[FoundRing]:
        """Rings that the macro analysis has found, the highest score first."""
        ...

    def every(self) -> Iterator[Pair]:
        """All live pairs."""
        ...


@dataclass(frozen=True, slots=True)
class RingNews:
    """What became known of a ring: it was found, it grew, or others became part of it.

    Attributes:
        number: of this piece of news, ascending.
        alert: of the ring, the same for all that is told of it.
        members: all of its subjects by now; `joined`: those whom a flag is to hold from now on.
    """

    number: int
    alert: str
    title: str
    score: float
    members: tuple[Node, ...]
    joined: tuple[Node, ...]
    at_ms: int
    until_ms: int


@dataclass(slots=True)
class Ring:
    """What links that join connect with a node.

    Attributes:
        nodes: its members, with how many links lead there from the start.
        pairs: the links between them that join; `payments`: what members paid to members.
        hubs: ids that were reached and not gone through, with how many share them or that they are open.
        shapes: of laundering that the start is part of, in sentences.
        by_shape: members that no link joins, with how many shapes they take part in.
        cut: whether there are more members than were looked for.
        of: members of the whole, where this is its dense part; 0 where it is all.
    """

    start: Node
    nodes: dict[Node, int]
    pairs: list[Pair] = field(default_factory=list)
    payments: list[Pair] = field(default_factory=list)
    hubs: dict[Node, str] = field(default_factory=dict)
    frauds: dict[Node, int] = field(default_factory=dict)
    shapes: list[str] = field(default_factory=list)
    by_shape: dict[Node, int] = field(default_factory=dict)
    cut: bool = False
    of: int = 0

    def of_kind(self, kind: str) -> list[str]:
        """Ids of the members of a kind, nearest first."""
        return [node.id for node in self.nodes if node.kind == kind]


def ring_around(links: Links, start: Node, most: int = MOST_NODES) -> Ring:
    """The ring around a node: itself alone where nothing joins it to anybody.

    Whether an id joins those who share it is asked as things stand now: it is not open to all, and has at
    most `cap` entities.
    """
    graph = links.graph
    ring = Ring(start, {start: 0})
    waiting, seen = deque([start]), set()
    while waiting:
        node = waiting.popleft()
        for pair in links.pairs(node, MOST_PAIRS):
            key = (pair.link, pair.source, pair.target)
            if key in seen or not _joins(links, ring, pair):
                continue
            seen.add(key)
            other = pair.target if node == pair.source else pair.source
            if other not in ring.nodes:
                if len(ring.nodes) >= most:
                    ring.cut = True
                    continue
                ring.nodes[other] = ring.nodes[node] + 1
                waiting.append(other)
            ring.pairs.append(pair)
    members = [node for node in ring.nodes if node.kind in entities_of(graph)]
    ring.frauds = links.frauds(members)
    ring.payments = links.among(members) if graph.flow else []
    return ring


def _joins(links: Links, ring: Ring, pair: Pair) -> bool:
    link = links.graph.links[pair.link]
    if not link.cap or pair.target in ring.hubs:
        return False
    if pair.target.id in link.open_to_all:
        ring.hubs[pair.target] = "open to all"
    elif links.sharers(pair.link, pair.target.id, link.cap + 1) > link.cap:
        ring.hubs[pair.target] = f"more than {link.cap} share it"
    return pair.target not in ring.hubs


def entities_of(graph: Graph) -> set[str]:
    """Kinds of things that act; the others are what they share."""
    paid = {link.target for link in graph.links if link.is_payment}
    return {link.source for link in graph.links} | paid


def path_between(links: Links, start: Node, end: Node, most: int = MOST_NODES) -> tuple[list[Pair], bool]:
    """A shortest way from one node to another over any live links, and whether the search ended early.

    Empty where there is none; of hubs only the newest links are looked at.
    """
    came: dict[Node, Pair | None] = {start: None}
    waiting, cut = deque([start]), False
    while waiting and end not in came:
        node = waiting.popleft()
        for pair in links.pairs(node, MOST_PAIRS):
            other = pair.target if node == pair.source else pair.source
            if other in came:
                continue
            if len(came) >= most and other != end:
                cut = True
                continue
            came[other] = pair
            waiting.append(other)
    way: list[Pair] = []
    node = end
    while (pair_back := came.get(node)) is not None:
        way.append(pair_back)
        node = pair_back.source if node == pair_back.target else pair_back.target
    return way[::-1], cut and not way


def why(ring: Ring, graph: Graph) -> list[str]:
    """In sentences, why the members belong together and what speaks against them."""
    kinds = [kind for kind in graph.types if kind in entities_of(graph)]
    counts = {kind: len(ring.of_kind(kind)) for kind in kinds}
    found = []
    for number, link in enumerate(graph.links):
        pairs = [pair for pair in ring.pairs if pair.link == number]
        sharers = _by_target(pairs)
        shared = {target: many for target, many in sharers.items() if many > 1}
        if shared:
            most = max(shared.values())
            many = len(shared) > 1
            verb = ("are" if many else "is") + (" paid by" if link.is_payment else " used by")
            ids = f"{len(shared)} {link.name}{'s' if many else ''} {verb}"
            found.append(
                f"{ids} {f'several {link.source}s, up to {most}' if many else f'{most} {link.source}s'}"
            )
    if ring.frauds:
        found.append(f"{len(ring.frauds)} of {sum(counts.values())} had confirmed fraud")
    if ring.payments:
        total = sum(pair.amount for pair in ring.payments) / 1000
        count = sum(pair.count for pair in ring.payments)
        found.append(f"{count:,} payments of {total:,.2f} in total went from members to members")
    if ring.of:
        found.append(f"the dense part of {ring.of:,} that links join")
    return found + ring.shapes


def score_of(ring: Ring, graph: Graph, stopped: int) -> tuple[float, list[str]]:
    """How much speaks for fraud, 0 to 100, and why; 0 for fewer than three entities together.

    Size, confirmed fraud, stopped payments (`stopped` members have one), money that stays among the members
    and shapes of laundering are signs that add up: each takes its share of what the others leave.
    """
    members = [node for node in ring.nodes if node.kind in entities_of(graph)]
    mine = [node for node in members if node.kind == graph.subject]
    if len(mine) < _LEAST_MEMBERS:
        return 0.0, []
    signs = [
        min(0.5, 0.05 * (len(mine) - 1)),
        min(0.6, 0.3 * len(ring.frauds)),
        0.5 * stopped / len(mine),
        0.2 if ring.payments else 0.0,
        min(0.7, 0.4 * len(ring.shapes)),
    ]
    left = 1.0
    for sign in signs:
        left *= 1 - sign
    reasons = why(ring, graph)
    if stopped:
        reasons.append(f"{stopped} of {len(mine)} made payments that were reviewed or declined")
    return round(100 * (1 - left), 1), reasons


def _by_target(pairs: Iterable[Pair]) -> dict[Node, int]:
    found: dict[Node, int] = {}
    for pair in pairs:
        found[pair.target] = found.get(pair.target, 0) + 1
    return found
