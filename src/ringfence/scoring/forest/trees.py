"""A forest that answers."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ringfence.scoring.forest import kernels, layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_FEW: Final = 16  # rows that are walked sooner than sifted
_FEW_EXPLAINED: Final = 12  # rows that are explained sooner one by one
_MANY_EXPLAINED: Final = 128  # rows from which on two threads explain


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
        count, whole = len(inputs), len(inputs) - len(inputs) % kernels.SIDE
        if count - whole > _FEW_EXPLAINED:
            whole += kernels.SIDE
        columns = np.zeros((self.width, max(whole, count)))
        columns[:, :count] = inputs.T
        found = np.zeros_like(columns)
        if whole >= _MANY_EXPLAINED:
            middle = whole // kernels.SIDE // 2 * kernels.SIDE
            self._explain_halves(columns[:, :whole], found[:, :whole], middle)
        elif whole:
            self._explain(kernels.explain_many, columns[:, :whole], self._scratch_of_many, found[:, :whole])
        if whole < count:
            self._explain(kernels.explain, columns[:, whole:], self._scratch, found[:, whole:])
        out = np.empty((count, self.width + 1))
        out[:, :-1] = found[:, :count].T
        out[:, -1] = self.mean
        return out

    def _explain_halves(self, columns: Any, out: Any, middle: int) -> None:
        """Side by side, because the kernel holds no lock."""
        with ThreadPoolExecutor(2) as threads:
            parts = [
                threads.submit(
                    self._explain, kernels.explain_many, columns[:, rows], self._room_for_many(), out[:, rows]
                )
                for rows in (slice(0, middle), slice(middle, None))
            ]
            for part in parts:
                part.result()

    def _explain(self, kernel: Any, columns: Any, scratch: tuple[Any, ...], out: Any) -> None:
        nodes = self._nodes
        found = np.zeros(columns.shape)
        kernel(
            np.ascontiguousarray(columns),
            *(nodes.root, nodes.feature, nodes.threshold, nodes.default_left, nodes.value, nodes.parent),
            *self._paths,
            *scratch,
            found,
        )
        out[:] = found

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
        return math.fsum(weight * self._nodes.value[leaves])

    @cached_property
    def _paths(self) -> layout.Paths:
        return layout.paths(self._nodes)

    @cached_property
    def _most(self) -> int:
        """Nodes of the largest tree."""
        return int(np.diff(np.append(self._nodes.root, len(self._nodes.feature))).max())

    @cached_property
    def _scratch(self) -> tuple[NDArray[Any], ...]:
        return np.empty(self._most, np.uint8), np.empty((self._most, len(self._paths.points)))

    @cached_property
    def _scratch_of_many(self) -> tuple[NDArray[Any], ...]:
        return self._room_for_many()

    def _room_for_many(self) -> tuple[NDArray[Any], ...]:
        wide, points = self._most * kernels.SIDE, len(self._paths.points)
        return np.empty(wide, np.int64), np.empty((points, self._most, 6)), np.empty(wide), np.empty(wide)

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
