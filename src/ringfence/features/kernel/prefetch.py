"""Asking the processor for memory that will be needed soon.

An event touches a cell, its strip and the ring at places that no cache holds; looked up one event after
another, each is a wait. Asked for together, for a block of events, the waits overlap: the engine runs about
twice as fast. Results never depend on it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, is_jitted

from ringfence.features.kernel.jit import inlined, spliced
from ringfence.features.kernel.layout import (
    CAPACITY,
    E_KEY_COLUMN,
    E_LOCATES,
    E_SALT,
    E_TRACKERS,
    E_UNITS,
    E_WINDOWS,
    END,
    EVENTS,
    FIRST,
    HEAD,
    IN_KIND,
    IN_ROW,
    IS_EVENT,
    KEY,
    LOCATED,
    PAIR_HASH,
    PAIR_LAST,
    S_ID,
    SEQ_END,
    START,
    T_COLUMN,
    T_ENTITY,
    TAIL,
    TAIL_TIME,
    UNIT,
    W_DELAYED,
    W_EDGE,
    W_OFFSET,
    W_REACH,
)
from ringfence.features.kernel.numba_internals import address_of, declared
from ringfence.features.kernel.strips import ref_at
from ringfence.features.kernel.tables import home, number_of, pair_hash, probe

if TYPE_CHECKING:
    from ringfence.features.kernel.layout import Program, State, Words

_FAR, _NEAR, _NEXT = (
    24,
    12,
    6,
)  # events ahead: for a cell, for its strip, for the ring
_FEW = 3  # lines of a cell that forgetting an event touches: its strip and its longest window


def _fetch_python(array: Any, index: int) -> None:
    """Plain Python cannot ask."""


@intrinsic
def _fetch_compiled(_context: Any, array: Any, _index: Any) -> Any:
    """LLVM's prefetch of the first word of `array[index]`, for reading, to stay in all caches."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = address_of(context, builder, (signature.args[0], arguments[0]), arguments[1])
        pointer = ir.PointerType()
        word = ir.IntType(32)
        prefetch = declared(
            builder.module, ir.FunctionType(ir.VoidType(), [pointer, word, word, word]), "llvm.prefetch.p0"
        )
        builder.call(prefetch, [builder.inttoptr(place, pointer), word(0), word(3), word(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


fetch: Any = _fetch_compiled if is_jitted(ref_at) else _fetch_python


@inlined
def fetch_row(s: State, strip: int, position: int) -> None:
    """Ask for the event at a position of a strip."""
    fetch(s.rows, ref_at(s.arena, s.pool, strip, position) & (s.rows.shape[0] - 1))


@spliced
def fetch_keys(s: State, p: Program, rows: Words, start: int, stop: int) -> int:
    """Ask for the tables' entries of the keys and ids of input rows [start, stop); returns `stop`."""
    mask = s.table.size - 1
    for at in range(start, stop):
        for entity in range(p.entities.shape[0]):
            hashed = rows[at, p.entities[entity, E_KEY_COLUMN]] ^ p.entities[entity, E_SALT]
            fetch(s.table, home(hashed, mask))
        if p.shape[S_ID] >= 0:
            fetch(s.id_table, home(rows[at, IN_ROW + p.shape[S_ID]], s.id_table.size - 1))
    return stop


@spliced
def fetch_cells(s: State, p: Program, rows: Words, start: int, stop: int) -> int:
    """Ask for the cells of input rows [start, stop), whose tables' entries have come; returns `stop`."""
    mask = s.table.size - 1
    for at in range(start, stop):
        for entity in range(p.entities.shape[0]):
            hashed = rows[at, p.entities[entity, E_KEY_COLUMN]] ^ p.entities[entity, E_SALT]
            base = number_of(s.table[probe(s.table, hashed, home(hashed, mask))]) * UNIT
            for word in range(base, base + p.entities[entity, E_UNITS] * UNIT, UNIT):
                fetch(s.arena, word)
    return stop


@spliced
def fetch_block(s: State, p: Program, rows: Words, start: int, stop: int, events: int) -> None:
    """Ask for what input rows [start, stop), whose `events` events have their cells, will touch."""
    if p.trackers.shape[0] != 0:
        _fetch_pairs(s, p, rows, start, stop)
    mask = s.rows.shape[0] - 1
    begin = s.counters[SEQ_END]
    for seq in range(begin, begin + events):
        for entity in range(p.entities.shape[0]):
            base = s.slots[seq & mask, entity] * UNIT
            start, size = s.arena[base + EVENTS + START], s.arena[base + EVENTS + CAPACITY] - 1
            fetch(s.pool, start + (s.arena[base + EVENTS + END] & size))
            for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_WINDOWS + 1]):
                w = base + p.windows[window, W_OFFSET]
                fetch(s.pool, start + (s.arena[w + TAIL] & size))
                if p.windows[window, W_DELAYED]:
                    fetch(s.pool, start + (s.arena[w + HEAD] & size))
    for seq in range(begin, begin + events):
        for entity in range(p.entities.shape[0]):
            base = s.slots[seq & mask, entity] * UNIT
            if s.arena[base + EVENTS + CAPACITY] != 0:
                _fetch_rows(s, p, entity, base, seq & mask)


@spliced
def _fetch_rows(s: State, p: Program, entity: int, base: int, row: int) -> None:
    """Ask for the events at a key's edges that an event will move, and for its latest."""
    mask = s.rows.shape[0] - 1
    for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_WINDOWS + 1]):
        w = base + p.windows[window, W_OFFSET]
        moves = s.arena[w + TAIL_TIME] <= s.rows[row, p.windows[window, W_EDGE]] - p.windows[window, W_REACH]
        gone = ref_at(s.arena, s.pool, base + EVENTS, s.arena[w + TAIL]) & mask
        after = ref_at(s.arena, s.pool, base + EVENTS, s.arena[w + TAIL] + 1) & mask
        fetch(s.rows, gone if moves else row)  # a row at hand instead of a branch that nobody can predict
        fetch(s.rows, after if moves else row)
        if p.windows[window, W_DELAYED]:
            fetch(s.rows, ref_at(s.arena, s.pool, base + EVENTS, s.arena[w + HEAD]) & mask)
            fetch(s.rows, ref_at(s.arena, s.pool, base + EVENTS, s.arena[w + HEAD] + 1) & mask)
    fetch(s.rows, ref_at(s.arena, s.pool, base + EVENTS, s.arena[base + EVENTS + END] - 1) & mask)
    if p.entities[entity, E_LOCATES]:
        fetch(s.places, s.arena[base + LOCATED] & mask)


@spliced
def _fetch_pairs(s: State, p: Program, rows: Words, start: int, stop: int) -> None:
    """Ask for the entries of the pair table, then for what they point to."""
    mask = s.rows.shape[0] - 1
    places = s.pair_table.size - 1
    for stage in range(3):
        seq = s.counters[SEQ_END]
        for at in range(start, stop):
            if rows[at, IN_KIND] != IS_EVENT:
                continue
            for tracker in range(p.trackers.shape[0]):
                cell = s.slots[seq & mask, p.trackers[tracker, T_ENTITY]]
                hashed = pair_hash(cell, tracker, rows[at, p.trackers[tracker, T_COLUMN]])
                place = home(hashed, places)
                if stage == 0:
                    fetch(s.pair_table, place)
                else:
                    pair = max(number_of(s.pair_table[probe(s.pair_table, hashed, place)]) - 1, 0)
                    if stage == 1:
                        fetch(s.pairs_known, pair)
                    else:
                        fetch(s.rows, s.pairs_known[pair, PAIR_LAST] & mask)
            seq += 1


@inlined
def fetch_expiring(s: State, p: Program, entity: int, cursor: int) -> None:
    """Ask for what forgetting the events after `cursor` will touch, level by level."""
    mask = s.rows.shape[0] - 1
    far = (cursor + _FAR) & mask
    base = s.slots[far, entity] * UNIT
    for word in range(base, base + min(p.entities[entity, E_UNITS], _FEW) * UNIT, UNIT):
        fetch(s.arena, word)
    for tracker in range(p.entities[entity, E_TRACKERS], p.entities[entity, E_TRACKERS + 1]):
        fetch(s.pairs_known, max(s.pairs[far, tracker], 0))
    near = (cursor + _NEAR) & mask
    base = s.slots[near, entity] * UNIT
    events = base + EVENTS
    size = s.arena[events + CAPACITY] - 1
    fetch(s.pool, s.arena[events + START] + (s.arena[events + FIRST] & size))
    fetch(s.table, home(s.arena[base + KEY], s.table.size - 1))
    for tracker in range(p.entities[entity, E_TRACKERS], p.entities[entity, E_TRACKERS + 1]):
        hashed = s.pairs_known[max(s.pairs[near, tracker], 0), PAIR_HASH]
        fetch(s.pair_table, home(hashed, s.pair_table.size - 1))
    events = s.slots[(cursor + _NEXT) & mask, entity] * UNIT + EVENTS
    if s.arena[events + CAPACITY] != 0:
        fetch(s.rows, ref_at(s.arena, s.pool, events, s.arena[events + FIRST] + 1) & mask)
