"""The values of the signals, once a payment's links are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.features.kernel.jit import kernel
from ringfence.graph.kernel import layout as at
from ringfence.graph.kernel.forest import root_of
from ringfence.graph.kernel.motifs import bipartite, cycle, scatter_gather
from ringfence.graph.kernel.near import known_within
from ringfence.graph.kernel.windows import fan, latest_income, money, neighbours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.graph.kernel.layout import Program, State

_LOW = (1 << 20) - 1
_WHOLE = (1 << 53) - 1  # what a float holds exactly


@kernel
def emit(
    s: State,
    p: Program,
    out: NDArray[np.float64],
    column: int,
    who: NDArray[np.int64],
    now: int,
) -> None:
    """Write a payment's signals; `who` is `WHO_...` of what its links turned out to be."""
    subject, known, distance = who[at.WHO_SUBJECT], 0, np.nan
    if p.shape[at.S_FRAUD] and subject != at.NONE:
        if s.counters[at.KNOWN] > 0:
            known = known_within(s, p, subject)
        distance = _distance(s, subject, known)
    for signal in range(p.ops.shape[0]):
        code, argument, window = p.ops[signal, 0], p.ops[signal, 1], p.ops[signal, 2]
        value = np.nan
        if code >= at.O_PAIR_NEW:
            value = _of_payment(s, p, code, window, who, now)
        elif code == at.O_SHARED:
            if who[at.WHO_TARGETS + argument] != at.NONE:
                value = neighbours(s, p, who[at.WHO_TARGETS + argument], argument, 1, window, now)
        elif code == at.O_HUBS:
            value = who[at.WHO_HUBS]
        elif subject == at.NONE:
            value = np.nan
        elif code == at.O_FRAUD_ONE:
            value = known & _LOW
        elif code == at.O_FRAUD_TWO:
            value = known >> 20
        elif code == at.O_FRAUD_DISTANCE:
            value = distance
        elif code == at.O_FRAUD_NEARNESS:
            value = min(s.node_fraud[subject], 1) + 0.5 * (known & _LOW) + 0.25 * (known >> 20)
        else:
            value = _of_subject(s, code, argument, subject, now)
        out[signal, column] = value


@kernel
def _distance(s: State, subject: int, known: int) -> float:
    if s.node_fraud[subject] > 0:
        return 0.0
    if known & _LOW:
        return 1.0
    return 2.0 if known else np.nan


@kernel
def _of_subject(s: State, code: int, argument: int, subject: int, now: int) -> float:
    degree = s.node_live[subject]
    if code == at.O_DEGREE:
        return float(degree)
    if code == at.O_DAMPED:
        return 1.0 / np.log(1.0 + degree) if degree > 0 else np.nan
    if code == at.O_SINCE:
        return (now - s.node_since[subject]) / 1000.0 if degree > 0 else np.nan
    root = root_of(s, subject)
    if code == at.O_COMPONENT_ID:
        return float(s.node_key[root] & _WHOLE)
    if code == at.O_COMPONENT_OF:
        return float(s.node_sizes[root, argument])
    size = 0
    for kind in range(s.node_sizes.shape[1]):
        size += s.node_sizes[root, kind]
    return float(size)


@kernel
def _of_payment(s: State, p: Program, code: int, window: int, who: NDArray[np.int64], now: int) -> float:
    payer, payee = who[at.WHO_PAYER], who[at.WHO_PAYEE]
    if payer == at.NONE:
        return np.nan
    if code == at.O_PAIR_NEW:
        return float(who[at.WHO_NEW])
    if code == at.O_FAN_OUT:
        return fan(s, p, payer, 0, window, now)
    if code == at.O_FAN_IN:
        return fan(s, p, payer, 1, window, now)
    if code == at.O_PAYEE_IN:
        return fan(s, p, payee, 1, window, now)
    if code == at.O_PAYEE_OUT:
        return fan(s, p, payee, 0, window, now)
    if code == at.O_PASS:
        income = money(s, payer, 1, window, now)
        return money(s, payer, 0, window, now) / income if income > 0 else np.nan
    if code == at.O_CYCLE:
        return cycle(s, p, payer, payee, now)
    if code == at.O_SCATTER:
        return scatter_gather(s, p, payer, payee, now)
    if code == at.O_GATHER:
        return min(fan(s, p, payer, 1, window, now), fan(s, p, payer, 0, window, now))
    if code == at.O_BIPARTITE:
        return bipartite(s, p, payer, payee, now)
    if code == at.O_CHAIN:
        return float(s.flow_depth[s.node_out[payer] & (s.flow_amount.size - 1)])
    latest = latest_income(s, payer, window, now)
    return (now - latest) / 1000.0 if latest != at.NONE else np.nan
