"""Shapes of laundering around an entity, in money that moved: circles, scatter–gather, chains.

The macro analysis looks beside the decisions, so it has more time than a signal: it takes the payments within
three steps of the entity, at most `MOST_NODES` others, and says which of them make a shape that the entity
is part of.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ringfence.graph.rings import Ring, ring_around

if TYPE_CHECKING:
    from ringfence.graph.rings import Links, Node, Pair

MOST_NODES: Final = 200
_STEPS: Final = 3
_NEWEST: Final = 25  # pairs of a node on either side
_LONGEST: Final = 10
_MIDDLES: Final = 3
_HUB: Final = 100  # payers of an account, or payees: one with more is a business, and part of no shape
_CHAIN: Final = 4  # accounts
_WITHIN_MS: Final = 2 * 86_400_000  # money rests no longer in a chain
_KEPT: Final = (0.7, 1.05)  # of what came in goes on


@dataclass(frozen=True, slots=True)
class Shape:
    """Payments that belong together. Amounts are thousandths of a major unit, times ms.

    Attributes:
        kind: circle, scatter–gather or chain.
        nodes: in the order in which money came to them.
    """

    kind: str
    nodes: tuple[Node, ...]
    pairs: tuple[Pair, ...]

    @property
    def sentence(self) -> str:
        """As an analyst reads it."""
        amount = sum(pair.amount for pair in self.pairs) / 1000
        names = " → ".join(node.id for node in self.nodes[:_LONGEST])
        if self.kind == "scatter–gather":
            middle = len(self.nodes) - 2
            names = f"{self.nodes[0].id} → {middle} others → {self.nodes[-1].id}"
        return f"money moved in a {self.kind}: {names}, {amount:,.2f} in all"


def ring_and_shapes(links: Links, start: Node, most: int) -> Ring:
    """The ring around a node, with the shapes that it is part of and those who take part in them."""
    ring = ring_around(links, start, most)
    for shape in shapes_around(links, start):
        ring.shapes.append(shape.sentence)
        for node in dict.fromkeys(shape.nodes):
            if node in ring.by_shape or (node not in ring.nodes and len(ring.nodes) < most):
                ring.nodes.setdefault(node, 1)
                ring.by_shape[node] = ring.by_shape.get(node, 0) + 1
        ring.payments += [pair for pair in shape.pairs if pair not in ring.payments]
    ring.frauds = ring.frauds | links.frauds(ring.by_shape)
    return ring


def shapes_around(links: Links, start: Node) -> list[Shape]:
    """At most one of each kind; none where payees cannot pay in turn."""
    flow = links.graph.flow
    if flow is None or flow.source != flow.target or start.kind != flow.source:
        return []
    paid = _around(links, start, links.graph.links.index(flow))
    found = [_circle_through(paid, start), _scatter_gather(paid, start), _chain(paid, start)]
    return [shape for shape in found if shape is not None]


def _around(links: Links, start: Node, flow: int) -> dict[Node, list[Pair]]:
    """Payments by payer, earliest first, between nodes near the start."""
    seen, rim, pairs, hubs = {start}, [start], set(), set()
    for _ in range(_STEPS):
        further = []
        for node in rim:
            found = [pair for pair in links.pairs(node, _NEWEST) if pair.link == flow]
            if _is_hub(links, node, flow, found):
                hubs.add(node)
                continue
            for pair in found:
                other = pair.target if node == pair.source else pair.source
                if other not in seen and len(seen) <= MOST_NODES:
                    seen.add(other)
                    further.append(other)
                if other in seen:
                    pairs.add(pair)
        rim = further
    paid: dict[Node, list[Pair]] = defaultdict(list)
    for pair in sorted(pairs, key=lambda one: (one.first_ms, one.target)):
        if pair.source not in hubs and pair.target not in hubs:
            paid[pair.source].append(pair)
    return paid


def _is_hub(links: Links, node: Node, flow: int, newest: list[Pair]) -> bool:
    """Whether a node has so many partners on either side; asked only where the newest pairs were cut."""
    out = sum(pair.source == node for pair in newest)
    if max(out, len(newest) - out) < _NEWEST:
        return False
    pairs = [pair for pair in links.pairs(node, _HUB + 1) if pair.link == flow]
    out = sum(pair.source == node for pair in pairs)
    return max(out, len(pairs) - out) > _HUB


def _moment(pair: Pair, after_ms: int) -> int | None:
    """When money that came then can have gone on by these payments."""
    if pair.first_ms >= after_ms:
        return pair.first_ms
    return pair.last_ms if pair.last_ms >= after_ms else None


def _circle_through(paid: dict[Node, list[Pair]], node: Node) -> Shape | None:
    """A circle that the node is part of, wherever it began."""
    for start in dict.fromkeys((node, *list(paid))):
        shape = _circle(paid, start)
        if shape is not None and node in shape.nodes:
            return shape
    return None


def _circle(paid: dict[Node, list[Pair]], start: Node) -> Shape | None:
    """The shortest way of money back to the start, in order of time."""
    ways: list[tuple[Node, int, tuple[Pair, ...]]] = [(start, 0, ())]
    earliest: dict[Node, int] = {}
    for _ in range(_LONGEST):
        further = []
        for node, at_ms, way in ways:
            for pair in paid.get(node, ()):
                moment = _moment(pair, at_ms)
                if moment is None:
                    continue
                if pair.target == start:
                    if len(way) < _MIDDLES - 1:
                        continue  # two who pay each other are no circle
                    nodes = (*(one.source for one in (*way, pair)), start)
                    return Shape("circle", nodes, (*way, pair))
                if moment < earliest.get(pair.target, moment + 1):
                    earliest[pair.target] = moment
                    further.append((pair.target, moment, (*way, pair)))
        ways = further
    return None


def _scatter_gather(paid: dict[Node, list[Pair]], start: Node) -> Shape | None:
    """The most nodes over which one source reached one target, the start being any of them.

    Each passed on nearly all of it and soon: one employer and one landlord in common are no sign.
    """
    best: tuple[Pair, ...] = ()
    for source in list(paid):
        over: dict[Node, list[tuple[Pair, Pair]]] = defaultdict(list)
        for first in paid[source]:
            for second in paid.get(first.target, ()):
                if second.target != source and _goes_on(first, second):
                    over[second.target].append((first, second))
        for target, ways in over.items():
            takes_part = start in (source, target, *(first.target for first, _ in ways))
            if takes_part and len(ways) >= _MIDDLES and 2 * len(ways) > len(best):
                best = (*(first for first, _ in ways), *(second for _, second in ways))
    if not best:
        return None
    half = len(best) // 2
    nodes = (best[0].source, *(pair.target for pair in best[:half]), best[-1].target)
    return Shape("scatter–gather", nodes, best)


def _chain(paid: dict[Node, list[Pair]], start: Node) -> Shape | None:
    """Money that went on from hand to hand, nearly all of it and soon, before the start and after it."""
    came: dict[Node, list[Pair]] = defaultdict(list)
    for pairs in paid.values():
        for pair in pairs:
            came[pair.target].append(pair)
    best: tuple[Pair, ...] = ()
    for first in paid.get(start, ()):
        way, seen = [first], {start, first.target}
        while following := _next(paid.get(way[-1].target, ()), way[-1], seen):
            way.append(following)
            seen.add(following.target)
        while before := _before(came.get(way[0].source, ()), way[0], seen):
            way.insert(0, before)
            seen.add(before.source)
        if len(way) > len(best):
            best = tuple(way)
    if len(best) < _CHAIN - 1:
        return None
    return Shape("chain", (*(pair.source for pair in best), best[-1].target), best)


def _goes_on(first: Pair, second: Pair) -> bool:
    share = (second.amount / second.count) / max(first.amount / first.count, 1)
    return 0 <= second.last_ms - first.last_ms <= _WITHIN_MS and _KEPT[0] <= share <= _KEPT[1]


def _next(pairs: list[Pair] | tuple[()], of: Pair, seen: set[Node]) -> Pair | None:
    return next((one for one in pairs if one.target not in seen and _goes_on(of, one)), None)


def _before(pairs: list[Pair] | tuple[()], of: Pair, seen: set[Node]) -> Pair | None:
    return next((one for one in pairs if one.source not in seen and _goes_on(one, of)), None)
