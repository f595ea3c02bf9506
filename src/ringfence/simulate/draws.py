"""Draws for whole columns: weighted choices by table, and chance that belongs to a thing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Weights = Sequence[float] | Sequence[Sequence[float]] | NDArray[np.float64]

_STEPS: Final = 4096
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


class Draw:
    """A weighted choice, one distribution a row, looked up in a table: exact to 1 in 4096.

    >>> import numpy as np
    >>> Draw([[1, 0], [0, 1]])(np.array([0, 1, 1]), np.array([0.2, 0.2, 0.9]))
    array([0, 1, 1], dtype=int16)
    """

    def __init__(self, weights: Weights) -> None:
        rows = np.atleast_2d(np.asarray(weights, np.float64))
        edges = np.cumsum(rows / rows.sum(axis=1, keepdims=True), axis=1)
        at = (np.arange(_STEPS) + 0.5) / _STEPS
        last = rows.shape[1] - 1
        self._table = np.stack([np.searchsorted(row, at).clip(0, last) for row in edges]).astype(np.int16)

    def __call__(self, row: NDArray[Any] | int, uniform: NDArray[np.float64]) -> NDArray[np.int16]:
        """Index chosen by the distribution of each `row`, of numbers in [0, 1)."""
        found: NDArray[np.int16] = self._table[row, (uniform * _STEPS).astype(np.int32)]
        return found


def fixed(*parts: NDArray[Any] | int) -> NDArray[np.float64]:
    """Numbers in [0, 1) that depend on these whole numbers alone: what is so once is always so.

    >>> fixed(np.array([1, 2]), 7)[0] == fixed(1, np.array([7]))[0]
    np.True_
    """
    mixed = np.zeros(1, np.uint64)
    for part in parts:
        mixed = (mixed ^ np.asarray(part).astype(np.uint64)) * _GOLDEN
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        mixed ^= mixed >> np.uint64(32)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53


def spread(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of which item each of `sum(counts)` rows is, and its number within the item.

    >>> spread(np.array([2, 0, 3]))
    (array([0, 0, 2, 2, 2]), array([0, 1, 0, 1, 2]))
    """
    item = np.repeat(np.arange(len(counts)), counts)
    first = np.cumsum(counts) - counts
    return item, np.arange(len(item)) - first[item]
