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

from ringfence.features.kernel.jit import entry, inlined, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 64
"""Rows that `sift` takes at once."""

SIDE = 32
"""Rows that `explain_many` takes at once: what it works on then stays in the nearest caches."""

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_WIDE = np.uint64(BLOCK)
_SIDE = np.uint64(SIDE)


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
def step_of(here: bool, there: bool, share: float, share_before: float, point: float) -> float:
    """What a condition multiplies a path's product by, at one point of the integral.

    `here`: whether it and all before it on the same input are met; `there`: whether those before are. Without
    any before it, `share_before` is 0.
    """
    part = share * (1.0 - point) + (point if here else 0.0)
    if share_before == 0.0:
        return part
    return part / (share_before * (1.0 - point) + (point if there else 0.0))


@inlined
def gain_of(here: bool, there: bool, share: float, share_before: float, point: float) -> float:
    """The part of the product that the condition's input is owed; arguments as of `step_of`."""
    own = ((1.0 if here else 0.0) - share) / (share * (1.0 - point) + (point if here else 0.0))
    if share_before == 0.0:
        return own
    before = (1.0 if there else 0.0) - share_before
    return own - before / (share_before * (1.0 - point) + (point if there else 0.0))


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
    """Adds the Shapley value of each input to `out` (n_inputs, n), row by row.

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
                there = last < 0 or met[last - begin] != 0
                here = there and goes_left == (node == above + 1)
                past = share[last] if last >= 0 else 0.0
                met[node - begin] = 1 if here else 0
                for q in range(points.size):
                    step = step_of(here, there, share[node], past, points[q])
                    product[node - begin, q] = product[above - begin, q] * step
            for node in range(begin, end):
                for q in range(points.size):
                    product[node - begin, q] *= value[node]  # 0 for an inner node
            for back in range(end - begin - 1):
                node = end - 1 - back
                above, last = parent[node], before[node]
                there = last < 0 or met[last - begin] != 0
                past = share[last] if last >= 0 else 0.0
                owed = 0.0
                for q in range(points.size):
                    gain = gain_of(met[node - begin] != 0, there, share[node], past, points[q])
                    owed += product[node - begin, q] * gain
                    product[above - begin, q] += product[node - begin, q]
                out[feature[above], row] += owed


@entry
def explain_many(
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
    met: NDArray[np.int64],
    table: NDArray[np.float64],
    product: NDArray[np.float64],
    owed: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:
    """What `explain` does, bit for bit, for whole blocks of rows side by side.

    `met`, `product` and `owed` (each nodes of the largest tree * SIDE) and `table` (n_points, those nodes, 6)
    are scratch.
    """
    for tree in range(root.size):
        begin = root[tree]
        end = root[tree + 1] if tree + 1 < root.size else feature.size
        points = every_point[needed[tree] - 1, : needed[tree]]
        weights = every_weight[needed[tree] - 1]
        for q in range(points.size):
            _tabulate(begin, end, before, share, points[q], q, table)
        for first in range(0, inputs.shape[1], SIDE):
            _meet(inputs, first, begin, end, feature, threshold, default_left, parent, before, met)
            for at in range((end - begin) * SIDE):
                owed[at] = 0.0
            for q in range(points.size):
                for row in range(_SIDE):
                    product[row] = weights[q]
                _multiply(begin, end, q, parent, before, table, met, product)
                _sum_up(begin, end, parent, value, product)
                _owe(begin, end, q, before, table, met, product, owed)
            for back in range(end - begin - 1):
                node = end - 1 - back
                place = np.uint64(node - begin) * _SIDE
                for row in range(_SIDE):
                    out[feature[parent[node]], np.uint64(first) + row] += owed[place + row]


@kernel
def _meet(
    inputs: NDArray[np.float64],
    first: int,
    begin: int,
    end: int,
    feature: NDArray[np.int32],
    threshold: NDArray[np.float64],
    default_left: NDArray[np.uint8],
    parent: NDArray[np.int32],
    before: NDArray[np.int32],
    met: NDArray[np.int64],
) -> None:
    """Whether each node's condition is met, and all before it on the same input."""
    for row in range(_SIDE):
        met[row] = 1
    for node in range(begin + 1, end):
        above, last = parent[node], before[node]
        at = np.uint64(node - begin) * _SIDE
        there = np.uint64(last - begin if last >= 0 else 0) * _SIDE
        bound, is_left, unknown = threshold[above], node == above + 1, default_left[above] != 0
        column = feature[above]
        for row in range(_SIDE):
            x = inputs[column, np.uint64(first) + row]
            goes_left = x <= bound or (np.isnan(x) and unknown)
            before_it = met[there + row]
            met[at + row] = before_it if goes_left == is_left else 0


@kernel
def _tabulate(
    begin: int,
    end: int,
    before: NDArray[np.int32],
    share: NDArray[np.float64],
    point: float,
    q: int,
    table: NDArray[np.float64],
) -> None:
    """Steps and gains of each node: where it is met, where only those before it are, where neither is."""
    for node in range(begin + 1, end):
        row, mine, last = node - begin, share[node], before[node]
        past = share[last] if last >= 0 else 0.0
        table[q, row, 0] = step_of(True, True, mine, past, point)
        table[q, row, 1] = step_of(False, True, mine, past, point)
        table[q, row, 2] = step_of(False, False, mine, past, point)
        table[q, row, 3] = gain_of(True, True, mine, past, point)
        table[q, row, 4] = gain_of(False, True, mine, past, point)
        table[q, row, 5] = gain_of(False, False, mine, past, point)


@kernel
def _multiply(
    begin: int,
    end: int,
    q: int,
    parent: NDArray[np.int32],
    before: NDArray[np.int32],
    table: NDArray[np.float64],
    met: NDArray[np.int64],
    product: NDArray[np.float64],
) -> None:
    """Each node's product from its parent's."""
    for node in range(begin + 1, end):
        last = before[node]
        at = np.uint64(node - begin) * _SIDE
        above = np.uint64(parent[node] - begin) * _SIDE
        there = np.uint64(last - begin if last >= 0 else 0) * _SIDE
        both, mine, none = table[q, node - begin, 0], table[q, node - begin, 1], table[q, node - begin, 2]
        if last < 0:
            for row in range(_SIDE):
                product[at + row] = product[above + row] * (both if met[at + row] != 0 else mine)
            continue
        for row in range(_SIDE):
            here, before_it = met[at + row], met[there + row]  # both, so that no load depends on the other
            step = both if here != 0 else (mine if before_it != 0 else none)
            product[at + row] = product[above + row] * step


@kernel
def _sum_up(
    begin: int, end: int, parent: NDArray[np.int32], value: NDArray[np.float64], product: NDArray[np.float64]
) -> None:
    """From products to sums over leaves, from the leaves up."""
    for back in range(end - begin - 1):
        node = end - 1 - back
        at, above = np.uint64(node - begin) * _SIDE, np.uint64(parent[node] - begin) * _SIDE
        if node + 1 == end or parent[node + 1] != node:  # a leaf: its left child would be the next one
            worth = value[node]
            for row in range(_SIDE):
                product[at + row] *= worth
        if node != parent[node] + 1:  # a right child: the first of the two
            for row in range(_SIDE):
                product[above + row] = product[at + row]
        else:
            for row in range(_SIDE):
                product[above + row] += product[at + row]


@kernel
def _owe(
    begin: int,
    end: int,
    q: int,
    before: NDArray[np.int32],
    table: NDArray[np.float64],
    met: NDArray[np.int64],
    product: NDArray[np.float64],
    owed: NDArray[np.float64],
) -> None:
    """Adds what each node's condition is owed of the sum over its leaves."""
    for node in range(begin + 1, end):
        last = before[node]
        at = np.uint64(node - begin) * _SIDE
        there = np.uint64(last - begin if last >= 0 else 0) * _SIDE
        both, mine, none = table[q, node - begin, 3], table[q, node - begin, 4], table[q, node - begin, 5]
        if last < 0:
            for row in range(_SIDE):
                owed[at + row] += product[at + row] * (both if met[at + row] != 0 else mine)
            continue
        for row in range(_SIDE):
            here, before_it = met[at + row], met[there + row]
            gain = both if here != 0 else (mine if before_it != 0 else none)
            owed[at + row] += product[at + row] * gain
