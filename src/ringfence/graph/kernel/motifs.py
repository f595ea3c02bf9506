"""Shapes of money laundering that a payment completes: cycles, scatter–gather, chains.

All are looked for among earlier payments within the longest window, at most `REACH` of a node, newest first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.features.kernel.jit import kernel
from ringfence.graph.kernel.layout import (
    FLOWS_OLDEST,
    IN_CLOCK,
    IN_TIME,
    LOOK,
    MOST_FOUND,
    REACH,
    S_LONGEST,
    S_SHORTEST,
    STAMP,
)

if TYPE_CHECKING:
    from ringfence.graph.kernel.layout import Program, State, Words

LONGEST_CYCLE = 10


@kernel
def is_over(s: State, sequence: int, since: int) -> bool:
    """Whether a list of payments has nothing within the window from here on."""
    return (
        sequence < s.counters[FLOWS_OLDEST] or s.flow_times[sequence & (s.flow_amount.size - 1), 1] <= since
    )


@kernel
def depth_of(s: State, p: Program, rows: Words, row: int, payer: int) -> int:
    """Payments in the longest chain that ends with this one, each within the shortest window of the last."""
    now = rows[row, IN_CLOCK]
    time = min(rows[row, IN_TIME], now)
    since = max(time - p.shape[S_SHORTEST], now - p.shape[S_LONGEST])
    deepest, sequence = 0, s.node_in[payer]
    for _ in range(LOOK):
        if is_over(s, sequence, since):
            break
        at = sequence & (s.flow_amount.size - 1)
        if since < s.flow_times[at, 0] <= time:
            deepest = max(deepest, s.flow_depth[at])
        sequence = s.flow_before[at, 1]
    return deepest + 1


@kernel
def cycle(s: State, p: Program, payer: int, payee: int, now: int) -> float:
    """Payments in the shortest cycle in order of time that a payment closes, NaN for none up to ten."""
    since, mask = now - p.shape[S_LONGEST], s.flow_amount.size - 1
    newest = s.node_out[payer]  # the payment itself
    s.counters[STAMP] += 1
    stamp = s.counters[STAMP]
    s.found[0] = payer
    s.node_mark[payer] = stamp
    s.node_bound[payer] = s.found_until[0] = s.flow_times[newest & mask, 0]
    begin, end = 0, 1
    for length in range(2, LONGEST_CYCLE + 1):
        last = end
        for place in range(begin, last):
            node = s.found[place]
            bound, sequence = s.found_until[place], s.node_in[node]
            for _ in range(REACH):
                if is_over(s, sequence, since):
                    break
                at = sequence & mask
                time, source = s.flow_times[at, 0], s.flow_ends[at, 0]
                sequence = s.flow_before[at, 1]
                if time <= since or time > bound:
                    continue
                if source == payee:
                    return float(length)
                fresh = s.node_mark[source] != stamp
                if end < MOST_FOUND and (fresh or time > s.node_bound[source]):
                    s.node_mark[source], s.node_bound[source] = stamp, time
                    s.found[end], s.found_until[end] = source, time
                    end += 1
        begin = last
    return np.nan


@kernel
def scatter_gather(s: State, p: Program, payer: int, payee: int, now: int) -> float:
    """The most nodes over which one source reached the payee: each was paid by it and paid the payee."""
    since, mask = now - p.shape[S_LONGEST], s.flow_amount.size - 1
    s.counters[STAMP] += 1
    sources = s.counters[STAMP]
    sequence = s.node_in[payer]
    for _ in range(REACH):
        if is_over(s, sequence, since):
            break
        at = sequence & mask
        source = s.flow_ends[at, 0]
        if s.flow_times[at, 0] > since and source != payee:
            s.node_mark[source], s.node_count[source] = sources, 0
        sequence = s.flow_before[at, 1]
    most, sequence = 0, s.node_in[payee]
    for _ in range(REACH):
        if is_over(s, sequence, since):
            break
        at = sequence & mask
        middle = s.flow_ends[at, 0]
        sequence = s.flow_before[at, 1]
        if s.flow_times[at, 0] <= since or s.node_seen[middle] >= sources:
            continue
        s.counters[STAMP] += 1
        turn = s.counters[STAMP]
        s.node_seen[middle] = turn
        step = s.node_in[middle]
        for _ in range(REACH):
            if is_over(s, step, since):
                break
            place = step & mask
            source = s.flow_ends[place, 0]
            if (
                s.flow_times[place, 0] > since
                and s.node_mark[source] == sources
                and s.node_bound[source] != turn
            ):
                s.node_bound[source] = turn
                s.node_count[source] += 1
                most = max(most, s.node_count[source])
            step = s.flow_before[place, 1]
    return float(most)


@kernel
def bipartite(s: State, p: Program, payer: int, payee: int, now: int) -> float:
    """Other payers of the payee who share a further payee with the payer."""
    since, mask = now - p.shape[S_LONGEST], s.flow_amount.size - 1
    s.counters[STAMP] += 1
    shared = s.counters[STAMP]
    sequence = s.node_out[payer]
    for _ in range(REACH):
        if is_over(s, sequence, since):
            break
        at = sequence & mask
        if s.flow_times[at, 0] > since and s.flow_ends[at, 1] != payee:
            s.node_mark[s.flow_ends[at, 1]] = shared
        sequence = s.flow_before[at, 0]
    count, sequence = 0, s.node_in[payee]
    s.node_seen[payer] = shared
    for _ in range(REACH):
        if is_over(s, sequence, since):
            break
        at = sequence & mask
        other = s.flow_ends[at, 0]
        sequence = s.flow_before[at, 1]
        if s.flow_times[at, 0] <= since or s.node_seen[other] == shared:
            continue
        s.node_seen[other] = shared
        step = s.node_out[other]
        for _ in range(REACH):
            if is_over(s, step, since):
                break
            place = step & mask
            if s.flow_times[place, 0] > since and s.node_mark[s.flow_ends[place, 1]] == shared:
                count += 1
                break
            step = s.flow_before[place, 0]
    return float(count)
