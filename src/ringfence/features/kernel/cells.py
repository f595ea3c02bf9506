"""Cells: making one for a new key, giving up one whose last event has gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.features.kernel.extrema import forget
from ringfence.features.kernel.jit import kernel
from ringfence.features.kernel.layout import (
    ARENA_TOP,
    E_EXTREMA,
    E_RETENTION,
    E_TRACKERS,
    E_UNITS,
    E_WINDOWS,
    END,
    EVENTS,
    FIRST,
    HEAD_TIME,
    IDS,
    KEY,
    KEYS,
    LOCATED,
    NEVER,
    PAIR_FREE,
    PAIR_HASH,
    PAIR_LAST,
    PAIR_TOP,
    PAIRS,
    PER_ENTITY,
    REF_MASK,
    S_ID,
    SEQ_END,
    SEQ_IDS,
    T_BIT,
    T_WORD,
    TAIL_TIME,
    UNIT,
    W_DELAYED,
    W_OFFSET,
    WATERMARK,
)
from ringfence.features.kernel.prefetch import fetch, fetch_expiring
from ringfence.features.kernel.strips import ref_at, release
from ringfence.features.kernel.tables import (
    enter_larger,
    find_cell,
    find_pair,
    number_of,
    remove_id,
    remove_larger,
    take_out,
    word_of,
)
from ringfence.features.kernel.windows import forget_first

if TYPE_CHECKING:
    from ringfence.features.kernel.layout import Program, State


@kernel
def open_cell(s: State, p: Program, entity: int, hashed: int, place: int) -> int:
    """A cell for a new key, entered at `place` of the table. The caller has made sure that there is room."""
    units = p.entities[entity, E_UNITS]
    free = PER_ENTITY + 2 * entity + 1
    cell = s.counters[free]
    if cell != 0:
        s.counters[free] = s.arena[cell * UNIT + LOCATED]
    else:
        cell = s.counters[ARENA_TOP]
        s.counters[ARENA_TOP] += units
    base = cell * UNIT
    for word in range(base, base + units * UNIT):
        s.arena[word] = 0
    s.arena[base + KEY] = hashed
    s.arena[base + LOCATED] = -1
    for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_WINDOWS + 1]):
        w = base + p.windows[window, W_OFFSET]
        s.arena[w + TAIL_TIME] = NEVER
        if p.windows[window, W_DELAYED]:
            s.arena[w + HEAD_TIME] = NEVER
    s.table[place] = word_of(hashed, cell)
    enter_larger(s.table_larger, s.table[place])
    s.counters[KEYS] += 1
    return cell


@kernel
def close_cell(s: State, p: Program, entity: int, cell: int) -> None:
    """Forget a key without events."""
    base = cell * UNIT
    take_out(s.table, find_cell(s, s.arena[base + KEY]))
    remove_larger(s.table_larger, word_of(s.arena[base + KEY], cell))
    release(s, base + EVENTS)
    for k in range(p.entities[entity, E_EXTREMA], p.entities[entity, E_EXTREMA + 1]):
        release(s, base + p.extrema[k, 0])
    free = PER_ENTITY + 2 * entity + 1
    s.arena[base + KEY] = 0
    s.arena[base + LOCATED] = s.counters[free]
    s.counters[free] = cell
    s.counters[KEYS] -= 1


@kernel
def open_pair(s: State, hashed: int) -> int:
    """The pair with this hash, made if need be. The caller has made sure that there is room."""
    place = find_pair(s, hashed)
    if s.pair_table[place] != 0:
        return number_of(s.pair_table[place]) - 1
    pair = s.counters[PAIR_FREE] - 1
    if pair >= 0:
        s.counters[PAIR_FREE] = s.pairs_known[pair, PAIR_HASH]
        fetch(s.pairs_known, max(s.counters[PAIR_FREE] - 1, 0))
    else:
        pair = s.counters[PAIR_TOP]
        s.counters[PAIR_TOP] += 1
    s.pairs_known[pair, PAIR_HASH] = hashed
    s.pairs_known[pair, PAIR_LAST] = -1
    s.pair_stamp[pair] = 0
    s.pair_table[place] = word_of(hashed, pair + 1)
    enter_larger(s.pair_larger, s.pair_table[place])
    s.counters[PAIRS] += 1
    return pair


@kernel
def close_pair(s: State, pair: int) -> None:
    """Forget a pair whose last event has gone."""
    take_out(s.pair_table, find_pair(s, s.pairs_known[pair, PAIR_HASH]))
    remove_larger(s.pair_larger, word_of(s.pairs_known[pair, PAIR_HASH], pair + 1))
    s.pairs_known[pair, PAIR_HASH] = s.counters[PAIR_FREE]
    s.counters[PAIR_FREE] = pair + 1
    s.counters[PAIRS] -= 1


@kernel
def prune(s: State, p: Program, entity: int, cell: int, limit: int) -> None:
    """Forget the key's events up to the time `limit`, and the key itself when none is left."""
    rows = s.rows.shape[0] - 1
    base = cell * UNIT
    events = base + EVENTS
    while s.arena[events + FIRST] < s.arena[events + END]:
        ref = ref_at(s.arena, s.pool, events, s.arena[events + FIRST])
        row = ref & rows
        if s.rows[row, 0] > limit:
            return
        forget_first(s, p, entity, base)
        for k in range(p.entities[entity, E_EXTREMA], p.entities[entity, E_EXTREMA + 1]):
            forget(s, base + p.extrema[k, 0], ref)
        if s.arena[base + LOCATED] == ref:
            s.arena[base + LOCATED] = -1
        for tracker in range(p.entities[entity, E_TRACKERS], p.entities[entity, E_TRACKERS + 1]):
            if (s.rows[row, p.trackers[tracker, T_WORD]] >> p.trackers[tracker, T_BIT]) & 1:
                close_pair(s, s.pairs[row, tracker])
    close_cell(s, p, entity, cell)


@kernel
def expire(s: State, p: Program) -> int:
    """Forget, entity by entity, what no window can reach any more: amortised constant work per event."""
    rows = s.rows.shape[0] - 1
    end = s.counters[SEQ_END]
    oldest = end
    for entity in range(p.entities.shape[0]):
        limit = s.counters[WATERMARK] - p.entities[entity, E_RETENTION]
        cursor = s.counters[PER_ENTITY + 2 * entity]
        while cursor < end and s.rows[cursor & rows, 0] <= limit:
            fetch_expiring(s, p, entity, cursor)
            cell = s.slots[cursor & rows, entity]
            if cell != 0 and s.arena[cell * UNIT + KEY] != 0:
                prune(s, p, entity, cell, limit)
            cursor += 1
        s.counters[PER_ENTITY + 2 * entity] = cursor
        oldest = min(oldest, cursor)
    if p.shape[S_ID] >= 0:
        cursor = s.counters[SEQ_IDS]
        while cursor < oldest:
            if remove_id(s, cursor & REF_MASK, p.shape[S_ID]):
                s.counters[IDS] -= 1
            cursor += 1
        s.counters[SEQ_IDS] = cursor
    return oldest
