"""A key's features as of some time, with no event of its own: what the state knows, read and not changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ringfence.features.kernel.emit import emit
from ringfence.features.kernel.jit import entry
from ringfence.features.kernel.lanes import write_out
from ringfence.features.kernel.layout import (
    E_AFTER,
    E_BEFORE,
    E_RETENTION,
    E_SALT,
    LATE_BEFORE,
    SCRATCH,
    SEQ_END,
    UNIT,
    WATERMARK,
    Program,
    State,
)
from ringfence.features.kernel.tables import find_cell, number_of
from ringfence.features.kernel.windows import recall

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@entry
def observe(state: State, program: Program, entity: int, key: int, out: NDArray[np.float64]) -> None:
    """Write the entity's features into `out[:, 0]`, as of the time in the ring's next row; no others."""
    s = State(*state)
    p = Program(*program)
    row = s.counters[SEQ_END] & (s.rows.shape[0] - 1)
    base = number_of(s.table[find_cell(s, key ^ p.entities[entity, E_SALT])]) * UNIT
    limit = s.counters[WATERMARK] - p.entities[entity, E_RETENTION]
    recall(s, p, entity, base, row, s.rows[row, 0], limit)
    for side in (E_BEFORE, E_AFTER):
        emit(s, p, entity, side, s.scratch, SCRATCH, base, row, 0, LATE_BEFORE, limit)
    write_out(s, p, out, 0, 1)
