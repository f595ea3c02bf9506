"""Forests grown at random, and what they mean, told slowly."""

from itertools import combinations
from math import factorial

import numpy as np


def grown(trees, width, leaves, seed):
    """Arrays of a forest whose nodes stand in no particular order."""
    rng = np.random.default_rng(seed)
    nodes, roots = [], []
    roots.extend(_grow(nodes, rng, width, int(rng.integers(1, leaves + 1)), 1000.0) for _ in range(trees))
    order = rng.permutation(len(nodes))
    place = np.argsort(order)
    kinds = [np.int32, np.float64, np.int32, np.int32, np.uint8, np.float64, np.float64]
    names = ["feature", "threshold", "left", "right", "default_left", "value", "cover"]
    columns = zip(*(nodes[old] for old in order), strict=True)
    arrays = {n: np.array(c, k) for n, c, k in zip(names, columns, kinds, strict=True)}
    for side in ("left", "right"):
        inner = arrays["feature"] >= 0
        arrays[side] = np.where(inner, place[arrays[side]], -1).astype(np.int32)
    return {"root": place[roots].astype(np.int32), **arrays}


def _grow(nodes, rng, width, leaves, cover):
    at = len(nodes)
    nodes.append(None)
    if leaves == 1:
        nodes[at] = (-1, 0.0, -1, -1, 0, float(rng.normal()), cover)
        return at
    mine = int(rng.integers(1, leaves))
    part = cover * rng.uniform(0.05, 0.95)
    left = _grow(nodes, rng, width, mine, part)
    right = _grow(nodes, rng, width, leaves - mine, cover - part)
    column, bound, default = rng.integers(width), rng.integers(-3, 4) / 2, rng.integers(2)
    nodes[at] = (int(column), float(bound), left, right, int(default), 9.0, cover)
    return at


def rows(count, width, seed, unknown=0.2):
    rng = np.random.default_rng(seed)
    found = rng.integers(-4, 5, (count, width)) / 2  # many stand exactly on a threshold
    found[rng.random(found.shape) < unknown] = np.nan
    return found


def goes_left(forest, node, x):
    return x <= forest["threshold"][node] or (np.isnan(x) and bool(forest["default_left"][node]))


def summed(forest, row):
    total = 0.0
    for root in forest["root"]:
        node = root
        while forest["feature"][node] >= 0:
            left = goes_left(forest, node, row[forest["feature"][node]])
            node = forest["left" if left else "right"][node]
        total += forest["value"][node]
    return total


def expected(forest, node, row, known):
    """Mean of a tree where only the inputs in `known` have a value: elsewhere both ways, by cover."""
    column = forest["feature"][node]
    if column < 0:
        return forest["value"][node]
    sides = forest["left"][node], forest["right"][node]
    if column in known:
        return expected(forest, sides[0 if goes_left(forest, node, row[column]) else 1], row, known)
    return sum(
        forest["cover"][side] / forest["cover"][node] * expected(forest, side, row, known) for side in sides
    )


def shapley(forest, row):
    """By the definition: every order in which the inputs may become known."""
    width = len(row)
    worth = {
        known: sum(expected(forest, root, row, known) for root in forest["root"])
        for size in range(width + 1)
        for known in combinations(range(width), size)
    }
    values = np.zeros(width + 1)
    for known, value in worth.items():
        others = width - len(known)
        for one in range(width):
            if one in known:
                values[one] += factorial(len(known) - 1) * factorial(others) / factorial(width) * value
            else:
                values[one] -= factorial(len(known)) * factorial(others - 1) / factorial(width) * value
    values[-1] = worth[()]
    return values
