"""The graph's signals by brute force, straight from their definitions: slow, and nothing kept in between."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ringfence.events.clock import StreamClock
from ringfence.events.model import Kind
from ringfence.graph.program import BOUNDS
from ringfence.testing.graph_motifs import Node, motif, spend

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.links import Graph, LinkSignal
    from ringfence.graph.program import Bounds


class _Link(NamedTuple):
    number: int
    source: Node
    target: Node
    time: int
    came: int  # the clock then
    joins: bool


class _Payment(NamedTuple):
    identity: str
    blamed: tuple[Node, ...]
    came: int


class _Money(NamedTuple):
    payer: Node
    payee: Node
    amount: int
    time: int
    came: int
    chain: int
    new_chain: int  # 0 where the two knew each other
    points: int = 0  # of layering


class _Moment(NamedTuple):
    """A payment whose links are in."""

    now: int
    subject: Node | None
    targets: dict[int, Node]
    hubs: int
    flow: tuple[Node, Node] | None
    is_new: bool


_LISTS: Final = {
    "fan_out": (0, "source", "distinct"),
    "fan_in": (0, "target", "distinct"),
    "payee_fan_in": (1, "target", "distinct"),
    "payee_fan_out": (1, "source", "distinct"),
    "new_payees": (0, "source", "new"),
    "new_payers": (0, "target", "new"),
    "payee_new_payers": (1, "target", "new"),
    "payee_new_payees": (1, "source", "new"),
    "income": (0, "target", "sum"),
    "incomes": (0, "target", "count"),
    "payee_outlay": (1, "source", "sum"),
    "payee_outlays": (1, "source", "count"),
    "layering_paid": (0, "source", "points"),
    "layering_received": (0, "target", "points"),
    "payee_layering_received": (1, "target", "points"),
    "payee_layering_paid": (1, "source", "points"),
}
"""Of payer (0) or payee (1), at which end of the payments, what is counted."""


class Oracle:
    """All links, payments and labels so far."""

    def __init__(self, graph: Graph, key: Callable[[str, str], int], bounds: Bounds = BOUNDS) -> None:
        """`key` gives the number of a kind of thing and an id, of which the largest names a component."""
        self.graph = graph
        self.bounds = bounds
        self.key = key
        self.links: list[_Link] = []
        self.money: list[_Money] = []
        self.payments: list[_Payment] = []
        self.labels: dict[str, bool] = {}
        self.arrivals = 0
        self.since: dict[Node, int] = {}
        self.seen: dict[tuple[int, Node, Node], int] = {}  # which link of a pair came last

    def measure(self, events: EventBatch) -> NDArray[np.float64]:
        """Signals of all payments of a log, float64 (signals, payments)."""
        clocks = iter(StreamClock().advance(events.take(events.is_transaction)).tolist())
        made = []
        amounts = events.amount_fixed.tolist()
        for row, kind, amount in zip(events.table.to_pylist(), events.kind.tolist(), amounts, strict=True):
            if kind == Kind.LABEL:
                self.labels[row["transaction_id"]] = bool(row["label"])
            elif kind == Kind.TRANSACTION:
                moment = self._take(row, max(amount, 0), next(clocks))
                made.append([self._value(signal, moment) for signal in self.graph.signals])
                if "layering" in self.graph.kinds and moment.flow:
                    values = dict(zip(self.graph.names, made[-1], strict=True))
                    points = sum(x.points for x in self.graph.card if values[x.signal] >= x.at_least)
                    self.money[-1] = self.money[-1]._replace(points=max(points, 0))
        return np.array(made, np.float64).reshape(-1, len(self.graph.names)).T

    def live(self, now: int) -> list[_Link]:
        """Links that have not expired."""
        return [one for one in self.links if one.time + self.graph.links[one.number].ttl_ms > now]

    def _take(self, row: dict[str, Any], amount: int, now: int) -> _Moment:
        self.links = self.live(now)
        held = {end for one in self.links for end in (one.source, one.target)}
        self.since = {node: since for node, since in self.since.items() if node in held}
        time = min(row["event_time_ms"], now)
        targets, hubs, flow, is_new = {}, 0, None, False
        for number, link in enumerate(self.graph.links):
            ends = row.get(link.source_field) or "", row.get(link.target_field) or ""
            source, target = (link.source, ends[0]), (link.target, ends[1])
            if not (ends[0] and ends[1]) or source == target or time + link.ttl_ms <= now:
                continue
            known = [one for one in self.links if one.number == number and one.target == target]
            entities = {one.source for one in known} | {source}
            is_open = ends[1] in link.open_to_all
            joins = not is_open and len(entities) <= link.cap
            hubs += not joins and (is_open or link.cap > 0)
            if link == self.graph.flow:
                flow, is_new = (source, target), all(one.source != source for one in known)
            self.links.append(_Link(number, source, target, time, now, joins))
            targets[number] = target
            self.seen[number, source, target] = self.arrivals = self.arrivals + 1
            for end in (source, target):
                self.since.setdefault(end, now)
        subject_field = next(x.source_field for x in self.graph.links if x.source == self.graph.subject)
        subject = (self.graph.subject, row[subject_field]) if row.get(subject_field) else None
        if flow:
            chains = self._chains(flow[0], time, now)
            new = chains[1] if is_new else 0
            self.money.append(_Money(*flow, amount, time, now, chains[0], new))
        self._remember(row, subject, now)
        return _Moment(
            now, subject if subject and self._knows(subject, now) else None, targets, hubs, flow, is_new
        )

    def _chains(self, payer: Node, time: int, now: int) -> tuple[int, int]:
        """Length of the longest chain that a payment ends, and of the longest one that is new throughout."""
        if not self.graph.windows_ms:
            return 0, 1
        since = max(time - self.graph.windows_ms[0], now - self.graph.windows_ms[-1])
        before = [x for x in self.newest("payee", payer, self.bounds.look) if since < x.time <= time]
        return (
            1 + max((one.chain for one in before), default=0),
            1 + max((one.new_chain for one in before), default=0),
        )

    def newest(self, end: str, node: Node, most: int) -> list[_Money]:
        """Payments of a node, those that came last first."""
        return [one for one in reversed(self.money) if getattr(one, end) == node][:most]

    def _remember(self, row: dict[str, Any], subject: Node | None, now: int) -> None:
        blamed = [subject] if subject else []
        flow = self.graph.flow
        if flow and flow.target == self.graph.subject and row.get(flow.target_field):
            blamed.append((flow.target, row[flow.target_field]))
        self.payments.append(_Payment(row["transaction_id"], tuple(dict.fromkeys(blamed)), now))

    def _knows(self, node: Node, now: int) -> bool:
        return node in self.since or ("fraud" in self.graph.kinds and self._fraud(node, now))

    def _fraud(self, node: Node, now: int) -> bool:
        return any(
            node in paid.blamed and self.labels.get(paid.identity) and paid.came + self.graph.memory_ms > now
            for paid in self.payments
        )

    def component(self, node: Node) -> set[Node]:
        """All that links which join connect it with."""
        beside = defaultdict(set)
        for one in self.links:
            if one.joins:
                beside[one.source].add(one.target)
                beside[one.target].add(one.source)
        return _reached(node, lambda x: beside[x])

    def hub(self, attribute: Node, number: int) -> bool:
        """Whether an attribute joins nobody by links of this type."""
        link = self.graph.links[number]
        sharers = {one.source for one in self.links if one.number == number and one.target == attribute}
        return attribute[1] in link.open_to_all or len(sharers) > link.cap

    def search(self, node: Node) -> tuple[set[Node], set[Node]]:
        """Entities one and two hops away, of those that a bounded search comes to."""
        left = [self.bounds.pairs]
        one = self._hop(node, left) - {node}
        two = set()
        for near in list(dict.fromkeys(self._order)):
            if len(self._pairs_of(near)) <= self.bounds.reach:
                two |= self._hop(near, left)
        return one, two - one - {node}

    def _pairs_of(self, node: Node) -> list[tuple[int, str, Node]]:
        """Its live pairs: link, end and the other node."""
        found = [(x.number, "source", x.target) for x in self.links if x.source == node]
        found += [(x.number, "target", x.source) for x in self.links if x.target == node]
        return list(dict.fromkeys(found))

    def _listed(self, node: Node, number: int, end: str) -> list[Node]:
        """Whom its links of a type lead to, those that came last first."""
        return self._neighbours(node, number, end)[: self.bounds.reach]

    def _neighbours(self, node: Node, number: int, end: str) -> list[Node]:
        other = "target" if end == "source" else "source"
        mine = {x[:3] for x in self.links if x.number == number and getattr(x, end) == node}
        newest = sorted(mine, key=lambda pair: -self.seen[pair])
        return [target if other == "target" else source for _, source, target in newest]

    def _sides(self, kind: str) -> list[tuple[int, str]]:
        return [
            (number, end)
            for number, link in enumerate(self.graph.links)
            for end in ("source", "target")
            if getattr(link, end) == kind
        ]

    def _hop(self, node: Node, left: list[int]) -> set[Node]:
        """Entities that it is linked to, or shares an attribute with that is no hub."""
        entities = {x.source for x in self.graph.links} | {x.target for x in self.graph.links if x.is_payment}
        found: list[Node] = []
        for number, end in self._sides(node[0]):
            for other in self._listed(node, number, end):
                if not spend(left):
                    break
                if other[0] in entities:
                    found.append(other)
                    continue
                for shared, side in self._sides(other[0]):
                    if not self.hub(other, shared):
                        for x in self._listed(other, shared, side):
                            if not spend(left):
                                break
                            found.append(x)
        self._order = [one for one in found if one != node]
        return set(found)

    def _value(self, signal: LinkSignal, at: _Moment) -> float:  # noqa: C901, PLR0911 (one line a signal)
        what = signal.what
        if what == "hubs":
            return at.hubs
        if what == "shared":
            number = next(
                n for n, x in enumerate(self.graph.links) if x.name == signal.of and not x.is_payment
            )
            if number not in at.targets:
                return math.nan
            window = signal.window_ms or math.inf
            return self._distinct(at.targets[number], number, "target", window, at.now)
        if signal.family in ("pair", "fan", "flow", "motif", "layering"):
            return self._of_payment(what, signal.window_ms, at)
        if at.subject is None:
            return math.nan
        if signal.family == "fraud":
            return self._of_fraud(what, at.subject, at.now)
        beside = {
            (one.number, one.source, one.target)
            for one in self.links
            if at.subject in (one.source, one.target)
        }
        if what == "degree":
            return len(beside)
        if what == "degree_damped":
            return 1 / math.log(1 + len(beside)) if beside else math.nan
        if what == "linked_seconds":
            return (at.now - self.since[at.subject]) / 1000 if at.subject in self.since else math.nan
        component = self.component(at.subject)
        if what == "component_id":
            return max(self.key(*node) for node in component) & ((1 << 53) - 1)
        return sum(not signal.of or kind == signal.of for kind, _ in component)

    def _of_fraud(self, what: str, subject: Node, now: int) -> float:
        one, two = self.search(subject)
        near, far = (sum(self._fraud(node, now) for node in nodes) for nodes in (one, two))
        if what == "fraud_neighbours":
            return near
        if what == "fraud_neighbours_two_hops":
            return far
        mine = self._fraud(subject, now)
        if what == "fraud_nearness":
            return mine + near / 2 + far / 4
        return 0 if mine else 1 if near else 2 if far else math.nan

    def _of_payment(self, what: str, window: int, at: _Moment) -> float:  # noqa: PLR0911 (one a signal)
        if at.flow is None:
            return math.nan
        if what == "pair_is_new":
            return at.is_new
        since = at.now - window
        if what in _LISTS:
            return self.of_list(what, at.flow, window, at.now)
        paid, income = (
            [x for x in self.newest(end, at.flow[0], self.bounds.look) if x.time > since]
            for end in ("payer", "payee")
        )
        if what == "pair_payments":
            return sum(one.payee == at.flow[1] for one in paid)
        if what == "paid_back":
            return sum(one.payer == at.flow[1] for one in income)
        if what == "pass_through":
            total = sum(one.amount for one in income)
            return sum(one.amount for one in paid) / total if total > 0 else math.nan
        if what in ("seconds_since_income", "income_ratio", "income_match"):
            return self._of_income(what, income, at.now)
        return motif(self, what, *at.flow, since)

    def _of_income(self, what: str, income: list[_Money], now: int) -> float:
        amount = self.money[-1].amount
        if not income:
            return math.nan
        latest = max(income, key=lambda one: one.time)
        if what == "seconds_since_income":
            return (now - latest.time) / 1000
        if what == "income_ratio":
            return amount / latest.amount if latest.amount > 0 else math.nan
        return min(abs(one.amount - amount) for one in income) / amount if amount > 0 else math.nan

    def of_list(self, what: str, flow: tuple[Node, Node], window: int, now: int) -> float:
        """A count or a sum over one list of a payment's payer or payee."""
        (whose, end, fact), link = _LISTS[what], self.graph.flow
        assert link is not None
        node, number = flow[whose], self.graph.links.index(link)
        if node[0] != getattr(link, end):
            return math.nan
        if fact == "distinct":
            return self._distinct(node, number, end, window, now)
        money = self.newest("payer" if end == "source" else "payee", node, self.bounds.look)
        inside = [one for one in money if one.time > now - window]
        if fact == "sum":
            return sum(one.amount for one in inside) / 1000
        if fact == "points":
            return sum(one.points for one in inside)
        return len(inside) if fact == "count" else sum(one.new_chain > 0 for one in inside)

    def _distinct(self, node: Node, number: int, end: str, window: float, now: int) -> float:
        """Distinct neighbours by links of a type: all that live, or those within a window that came last."""
        listed = self._neighbours(node, number, end)
        if window >= self.graph.links[number].ttl_ms:
            return len(listed)
        other = "target" if end == "source" else "source"
        inside = [one for one in self.links if one.number == number and one.time > now - window]
        recent = {getattr(one, other) for one in inside if getattr(one, end) == node}
        return len(recent.intersection(listed[: self.bounds.look]))


def _reached(node: Node, beside: Callable[[Node], set[Node]]) -> set[Node]:
    found, waiting = {node}, [node]
    while waiting:
        for other in beside(waiting.pop()) - found:
            found.add(other)
            waiting.append(other)
    return found
