"""Inner loops over trees. Inputs come by column (n_inputs, n); NaN is unknown.

`walk` follows each row from the root to its leaf: best for a few rows. `sift` takes rows by the block: every
inner node strikes out, for each row that goes right there, the leaves to its left; the first leaf left
standing is the row's (QuickScorer, Lucchese et al., SIGIR 2015). Both add up trees in the same order, so
that a score does not depend on the company in which a payment came.

`explain` is exact TreeSHAP, with covers as weights. The Shapley value of a player in the product of a path's
conditions is an integral over [0, 1] of a polynomial, which Gauss's quadrature gives without error; all
paths of a tree share the work (Yu et al., "Linear TreeShap", NeurIPS 2022, is the same idea).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from ringfence.features.kernel.jit import entry, inlined

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 64
"""Rows that `sift` takes at once."""

LANES = 8
"""Rows that `explain` takes at once."""

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_WIDE = np.uint64(BLOCK)


@intrinsic
def _trailing_zeros(_typing: Any, _word: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


def _count_trailing_zeros(word: int) -> int:
    return (int(word) & -int(word)).bit_length() - 1


_SETTINGS: Any = config
first_leaf: Any = _count_trailing_zeros if _SETTINGS.DISABLE_JIT else _trailing_zeros
"""Place of the lowest bit of a word that is set."""


@entry
def walk(
    inputs: NDArray[np.float64],
    root: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float64],
    right: NDArray[np.int32],
    default_left: NDArray[np.uint8],
    value: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Sum of the leaves of each row; a node's left child is the node after it."""
    for row in range(inputs.shape[1]):
        total = 0.0
        for tree in range(root.size):
            node = root[tree]
            column = feature[node]
            while column >= 0:
                x = inputs[column, row]
                if x <= threshold[node] or (np.isnan(x) and default_left[node]):
                    node += 1
                else:
                    node = right[node]
                column = feature[node]
            total += value[node]
        out[row] = total


@entry
def sift(
    inputs: NDArray[np.float64],
    column: NDArray[np.uint64],
    threshold: NDArray[np.float64],
    keep: NDArray[np.uint64],
    first: NDArray[np.int64],
    middle: NDArray[np.int64],
    leaf: NDArray[np.int64],
    value: NDArray[np.float64],
    block: NDArray[np.float64],
    alive: NDArray[np.uint64],
    out: NDArray[np.float64],
) -> None:
    """Sum of the leaves of each row, for whole blocks of rows.

    Tree t has the inner nodes `first[t]` to `first[t + 1]`; those from `middle[t]` on send NaN to the right.
    `block` (n_inputs * BLOCK) and `alive` (BLOCK) are scratch.
    """
    for start in range(0, inputs.shape[1], BLOCK):
        for each in range(inputs.shape[0]):
            for row in range(BLOCK):
                block[each * BLOCK + row] = inputs[each, start + row]
        for row in range(BLOCK):
            out[start + row] = 0.0
        for tree in range(middle.size):
            for row in range(BLOCK):
                alive[row] = _ALL
            for node in range(first[tree], middle[tree]):
                at, bound, mask = column[node] * _WIDE, threshold[node], keep[node]
                for row in range(_WIDE):
                    alive[row] &= mask if block[at + row] > bound else _ALL
            for node in range(middle[tree], first[tree + 1]):
                at, bound, mask = column[node] * _WIDE, threshold[node], keep[node]
                for row in range(_WIDE):
                    alive[row] &= _ALL if block[at + row] <= bound else mask
            for row in range(BLOCK):
                out[start + row] += value[leaf[tree] + first_leaf(alive[row])]


@inlined
def factor(satisfied: bool, share: float, point: float) -> float:
    """A condition's part in a path at one point of the integral."""
    return share * (1.0 - point) + (point if satisfied else 0.0)


@entry
def explain(
    inputs: NDArray[np.float64],
    root: NDArray[np.int32],
    feature: NDArray[np.int32],
    threshold: NDArray[np.float64],
    default_left: NDArray[np.uint8],
    value: NDArray[np.float64],
    parent: NDArray[np.int32],
    before: NDArray[np.int32],
    share: NDArray[np.float64],
    needed: NDArray[np.int32],
    every_point: NDArray[np.float64],
    every_weight: NDArray[np.float64],
    table: NDArray[np.float64],
    met: NDArray[np.int64],
    product: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Adds the Shapley value of each input to `out` (n_inputs, n), for whole groups of `LANES` rows.

    `before[i]` is the nearest node above i that was reached by a condition on the same input, -1 for none;
    `share[i]` the part of the cover that all conditions on that input up to i let through. Tree t's integrals
    need `needed[t]` points: row `needed[t] - 1` of `every_point`. `table` (nodes of the largest tree,
    n_points, 6), `met` (those nodes, LANES) and `product` (those nodes, n_points, LANES) are scratch.
    """
    for tree in range(root.size):
        begin = root[tree]
        end = root[tree + 1] if tree + 1 < root.size else feature.size
        points = every_point[needed[tree] - 1, : needed[tree]]
        weights = every_weight[needed[tree] - 1]
        _tabulate(begin, end, before, share, points, table)
        for first in range(0, inputs.shape[1], LANES):
            for lane in range(LANES):
                met[0, lane] = 1
            for q in range(points.size):
                for lane in range(LANES):
                    product[0, q, lane] = weights[q]
            for node in range(begin + 1, end):
                at, above, last = node - begin, parent[node], before[node]
                there = last - begin if last >= 0 else 0
                bound, is_left, unknown = threshold[above], node == above + 1, default_left[above] != 0
                for lane in range(LANES):
                    x = inputs[feature[above], first + lane]
                    goes_left = x <= bound or (np.isnan(x) and unknown)
                    met[at, lane] = met[there, lane] if goes_left == is_left else 0
                for q in range(points.size):
                    both, mine, none = table[at, q, 0], table[at, q, 1], table[at, q, 2]
                    for lane in range(LANES):
                        step = both if met[at, lane] != 0 else (mine if met[there, lane] != 0 else none)
                        product[at, q, lane] = product[above - begin, q, lane] * step
            _gather(first, begin, end, feature, value, parent, before, points.size, table, met, product, out)


@inlined
def _gather(
    first: int,
    begin: int,
    end: int,
    feature: NDArray[np.int32],
    value: NDArray[np.float64],
    parent: NDArray[np.int32],
    before: NDArray[np.int32],
    points: int,
    table: NDArray[np.float64],
    met: NDArray[np.int64],
    product: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """From the leaves up: each node's sum over its leaves, and what its condition owes to it."""
    for node in range(begin, end):
        for q in range(points):
            for lane in range(LANES):
                product[node - begin, q, lane] *= value[node]  # 0 for an inner node
    for back in range(end - begin - 1):
        node = end - 1 - back
        at, above, last = node - begin, parent[node], before[node]
        there = last - begin if last >= 0 else 0
        for q in range(points):
            both, mine, none = table[at, q, 3], table[at, q, 4], table[at, q, 5]
            for lane in range(LANES):
                owed = both if met[at, lane] != 0 else (mine if met[there, lane] != 0 else none)
                out[feature[above], first + lane] += product[at, q, lane] * owed
            for lane in range(LANES):
                product[above - begin, q, lane] += product[at, q, lane]


@inlined
def _tabulate(
    begin: int,
    end: int,
    before: NDArray[np.int32],
    share: NDArray[np.float64],
    points: NDArray[np.float64],
    table: NDArray[np.float64],
) -> None:
    """What each node does to a path's product, and what its condition is owed of the product, by point.

    Each of the two three times: where its condition and the last one before it on the same input are met,
    where only that one is, where neither is.
    """
    for node in range(begin + 1, end):
        last, mine = before[node], share[node]
        for q in range(points.size):
            row, at = node - begin, points[q]
            yes, no = factor(True, mine, at), factor(False, mine, at)
            yes_before, no_before, gain_before, loss_before = 1.0, 1.0, 0.0, 0.0
            if last >= 0:
                yes_before, no_before = factor(True, share[last], at), factor(False, share[last], at)
                gain_before, loss_before = (1.0 - share[last]) / yes_before, -share[last] / no_before
            gain, loss = (1.0 - mine) / yes, -mine / no
            table[row, q, 0], table[row, q, 1] = yes / yes_before, no / yes_before
            table[row, q, 2] = no / no_before
            table[row, q, 3], table[row, q, 4] = gain - gain_before, loss - gain_before
            table[row, q, 5] = loss - loss_before
