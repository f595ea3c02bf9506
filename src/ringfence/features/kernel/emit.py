"""From a key's windows to feature values.

`cells` and `base` say where the windows are read: the key's own cell, or the scratch cell when a late event
is measured as of its own time; `at` is always where the key's own cell begins. `late` says which: ON_TIME, or
LATE_BEFORE and LATE_AFTER the event itself is counted.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ringfence.features.kernel import elementary
from ringfence.features.kernel.exact import above_mean, standard_deviation, total
from ringfence.features.kernel.extrema import extremum, extremum_as_of
from ringfence.features.kernel.jit import inlined
from ringfence.features.kernel.lanes import gather
from ringfence.features.kernel.layout import (
    BIT_SHARE,
    BITS,
    COUNT,
    DISTANCE,
    END,
    EVENTS,
    FIRST,
    HEAD,
    HOUR_SHARE,
    HOUR_SHIFT,
    IS_NEW,
    IS_SAME,
    LATE_AFTER,
    LOCATED,
    MAX,
    MEAN,
    MIN,
    N_DISTINCT,
    NULL,
    O_ACCUMULATOR,
    O_BACK,
    O_CODE,
    O_DELAYED,
    O_EDGE,
    O_EXTREMUM,
    O_FEATURE,
    O_REACH,
    O_SOURCE,
    O_WINDOW,
    ON_TIME,
    PAIR_LAST,
    PREVIOUS,
    RATIO,
    S_MARKS,
    SINCE_FIRST,
    SINCE_LAST,
    STD,
    SUM,
    TAIL,
    TAIL_TIME,
    ZSCORE,
)
from ringfence.features.kernel.strips import ref_at

if TYPE_CHECKING:
    from ringfence.features.kernel.layout import Program, State, Words

_EARTH_RADIUS_KM = 6371.0088
_MS_PER_HOUR = 3_600_000.0


@inlined
def _is_of_counted_window(code: int) -> bool:
    """Whether an operation is told from what is kept of a window: its count, an accumulator, or extremes."""
    return (
        code == COUNT
        or code == BITS
        or code == BIT_SHARE
        or code == SUM
        or code == MEAN
        or code == STD
        or code == RATIO
        or code == ZSCORE
        or code == MIN
        or code == MAX
        or code == N_DISTINCT
    )


@inlined
def emit(
    s: State,
    p: Program,
    entity: int,
    side: int,
    cells: Words,
    base: int,
    at: int,
    row: int,
    lane: int,
    late: int,
    limit: int,
) -> None:
    """The entity's features of one side, before or after the event is counted, into the event's lane."""
    gather(s, p, entity, side, cells, base, lane)
    first, last = p.entities[entity, side], p.entities[entity, side + 1]
    for k in range(first, last):
        code = p.ops[k, O_CODE]
        feature = p.ops[k, O_FEATURE]
        value = np.nan
        if _is_of_counted_window(code):
            w = base + p.ops[k, O_WINDOW]
            a = base + p.ops[k, O_ACCUMULATOR]
            end = cells[w + HEAD] if p.ops[k, O_DELAYED] else cells[base + EVENTS + END]
            if code == COUNT:
                value = float(end - cells[w + TAIL])
            elif code == BITS:
                value = float(cells[a])
            elif code == BIT_SHARE:
                if end > cells[w + TAIL]:
                    value = cells[a] / (end - cells[w + TAIL])
            elif code == N_DISTINCT:
                value = float(cells[a])
            elif code == RATIO or code == ZSCORE:
                value = _against(cells, a, s.rows[row, p.ops[k, O_SOURCE]], code == ZSCORE)
            else:
                value = _extremum(s, p, k, cells, base, at, row, late, limit) / p.scales[feature]
        elif code == HOUR_SHARE:
            value = _hour_share(s, p, k, cells, base, row)
        elif code == SINCE_FIRST:
            value = 0.0
            w = base + p.ops[k, O_WINDOW]
            if cells[base + EVENTS + END] > cells[w + TAIL]:
                value = (s.rows[row, 0] - cells[w + TAIL_TIME]) / 1000.0
        else:
            value = _history(s, p, k, code, cells, base, at, row, late, limit)
        if value != value:
            value = p.defaults[feature]
        s.values[feature, lane] = value


@inlined
def _deviation(cells: Words, a: int) -> float:
    return standard_deviation(cells[a], cells[a + 1], cells[a + 2], cells[a + 3], cells[a + 4])


@inlined
def _against(cells: Words, a: int, x: int, standardised: bool) -> float:
    """The current value against the window: x / mean, or (x - mean) / std."""
    n = cells[a]
    if x == NULL or n == 0:
        return np.nan
    if not standardised:
        mean = total(cells[a + 1], cells[a + 2]) / n
        return x / mean if mean != 0.0 else np.nan
    if n < 2:
        return np.nan
    deviation = _deviation(cells, a)
    distance = above_mean(x, n, cells[a + 1], cells[a + 2])
    return distance / deviation if deviation > 0.0 else np.nan


@inlined
def _extremum(
    s: State, p: Program, k: int, cells: Words, base: int, at: int, row: int, late: int, limit: int
) -> float:
    strip, source = at + p.ops[k, O_EXTREMUM], p.ops[k, O_SOURCE]
    sign = 1 if p.ops[k, O_CODE] == MAX else -1
    edge = s.rows[row, p.ops[k, O_EDGE]] - p.ops[k, O_REACH]
    if late != ON_TIME:
        low, high = cells[base + p.ops[k, O_WINDOW] + TAIL], cells[base + EVENTS + END]
        own = NULL
        if late == LATE_AFTER:  # the recalled window already holds the event, the key's strip does not
            own, high = s.rows[row, source], high - 1
        x = extremum_as_of(s, strip, at + EVENTS, source, sign, max(edge, limit), low, high)
        if own != NULL and (x == NULL or sign * own > sign * x):
            x = own
    else:
        x = extremum(s, strip, source, edge)
    return np.nan if x == NULL else float(x)


@inlined
def _hour_share(s: State, p: Program, k: int, cells: Words, base: int, row: int) -> float:
    count = cells[base + EVENTS + END] - cells[base + p.ops[k, O_WINDOW] + TAIL]
    if count == 0:
        return np.nan
    a = base + p.ops[k, O_ACCUMULATOR]
    hour = (s.rows[row, p.shape[S_MARKS]] >> HOUR_SHIFT) & 31
    near = cells[a + hour] + cells[a + (hour + 1) % 24] + cells[a + (hour + 23) % 24]
    return near / count


@inlined
def _history(
    s: State, p: Program, k: int, code: int, cells: Words, base: int, at: int, row: int, late: int, limit: int
) -> float:
    """What depends on one earlier event: the last one, the last with this value, the last with a position."""
    rows = s.rows.shape[0] - 1
    time = s.rows[row, 0]
    edge = max(time - p.ops[k, O_REACH], limit)
    events = at + EVENTS
    end = cells[base + EVENTS + END]
    if code == SINCE_LAST or code == PREVIOUS or code == IS_SAME:
        position = end - p.ops[k, O_BACK]
        if position < s.arena[events + FIRST]:
            return np.nan
        earlier = ref_at(s.arena, s.pool, events, position) & rows
        if s.rows[earlier, 0] <= edge:
            return np.nan
        if code == SINCE_LAST:
            return (time - s.rows[earlier, 0]) / 1000.0
        if code == PREVIOUS:
            x = s.rows[earlier, p.ops[k, O_SOURCE]]
            return np.nan if x == NULL else x / p.scales[p.ops[k, O_FEATURE]]
        mine, theirs = s.pairs[row, p.ops[k, O_SOURCE]], s.pairs[earlier, p.ops[k, O_SOURCE]]
        if mine == -1 or theirs == -1:
            return np.nan
        return 1.0 if mine == theirs else 0.0
    if code == IS_NEW:
        return _is_new(s, p.ops[k, O_SOURCE], events, end, row, time, edge)
    if np.isnan(s.places[row, 0]) or np.isnan(s.places[row, 1]):
        return np.nan
    ref = s.arena[at + LOCATED]
    if late != ON_TIME:
        ref = -1
        position = end - 1
        while position >= s.arena[events + FIRST] and ref < 0:
            candidate = ref_at(s.arena, s.pool, events, position)
            if not (np.isnan(s.places[candidate & rows, 0]) or np.isnan(s.places[candidate & rows, 1])):
                ref = candidate
            position -= 1
    if ref < 0 or s.rows[ref & rows, 0] <= edge:
        return np.nan
    kilometres = great_circle_km(
        s.places[ref & rows, 0], s.places[ref & rows, 1], s.places[row, 0], s.places[row, 1]
    )
    if code == DISTANCE:
        return kilometres
    return kilometres / (max(time - s.rows[ref & rows, 0], 1000) / _MS_PER_HOUR)


@inlined
def _is_new(s: State, tracker: int, events: int, end: int, row: int, time: int, edge: int) -> float:
    rows = s.rows.shape[0] - 1
    pair = s.pairs[row, tracker]
    if pair == -1:
        return np.nan
    if pair < 0 or s.pairs_known[pair, PAIR_LAST] < 0:
        return 1.0
    last = s.rows[s.pairs_known[pair, PAIR_LAST] & rows, 0]
    if last <= time:
        return 0.0 if last > edge else 1.0
    position = end - 1
    while position >= s.arena[events + FIRST]:
        ref = ref_at(s.arena, s.pool, events, position)
        if s.rows[ref & rows, 0] <= edge:
            break
        if s.pairs[ref & rows, tracker] == pair:
            return 0.0
        position -= 1
    return 1.0


@inlined
def great_circle_km(lat_a: float, lon_a: float, lat_b: float, lon_b: float) -> float:
    """Haversine distance between two points in degrees, on a sphere of mean Earth radius."""
    phi_a, phi_b = math.radians(lat_a), math.radians(lat_b)
    across = elementary.sin((phi_b - phi_a) / 2.0)
    along = elementary.sin(math.radians(lon_b - lon_a) / 2.0)
    h = across * across + elementary.cos(phi_a) * elementary.cos(phi_b) * along * along
    return 2.0 * _EARTH_RADIUS_KM * elementary.asin(min(1.0, math.sqrt(h)))
