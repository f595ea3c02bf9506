"""Windows over a key's events: what enters, what leaves, and how a window stood at an earlier time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.features.kernel.exact import count_value
from ringfence.features.kernel.jit import inlined, kernel
from ringfence.features.kernel.layout import (
    A_BIT,
    A_KIND,
    A_OFFSET,
    A_SOURCE,
    A_WORD,
    ACCUMULATOR_WORDS,
    BIT,
    DISTINCT,
    E_CALENDAR,
    E_WINDOWS,
    END,
    EVENTS,
    FIRST,
    HEAD,
    HEAD_TIME,
    HOUR_SHIFT,
    HOURS,
    NEVER,
    NULL,
    PAIR_LAST,
    S_MARKS,
    SCRATCH,
    SQUARED,
    STAMP,
    SUMMED,
    TAIL,
    TAIL_TIME,
    W_ACCUMULATORS,
    W_DELAY,
    W_DELAYED,
    W_EDGE,
    W_OFFSET,
    W_REACH,
)
from ringfence.features.kernel.prefetch import fetch_row
from ringfence.features.kernel.strips import first_after, ref_at

if TYPE_CHECKING:
    from ringfence.features.kernel.layout import Program, Refs, State, Words


_ADD: Any = np.int64(1)  # typed, as SCRATCH is
_SUBTRACT: Any = np.int64(-1)


@inlined
def count_event(
    rows: Words,
    accumulators: Words,
    windows: Words,
    shape: Words,
    window: int,
    cells: Words,
    base: int,
    row: int,
    sign: int,
) -> None:
    """Count an event into a window's accumulators; with sign -1 take it out again.

    Distinct counts only go down here: an event that comes in may find its value there (`enter_distinct`).
    """
    for k in range(windows[window, W_ACCUMULATORS], windows[window, W_ACCUMULATORS + 1]):
        kind, at = accumulators[k, A_KIND], base + accumulators[k, A_OFFSET]
        if kind == SUMMED or kind == SQUARED:
            x = rows[row, accumulators[k, A_SOURCE]]
            if x != NULL:
                count_value(cells, at, x, kind == SQUARED, sign)
        elif kind == BIT or (kind == DISTINCT and sign < 0):
            cells[at] += sign * ((rows[row, accumulators[k, A_WORD]] >> accumulators[k, A_BIT]) & 1)
        elif kind == HOURS:
            cells[at + ((rows[row, shape[S_MARKS]] >> HOUR_SHIFT) & 31)] += sign


@inlined
def enter_distinct(s: State, p: Program, window: int, base: int, row: int, edge: int) -> None:
    """Count a new event's values that have no other occurrence after `edge`.

    Before `pair_last` moves to this event.
    """
    for k in range(p.windows[window, W_ACCUMULATORS], p.windows[window, W_ACCUMULATORS + 1]):
        if p.accumulators[k, A_KIND] == DISTINCT:
            pair = s.pairs[row, p.accumulators[k, A_SOURCE]]
            if pair >= 0:
                last = s.pairs_known[pair, PAIR_LAST]
                if last < 0 or s.rows[last & (s.rows.shape[0] - 1), 0] <= edge:
                    s.arena[base + p.accumulators[k, A_OFFSET]] += 1


@inlined
def time_at(arena: Words, pool: Refs, rows: Words, strip: int, position: int) -> int:
    """Time of the event at a position, NEVER at the end."""
    if position == arena[strip + END]:
        return NEVER
    return rows[ref_at(arena, pool, strip, position) & (rows.shape[0] - 1), 0]


@inlined
def leave_tail(s: State, p: Program, window: int, base: int) -> None:
    """The oldest event leaves the window."""
    w = base + p.windows[window, W_OFFSET]
    row = ref_at(s.arena, s.pool, base + EVENTS, s.arena[w + TAIL]) & (s.rows.shape[0] - 1)
    count_event(s.rows, p.accumulators, p.windows, p.shape, window, s.arena, base, row, _SUBTRACT)
    s.arena[w + TAIL] += 1
    s.arena[w + TAIL_TIME] = time_at(s.arena, s.pool, s.rows, base + EVENTS, s.arena[w + TAIL])
    fetch_row(s, base + EVENTS, s.arena[w + TAIL] + 1)


@inlined
def left_edge(rows: Words, windows: Words, window: int, row: int) -> int:
    """The greatest time that lies before the window of an event."""
    return rows[row, windows[window, W_EDGE]] - windows[window, W_REACH]


@inlined
def advance(s: State, p: Program, entity: int, base: int, row: int, time: int) -> None:
    """Move every window of a key to the right edge `time` of the event in `row`."""
    for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_WINDOWS + 1]):
        w = base + p.windows[window, W_OFFSET]
        if p.windows[window, W_DELAYED]:
            edge = time - p.windows[window, W_DELAY]
            while s.arena[w + HEAD_TIME] <= edge:
                head = ref_at(s.arena, s.pool, base + EVENTS, s.arena[w + HEAD]) & (s.rows.shape[0] - 1)
                count_event(s.rows, p.accumulators, p.windows, p.shape, window, s.arena, base, head, _ADD)
                s.arena[w + HEAD] += 1
                s.arena[w + HEAD_TIME] = time_at(s.arena, s.pool, s.rows, base + EVENTS, s.arena[w + HEAD])
        edge = left_edge(s.rows, p.windows, window, row)
        while s.arena[w + TAIL_TIME] <= edge:
            leave_tail(s, p, window, base)
    for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_CALENDAR]):
        _take_back(s, p, window, base, left_edge(s.rows, p.windows, window, row))


@inlined
def _take_back(s: State, p: Program, window: int, base: int, edge: int) -> None:
    """Events later than `edge` that had left a calendar window enter it again.

    The newest event is of a zone where the period began earlier than where the one before it is.
    """
    w = base + p.windows[window, W_OFFSET]
    events = base + EVENTS
    while s.arena[w + TAIL] > s.arena[events + FIRST]:
        row = ref_at(s.arena, s.pool, events, s.arena[w + TAIL] - 1) & (s.rows.shape[0] - 1)
        if s.rows[row, 0] <= edge:
            break
        count_event(s.rows, p.accumulators, p.windows, p.shape, window, s.arena, base, row, _ADD)
        for k in range(p.windows[window, W_ACCUMULATORS], p.windows[window, W_ACCUMULATORS + 1]):
            if p.accumulators[k, A_KIND] == DISTINCT:  # the window ends now: it has every later event
                latest = (s.rows[row, p.accumulators[k, A_WORD]] >> p.accumulators[k, A_BIT]) & 1
                s.arena[base + p.accumulators[k, A_OFFSET]] += latest
        s.arena[w + TAIL] -= 1
        s.arena[w + TAIL_TIME] = s.rows[row, 0]


@inlined
def enter_newest(s: State, p: Program, entity: int, base: int, row: int, time: int) -> None:
    """The event about to be appended to the key's strip enters its windows."""
    position = s.arena[base + EVENTS + END]
    for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_WINDOWS + 1]):
        w = base + p.windows[window, W_OFFSET]
        if s.arena[w + TAIL] == position:
            s.arena[w + TAIL_TIME] = time
        if p.windows[window, W_DELAYED]:
            if s.arena[w + HEAD] == position:
                s.arena[w + HEAD_TIME] = time
        else:
            count_event(s.rows, p.accumulators, p.windows, p.shape, window, s.arena, base, row, _ADD)
            enter_distinct(s, p, window, base, row, left_edge(s.rows, p.windows, window, row))


@kernel
def enter_late(
    s: State, p: Program, entity: int, base: int, row: int, position: int, time: int, newest: int
) -> None:
    """A late event about to be inserted at `position` enters its windows, whose right edge is `newest`."""
    events = base + EVENTS
    last = ref_at(s.arena, s.pool, events, s.arena[events + END] - 1) & (s.rows.shape[0] - 1)
    for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_WINDOWS + 1]):
        w = base + p.windows[window, W_OFFSET]
        edge = left_edge(s.rows, p.windows, window, last)
        if time <= edge:
            s.arena[w + TAIL] += 1
        elif s.arena[w + TAIL] == position:
            s.arena[w + TAIL_TIME] = time
        if p.windows[window, W_DELAYED]:
            if time <= newest - p.windows[window, W_DELAY]:
                s.arena[w + HEAD] += 1
                if time > edge:
                    count_event(s.rows, p.accumulators, p.windows, p.shape, window, s.arena, base, row, _ADD)
            elif s.arena[w + HEAD] == position:
                s.arena[w + HEAD_TIME] = time
        elif time > edge:
            count_event(s.rows, p.accumulators, p.windows, p.shape, window, s.arena, base, row, _ADD)
            enter_distinct(s, p, window, base, row, edge)


@kernel
def forget_first(s: State, p: Program, entity: int, base: int) -> None:
    """The key's oldest event leaves every window that it is still in, and the key's strip."""
    first = s.arena[base + EVENTS + FIRST]
    for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_WINDOWS + 1]):
        w = base + p.windows[window, W_OFFSET]
        if p.windows[window, W_DELAYED] and s.arena[w + HEAD] == first:
            s.arena[w + HEAD] += 1
            s.arena[w + HEAD_TIME] = time_at(s.arena, s.pool, s.rows, base + EVENTS, first + 1)
            s.arena[w + TAIL] += 1
            s.arena[w + TAIL_TIME] = s.arena[w + HEAD_TIME]
        elif s.arena[w + TAIL] == first:
            leave_tail(s, p, window, base)
        elif window >= p.entities[entity, E_CALENDAR]:
            break
    s.arena[base + EVENTS + FIRST] += 1


@kernel
def recall(s: State, p: Program, entity: int, base: int, row: int, time: int, limit: int) -> None:
    """Fill the scratch cell with the windows of the event in `row` as they stood at its `time`.

    Over events later than `limit`.

    From the windows as they are, by whichever is shorter: moving both edges, or adding the range up.
    """
    events = base + EVENTS
    s.scratch[EVENTS + END] = first_after(s.arena, s.pool, s.rows, events, time)
    for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_WINDOWS + 1]):
        offset = p.windows[window, W_OFFSET]
        delayed = p.windows[window, W_DELAYED]
        old_low = s.arena[base + offset + TAIL]
        old_high = s.arena[base + offset + HEAD] if delayed else s.arena[events + END]
        high = (
            first_after(s.arena, s.pool, s.rows, events, time - p.windows[window, W_DELAY])
            if delayed
            else s.scratch[EVENTS + END]
        )
        edge = max(left_edge(s.rows, p.windows, window, row), limit)
        low = min(first_after(s.arena, s.pool, s.rows, events, edge), high)
        s.scratch[offset + TAIL] = low
        s.scratch[offset + TAIL_TIME] = time_at(s.arena, s.pool, s.rows, events, low) if low < high else NEVER
        if delayed:
            s.scratch[offset + HEAD] = high
        begin = p.windows[window, W_ACCUMULATORS]
        for k in range(begin, p.windows[window, W_ACCUMULATORS + 1]):
            at = p.accumulators[k, A_OFFSET]
            for word in range(ACCUMULATOR_WORDS[p.accumulators[k, A_KIND]]):
                s.scratch[at + word] = s.arena[base + at + word]
        if abs(low - old_low) + abs(high - old_high) > high - low:
            for k in range(begin, p.windows[window, W_ACCUMULATORS + 1]):
                at = p.accumulators[k, A_OFFSET]
                for word in range(ACCUMULATOR_WORDS[p.accumulators[k, A_KIND]]):
                    s.scratch[at + word] = 0
            _move(s, p, window, events, low, high, _ADD)
        else:
            _move(s, p, window, events, low, old_low, _ADD)
            _move(s, p, window, events, old_low, low, _SUBTRACT)
            _move(s, p, window, events, old_high, high, _ADD)
            _move(s, p, window, events, high, old_high, _SUBTRACT)
        _recall_distinct(s, p, window, events, low, high)


@kernel
def _move(s: State, p: Program, window: int, events: int, begin: int, end: int, sign: int) -> None:
    """Add or subtract the events at positions [begin, end) in the scratch cell; nothing if begin >= end."""
    rows = s.rows.shape[0] - 1
    for position in range(begin, end):
        row = ref_at(s.arena, s.pool, events, position) & rows
        count_event(s.rows, p.accumulators, p.windows, p.shape, window, s.scratch, SCRATCH, row, sign)


@kernel
def _recall_distinct(s: State, p: Program, window: int, events: int, low: int, high: int) -> None:
    rows = s.rows.shape[0] - 1
    for k in range(p.windows[window, W_ACCUMULATORS], p.windows[window, W_ACCUMULATORS + 1]):
        if p.accumulators[k, A_KIND] == DISTINCT:
            s.counters[STAMP] += 1
            stamp = s.counters[STAMP]
            found = 0
            for position in range(low, high):
                pair = s.pairs[ref_at(s.arena, s.pool, events, position) & rows, p.accumulators[k, A_SOURCE]]
                if pair >= 0 and s.pair_stamp[pair] != stamp:
                    s.pair_stamp[pair] = stamp
                    found += 1
            s.scratch[p.accumulators[k, A_OFFSET]] = found


@kernel
def occurs(s: State, events: int, low: int, high: int, tracker: int, pair: int) -> bool:
    """Whether the pair occurs at positions [low, high)."""
    rows = s.rows.shape[0] - 1
    position = high - 1
    while position >= low:
        if s.pairs[ref_at(s.arena, s.pool, events, position) & rows, tracker] == pair:
            return True
        position -= 1
    return False


@kernel
def include_current(s: State, p: Program, entity: int, base: int, row: int) -> None:
    """The late event itself enters the recalled windows."""
    end = s.scratch[EVENTS + END]
    for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_WINDOWS + 1]):
        if p.windows[window, W_DELAYED]:
            continue
        count_event(s.rows, p.accumulators, p.windows, p.shape, window, s.scratch, SCRATCH, row, _ADD)
        low = s.scratch[p.windows[window, W_OFFSET] + TAIL]
        for k in range(p.windows[window, W_ACCUMULATORS], p.windows[window, W_ACCUMULATORS + 1]):
            if p.accumulators[k, A_KIND] == DISTINCT:
                tracker = p.accumulators[k, A_SOURCE]
                pair = s.pairs[row, tracker]
                if pair != -1 and not (pair >= 0 and occurs(s, base + EVENTS, low, end, tracker, pair)):
                    s.scratch[p.accumulators[k, A_OFFSET]] += 1
    s.scratch[EVENTS + END] = end + 1
