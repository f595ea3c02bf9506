"""The values of the signals, once a payment's links are in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.features.kernel.elementary import log
from ringfence.features.kernel.jit import inlined
from ringfence.graph.kernel import layout as at
from ringfence.graph.kernel.forest import root_of
from ringfence.graph.kernel.motifs import cycle, others_like, scatter_gather
from ringfence.graph.kernel.near import known_within
from ringfence.graph.kernel.windows import FAR, neighbours, survey

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.graph.kernel.layout import Program, State

_LOW = (1 << 20) - 1
_WHOLE = (1 << 53) - 1  # what a float holds exactly


@inlined
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
    if who[at.WHO_PAYER] != at.NONE and (p.shape[at.S_FANS] or p.shape[at.S_FLOWS]):
        survey(s, p, who, now)
    for signal in range(p.ops.shape[0]):
        code, argument, window = p.ops[signal, 0], p.ops[signal, 1], p.ops[signal, 2]
        value = np.nan
        if code >= at.O_PAIR_NEW:
            value = _of_payment(s, p, code, argument, window, who, now)
        elif code == at.O_SHARED:
            if who[at.WHO_TARGETS + argument] != at.NONE:
                value = neighbours(s, p, who[at.WHO_TARGETS + argument], argument, window, now)
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
    if p.shape[at.S_LAYERING] and who[at.WHO_PAYER] != at.NONE:
        points = 0
        for row in range(p.card.shape[0]):
            if out[int(p.card[row, 0]), column] >= p.card[row, 1]:
                points += int(p.card[row, 2])
        newest = s.flow[s.node_out[who[at.WHO_PAYER]] & (s.flow.shape[0] - 1)]
        newest[at.F_CHAINS] |= min(max(points, 0), at.CHAIN) << at.POINTS_BIT


@inlined
def _distance(s: State, subject: int, known: int) -> float:
    if s.node_fraud[subject] > 0:
        return 0.0
    if known & _LOW:
        return 1.0
    return 2.0 if known else np.nan


@inlined
def _of_subject(s: State, code: int, argument: int, subject: int, now: int) -> float:
    degree = s.node_live[subject]
    if code == at.O_DEGREE:
        return float(degree)
    if code == at.O_DAMPED:
        return 1.0 / log(1.0 + degree) if degree > 0 else np.nan
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


@inlined
def _of_payment(
    s: State, p: Program, code: int, argument: int, window: int, who: NDArray[np.int64], now: int
) -> float:
    payer, payee = who[at.WHO_PAYER], who[at.WHO_PAYEE]
    if payer == at.NONE:
        return np.nan
    if code == at.O_PAIR_NEW:
        return float(who[at.WHO_NEW])
    if code == at.O_CYCLE:
        return cycle(s, p, payer, payee, now)
    if code == at.O_SCATTER:
        return scatter_gather(s, p, payer, payee, now)
    if code in (at.O_BIPARTITE, at.O_COMMON):
        side = 1 if code == at.O_BIPARTITE else 0
        me, of = (payer, payee) if side else (payee, payer)
        return others_like(s, p, me, of, payer if side else payee, side, now)
    return _of_counts(s, code, argument, window, payer, now)


@inlined
def _of_counts(s: State, code: int, argument: int, window: int, payer: int, now: int) -> float:
    """What `survey` has counted; for sums and counts, `argument` is FACTS times the list, and the fact."""
    place = argument // at.FACTS
    value = s.counted[place, window, argument - place * at.FACTS]
    mine = s.flow[s.node_out[payer] & (s.flow.shape[0] - 1)]
    if code in (at.O_COUNTED, at.O_SUM):
        if s.counted[place, window, at.C_DISTINCT] == at.NONE:
            return np.nan
        return value / 1000.0 if code == at.O_SUM else float(value)
    if code == at.O_PASS:
        income = s.counted[at.L_IN, window, at.C_SUM]
        return s.counted[at.L_OUT, window, at.C_SUM] / income if income > 0 else np.nan
    if code == at.O_GATHER:
        return float(
            min(s.counted[at.L_IN, window, at.C_DISTINCT], s.counted[at.L_OUT, window, at.C_DISTINCT])
        )
    if code == at.O_CHAIN:
        return float(mine[at.F_CHAINS] & at.CHAIN)
    if code == at.O_NEW_CHAIN:
        return float((mine[at.F_CHAINS] >> at.NEW_CHAIN_BIT) & at.CHAIN)
    if code == at.O_PAIR_PAYMENTS:
        return float(s.gauged[at.G_PAIR])
    if code == at.O_PAID_BACK:
        return float(s.gauged[at.G_BACK])
    if s.gauged[at.G_LATEST] == at.NONE:
        return np.nan
    if code == at.O_SINCE_IN:
        return (now - s.gauged[at.G_LATEST]) / 1000.0
    if code == at.O_INCOME_RATIO:
        income = s.gauged[at.G_LATEST_AMOUNT]
        return mine[at.F_AMOUNT] / income if income > 0 else np.nan
    closest = s.gauged[at.G_CLOSEST]
    return closest / mine[at.F_AMOUNT] if closest != FAR and mine[at.F_AMOUNT] > 0 else np.nan
