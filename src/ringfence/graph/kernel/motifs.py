"""Shapes of money laundering that a payment completes: cycles, scatter–gather, chains.

All are looked for among earlier payments within the longest window: at most `Bounds.reach` of a node, newest
first, and `Bounds.steps` in one search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.features.kernel.jit import inlined
from ringfence.graph.kernel.layout import (
    CHAIN,
    F_BEFORE_IN,
    F_BEFORE_OUT,
    F_CHAINS,
    F_PAYEE,
    F_PAYER,
    F_SEEN,
    F_TIME,
    FLOWS_OLDEST,
    IN_CLOCK,
    IN_TIME,
    N_BOUND,
    N_MARK,
    N_NOTE,
    N_SEEN,
    NEW_CHAIN_BIT,
    S_LONGEST,
    S_LOOK,
    S_REACH,
    S_SHORTEST,
    S_STEPS,
    STAMP,
)

if TYPE_CHECKING:
    from ringfence.graph.kernel.layout import Program, State, Words

LONGEST_CYCLE = 10


@inlined
def is_over(s: State, sequence: int, since: int) -> bool:
    """Whether a list of payments has nothing within the window from here on."""
    return sequence < s.counters[FLOWS_OLDEST] or s.flow[sequence & (s.flow.shape[0] - 1), F_SEEN] <= since


@inlined
def chains_of(s: State, p: Program, rows: Words, row: int, payer: int, is_new: int) -> int:
    """`F_CHAINS`: payments in the longest chains that end with this one.

    Each came within the shortest window of the one before.
    """
    now = rows[row, IN_CLOCK]
    time = min(rows[row, IN_TIME], now)
    since = max(time - p.shape[S_SHORTEST], now - p.shape[S_LONGEST])
    deepest, newest, sequence = 0, 0, s.node_in[payer]
    for _ in range(p.shape[S_LOOK]):
        if is_over(s, sequence, since):
            break
        one = s.flow[sequence & (s.flow.shape[0] - 1)]
        if since < one[F_TIME] <= time:
            deepest = max(deepest, one[F_CHAINS] & CHAIN)
            newest = max(newest, (one[F_CHAINS] >> NEW_CHAIN_BIT) & CHAIN)
        sequence = one[F_BEFORE_IN]
    new = min(newest + 1, CHAIN) if is_new else 0
    return min(deepest + 1, CHAIN) | (new << NEW_CHAIN_BIT)


@inlined
def cycle(s: State, p: Program, payer: int, payee: int, now: int) -> float:
    """Payments in the shortest cycle in order of time that a payment closes, NaN for none up to ten."""
    since, mask, left = now - p.shape[S_LONGEST], s.flow.shape[0] - 1, p.shape[S_STEPS]
    s.counters[STAMP] += 1
    stamp, sequence, ways = s.counters[STAMP], s.node_out[payee], 0
    for _ in range(p.shape[S_REACH]):  # whom the payee paid, and when first
        if is_over(s, sequence, since):
            break
        one = s.flow[sequence & mask]
        if one[F_TIME] > since:
            ways += 1
            node = s.node_search[one[F_PAYEE]]
            if node[N_SEEN] != stamp or one[F_TIME] < node[N_NOTE]:
                node[N_SEEN], node[N_NOTE] = stamp, one[F_TIME]
        sequence = one[F_BEFORE_OUT]
    if ways == 0:
        return np.nan
    time = s.flow[s.node_out[payer] & mask, F_TIME]
    if closes(s, payer, stamp, time):
        return 2.0
    s.found[0], s.found_until[0] = payer, time
    s.node_search[payer, N_MARK], s.node_search[payer, N_BOUND] = stamp, time
    begin, end = 0, 1
    for length in range(3, LONGEST_CYCLE + 1):
        last = end
        for place in range(begin, last):
            bound, sequence = s.found_until[place], s.node_in[s.found[place]]
            for _ in range(p.shape[S_REACH]):
                if left == 0 or is_over(s, sequence, since):
                    break
                left -= 1
                one = s.flow[sequence & mask]
                time, source = one[F_TIME], one[F_PAYER]
                sequence = one[F_BEFORE_IN]
                if time <= since or time > bound:
                    continue
                node = s.node_search[source]
                if node[N_MARK] != stamp or time > node[N_BOUND]:
                    if node[N_SEEN] == stamp and node[N_NOTE] <= time:
                        return float(length)
                    node[N_MARK], node[N_BOUND] = stamp, time
                    s.found[end], s.found_until[end] = source, time
                    end += 1
        begin = last
    return np.nan


@inlined
def closes(s: State, node: int, stamp: int, until: int) -> bool:
    """Whether the payee paid this node in time for a payment that was made then."""
    return s.node_search[node, N_SEEN] == stamp and s.node_search[node, N_NOTE] <= until


@inlined
def scatter_gather(s: State, p: Program, payer: int, payee: int, now: int) -> float:
    """The most nodes over which one source reached the payee: each was paid by it and paid the payee."""
    since, mask, left = now - p.shape[S_LONGEST], s.flow.shape[0] - 1, p.shape[S_STEPS]
    s.counters[STAMP] += 1
    sources, ways = s.counters[STAMP], 0
    sequence = s.node_in[payer]
    for _ in range(p.shape[S_REACH]):
        if is_over(s, sequence, since):
            break
        one = s.flow[sequence & mask]
        if one[F_TIME] > since and one[F_PAYER] != payee:
            s.node_search[one[F_PAYER], N_MARK], s.node_search[one[F_PAYER], N_NOTE] = sources, 0
            ways += 1
        sequence = one[F_BEFORE_IN]
    if ways == 0:
        return 0.0
    most, sequence = 0, s.node_in[payee]
    for _ in range(p.shape[S_REACH]):
        if is_over(s, sequence, since):
            break
        one = s.flow[sequence & mask]
        middle = one[F_PAYER]
        sequence = one[F_BEFORE_IN]
        if one[F_TIME] <= since or s.node_search[middle, N_SEEN] >= sources:
            continue
        s.counters[STAMP] += 1
        turn = s.counters[STAMP]
        s.node_search[middle, N_SEEN] = turn
        step = s.node_in[middle]
        for _ in range(p.shape[S_REACH]):
            if left == 0 or is_over(s, step, since):
                break
            left -= 1
            two = s.flow[step & mask]
            source = s.node_search[two[F_PAYER]]
            if two[F_TIME] > since and source[N_MARK] == sources and source[N_BOUND] != turn:
                source[N_BOUND] = turn
                source[N_NOTE] += 1
                most = max(most, source[N_NOTE])
            step = two[F_BEFORE_IN]
    return float(most)


@inlined
def mark_paid(s: State, p: Program, node: int, but: int, since: int) -> int:
    """Mark by the current stamp whom a node paid, but for one; how many payments those were."""
    stamp, mask, sequence, count = s.counters[STAMP], s.flow.shape[0] - 1, s.node_out[node], 0
    for _ in range(p.shape[S_REACH]):
        if is_over(s, sequence, since):
            break
        one = s.flow[sequence & mask]
        if one[F_TIME] > since and one[F_PAYEE] != but:
            s.node_search[one[F_PAYEE], N_MARK] = stamp
            count += 1
        sequence = one[F_BEFORE_OUT]
    return count


@inlined
def others_like(s: State, p: Program, me: int, of: int, but: int, side: int, now: int) -> float:
    """Others next to `of` who paid somebody that `me` paid, too.

    They are the payers of `of` (side 1) or its payees (side 0), without `me` and `but`.
    """
    since, mask, left = now - p.shape[S_LONGEST], s.flow.shape[0] - 1, p.shape[S_STEPS]
    s.counters[STAMP] += 1
    if mark_paid(s, p, me, of, since) == 0:
        return 0.0
    stamp, count, sequence = s.counters[STAMP], 0, s.node_in[of] if side == 1 else s.node_out[of]
    s.node_search[me, N_SEEN] = s.node_search[but, N_SEEN] = stamp
    for _ in range(p.shape[S_REACH]):
        if is_over(s, sequence, since):
            break
        one = s.flow[sequence & mask]
        other = one[F_PAYER] if side == 1 else one[F_PAYEE]
        sequence = one[F_BEFORE_OUT + side]
        if one[F_TIME] <= since or s.node_search[other, N_SEEN] == stamp:
            continue
        s.node_search[other, N_SEEN] = stamp
        step = s.node_out[other]
        for _ in range(p.shape[S_REACH]):
            if left == 0 or is_over(s, step, since):
                break
            left -= 1
            two = s.flow[step & mask]
            if two[F_TIME] > since and s.node_search[two[F_PAYEE], N_MARK] == stamp:
                count += 1
                break
            step = two[F_BEFORE_OUT]
    return float(count)
