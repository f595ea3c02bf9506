"""What a node did within a window that ends now: distinct neighbours, money that came and went."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.features.kernel.jit import kernel
from ringfence.graph.kernel.layout import FLOWS_OLDEST, L_FROM_PORT, L_TO_PORT, L_TTL, LOOK, NONE, S_FLOW

if TYPE_CHECKING:
    from ringfence.graph.kernel.layout import Program, State


@kernel
def neighbours(s: State, p: Program, node: int, link: int, side: int, window: int, now: int) -> int:
    """Distinct nodes with whom it had a link of a type within the window, of the `LOOK` that came last."""
    port = s.node_port[node] + p.links[link, L_FROM_PORT if side == 0 else L_TO_PORT]
    if window >= p.links[link, L_TTL]:
        return s.port_count[port]
    since, count, pair = now - window, 0, s.port_head[port]
    for _ in range(LOOK):
        if pair == NONE or s.pair_seen[pair] <= since:
            break
        if s.pair_last[pair] > since:
            count += 1
        pair = s.pair_next[pair, side]
    return count


@kernel
def money(s: State, node: int, side: int, window: int, now: int) -> int:
    """What it paid (side 0) or was paid (side 1) within the window, of the last `LOOK` payments."""
    since, total, mask = now - window, 0, s.flow_amount.size - 1
    sequence = s.node_out[node] if side == 0 else s.node_in[node]
    for _ in range(LOOK):
        at = sequence & mask
        if sequence < s.counters[FLOWS_OLDEST] or s.flow_times[at, 1] <= since:
            break
        if s.flow_times[at, 0] > since:
            total += s.flow_amount[at]
        sequence = s.flow_before[at, side]
    return total


@kernel
def latest_income(s: State, node: int, window: int, now: int) -> int:
    """The latest time at which it was paid within the window, of the last `LOOK` payments; -1 for none."""
    since, latest, mask, sequence = now - window, NONE, s.flow_amount.size - 1, s.node_in[node]
    for _ in range(LOOK):
        at = sequence & mask
        if sequence < s.counters[FLOWS_OLDEST] or s.flow_times[at, 1] <= since:
            break
        if s.flow_times[at, 0] > since:
            latest = max(latest, s.flow_times[at, 0])
        sequence = s.flow_before[at, 1]
    return latest


@kernel
def fan(s: State, p: Program, node: int, side: int, window: int, now: int) -> float:
    """Distinct payees (side 0) or payers (side 1) of a node within the window; NaN where it can have none."""
    flow = p.shape[S_FLOW]
    if node < 0 or p.links[flow, 2 + side] != s.node_type[node]:
        return np.nan
    return float(neighbours(s, p, node, flow, side, window, now))
