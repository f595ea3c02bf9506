"""One pass over payments and labels: links come, time expires them, signals are read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.features.kernel.jit import entry, inlined
from ringfence.graph.kernel import layout as at
from ringfence.graph.kernel.ahead import look_ahead
from ringfence.graph.kernel.emit import emit
from ringfence.graph.kernel.expiry import expire_edges, expire_flows, expire_pairs, expire_payments
from ringfence.graph.kernel.tables import find_node
from ringfence.graph.kernel.touch import HUB, NEW, PRESENT, label, remember_flow, remember_payment, touch

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ringfence.graph.kernel.layout import Program, State, Words


@entry
def link(
    s: State,
    p: Program,
    rows: Words,
    start: int,
    out: NDArray[np.float64],
    column: int,
    who: Words,
    trail: Words,
) -> tuple[int, int, int]:
    """Take input rows from `start` on; signals of payments go into the columns of `out` from `column` on.

    Gives the row and the column to go on with, and what there was no room for (`DONE` at the end).
    """
    ahead = start
    for row in range(start, rows.shape[0]):
        if row == ahead:
            ahead = look_ahead(s, p, rows, row, trail)
        if rows[row, at.IN_KIND] == at.IS_PAYMENT:
            move_clock(s, p, rows[row, at.IN_CLOCK])
        need = lacking(s, p)
        if need != at.DONE:
            return row, column, need
        if rows[row, at.IN_KIND] == at.IS_PAYMENT:
            pay(s, p, rows, row, who)
            emit(s, p, out, column, who, rows[row, at.IN_CLOCK])
            column += 1
        else:
            label(s, p, rows, row)
    return rows.shape[0], column, at.DONE


@inlined
def move_clock(s: State, p: Program, now: int) -> None:
    """Let everything expire that does not live beyond now."""
    expire_edges(s, p, now)
    expire_pairs(s, p, now)
    expire_payments(s, p, now)
    expire_flows(s, p, now)
    s.counters[at.NOW] = now


@inlined
def lacking(s: State, p: Program) -> int:
    """What could have no room for the next row."""
    links = p.links.shape[0]
    nodes = s.counters[at.NODES] + 2 * links + 2
    pairs = s.counters[at.PAIRS] + links
    tabled = s.counters[at.TABLED] + links * 2 * (at.FEW + 1)
    ports = s.counters[at.PORTS_TOP] + (2 * links + 2) * p.sides.shape[1]
    if nodes > s.node_key.size or ports > s.port_head.size:
        return at.NEED_NODES
    if nodes > at.LARGEST_LOAD * s.node_table.size:
        return at.NEED_NODE_PLACES
    if pairs > s.pair_from.size:
        return at.NEED_PAIRS
    if tabled > at.LARGEST_LOAD * s.pair_table.size:
        return at.NEED_PAIR_PLACES
    if s.counters[at.FLOWS_END] - s.counters[at.FLOWS_OLDEST] >= s.flow.shape[0]:
        return at.NEED_FLOWS
    if s.counters[at.PAYMENTS_END] - s.counters[at.PAYMENTS_OLDEST] >= s.paid_clock.size:
        return at.NEED_PAYMENTS
    return at.DONE


@inlined
def pay(s: State, p: Program, rows: Words, row: int, who: Words) -> None:
    """Put a payment's links in, and say who took part in what."""
    who[at.WHO_PAYER] = who[at.WHO_PAYEE] = at.NONE
    who[at.WHO_HUBS] = who[at.WHO_NEW] = 0
    links, flow = p.links.shape[0], p.shape[at.S_FLOW]
    first = at.WHO_TARGETS + links  # the nodes of the keys
    for place in range(first, who.size):
        who[place] = at.UNKNOWN
    for number in range(links):
        found = touch(s, p, rows, row, number, who)
        who[at.WHO_TARGETS + number] = at.NONE
        if found & PRESENT:
            who[at.WHO_TARGETS + number] = who[first + p.links[number, at.L_TO]]
        if found & HUB:
            who[at.WHO_HUBS] += 1
        if found & PRESENT and number == flow:
            who[at.WHO_PAYER] = who[first + p.links[number, at.L_FROM]]
            who[at.WHO_PAYEE] = who[at.WHO_TARGETS + number]
            who[at.WHO_NEW] = 1 if found & NEW else 0
    if p.shape[at.S_FLOWS] and who[at.WHO_PAYER] != at.NONE:
        remember_flow(s, p, rows, row, who)
    if p.shape[at.S_FRAUD]:
        remember_payment(s, p, rows, row)
    who[at.WHO_SUBJECT] = who[first + p.shape[at.S_SUBJECT_KEY]]
    if who[at.WHO_SUBJECT] == at.UNKNOWN:
        who[at.WHO_SUBJECT] = (
            at.NONE if rows[row, at.IN_SUBJECT] == 0 else node_at(s, rows[row, at.IN_SUBJECT])
        )


@inlined
def node_at(s: State, key: int) -> int:
    """The node with this key, -1 for none."""
    return s.node_table[find_node(s, key)] - 1
