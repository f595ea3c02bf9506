"""Shapes of laundering by brute force, with the bounds that belong to their definitions."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

Node = tuple[str, str]
"""A kind of thing and an id."""


def motif(  # noqa: C901 (one shape after another)
    self: Any, what: str, payer: Node, payee: Node, since: int
) -> float:
    """The value of a signal about a payment that came last; `since` is where its window begins."""
    reach, steps = self.bounds.reach, self.bounds.steps

    def around(end: str, node: Node) -> list[Node]:
        other = "payee" if end == "payer" else "payer"
        return [getattr(x, other) for x in self.newest(end, node, reach) if x.time > since]

    def looked_at(end: str, node: Node, left: list[int]) -> list[Node]:
        """The same, for each a step of those that are left."""
        other = "payee" if end == "payer" else "payer"
        listed = [x for x in self.newest(end, node, reach) if x.came > since]
        listed = listed[: left[0]]
        left[0] -= len(listed)
        return [getattr(x, other) for x in listed if x.time > since]

    if what == "chain_length":
        return self.money[-1].chain
    if what == "new_chain_length":
        return self.money[-1].new_chain
    if what == "gather_scatter":
        window, now = self.graph.windows_ms[-1], self.money[-1].came
        return min(self.of_list(x, (payer, payee), window, now) for x in ("fan_in", "fan_out"))
    if what == "cycle_length":
        return _cycle(self, payer, payee, since)
    left = [steps]
    if what == "scatter_gather":
        sources = set(around("payee", payer)) - {payee}
        counts: dict[Node, int] = defaultdict(int)
        for middle in dict.fromkeys(around("payee", payee)):
            for source in set(looked_at("payee", middle, left)) & sources:
                counts[source] += 1
        return max(counts.values(), default=0)
    me, of, end = (payer, payee, "payee") if what == "bipartite" else (payee, payer, "payer")
    mine, count = set(around("payer", me)) - {of}, 0
    for other in dict.fromkeys(around(end, of)):
        if other in (payer, payee):
            continue
        for listed in [x for x in self.newest("payer", other, reach) if x.came > since]:
            if not spend(left):
                break
            if listed.time > since and listed.payee in mine:
                count += 1
                break
    return count


def spend(left: list[int]) -> bool:
    """Whether there is a step left, which is then taken."""
    left[0] -= 1
    return left[0] >= 0


def _cycle(self: Any, payer: Node, payee: Node, since: int) -> float:
    """Backwards from the payer, breadth first, to somebody whom the payee had paid by then."""
    reach, left = self.bounds.reach, [self.bounds.steps]
    first: dict[Node, int] = {}
    for one in self.newest("payer", payee, reach):
        if one.time > since:
            first[one.payee] = min(one.time, first.get(one.payee, one.time))
    ends = [(payer, self.money[-1].time)]
    latest = dict(ends)
    if first.get(payer, math.inf) <= ends[0][1]:
        return 2
    for length in range(3, 11) if first else ():
        further = []
        for node, until in ends:
            for one in self.newest("payee", node, reach):
                if one.came <= since or not spend(left):
                    break
                if not since < one.time <= until or latest.get(one.payer, -1) >= one.time:
                    continue
                if first.get(one.payer, math.inf) <= one.time:
                    return length
                latest[one.payer] = one.time
                further.append((one.payer, one.time))
        ends = further
    return math.nan
