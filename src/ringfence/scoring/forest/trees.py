"""A forest that answers."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.scoring.forest import kernels, layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_FEW: Final = 16  # rows that are walked sooner than sifted


class Forest:
    """Sum of trees over `width` inputs. Not thread-safe: it keeps its scratch."""

    def __init__(self, arrays: Mapping[str, Any], width: int) -> None:
        """`arrays` as in `manifest.FOREST_ARRAYS`; `ScorerError` where they are no forest."""
        self.width = width
        self._nodes = layout.laid_out(layout.checked(arrays, width))
        self._sieve = layout.sieve(self._nodes)
        self._block = np.empty(width * kernels.BLOCK)
        self._alive = np.empty(kernels.BLOCK, np.uint64)

    def __repr__(self) -> str:
        return f"Forest({len(self._nodes.root)} trees, {len(self._nodes.feature):,} nodes)"

    def sums(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of the leaves (n,) that inputs (n, width) lead to; bit for bit the same in any batch."""
        columns = np.ascontiguousarray(inputs.T)
        count = columns.shape[1]
        out = np.empty(count)
        sifted = 0
        if self._sieve is not None:
            sifted = count - count % kernels.BLOCK
            if sifted:
                self._sift(columns[:, :sifted], out[:sifted])
            if count - sifted > _FEW:
                rest = np.zeros((self.width, kernels.BLOCK))
                rest[:, : count - sifted] = columns[:, sifted:]
                found = np.empty(kernels.BLOCK)
                self._sift(rest, found)
                out[sifted:] = found[: count - sifted]
                sifted = count
        if sifted < count:
            self._walk(columns[:, sifted:], out[sifted:])
        return out

    def contributions(self, inputs: NDArray[np.float64]) -> NDArray[np.float64]:
        """Shapley values (n, width + 1) of the sum; the last column is the mean over the training rows."""
        nodes, paths, count = self._nodes, self._paths, len(inputs)
        columns = np.zeros((self.width, count + -count % kernels.LANES))
        columns[:, :count] = inputs.T
        found = np.zeros_like(columns)
        kernels.explain(
            columns,
            nodes.root,
            nodes.feature,
            nodes.threshold,
            nodes.default_left,
            nodes.value,
            nodes.parent,
            *paths,
            *self._scratch,
            found,
        )
        out = np.empty((count, self.width + 1))
        out[:, :-1] = found[:, :count].T
        out[:, -1] = self.mean
        return out

    @property
    def bounds(self) -> list[NDArray[np.float64]]:
        """The values at which each input's rows part, ascending."""
        nodes = self._nodes
        return [np.unique(nodes.threshold[nodes.feature == column]) for column in range(self.width)]

    @cached_property
    def mean(self) -> float:
        """Mean of the sum over the training rows."""
        leaves = self._nodes.feature < 0
        tree = np.searchsorted(self._nodes.root, np.flatnonzero(leaves), side="right") - 1
        weight = self._nodes.cover[leaves] / self._nodes.cover[self._nodes.root][tree]
        return float(weight @ self._nodes.value[leaves])

    @cached_property
    def _paths(self) -> layout.Paths:
        return layout.paths(self._nodes)

    @cached_property
    def _scratch(self) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
        ends = np.append(self._nodes.root[1:], len(self._nodes.feature))
        most, points = int((ends - self._nodes.root).max()), len(self._paths.points)
        return (
            np.empty((most, points, 6)),
            np.empty((most, kernels.LANES), np.int64),
            np.empty((most, points, kernels.LANES)),
        )

    def _sift(self, columns: NDArray[np.float64], out: NDArray[np.float64]) -> None:
        assert self._sieve is not None
        kernels.sift(np.ascontiguousarray(columns), *self._sieve, self._block, self._alive, out)

    def _walk(self, columns: NDArray[np.float64], out: NDArray[np.float64]) -> None:
        nodes = self._nodes
        kernels.walk(
            np.ascontiguousarray(columns),
            nodes.root,
            nodes.feature,
            nodes.threshold,
            nodes.right,
            nodes.default_left,
            nodes.value,
            out,
        )
