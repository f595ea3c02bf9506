"""What a payment does to the graph: nodes, pairs and edges come, payments are remembered, labels tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.features.kernel.jit import inlined, kernel
from ringfence.graph.kernel.expiry import blame, enter, leave, port_of
from ringfence.graph.kernel.forest import connect
from ringfence.graph.kernel.layout import (
    F_AMOUNT,
    F_BEFORE_IN,
    F_BEFORE_OUT,
    F_CHAINS,
    F_PAYEE,
    F_PAYER,
    F_SEEN,
    F_TIME,
    FEW,
    FLOWS_END,
    FREE,
    GROUP,
    GROUP_BITS,
    IN_AMOUNT,
    IN_CLOCK,
    IN_ID,
    IN_KEYS,
    IN_MARKS,
    IN_OPEN,
    IN_SUBJECT,
    IN_TIME,
    L_CAP,
    L_FROM,
    L_FROM_TYPE,
    L_TO,
    L_TO_PORT,
    L_TO_TYPE,
    L_TTL,
    NEW_CHAIN_BIT,
    NODE_FREE,
    NODES,
    NODES_TOP,
    NONE,
    PAIR_FREE,
    PAIRS,
    PAIRS_TOP,
    PAYMENTS_END,
    PORTS_TOP,
    S_CHAINS,
    S_FLOW,
    S_FLOWS,
    S_LISTS,
    S_SUBJECT_TYPE,
    UNKNOWN,
    WHO_NEW,
    WHO_PAYEE,
    WHO_PAYER,
    WHO_TARGETS,
)
from ringfence.graph.kernel.motifs import chains_of
from ringfence.graph.kernel.tables import (
    enter_node,
    find_node,
    find_paid,
    find_pair,
    last_of,
    table_pair,
    word_of,
)
from ringfence.graph.kernel.timeline import queue_pair

if TYPE_CHECKING:
    from ringfence.graph.kernel.layout import Program, State, Words

PRESENT, NEW, HUB = 1, 2, 4
"""What a link of a payment turned out to be."""


@inlined
def node_of(s: State, p: Program, key: int, kind: int) -> int:
    """The node with this key, made where there is none; there is room for it."""
    place = find_node(s, key)
    return s.node_table[place] - 1 if s.node_table[place] != 0 else new_node(s, p, key, kind, place)


@kernel
def new_node(s: State, p: Program, key: int, kind: int, place: int) -> int:
    """A node with this key, which goes to this place of the table; there is room for it."""
    node = s.counters[NODE_FREE]
    if node == NONE:
        node = s.counters[NODES_TOP]
        s.counters[NODES_TOP] += 1
    else:
        s.counters[NODE_FREE] = s.node_wait[node]
    s.counters[NODES] += 1
    block = s.port_free[kind]
    if block == NONE:
        block = s.counters[PORTS_TOP]
        s.counters[PORTS_TOP] += p.types[kind, 0]
    else:
        s.port_free[kind] = s.port_head[block]
    for port in range(block, block + p.types[kind, 0]):
        s.port_head[port] = NONE
        s.port_count[port] = 0
    s.node_table[place] = node + 1
    s.node_key[node] = key
    if s.node_larger.size > 1:
        enter_node(s, s.node_larger, node)
    s.node_type[node] = kind
    s.node_open[node] = 0
    s.node_port[node] = block
    s.node_parent[node] = node
    s.node_until[node] = 0
    s.node_wait[node] = FREE
    s.node_live[node] = 0
    s.node_since[node] = 0
    s.node_fraud[node] = 0
    if p.shape[S_FLOWS]:
        s.node_out[node] = NONE
        s.node_in[node] = NONE
    for other in range(s.node_sizes.shape[1]):
        s.node_sizes[node, other] = 0
    s.node_sizes[node, kind] = 1
    return node


@inlined
def pair_of(s: State, p: Program, source: int, target: int, link: int, time: int, now: int) -> int:
    """A new pair; there is room for it."""
    pair = s.counters[PAIR_FREE]
    if pair == NONE:
        pair = s.counters[PAIRS_TOP]
        s.counters[PAIRS_TOP] += 1
        if pair & (GROUP - 1) == 0:
            s.group_wait[pair >> GROUP_BITS] = FREE
    else:
        s.counters[PAIR_FREE] = s.pair_to[pair]
    s.counters[PAIRS] += 1
    s.pair_from[pair] = source
    s.pair_to[pair] = target
    s.pair_word[pair] = word_of(link, time, now)
    for side in range(2):
        if p.shape[S_LISTS]:
            enter(s, p, pair, side)
        s.port_count[port_of(s, p, pair, side)] += 1
        node = source if side == 0 else target
        if s.node_live[node] == 0:
            s.node_since[node] = now
        s.node_live[node] += 1
    table_pair(s, p, pair)
    if p.shape[S_LISTS]:
        for side in range(2):
            table_list(s, p, port_of(s, p, pair, side), side)
    queue_pair(s, p, pair)
    return pair


@inlined
def table_list(s: State, p: Program, port: int, side: int) -> None:
    """Have those of a list in the table that are asked for there now that it is no longer short."""
    if s.port_count[port] == FEW + 1:
        pair = s.port_head[port]
        while pair != NONE:
            table_pair(s, p, pair)
            pair = s.pair_next[pair, side]


@inlined
def node_for(s: State, p: Program, rows: Words, row: int, column: int, kind: int, who: Words) -> int:
    """The node of one of a payment's keys, looked up once."""
    at = WHO_TARGETS + p.links.shape[0] + column
    if who[at] == UNKNOWN:
        who[at] = node_of(s, p, rows[row, IN_KEYS + column], kind)
    return who[at]


@inlined
def touch(s: State, p: Program, rows: Words, row: int, link: int, who: Words) -> int:
    """One link of a payment: what it turned out to be."""
    first, second = rows[row, IN_KEYS + p.links[link, L_FROM]], rows[row, IN_KEYS + p.links[link, L_TO]]
    if first == 0 or second == 0 or first == second:
        return 0
    now = rows[row, IN_CLOCK]
    time = min(rows[row, IN_TIME], now)
    until = time + p.links[link, L_TTL]
    if until <= now:
        return 0
    source = node_for(s, p, rows, row, p.links[link, L_FROM], p.links[link, L_FROM_TYPE], who)
    target = node_for(s, p, rows, row, p.links[link, L_TO], p.links[link, L_TO_TYPE], who)
    is_open = (rows[row, IN_OPEN] >> link) & 1
    if is_open:
        s.node_open[target] = 1
    found = PRESENT
    pair = find_pair(s, p, source, target, link)
    if pair == NONE:
        pair_of(s, p, source, target, link, time, now)
        found |= NEW
    else:
        s.pair_word[pair] = word_of(link, max(last_of(s, pair), time), now)
        if p.shape[S_LISTS]:
            for side in range(2):
                if s.pair_before[pair, side] != NONE:
                    leave(s, p, pair, side)
                    enter(s, p, pair, side)
    cap = p.links[link, L_CAP]
    if is_open or s.port_count[s.node_port[target] + p.links[link, L_TO_PORT]] > cap:
        return found | (HUB if is_open or cap > 0 else 0)
    connect(s, p, source, target, until)
    return found


@inlined
def remember_flow(s: State, p: Program, rows: Words, row: int, who: Words) -> None:
    """A payment between two nodes, for windows and searches; there is room for it."""
    payer, payee = who[WHO_PAYER], who[WHO_PAYEE]
    sequence, now = s.counters[FLOWS_END], rows[row, IN_CLOCK]
    one = s.flow[sequence & (s.flow.shape[0] - 1)]
    one[F_CHAINS] = (
        chains_of(s, p, rows, row, payer, who[WHO_NEW])
        if p.shape[S_CHAINS]
        else who[WHO_NEW] << NEW_CHAIN_BIT
    )
    one[F_PAYER], one[F_PAYEE], one[F_AMOUNT] = payer, payee, rows[row, IN_AMOUNT]
    one[F_TIME], one[F_SEEN] = min(rows[row, IN_TIME], now), now
    one[F_BEFORE_OUT], one[F_BEFORE_IN] = s.node_out[payer], s.node_in[payee]
    s.node_out[payer] = sequence
    s.node_in[payee] = sequence
    s.counters[FLOWS_END] += 1


@kernel
def accuse(s: State, p: Program, key: int, kind: int) -> None:
    """One more payment of the node with this key is known to be fraud; there is room for a node."""
    if key != 0:
        node_of(s, p, key, kind)
        blame(s, key, 1)


@inlined
def remember_payment(s: State, p: Program, rows: Words, row: int) -> None:
    """A payment that a label may name later, or has named already; there is room for it."""
    sequence = s.counters[PAYMENTS_END]
    at = sequence & (s.paid_clock.size - 1)
    place = find_paid(s, rows[row, IN_ID])
    if s.paid_table[place] != 0:
        return
    s.paid_table[place] = at + 1
    s.paid_keys[at, 0] = rows[row, IN_ID]
    s.paid_keys[at, 1] = rows[row, IN_SUBJECT]
    s.paid_keys[at, 2] = 0
    flow = p.shape[S_FLOW]
    if flow >= 0:
        key = rows[row, IN_KEYS + p.links[flow, L_TO]]
        if p.links[flow, L_TO_TYPE] == p.shape[S_SUBJECT_TYPE] and key != rows[row, IN_SUBJECT]:
            s.paid_keys[at, 2] = key
    s.paid_clock[at] = rows[row, IN_CLOCK]
    s.paid_fraud[at] = 0
    s.counters[PAYMENTS_END] += 1
    if rows[row, IN_MARKS] & 1:
        mark(s, p, at, 1)


@kernel
def mark(s: State, p: Program, at: int, fraud: int) -> None:
    """What the latest label says of a payment that is kept."""
    if s.paid_fraud[at] == fraud:
        return
    s.paid_fraud[at] = fraud
    for side in range(1, 3):
        key = s.paid_keys[at, side]
        if key != 0 and fraud:
            accuse(s, p, key, p.shape[S_SUBJECT_TYPE])
        elif key != 0:
            blame(s, key, -1)


@kernel
def label(s: State, p: Program, rows: Words, row: int) -> None:
    """A label came: it says what its payment was, if that is kept."""
    place = find_paid(s, rows[row, IN_ID])
    if s.paid_table[place] != 0:
        mark(s, p, s.paid_table[place] - 1, rows[row, IN_MARKS] & 1)
