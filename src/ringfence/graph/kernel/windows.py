"""What a node did within windows that end now: distinct neighbours, money that came and went."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.features.kernel.jit import inlined
from ringfence.graph.kernel.layout import (
    C_COUNT,
    C_DISTINCT,
    C_NEW,
    C_POINTS,
    C_SUM,
    CHAIN,
    F_AMOUNT,
    F_BEFORE_OUT,
    F_CHAINS,
    F_PAYEE,
    F_PAYER,
    F_SEEN,
    F_TIME,
    FACTS,
    FLOWS_OLDEST,
    G_BACK,
    G_CLOSEST,
    G_LATEST,
    G_LATEST_AMOUNT,
    G_PAIR,
    L_FROM_PORT,
    L_FROM_TYPE,
    L_IN,
    L_OUT,
    L_PAYEE_OUT,
    L_TO_PORT,
    L_TTL,
    NEW_CHAIN_BIT,
    NONE,
    POINTS_BIT,
    S_FANS,
    S_FLOW,
    S_FLOWS,
    S_LONGEST,
    S_LOOK,
    WHO_PAYEE,
    WHO_PAYER,
)
from ringfence.graph.kernel.tables import is_older, last_of

if TYPE_CHECKING:
    from ringfence.graph.kernel.layout import Program, State, Words

FAR = 1 << 62
"""A difference that no two amounts have."""


@inlined
def neighbours(s: State, p: Program, node: int, link: int, window: int, now: int) -> int:
    """Distinct entities with a link of a type to an attribute within the window, of those that came last."""
    port = s.node_port[node] + p.links[link, L_TO_PORT]
    if window >= p.links[link, L_TTL]:
        return s.port_count[port]
    since, count, pair = now - window, 0, s.port_head[port]
    for _ in range(p.shape[S_LOOK]):
        if pair == NONE or is_older(s, pair, since):
            break
        if last_of(s, pair) > since:
            count += 1
        pair = s.pair_next[pair, 1]
    return count


@inlined
def survey(s: State, p: Program, who: Words, now: int) -> None:
    """Count what payer and payee of a payment did within all windows, into `counted` and `gauged`."""
    for at in range(s.gauged.size):
        s.gauged[at] = 0
    s.gauged[G_LATEST], s.gauged[G_CLOSEST] = NONE, FAR
    payer, payee = who[WHO_PAYER], who[WHO_PAYEE]
    for place in range(4):
        node = payer if place in (L_OUT, L_IN) else payee
        side = 0 if place in (L_OUT, L_PAYEE_OUT) else 1
        for window in range(p.windows.size):
            for fact in range(FACTS):
                s.counted[place, window, fact] = 0
        if p.links[p.shape[S_FLOW], L_FROM_TYPE + side] != s.node_type[node]:
            for window in range(p.windows.size):
                s.counted[place, window, C_DISTINCT] = NONE  # it can have none
            continue
        if p.shape[S_FANS]:
            count_neighbours(s, p, node, side, place, now)
        if p.shape[S_FLOWS]:
            count_money(s, p, node, side, place, now, who)
        for window in range(1, p.windows.size):  # a longer window has all that a shorter one has
            for fact in range(FACTS):
                s.counted[place, window, fact] += s.counted[place, window - 1, fact]
        if p.shape[S_FANS]:
            port = s.node_port[node] + p.links[p.shape[S_FLOW], L_FROM_PORT + side]
            for window in range(p.windows.size):
                if p.windows[window] >= p.links[p.shape[S_FLOW], L_TTL]:
                    s.counted[place, window, C_DISTINCT] = s.port_count[port]


@inlined
def narrowest(p: Program, age: int) -> int:
    """The first window that reaches so far back, behind the last one for none."""
    window = 0
    while window < p.windows.size and p.windows[window] <= age:
        window += 1
    return window


@inlined
def count_neighbours(s: State, p: Program, node: int, side: int, place: int, now: int) -> None:
    """Distinct nodes that it paid (side 0) or was paid by (side 1), each in its narrowest window."""
    pair = s.port_head[s.node_port[node] + p.links[p.shape[S_FLOW], L_FROM_PORT + side]]
    since = now - p.shape[S_LONGEST]
    for _ in range(p.shape[S_LOOK]):
        if pair == NONE or is_older(s, pair, since):
            break
        last = last_of(s, pair)
        if last > since:
            s.counted[place, narrowest(p, now - last), C_DISTINCT] += 1
        pair = s.pair_next[pair, side]


@inlined
def count_money(s: State, p: Program, node: int, side: int, place: int, now: int, who: Words) -> None:
    """What it paid (side 0) or was paid (side 1), each payment in its narrowest window."""
    mask, since, oldest = s.flow.shape[0] - 1, now - p.shape[S_LONGEST], s.counters[FLOWS_OLDEST]
    mine = s.flow[s.node_out[who[WHO_PAYER]] & mask]
    sequence = s.node_out[node] if side == 0 else s.node_in[node]
    for _ in range(p.shape[S_LOOK]):
        if sequence < oldest:
            break
        one = s.flow[sequence & mask]
        if one[F_SEEN] <= since:
            break
        if one[F_TIME] > since:
            window = narrowest(p, now - one[F_TIME])
            s.counted[place, window, C_COUNT] += 1
            s.counted[place, window, C_SUM] += one[F_AMOUNT]
            s.counted[place, window, C_NEW] += (one[F_CHAINS] >> NEW_CHAIN_BIT) & CHAIN > 0
            s.counted[place, window, C_POINTS] += one[F_CHAINS] >> POINTS_BIT
            if place == L_OUT:
                s.gauged[G_PAIR] += one[F_PAYEE] == who[WHO_PAYEE]
            elif place == L_IN:
                s.gauged[G_BACK] += one[F_PAYER] == who[WHO_PAYEE]
                s.gauged[G_CLOSEST] = min(s.gauged[G_CLOSEST], abs(one[F_AMOUNT] - mine[F_AMOUNT]))
                if one[F_TIME] > s.gauged[G_LATEST]:
                    s.gauged[G_LATEST], s.gauged[G_LATEST_AMOUNT] = one[F_TIME], one[F_AMOUNT]
        sequence = one[F_BEFORE_OUT + side]
