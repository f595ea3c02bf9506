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
    met: NDArray[np.uint8],
    product: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """Adds the Shapley value of each input to `out` (n, n_inputs).

    `before[i]` is the nearest node above i that was reached by a condition on the same input, -1 for none;
    `share[i]` the part of the cover that all conditions on that input up to i let through. Tree t's integrals
    need `needed[t]` points: row `needed[t] - 1` of `every_point`. `met` (nodes of the largest tree) and
    `product` (those, n_points) are scratch.
    """
    for row in range(inputs.shape[1]):
        for tree in range(root.size):
            begin = root[tree]
            end = root[tree + 1] if tree + 1 < root.size else feature.size
            points = every_point[needed[tree] - 1, : needed[tree]]
            weights = every_weight[needed[tree] - 1]
            for q in range(points.size):
                product[0, q] = weights[q]
            for node in range(begin + 1, end):
                above, last = parent[node], before[node]
                x = inputs[feature[above], row]
                goes_left = x <= threshold[above] or (np.isnan(x) and default_left[above] != 0)
                here = goes_left == (node == above + 1)
                if last >= 0:
                    here = here and met[last - begin] != 0
                met[node - begin] = 1 if here else 0
                for q in range(points.size):
                    new = product[above - begin, q] * factor(here, share[node], points[q])
                    if last >= 0:
                        new /= factor(met[last - begin] != 0, share[last], points[q])
                    product[node - begin, q] = new
            _gather(row, begin, end, feature, value, parent, before, share, points, met, product, out)


@inlined
def _gather(
    row: int,
    begin: int,
    end: int,
    feature: NDArray[np.int32],
    value: NDArray[np.float64],
    parent: NDArray[np.int32],
    before: NDArray[np.int32],
    share: NDArray[np.float64],
    points: NDArray[np.float64],
    met: NDArray[np.uint8],
    product: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """From the leaves up: each node's sum over its leaves, and what its condition owes to it."""
    for node in range(begin, end):
        for q in range(points.size):
            product[node - begin, q] *= value[node]  # 0 for an inner node
    for back in range(end - begin - 1):
        node = end - 1 - back
        above, last = parent[node], before[node]
        here = met[node - begin] != 0
        mine = (1.0 if here else 0.0) - share[node]
        owed = 0.0
        for q in range(points.size):
            total = product[node - begin, q]
            owed += total * mine / factor(here, share[node], points[q])
            product[above - begin, q] += total
        if last >= 0:
            there = met[last - begin] != 0
            theirs = (1.0 if there else 0.0) - share[last]
            for q in range(points.size):
                owed -= product[node - begin, q] * theirs / factor(there, share[last], points[q])
        out[row, feature[above]] += owed
