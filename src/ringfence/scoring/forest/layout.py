"""The arrays of a forest, checked and laid out for the kernels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from ringfence.errors import ScorerError
from ringfence.scoring.forest.quadrature import gauss

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

MOST_LEAVES: Final = 64
"""Of a tree that `sift` takes: one bit each."""

_TYPES: Final = {
    "root": np.int32,
    "feature": np.int32,
    "threshold": np.float64,
    "left": np.int32,
    "right": np.int32,
    "default_left": np.uint8,
    "value": np.float64,
    "cover": np.float64,
}


class Nodes(NamedTuple):
    """Trees one after the other, each from its root on, a left child right after its parent."""

    root: NDArray[np.int32]
    feature: NDArray[np.int32]  # -1 for a leaf
    threshold: NDArray[np.float64]
    right: NDArray[np.int32]
    default_left: NDArray[np.uint8]
    value: NDArray[np.float64]  # 0 for an inner node
    cover: NDArray[np.float64]
    parent: NDArray[np.int32]  # -1 for a root


class Sieve(NamedTuple):
    """Arrays of `kernels.sift`."""

    column: NDArray[np.uint64]
    threshold: NDArray[np.float64]
    keep: NDArray[np.uint64]
    first: NDArray[np.int64]
    middle: NDArray[np.int64]
    leaf: NDArray[np.int64]
    value: NDArray[np.float64]


class Paths(NamedTuple):
    """Arrays of `kernels.explain`."""

    before: NDArray[np.int32]
    share: NDArray[np.float64]
    needed: NDArray[np.int32]
    points: NDArray[np.float64]
    weights: NDArray[np.float64]


def checked(arrays: Mapping[str, Any], width: int) -> dict[str, NDArray[Any]]:
    """The arrays of `manifest.FOREST_ARRAYS` for `width` inputs; `ScorerError` for what is no forest."""
    if set(arrays) != set(_TYPES):
        raise ScorerError(f"the forest has the arrays {', '.join(sorted(arrays)) or 'none'}: {_REMEDY}")
    for name, kind in _TYPES.items():
        if not np.can_cast(arrays[name].dtype, kind, "safe") or arrays[name].ndim != 1:
            raise ScorerError(f"array {name} of the forest is not of {np.dtype(kind)}: {_REMEDY}")
    found = {name: np.array(arrays[name], kind) for name, kind in _TYPES.items()}
    _count_lone_leaves(found)
    count, inner = len(found["feature"]), found["feature"] >= 0
    sizes = {len(found[name]) for name in _TYPES if name != "root"}
    children = np.concatenate([found["left"][inner], found["right"][inner]])
    sound = (
        sizes == {count}
        and len(found["root"]) > 0
        and np.array_equal(np.sort(np.concatenate([found["root"], children])), np.arange(count))
        and bool((found["feature"] < width).all())
        and bool(np.isfinite(found["value"][~inner]).all())
        and not np.isnan(found["threshold"][inner]).any()
        and bool((found["cover"] > 0).all())
    )
    if not sound:
        raise ScorerError(f"the forest's nodes are no trees over {width} inputs: {_REMEDY}")
    return found


def _count_lone_leaves(arrays: Mapping[str, NDArray[Any]]) -> None:
    """A tree that is one leaf comes without a cover from LightGBM; any will do."""
    roots = arrays["root"][(arrays["root"] >= 0) & (arrays["root"] < min(map(len, _of_nodes(arrays))))]
    lone = roots[(arrays["feature"][roots] < 0) & (arrays["cover"][roots] == 0)]
    arrays["cover"][lone] = 1.0


def _of_nodes(arrays: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
    return [array for name, array in arrays.items() if name != "root"]


_REMEDY: Final = "the artifact is damaged or of another version; train the model again"


def laid_out(arrays: Mapping[str, NDArray[Any]]) -> Nodes:
    """Checked arrays in the order in which a tree is walked; `ScorerError` for a circle of nodes."""
    order: list[int] = []
    parents: list[int] = []
    roots: list[int] = []
    feature, left, right = arrays["feature"].tolist(), arrays["left"].tolist(), arrays["right"].tolist()
    for root in arrays["root"].tolist():
        roots.append(len(order))
        pending = [(root, -1)]
        while pending:
            node, parent = pending.pop()
            place = len(order)
            order.append(node)
            parents.append(parent)
            if feature[node] >= 0:
                pending += [(right[node], place), (left[node], place)]
    if len(order) != len(feature):
        raise ScorerError(f"some of the forest's nodes belong to no tree: {_REMEDY}")
    place_of = np.empty(len(order), np.int32)
    place_of[order] = np.arange(len(order), dtype=np.int32)
    inner = arrays["feature"][order] >= 0
    return Nodes(
        np.array(roots, np.int32),
        arrays["feature"][order],
        arrays["threshold"][order],
        np.where(inner, place_of[arrays["right"][order]], -1).astype(np.int32),
        arrays["default_left"][order],
        np.where(inner, 0.0, arrays["value"][order]),
        arrays["cover"][order],
        np.array(parents, np.int32),
    )


def sieve(nodes: Nodes) -> Sieve | None:
    """None where a tree has too many leaves."""
    leaves = nodes.feature < 0
    number: NDArray[np.int64] = np.cumsum(leaves) - leaves  # leaves before each node, over all trees
    ends = np.append(nodes.root[1:], len(leaves))
    per_tree = np.diff(np.append(number[nodes.root], leaves.sum()))
    if per_tree.max() > MOST_LEAVES:
        return None
    inner = np.flatnonzero(~leaves)
    tree = np.searchsorted(nodes.root, inner, side="right") - 1
    base: NDArray[np.int64] = number[nodes.root][tree]
    low = (number[inner + 1] - base).astype(np.uint64)  # the left child's leaves are those from low ...
    high = (number[nodes.right[inner]] - base).astype(np.uint64)  # ... to high, not included
    one = np.uint64(1)
    struck = ((one << (high - low)) - one) << low
    to_left = nodes.default_left[inner] != 0
    order = np.lexsort((nodes.feature[inner], ~to_left, tree))
    first = np.searchsorted(tree, np.arange(len(nodes.root) + 1))
    lefts = np.bincount(tree[to_left], minlength=len(ends))
    return Sieve(
        nodes.feature[inner][order].astype(np.uint64),
        nodes.threshold[inner][order],
        (~struck)[order],
        first.astype(np.int64),
        (first[:-1] + lefts).astype(np.int64),
        number[nodes.root].astype(np.int64),
        nodes.value[leaves],
    )


def paths(nodes: Nodes) -> Paths:
    """What conditions let through, and points at which integrals are exact for each tree's longest path."""
    count = len(nodes.feature)
    before = np.full(count, -1, np.int32)
    share = np.ones(count)
    inputs = np.zeros(count, np.int32)  # different ones on the way to a node
    for node in range(count):
        parent = nodes.parent[node]
        if parent < 0:
            continue
        above = parent
        while nodes.parent[above] >= 0 and nodes.feature[nodes.parent[above]] != nodes.feature[parent]:
            above = nodes.parent[above]
        last = above if nodes.parent[above] >= 0 else -1
        before[node] = last
        passed = nodes.cover[node] / nodes.cover[parent]
        share[node] = passed * (share[last] if last >= 0 else 1.0)
        inputs[node] = inputs[parent] + (last < 0)
    longest = np.maximum.reduceat(inputs, nodes.root)
    needed = np.maximum(1, (longest + 1) // 2).astype(np.int32)
    most = int(needed.max())
    points, weights = np.zeros((most, most)), np.zeros((most, most))
    for row in range(most):
        points[row, : row + 1], weights[row, : row + 1] = gauss(row + 1)
    return Paths(before, share, needed, points, weights)
