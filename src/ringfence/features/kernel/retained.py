"""What an engine retains of some keys: counted, and taken out as the rows that it once came in as."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.features.kernel.cells import close_cell, close_pair
from ringfence.features.kernel.jit import entry, kernel
from ringfence.features.kernel.layout import (
    E_KEY_COLUMN,
    E_RETENTION,
    E_SALT,
    END,
    EVENTS,
    FIRST,
    IDS,
    IN_ROW,
    PAIR_HASH,
    S_ID,
    S_PLACES,
    S_ROW_WORDS,
    T_BIT,
    T_COLUMN,
    T_WORD,
    UNIT,
    WATERMARK,
    Program,
    State,
)
from ringfence.features.kernel.strips import first_after, ref_at
from ringfence.features.kernel.tables import find_cell, number_of, pair_hash, remove_id

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ringfence.features.kernel.layout import Words


@entry
def count_retained(state: State, program: Program, keys: Words, counts: Words) -> None:
    """How many events of each key a window may still reach, -1 for a key without a cell.

    The state has one entity.
    """
    s = State(*state)
    p = Program(*program)
    limit = s.counters[WATERMARK] - p.entities[0, E_RETENTION]
    for k in range(keys.size):
        cell = number_of(s.table[find_cell(s, keys[k] ^ p.entities[0, E_SALT])])
        counts[k] = -1
        if cell != 0:
            events = cell * UNIT + EVENTS
            counts[k] = s.arena[events + END] - first_after(s.arena, s.pool, s.rows, events, limit)


@entry
def take_retained(
    state: State, program: Program, keys: Words, counts: Words, rows: Words, places: NDArray[np.float64]
) -> None:
    """Write these events, key by key in order of time, into input rows, and forget the keys altogether."""
    s = State(*state)
    p = Program(*program)
    mask = s.rows.shape[0] - 1
    to = 0
    for k in range(keys.size):
        if counts[k] < 0:
            continue
        cell = number_of(s.table[find_cell(s, keys[k] ^ p.entities[0, E_SALT])])
        events = cell * UNIT + EVENTS
        retained = s.arena[events + END] - counts[k]
        for position in range(s.arena[events + FIRST], s.arena[events + END]):
            row = ref_at(s.arena, s.pool, events, position) & mask
            if position >= retained:
                rows[to, p.entities[0, E_KEY_COLUMN]] = keys[k]
                _copy(s, p, cell, row, rows, places, to)
                to += 1
        for position in range(s.arena[events + FIRST], s.arena[events + END]):
            _forget(s, p, ref_at(s.arena, s.pool, events, position))
        close_cell(s, p, 0, cell)


@kernel
def _copy(
    s: State, p: Program, cell: int, row: int, rows: Words, places: NDArray[np.float64], to: int
) -> None:
    """An event as it came in, with the label that it has by now."""
    for word in range(p.shape[S_ROW_WORDS]):
        rows[to, IN_ROW + word] = s.rows[row, word]
    for tracker in range(p.trackers.shape[0]):
        pair, column = s.pairs[row, tracker], p.trackers[tracker, T_COLUMN]
        rows[to, IN_ROW + p.trackers[tracker, T_WORD]] &= ~(1 << p.trackers[tracker, T_BIT])
        rows[to, column] = 0 if pair < 0 else pair_hash(cell, tracker, s.pairs_known[pair, PAIR_HASH])
    if p.shape[S_PLACES]:
        places[to, 0] = s.places[row, 0]
        places[to, 1] = s.places[row, 1]


@kernel
def _forget(s: State, p: Program, ref: int) -> None:
    """Forget an event of the only entity: its pairs, its id, whose it was."""
    row = ref & (s.rows.shape[0] - 1)
    for tracker in range(p.trackers.shape[0]):
        if (s.rows[row, p.trackers[tracker, T_WORD]] >> p.trackers[tracker, T_BIT]) & 1:
            close_pair(s, s.pairs[row, tracker])
    if p.shape[S_ID] >= 0 and remove_id(s, ref, p.shape[S_ID]):
        s.counters[IDS] -= 1
    s.slots[row, 0] = 0
