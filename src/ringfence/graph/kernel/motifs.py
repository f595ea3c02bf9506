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
    FIRST_BIT,
    FLOWS_OLDEST,
    IN_CLOCK,
    IN_TIME,
    N_BITS,
    N_ONE,
    N_TWO,
    NEW_CHAIN_BIT,
    NONE,
    S_LONGEST,
    S_LOOK,
    S_REACH,
    S_SHORTEST,
    S_STEPS,
    SECOND_BIT,
)
from ringfence.graph.kernel.notes import begin_search, noted, notes_of, one_of_64

if TYPE_CHECKING:
    from ringfence.graph.kernel.layout import Program, State, Words

LONGEST_CYCLE = 10

# Bits of a note: of whom the payee, or the payer, paid (`cycle`, `others_like`) or who paid the payer
# (`scatter_gather`); and of whom the search has come to.
_PAID = _SOURCE = FIRST_BIT
_REACHED = _DONE = SECOND_BIT


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
    begin_search(s)
    sequence, ways = s.node_out[payee], 0
    for _ in range(p.shape[S_REACH]):  # whom the payee paid, and when first
        if is_over(s, sequence, since):
            break
        one = s.flow[sequence & mask]
        if one[F_TIME] > since:
            ways += 1
            node = s.notes[notes_of(s, one[F_PAYEE])]
            if node[N_BITS] == 0 or one[F_TIME] < node[N_ONE]:
                node[N_BITS], node[N_ONE] = _PAID, one[F_TIME]
        sequence = one[F_BEFORE_OUT]
    if ways == 0:
        return np.nan
    time = s.flow[s.node_out[payer] & mask, F_TIME]
    start = s.notes[notes_of(s, payer)]
    if start[N_BITS] & _PAID and start[N_ONE] <= time:
        return 2.0
    s.found[0], s.found_until[0] = payer, time
    start[N_BITS] |= _REACHED
    start[N_TWO] = time
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
                node = s.notes[notes_of(s, source)]
                if node[N_BITS] & _REACHED == 0 or time > node[N_TWO]:
                    if node[N_BITS] & _PAID and node[N_ONE] <= time:
                        return float(length)
                    node[N_BITS] |= _REACHED
                    node[N_TWO] = time
                    s.found[end], s.found_until[end] = source, time
                    end += 1
        begin = last
    return np.nan


@inlined
def scatter_gather(s: State, p: Program, payer: int, payee: int, now: int) -> float:
    """The most nodes over which one source reached the payee: each was paid by it and paid the payee."""
    since, mask, left = now - p.shape[S_LONGEST], s.flow.shape[0] - 1, p.shape[S_STEPS]
    begin_search(s)
    sources, turn, sequence = 0, 0, s.node_in[payer]
    for _ in range(p.shape[S_REACH]):
        if is_over(s, sequence, since):
            break
        one = s.flow[sequence & mask]
        if one[F_TIME] > since and one[F_PAYER] != payee:
            s.notes[notes_of(s, one[F_PAYER]), N_BITS] = _SOURCE
            sources |= one_of_64(one[F_PAYER])
        sequence = one[F_BEFORE_IN]
    if sources == 0:
        return 0.0
    most, sequence = 0, s.node_in[payee]
    for _ in range(p.shape[S_REACH]):
        if is_over(s, sequence, since):
            break
        one = s.flow[sequence & mask]
        middle = one[F_PAYER]
        sequence = one[F_BEFORE_IN]
        if one[F_TIME] <= since:
            continue
        seen = notes_of(s, middle)
        if s.notes[seen, N_BITS] & _DONE:
            continue
        s.notes[seen, N_BITS] |= _DONE
        turn += 1
        step = s.node_in[middle]
        for _ in range(p.shape[S_REACH]):
            if left == 0 or is_over(s, step, since):
                break
            left -= 1
            two = s.flow[step & mask]
            source = NONE
            if two[F_TIME] > since and sources & one_of_64(two[F_PAYER]):
                source = noted(s, two[F_PAYER])
            if source != NONE and s.notes[source, N_BITS] & _SOURCE and s.notes[source, N_TWO] != turn:
                s.notes[source, N_TWO] = turn
                s.notes[source, N_ONE] += 1
                most = max(most, s.notes[source, N_ONE])
            step = two[F_BEFORE_IN]
    return float(most)


@inlined
def mark_paid(s: State, p: Program, node: int, but: int, since: int) -> int:
    """Note whom a node paid, but for one; their bits, 0 for nobody (`one_of_64`)."""
    mask, sequence, paid = s.flow.shape[0] - 1, s.node_out[node], 0
    for _ in range(p.shape[S_REACH]):
        if is_over(s, sequence, since):
            break
        one = s.flow[sequence & mask]
        if one[F_TIME] > since and one[F_PAYEE] != but:
            s.notes[notes_of(s, one[F_PAYEE]), N_BITS] = _PAID
            paid |= one_of_64(one[F_PAYEE])
        sequence = one[F_BEFORE_OUT]
    return paid


@inlined
def others_like(s: State, p: Program, me: int, of: int, but: int, side: int, now: int) -> float:
    """Others next to `of` who paid somebody that `me` paid, too.

    They are the payers of `of` (side 1) or its payees (side 0), without `me` and `but`.
    """
    since, mask, left = now - p.shape[S_LONGEST], s.flow.shape[0] - 1, p.shape[S_STEPS]
    begin_search(s)
    paid = mark_paid(s, p, me, of, since)
    if paid == 0:
        return 0.0
    count, sequence = 0, s.node_in[of] if side == 1 else s.node_out[of]
    s.notes[notes_of(s, me), N_BITS] |= _DONE
    s.notes[notes_of(s, but), N_BITS] |= _DONE
    for _ in range(p.shape[S_REACH]):
        if is_over(s, sequence, since):
            break
        one = s.flow[sequence & mask]
        other = one[F_PAYER] if side == 1 else one[F_PAYEE]
        sequence = one[F_BEFORE_OUT + side]
        if one[F_TIME] <= since:
            continue
        seen = notes_of(s, other)
        if s.notes[seen, N_BITS] & _DONE:
            continue
        s.notes[seen, N_BITS] |= _DONE
        step = s.node_out[other]
        for _ in range(p.shape[S_REACH]):
            if left == 0 or is_over(s, step, since):
                break
            left -= 1
            two = s.flow[step & mask]
            target = NONE
            if two[F_TIME] > since and paid & one_of_64(two[F_PAYEE]):
                target = noted(s, two[F_PAYEE])
            if target != NONE and s.notes[target, N_BITS] & _PAID:
                count += 1
                break
            step = two[F_BEFORE_OUT]
    return float(count)
