"""The engine's one pass: events in, state advanced, features out.

For each event, in log order: it is written into the ring, and for each entity its key's windows are moved to
the event's time, the features that exclude it are read, it enters the windows, and the other features are
read. An event older than its key's newest is measured as of its own time in a scratch cell, then put in its
place.

`measure` stops early, between two events, when an array is full; the caller makes room and calls again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ringfence.features.kernel.cells import expire, open_cell, open_pair
from ringfence.features.kernel.emit import emit
from ringfence.features.kernel.extrema import push, push_late
from ringfence.features.kernel.jit import entry, inlined, kernel, spliced
from ringfence.features.kernel.labels import apply_label
from ringfence.features.kernel.lanes import leave_out, write_out
from ringfence.features.kernel.layout import (
    ARENA_TOP,
    CAPACITY,
    DONE,
    E_AFTER,
    E_BEFORE,
    E_EXTREMA,
    E_KEY_COLUMN,
    E_LOCATES,
    E_RETENTION,
    E_SALT,
    E_TRACKERS,
    E_UNITS,
    END,
    EVENTS,
    FIRST,
    IDS,
    IN_CLOCK,
    IN_KIND,
    IN_ROW,
    IS_EVENT,
    KEYS,
    LANES,
    LATE_AFTER,
    LATE_BEFORE,
    LOCATED,
    NEED_ARENA,
    NEED_IDS,
    NEED_KEYS,
    NEED_PAIRS,
    NEED_POOL,
    NULL,
    ON_TIME,
    PAIR_LAST,
    PAIRS,
    POOL_TOP,
    REF_MASK,
    S_ID,
    S_LATENESS,
    S_MARKS,
    S_PLACES,
    S_ROW_WORDS,
    SCRATCH,
    SEQ_END,
    T_BIT,
    T_COLUMN,
    T_WORD,
    UNIT,
    WATERMARK,
    Program,
    State,
)
from ringfence.features.kernel.prefetch import fetch_block, fetch_cells, fetch_keys
from ringfence.features.kernel.strips import append, first_after, full, insert, ref_at
from ringfence.features.kernel.tables import (
    enter_larger,
    find_cell,
    find_id,
    find_pair,
    number_of,
    pair_hash,
    remove_larger,
    word_of,
)
from ringfence.features.kernel.windows import advance, enter_late, enter_newest, include_current, recall

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.features.kernel.layout import Words


@entry
def measure(
    state: State,
    program: Program,
    rows: Words,
    places: NDArray[np.float64],
    start: int,
    out: NDArray[np.float64],
    column: int,
) -> tuple[int, int, int]:
    """Measure input rows from `start` on; features of the n-th event go to `out[:, column + n]`.

    Returns (next row, next column, DONE or what must grow first).
    """
    s = State(*state)
    p = Program(*program)
    end = rows.shape[0]
    at = start
    asked_keys = asked_cells = at
    while at < end:
        stop = min(at + LANES, end)
        if end - start > 2:
            asked_keys = fetch_keys(s, p, rows, asked_keys, min(at + 3 * LANES, end))
            asked_cells = fetch_cells(s, p, rows, asked_cells, min(at + 2 * LANES, end))
        stop, need, events = _look_up(s, p, rows, places, at, stop)
        if events > 2:
            fetch_block(s, p, rows, at, stop, events)
        lane: Any = np.int64(0)  # a literal has a type of its own: all that takes it would be compiled twice
        while at < stop:
            if rows[at, IN_KIND] == IS_EVENT:
                lacking = _lacking(s, p, s.counters[SEQ_END] & (s.rows.shape[0] - 1))
                if lacking != DONE:
                    need = lacking
                    break
                _event(s, p, rows, at, lane)
                lane += 1
            else:
                apply_label(s, p, rows[at, IN_ROW + p.shape[S_ID]], rows[at, IN_ROW + p.shape[S_MARKS]])
            at += 1
        write_out(s, p, out, column, lane)
        column += lane
        if need != DONE:
            return at, column, need
    return at, column, DONE


@entry
def forget_expired(state: State, program: Program) -> int:
    """Forget what no window can reach any more; returns the oldest sequence number still needed."""
    return expire(State(*state), Program(*program))


@spliced
def _look_up(
    s: State, p: Program, rows: Words, places: NDArray[np.float64], start: int, stop: int
) -> tuple[int, int, int]:
    """Write rows [start, stop) into the ring and find or open their keys' cells; stops early without room."""
    mask = s.rows.shape[0] - 1
    seq = s.counters[SEQ_END]
    entities = p.entities.shape[0]
    for at in range(start, stop):
        if rows[at, IN_KIND] != IS_EVENT:
            continue
        if (s.counters[KEYS] + entities) * 3 > s.table.size * 2:
            return at, NEED_KEYS, seq - s.counters[SEQ_END]
        row = seq & mask
        for word in range(p.shape[S_ROW_WORDS]):
            s.rows[row, word] = rows[at, IN_ROW + word]
        if p.shape[S_PLACES]:
            s.places[row, 0] = places[at, 0]
            s.places[row, 1] = places[at, 1]
        time = s.rows[row, 0]
        watermark = rows[at, IN_CLOCK]
        for entity in range(entities):
            s.slots[row, entity] = 0
            key = rows[at, p.entities[entity, E_KEY_COLUMN]]
            if key != 0 and time > watermark - p.entities[entity, E_RETENTION]:
                hashed = key ^ p.entities[entity, E_SALT]
                place = find_cell(s, hashed)
                if s.table[place] == 0:
                    if (s.counters[ARENA_TOP] + p.entities[entity, E_UNITS]) * UNIT > s.arena.size:
                        return at, NEED_ARENA, seq - s.counters[SEQ_END]
                    open_cell(s, p, entity, hashed, place)
                s.slots[row, entity] = number_of(s.table[place])
        seq += 1
    return stop, DONE, seq - s.counters[SEQ_END]


@spliced
def _lacking(s: State, p: Program, row: int) -> int:
    """What must grow before this event can be taken in."""
    room = s.pool.size - s.counters[POOL_TOP]
    for entity in range(p.entities.shape[0]):
        cell = s.slots[row, entity]
        if cell != 0:
            events = cell * UNIT + EVENTS
            if full(s.arena, events):
                room -= max(2 * s.arena[events + CAPACITY], 4)
            for k in range(p.entities[entity, E_EXTREMA], p.entities[entity, E_EXTREMA + 1]):
                strip = cell * UNIT + p.extrema[k, 0]
                if full(s.arena, strip):
                    room -= max(2 * s.arena[strip + CAPACITY], 4)
    if room < 0:
        return NEED_POOL
    if s.counters[PAIRS] + p.trackers.shape[0] > s.pairs_known.shape[0]:
        return NEED_PAIRS
    if p.shape[S_ID] >= 0 and (s.counters[IDS] + 1) * 3 > s.id_table.size * 2:
        return NEED_IDS
    return DONE


@spliced
def _event(s: State, p: Program, rows: Words, at: int, lane: int) -> None:
    seq = s.counters[SEQ_END]
    row = seq & (s.rows.shape[0] - 1)
    ref = seq & REF_MASK
    time = s.rows[row, 0]
    s.counters[WATERMARK] = rows[at, IN_CLOCK]
    if p.shape[S_ID] >= 0:
        place = find_id(s, s.rows[row, p.shape[S_ID]], p.shape[S_ID])
        if s.id_table[place] == 0:
            s.counters[IDS] += 1
        else:
            remove_larger(s.id_larger, s.id_table[place])
        s.id_table[place] = word_of(s.rows[row, p.shape[S_ID]], ref + 1)
        enter_larger(s.id_larger, s.id_table[place])
    for entity in range(p.entities.shape[0]):
        key = rows[at, p.entities[entity, E_KEY_COLUMN]]
        if key == 0:
            leave_out(s, p, entity, lane)
            for tracker in range(p.entities[entity, E_TRACKERS], p.entities[entity, E_TRACKERS + 1]):
                s.pairs[row, tracker] = -1
        else:
            _entity(s, p, entity, rows, at, row, ref, time, key, lane)
    s.counters[SEQ_END] = seq + 1


@spliced
def _entity(
    s: State,
    p: Program,
    entity: int,
    rows: Words,
    at: int,
    row: int,
    ref: int,
    time: int,
    key: int,
    lane: int,
) -> None:
    """One event for one of its keys."""
    cell = s.slots[row, entity]
    recorded = cell != 0
    if not recorded:
        cell = number_of(s.table[find_cell(s, key ^ p.entities[entity, E_SALT])])
    base = cell * UNIT
    events = base + EVENTS
    _set_pairs(s, p, entity, rows, at, row, cell, recorded)
    count = s.arena[events + END] - s.arena[events + FIRST]
    newest = NULL
    if count > 0:
        newest = s.rows[ref_at(s.arena, s.pool, events, s.arena[events + END] - 1) & (s.rows.shape[0] - 1), 0]
    in_order = recorded and time >= newest
    if not (in_order and time >= s.counters[WATERMARK] - p.shape[S_LATENESS]):
        _late_event(s, p, entity, base, row, ref, time, newest, recorded, lane)
        return
    advance(s, p, entity, base, row, time)
    for side in (E_BEFORE, E_AFTER):
        if side == E_AFTER:
            enter_newest(s, p, entity, base, row, time)
            append(s, events, ref)
            _note(s, p, entity, base, row, ref, time, in_order)
        emit(s, p, entity, side, s.arena, base, base, row, lane, ON_TIME, NULL)


@kernel
def _late_event(
    s: State,
    p: Program,
    entity: int,
    base: int,
    row: int,
    ref: int,
    time: int,
    newest: int,
    recorded: bool,
    lane: int,
) -> None:
    """An event older than its key's newest, or too late: measured as of its own time, then put in place."""
    events = base + EVENTS
    limit = s.counters[WATERMARK] - p.entities[entity, E_RETENTION]
    recall(s, p, entity, base, row, time, limit)
    for late in (LATE_BEFORE, LATE_AFTER):
        side = E_BEFORE
        if late == LATE_AFTER:
            side = E_AFTER
            include_current(s, p, entity, base, row)
        emit(s, p, entity, side, s.scratch, SCRATCH, base, row, lane, late, limit)
    if not recorded:
        return
    in_order = time >= newest
    if in_order:
        advance(s, p, entity, base, row, time)
        enter_newest(s, p, entity, base, row, time)
        append(s, events, ref)
    else:
        position = first_after(s.arena, s.pool, s.rows, events, time)
        enter_late(s, p, entity, base, row, position, time, newest)
        insert(s, events, position, ref)
    _note(s, p, entity, base, row, ref, time, in_order)


@spliced
def _set_pairs(
    s: State, p: Program, entity: int, rows: Words, at: int, row: int, cell: int, recorded: bool
) -> None:
    """Which (key, value) pairs the event carries: -1 for a null value, -2 for a pair that is not kept."""
    for tracker in range(p.entities[entity, E_TRACKERS], p.entities[entity, E_TRACKERS + 1]):
        value = rows[at, p.trackers[tracker, T_COLUMN]]
        if value == 0:
            s.pairs[row, tracker] = -1
        elif recorded:
            s.pairs[row, tracker] = open_pair(s, pair_hash(cell, tracker, value))
        else:
            found = number_of(s.pair_table[find_pair(s, pair_hash(cell, tracker, value))]) - 1
            s.pairs[row, tracker] = found if found >= 0 else -2


@inlined
def _note(
    s: State, p: Program, entity: int, base: int, row: int, ref: int, time: int, in_order: bool
) -> None:
    """Bring the key's extrema, pairs and last position up to date."""
    ring = s.rows.shape[0] - 1
    for k in range(p.entities[entity, E_EXTREMA], p.entities[entity, E_EXTREMA + 1]):
        strip, source, sign = base + p.extrema[k, 0], p.extrema[k, 1], p.extrema[k, 2]
        if in_order:
            push(s, strip, source, sign, ref, s.rows[row, source])
        else:
            push_late(s, strip, source, sign, ref, s.rows[row, source], time)
    for tracker in range(p.entities[entity, E_TRACKERS], p.entities[entity, E_TRACKERS + 1]):
        pair = s.pairs[row, tracker]
        if pair >= 0:
            last = s.pairs_known[pair, PAIR_LAST]
            if last < 0 or s.rows[last & ring, 0] <= time:
                word, mark = p.trackers[tracker, T_WORD], 1 << p.trackers[tracker, T_BIT]
                if last >= 0:
                    s.rows[last & ring, word] &= ~mark
                s.rows[row, word] |= mark
                s.pairs_known[pair, PAIR_LAST] = ref
    if p.entities[entity, E_LOCATES] and not (np.isnan(s.places[row, 0]) or np.isnan(s.places[row, 1])):
        located = s.arena[base + LOCATED]
        if located < 0 or s.rows[located & ring, 0] <= time:
            s.arena[base + LOCATED] = ref
