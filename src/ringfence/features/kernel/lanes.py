"""Features of a block of events, written out together.

A lane is one event of a block. What its features are gathers in `State.values`; sums, means and deviations
not even that: their integers gather in `State.moments`, and the arithmetic is done for all lanes at once.
Values are the same as one by one, bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ringfence.features.kernel.eight import make_deviations, make_means, make_sums
from ringfence.features.kernel.exact import (
    fits_one_word,
    standard_deviation,
    total,
)
from ringfence.features.kernel.jit import inlined, spliced
from ringfence.features.kernel.layout import (
    E_AFTER,
    E_BEFORE,
    G_ACCUMULATOR,
    G_FIRST,
    G_LAST,
    G_SQUARED,
    GROUPS_OF_SIDE,
    M_COUNT,
    M_SQUARES,
    M_SUM,
    MEAN,
    O_CODE,
    O_FEATURE,
    STEP,
    SUM,
    UNGROUPED,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ringfence.features.kernel.layout import Program, State, Words

_TOO_LARGE = -1  # in place of the squares: the lane's values are made already


@inlined
def gather(s: State, p: Program, entity: int, side: int, cells: Words, base: int, lane: int) -> None:
    """Note the sums of the entity's groups as they stand."""
    of_side = side + GROUPS_OF_SIDE
    for group in range(p.entities[entity, of_side], p.entities[entity, of_side + 1]):
        a = base + p.groups[group, G_ACCUMULATOR]
        n, high, squares = cells[a], cells[a + 1], 0
        if p.groups[group, G_SQUARED]:
            squares = cells[a + 4]
            small = cells[a + 3] == 0 and fits_one_word(n, squares)
        else:
            small = -(1 << 29) < high < 1 << 29
        s.moments[group, M_COUNT, lane] = n
        s.moments[group, M_SUM, lane] = (high << 32) + cells[a + 2]
        s.moments[group, M_SQUARES, lane] = squares
        if not small:
            _make(s, p, group, cells, a, lane)


@inlined
def _make(s: State, p: Program, group: int, cells: Words, a: int, lane: int) -> None:
    """The values of a group whose sums are large."""
    s.moments[group, M_SQUARES, lane] = _TOO_LARGE
    n = cells[a]
    for k in range(p.groups[group, G_FIRST], p.groups[group, G_LAST]):
        feature = p.ops[k, O_FEATURE]
        value = np.nan
        if p.ops[k, O_CODE] == SUM:
            value = total(cells[a + 1], cells[a + 2]) / p.scales[feature]
        elif p.ops[k, O_CODE] == MEAN:
            if n > 0:
                value = total(cells[a + 1], cells[a + 2]) / (n * p.scales[feature])
        elif n > 1:
            deviation = standard_deviation(n, cells[a + 1], cells[a + 2], cells[a + 3], cells[a + 4])
            value = deviation / p.scales[feature]
        s.values[feature, lane] = p.defaults[feature] if value != value else value


@spliced
def leave_out(s: State, p: Program, entity: int, lane: int) -> None:
    """The event has no key of this entity: every feature is its default."""
    for k in range(p.entities[entity, E_BEFORE], p.entities[entity, E_AFTER + 1]):
        s.values[p.ops[k, O_FEATURE], lane] = p.defaults[p.ops[k, O_FEATURE]]
    first, last = (
        p.entities[entity, E_BEFORE + GROUPS_OF_SIDE],
        p.entities[entity, E_AFTER + GROUPS_OF_SIDE + 1],
    )
    for group in range(first, last):
        s.moments[group, M_SQUARES, lane] = _TOO_LARGE
        for k in range(p.groups[group, G_FIRST], p.groups[group, G_LAST]):
            s.values[p.ops[k, O_FEATURE], lane] = p.defaults[p.ops[k, O_FEATURE]]


@inlined
def write_out(s: State, p: Program, out: NDArray[np.float64], column: int, lanes: int) -> None:
    """The features of the block's events into `out[:, column : column + lanes]`."""
    for feature in range(p.made.shape[0]):
        code, group = p.made[feature, 0], p.made[feature, 1]
        scale, default = p.scales[feature], p.defaults[feature]
        if code != UNGROUPED:
            for begin in range(0, lanes, STEP):
                if code == SUM:
                    make_sums(s.values, feature, s.moments, group, begin, scale, default)
                elif code == MEAN:
                    make_means(s.values, feature, s.moments, group, begin, scale, default)
                else:
                    make_deviations(s.values, feature, s.moments, group, begin, scale, default)
        for lane in range(lanes):
            out[feature, column + lane] = s.values[feature, lane]
