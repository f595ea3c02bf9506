"""The graph's signals by brute force, straight from their definitions: slow, and nothing kept in between."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ringfence.events.clock import StreamClock
from ringfence.events.model import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from numpy.typing import NDArray

    from ringfence.events.batch import EventBatch
    from ringfence.features.links import Graph, Signal

Node = tuple[str, str]
"""A kind of thing and an id."""


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


_Money = tuple[Node, Node, int, int, int]  # payer, payee, amount, time, length of the chain


class _Moment(NamedTuple):
    """A payment whose links are in."""

    now: int
    subject: Node | None
    targets: dict[int, Node]
    hubs: int
    flow: tuple[Node, Node] | None
    is_new: bool


class Oracle:
    """All links, payments and labels so far."""

    def __init__(self, graph: Graph, key: Callable[[str, str], int]) -> None:
        """`key` gives the number of a kind of thing and an id, of which the largest names a component."""
        self.graph = graph
        self.key = key
        self.links: list[_Link] = []
        self.money: list[_Money] = []
        self.payments: list[_Payment] = []
        self.labels: dict[str, bool] = {}
        self.since: dict[Node, int] = {}

    def measure(self, events: EventBatch) -> NDArray[np.float64]:
        """Signals of all payments of a log, float64 (signals, payments)."""
        clocks = iter(StreamClock().advance(events.take(events.is_transaction)).tolist())
        made = []
        for row, kind in zip(events.table.to_pylist(), events.kind.tolist(), strict=True):
            if kind == Kind.LABEL:
                self.labels[row["transaction_id"]] = bool(row["label"])
            elif kind == Kind.TRANSACTION:
                moment = self._take(row, next(clocks))
                made.append([self._value(signal, moment) for signal in self.graph.signals])
        return np.array(made, np.float64).reshape(-1, len(self.graph.names)).T

    def live(self, now: int) -> list[_Link]:
        """Links that have not expired."""
        return [one for one in self.links if one.time + self.graph.links[one.number].ttl_ms > now]

    def _take(self, row: dict[str, Any], now: int) -> _Moment:
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
            for end in (source, target):
                self.since.setdefault(end, now)
        subject_field = next(x.source_field for x in self.graph.links if x.source == self.graph.subject)
        subject = (self.graph.subject, row[subject_field]) if row.get(subject_field) else None
        if flow:
            depth = self._depth(flow[0], time, now)
            self.money.append((*flow, row.get("amount_minor") or 0, time, depth))
        self._remember(row, subject, now)
        return _Moment(
            now, subject if subject and self._knows(subject, now) else None, targets, hubs, flow, is_new
        )

    def _depth(self, payer: Node, time: int, now: int) -> int:
        if not self.graph.windows_ms:
            return 0
        since = max(time - self.graph.windows_ms[0], now - self.graph.windows_ms[-1])
        depths = [one[4] for one in self.money if one[1] == payer and since < one[3] <= time]
        return 1 + max(depths, default=0)

    def _remember(self, row: dict[str, Any], subject: Node | None, now: int) -> None:
        blamed = [subject] if subject else []
        flow = self.graph.flow
        if flow and flow.target == self.graph.subject and row.get(flow.target_field):
            blamed.append((flow.target, row[flow.target_field]))
        self.payments.append(_Payment(row["transaction_id"], tuple(dict.fromkeys(blamed)), now))

    def _knows(self, node: Node, now: int) -> bool:
        return node in self.since or self._fraud(node, now)

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

    def hop(self, node: Node) -> set[Node]:
        """Entities that it is linked to, or shares an attribute with that is no hub."""
        entities = {x.source for x in self.graph.links} | {x.target for x in self.graph.links if x.is_payment}
        found = set()
        for one in self.links:
            if node in (one.source, one.target):
                other = one.target if node == one.source else one.source
                if other[0] in entities:
                    found.add(other)
                else:
                    found |= {
                        x.source for x in self.links if x.target == other and not self.hub(other, x.number)
                    }
        return found - {node}

    def _value(self, signal: Signal, at: _Moment) -> float:  # noqa: PLR0911 (one line a signal)
        what = signal.what
        if what == "hubs":
            return at.hubs
        if what == "shared":
            number = next(
                n for n, x in enumerate(self.graph.links) if x.name == signal.of and not x.is_payment
            )
            window = signal.window_ms or math.inf
            mine = [x for x in self.links if x.number == number and x.target == at.targets.get(number)]
            return self._distinct(mine, "source", window, at.now) if number in at.targets else math.nan
        if signal.family in ("pair", "fan", "flow", "motif"):
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
        one = self.hop(subject)
        two = {far for near in one for far in self.hop(near)} - one - {subject}
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
        (payer, payee), flow = at.flow, self.graph.flow
        assert flow is not None
        number = self.graph.links.index(flow)
        mine = [one for one in self.links if one.number == number]
        if what == "pair_is_new":
            return at.is_new
        if "fan" in what:
            node = payee if what.startswith("payee") else payer
            end, other = ("source", "target") if what.endswith("out") else ("target", "source")
            if node[0] != getattr(flow, end):
                return math.nan
            return self._distinct([x for x in mine if getattr(x, end) == node], other, window, at.now)
        since = at.now - window
        if what in ("cycle_length", "scatter_gather", "bipartite", "gather_scatter", "chain_length"):
            return self._motif(what, payer, payee, [one for one in self.money if one[3] > since])
        income = [one for one in self.money if one[1] == payer and one[3] > since]
        if what == "seconds_since_income":
            return (at.now - max(one[3] for one in income)) / 1000 if income else math.nan
        spent = sum(one[2] for one in self.money if one[0] == payer and one[3] > since)
        total = sum(one[2] for one in income)
        return spent / total if total > 0 else math.nan

    def _motif(self, what: str, payer: Node, payee: Node, recent: list[_Money]) -> float:
        """`recent` are the payments within the window."""
        paid: dict[Node, set[Node]] = defaultdict(set)
        for one in recent:
            paid[one[0]].add(one[1])
        payers = {one[0] for one in recent if one[1] == payer}
        if what == "chain_length":
            return self.money[-1][4]
        if what == "gather_scatter":
            return min(len(payers), len(paid[payer]))
        if what == "scatter_gather":
            middles = [node for node in paid if payee in paid[node]]
            return max((sum(x in paid[source] for x in middles) for source in payers - {payee}), default=0)
        if what == "bipartite":
            mine = paid[payer] - {payee}
            return sum(payee in paid[node] and bool(mine & paid[node]) for node in paid if node != payer)
        return _cycle(payer, payee, self.money[-1][3], recent)

    def _distinct(self, links: Iterable[_Link], end: str, window: float, now: int) -> float:
        return len({getattr(one, end) for one in links if one.time > now - window})


def _reached(node: Node, beside: Callable[[Node], set[Node]]) -> set[Node]:
    found, waiting = {node}, [node]
    while waiting:
        for other in beside(waiting.pop()) - found:
            found.add(other)
            waiting.append(other)
    return found


def _cycle(payer: Node, payee: Node, until: int, recent: list[_Money]) -> float:
    ends = {(payer, until)}
    for length in range(2, 11):
        ends = {(one[0], one[3]) for one in recent for end, last in ends if one[1] == end and one[3] <= last}
        if any(node == payee for node, _ in ends):
            return length
    return math.nan
