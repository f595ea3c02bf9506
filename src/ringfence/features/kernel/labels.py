"""Labels: an event that is marked as fraud, or no longer, in every window that holds it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.features.kernel.jit import entry, kernel
from ringfence.features.kernel.layout import (
    A_KIND,
    A_OFFSET,
    A_SOURCE,
    BIT,
    E_WINDOWS,
    END,
    EVENTS,
    FIRST,
    HEAD,
    LABEL_BIT,
    S_ID,
    S_MARKS,
    TAIL,
    UNIT,
    W_ACCUMULATORS,
    W_DELAYED,
    W_OFFSET,
    Program,
    State,
)
from ringfence.features.kernel.strips import first_after, ref_at
from ringfence.features.kernel.tables import find_id, number_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from ringfence.features.kernel.layout import Words


@kernel
def apply_label(s: State, p: Program, hashed: int, label: int) -> None:
    """Mark an event of the ring as fraud (1) or not (0), in every window that holds it."""
    entry = number_of(s.id_table[find_id(s, hashed, p.shape[S_ID])])
    if entry == 0:
        return
    ref = entry - 1
    ring = s.rows.shape[0] - 1
    row = ref & ring
    marks = s.rows[row, p.shape[S_MARKS]]
    change = label - ((marks >> LABEL_BIT) & 1)
    if change == 0:
        return
    s.rows[row, p.shape[S_MARKS]] = marks ^ (1 << LABEL_BIT)
    for entity in range(p.entities.shape[0]):
        if s.slots[row, entity] != 0:
            _relabel(s, p, entity, s.slots[row, entity] * UNIT, ref, s.rows[row, 0], change)


@kernel
def _relabel(s: State, p: Program, entity: int, base: int, ref: int, time: int, change: int) -> None:
    events = base + EVENTS
    position = first_after(s.arena, s.pool, s.rows, events, time) - 1
    while position >= s.arena[events + FIRST] and ref_at(s.arena, s.pool, events, position) != ref:
        position -= 1
        if (
            position < s.arena[events + FIRST]
            or s.rows[ref_at(s.arena, s.pool, events, position) & (s.rows.shape[0] - 1), 0] != time
        ):
            return
    if position < s.arena[events + FIRST]:
        return
    for window in range(p.entities[entity, E_WINDOWS], p.entities[entity, E_WINDOWS + 1]):
        w = base + p.windows[window, W_OFFSET]
        end = s.arena[w + HEAD] if p.windows[window, W_DELAYED] else s.arena[events + END]
        if s.arena[w + TAIL] <= position < end:
            for k in range(p.windows[window, W_ACCUMULATORS], p.windows[window, W_ACCUMULATORS + 1]):
                if p.accumulators[k, A_KIND] == BIT and p.accumulators[k, A_SOURCE] == LABEL_BIT:
                    s.arena[base + p.accumulators[k, A_OFFSET]] += change


@entry
def known_ids(state: State, program: Program, hashes: Words, known: NDArray[np.bool_]) -> None:
    """Set `known` where the ring holds the id."""
    s = State(*state)
    p = Program(*program)
    for k in range(hashes.size):
        known[k] = s.id_table[find_id(s, hashes[k], p.shape[S_ID])] != 0
