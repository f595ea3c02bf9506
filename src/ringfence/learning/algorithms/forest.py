"""Trees as flat arrays (`manifest.FOREST_ARRAYS`): from LightGBM's dump and from scikit-learn's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEAF = -1


@dataclass(frozen=True)
class ForestArrays:
    """Nodes of all trees in one set of arrays; children are indices into them."""

    root: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: NDArray[np.float64]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    default_left: NDArray[np.uint8]
    value: NDArray[np.float64]
    cover: NDArray[np.float64]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """By name, as `forest.npz` holds them."""
        return dict(vars(self))


@dataclass(slots=True)
class _Nodes:
    root: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    default_left: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    cover: list[float] = field(default_factory=list)

    def add(self) -> int:
        """A new leaf; its index."""
        self.feature.append(LEAF)
        self.left.append(LEAF)
        self.right.append(LEAF)
        self.default_left.append(0)
        for numbers in (self.threshold, self.value, self.cover):
            numbers.append(0.0)
        return len(self.feature) - 1

    def forest(self) -> ForestArrays:
        """As arrays."""
        ints = (np.array(one, np.int32) for one in (self.root, self.feature))
        root, feature = ints
        return ForestArrays(
            root,
            feature,
            np.array(self.threshold),
            np.array(self.left, np.int32),
            np.array(self.right, np.int32),
            np.array(self.default_left, np.uint8),
            np.array(self.value),
            np.array(self.cover),
        )


def forest_of_boosters(boosters: Sequence[Any]) -> ForestArrays:
    """The mean of LightGBM boosters as one forest: its leaves add up to the mean of their log-odds.

    Numeric splits only, as `learning.algorithms.boosting` trains them.
    """
    nodes = _Nodes()
    for booster in boosters:
        for tree in booster.dump_model()["tree_info"]:
            nodes.root.append(_copy(nodes, tree["tree_structure"], len(boosters)))
    return nodes.forest()


def _copy(nodes: _Nodes, root: dict[str, Any], members: int) -> int:
    """A tree of the dump, without recursion: deep trees are fine."""
    first = nodes.add()
    waiting = [(first, root)]
    while waiting:
        at, node = waiting.pop()
        if "split_feature" not in node:
            nodes.value[at] = node["leaf_value"] / members
            nodes.cover[at] = node.get("leaf_count", 0)
            continue
        assert node["decision_type"] == "<=", "only numeric splits are trained"
        nodes.feature[at], nodes.threshold[at] = node["split_feature"], node["threshold"]
        nodes.cover[at] = node["internal_count"]
        # A feature that was never null in training has no way for NaN of its own: LightGBM takes it for 0.
        default = node["default_left"] if node["missing_type"] == "NaN" else node["threshold"] >= 0
        nodes.default_left[at] = int(default)
        nodes.left[at], nodes.right[at] = nodes.add(), nodes.add()
        waiting += [(nodes.left[at], node["left_child"]), (nodes.right[at], node["right_child"])]
    return first


def forest_of_isolation(model: Any) -> ForestArrays:
    """Trees of a scikit-learn `IsolationForest`; a leaf's value is the path length that ends there."""
    parts, size = [], 0
    for estimator in model.estimators_:
        tree = estimator.tree_
        inner = tree.children_left != LEAF
        parts.append(
            (
                np.array([size], np.int32),
                np.where(inner, tree.feature, LEAF).astype(np.int32),
                np.where(inner, tree.threshold, 0.0),
                np.where(inner, tree.children_left + size, LEAF).astype(np.int32),
                np.where(inner, tree.children_right + size, LEAF).astype(np.int32),
                np.zeros(len(inner), np.uint8),
                np.where(inner, 0.0, _depths(tree) + mean_path(tree.n_node_samples)),
                tree.n_node_samples.astype(np.float64),
            )
        )
        size += len(inner)
    return ForestArrays(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _depths(tree: Any) -> NDArray[np.float64]:
    depth = np.zeros(len(tree.children_left))
    for node in range(len(depth)):  # parents stand before their children
        for child in (tree.children_left[node], tree.children_right[node]):
            if child != LEAF:
                depth[child] = depth[node] + 1
    return depth


def mean_path(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Mean length of the path to a leaf in a random binary tree of so many samples.

    >>> mean_path(np.array([1, 2, 256])).round(3).tolist()
    [0.0, 1.0, 10.245]
    """
    n = np.asarray(samples, np.float64)
    harmonic = np.log(np.maximum(n - 1, 1)) + np.euler_gamma
    many = 2 * harmonic - 2 * (n - 1) / np.maximum(n, 1)
    return np.where(n > 2, many, np.where(n == 2, 1.0, 0.0))
