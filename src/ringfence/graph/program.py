"""A declaration of the graph, compiled into the tables that the kernels walk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.graph.kernel import layout as at

if TYPE_CHECKING:
    from ringfence.features.links import Graph, Link

BUCKETS: Final = 1 << 13
"""Of a timeline; the longest time to live takes up half of them."""

_CODES: Final = {
    "component_id": at.O_COMPONENT_ID,
    "component_size": at.O_COMPONENT_SIZE,
    "component_of": at.O_COMPONENT_OF,
    "linked_seconds": at.O_SINCE,
    "degree": at.O_DEGREE,
    "degree_damped": at.O_DAMPED,
    "hubs": at.O_HUBS,
    "shared": at.O_SHARED,
    "fraud_neighbours": at.O_FRAUD_ONE,
    "fraud_neighbours_two_hops": at.O_FRAUD_TWO,
    "fraud_distance": at.O_FRAUD_DISTANCE,
    "fraud_nearness": at.O_FRAUD_NEARNESS,
    "pair_is_new": at.O_PAIR_NEW,
    "pair_payments": at.O_PAIR_PAYMENTS,
    "paid_back": at.O_PAID_BACK,
    "pass_through": at.O_PASS,
    "seconds_since_income": at.O_SINCE_IN,
    "income_ratio": at.O_INCOME_RATIO,
    "income_match": at.O_INCOME_MATCH,
    "cycle_length": at.O_CYCLE,
    "scatter_gather": at.O_SCATTER,
    "gather_scatter": at.O_GATHER,
    "bipartite": at.O_BIPARTITE,
    "common_payees": at.O_COMMON,
    "chain_length": at.O_CHAIN,
    "new_chain_length": at.O_NEW_CHAIN,
}
_COUNTED: Final = {
    "fan_out": (at.L_OUT, at.C_DISTINCT),
    "fan_in": (at.L_IN, at.C_DISTINCT),
    "payee_fan_in": (at.L_PAYEE_IN, at.C_DISTINCT),
    "payee_fan_out": (at.L_PAYEE_OUT, at.C_DISTINCT),
    "new_payees": (at.L_OUT, at.C_NEW),
    "new_payers": (at.L_IN, at.C_NEW),
    "payee_new_payers": (at.L_PAYEE_IN, at.C_NEW),
    "payee_new_payees": (at.L_PAYEE_OUT, at.C_NEW),
    "income": (at.L_IN, at.C_SUM),
    "incomes": (at.L_IN, at.C_COUNT),
    "payee_outlay": (at.L_PAYEE_OUT, at.C_SUM),
    "payee_outlays": (at.L_PAYEE_OUT, at.C_COUNT),
    "layering_paid": (at.L_OUT, at.C_POINTS),
    "layering_received": (at.L_IN, at.C_POINTS),
    "payee_layering_received": (at.L_PAYEE_IN, at.C_POINTS),
    "payee_layering_paid": (at.L_PAYEE_OUT, at.C_POINTS),
}
"""Signals that one list's count answers."""
_EVER: Final = 1 << 60  # longer than any time to live


@dataclass(frozen=True)
class Bounds:
    """What a signal looks at before it stops, which is part of its meaning.

    Attributes:
        look: entries of one list, newest first, for counts within windows.
        reach: neighbours, or payments, of one node that a search goes through, newest first.
        steps: payments that one search for a shape looks at in all.
        pairs: pairs that the search for fraud looks at in all.
    """

    look: int = 250
    reach: int = 32
    steps: int = 64
    pairs: int = 256


BOUNDS: Final = Bounds()


@dataclass(frozen=True)
class CompiledGraph:
    """A graph's tables, and which fields its input rows are made of.

    Attributes:
        ends: kind of thing and field of each key column.
        subject: of the signals, likewise.
    """

    graph: Graph
    program: at.Program
    ends: tuple[tuple[str, str], ...]
    subject: tuple[str, str]

    @property
    def columns(self) -> int:
        """Words of an input row."""
        return at.IN_KEYS + len(self.ends)


def compiled(graph: Graph, bounds: Bounds = BOUNDS) -> CompiledGraph:
    """The tables of a declaration."""
    ends = tuple(dict.fromkeys(end for link in graph.links for end in _ends(link)))
    types, ports = graph.types, dict.fromkeys(graph.types, 0)
    links = np.zeros((len(graph.links), at.LINK_WORDS), np.int64)
    sides: list[tuple[int, int, int, int]] = []
    for number, link in enumerate(graph.links):
        for side, (kind, _) in enumerate(_ends(link)):
            links[number, at.L_FROM + side] = ends.index(_ends(link)[side])
            links[number, at.L_FROM_TYPE + side] = types.index(kind)
            links[number, at.L_FROM_PORT + side] = ports[kind]
            sides.append((types.index(kind), ports[kind], number, side))
            ports[kind] += 1
        links[number, at.L_TTL], links[number, at.L_CAP] = link.ttl_ms, link.cap
    table = np.zeros((len(types), max(ports.values()), 2), np.int64)
    for place, port, number, side in sides:
        table[place, port] = number, side
    entities = {link.source for link in graph.links} | {
        link.target for link in graph.links if link.is_payment
    }
    program = at.Program(
        links,
        np.array([(ports[kind], kind not in entities) for kind in types], np.int64),
        table,
        np.array([_operation(graph, signal) for signal in graph.signals], np.int64).reshape(-1, 3),
        np.array(graph.windows_ms, np.int64),
        np.array(
            [(graph.names.index(row.signal), row.at_least, row.points) for row in graph.card], np.float64
        ).reshape(-1, 3),
        _shape(graph, bounds),
    )
    subject = next(link.source_field for link in graph.links if link.source == graph.subject)
    program.shape[at.S_SUBJECT_KEY] = ends.index((graph.subject, subject))
    return CompiledGraph(graph, program, ends, (graph.subject, subject))


def _ends(link: Link) -> tuple[tuple[str, str], tuple[str, str]]:
    return (link.source, link.source_field), (link.target, link.target_field)


def _operation(graph: Graph, signal: Any) -> tuple[int, int, int]:
    argument, window = 0, signal.window_ms
    if signal.family in ("fan", "flow", "pair", "motif", "layering"):
        window = graph.windows_ms.index(window) if window else 0
    if signal.what in _COUNTED:
        place, fact = _COUNTED[signal.what]
        return (at.O_SUM if fact == at.C_SUM else at.O_COUNTED), at.FACTS * place + fact, window
    if signal.what == "component_of":
        argument = graph.types.index(signal.of)
    elif signal.what == "shared":
        argument = next(n for n, x in enumerate(graph.links) if x.name == signal.of and not x.is_payment)
        window = window or _EVER
    return _CODES[signal.what], argument, window


def _shape(graph: Graph, bounds: Bounds) -> Any:
    longest_life = max(link.ttl_ms for link in graph.links)
    shape = np.zeros(at.SHAPE, np.int64)
    shape[at.S_SUBJECT_TYPE] = graph.types.index(graph.subject)
    shape[at.S_FLOW] = -1 if graph.flow is None else graph.links.index(graph.flow)
    shape[at.S_GRAIN] = longest_life // (BUCKETS // 2) + 1
    shape[at.S_LONGEST] = max(graph.windows_ms, default=0)
    shape[at.S_MEMORY] = graph.memory_ms
    shape[at.S_FRAUD] = "fraud" in graph.kinds
    shape[at.S_SHORTEST] = min(graph.windows_ms, default=0)
    shape[at.S_CHAINS] = "motif" in graph.kinds and bool(graph.windows_ms)
    shape[at.S_FLOWS] = bool({"pair", "flow", "motif"}.intersection(graph.kinds)) and bool(graph.windows_ms)
    shape[at.S_FANS] = bool({"fan", "motif"}.intersection(graph.kinds)) and bool(graph.windows_ms)
    shape[at.S_LISTS] = shape[[at.S_FRAUD, at.S_FANS, at.S_FLOWS]].any() or any(
        signal.what == "shared" and signal.window_ms for signal in graph.signals
    )
    shape[at.S_LAYERING] = "layering" in graph.kinds and bool(graph.windows_ms)
    shape[at.S_LOOK], shape[at.S_REACH] = bounds.look, bounds.reach
    shape[at.S_STEPS], shape[at.S_PAIRS] = bounds.steps, bounds.pairs
    return shape
