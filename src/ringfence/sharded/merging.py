"""The order of the log: (partition clock, partition, offset), whatever arrives when.

The clock of a partition is the running maximum of the times at which its records were appended. A row is
released once no other partition can give one that stands before it.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BEFORE_ALL: Final = -(1 << 62)
ENDED: Final = 1 << 62
"""The clock of a partition that has ended."""


class CutOut(NamedTuple):
    """Rows `begin` to `end` of one chunk."""

    chunk: tuple[int, int]  # partition and number
    begin: int
    end: int


class NextRows(NamedTuple):
    """What comes next in the log: its pieces one after the other, and how their rows are to be ordered.

    `order` is None where they stand in order already.
    """

    pieces: list[CutOut]
    order: NDArray[np.int64] | None

    def merged(self, columns: dict[tuple[int, int], Any]) -> Any:
        """A column of every chunk, as one in the order of the log."""
        parts = [columns[piece.chunk][piece.begin : piece.end] for piece in self.pieces]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return whole if self.order is None else whole[self.order]

    def apart(self, values: NDArray[Any]) -> list[NDArray[Any]]:
        """Values in the order of the log, piece by piece."""
        if self.order is not None:
            back = np.empty_like(values)
            back[self.order] = values
            values = back
        ends = np.cumsum([piece.end - piece.begin for piece in self.pieces])[:-1]
        return np.split(values, ends)

    def __len__(self) -> int:
        return sum(piece.end - piece.begin for piece in self.pieces)


class _Waiting:
    __slots__ = ("chunk", "clocks", "done")

    def __init__(self, chunk: tuple[int, int], clocks: NDArray[np.int64], done: int) -> None:
        self.chunk, self.clocks, self.done = chunk, clocks, done


class ClockMerge:
    """Chunks of all partitions, each partition's in order.

    Attributes:
        clocks: how far each partition has come.
    """

    def __init__(self, partitions: int) -> None:
        self.clocks = [BEFORE_ALL] * partitions
        self._queues: list[deque[_Waiting]] = [deque() for _ in range(partitions)]

    def add(self, chunk: tuple[int, int], clocks: NDArray[np.int64], end: int, done: int = 0) -> None:
        """The partition's next chunk, with the clock at each of its rows and behind it.

        The first `done` of the rows have been released already.
        """
        partition = chunk[0]
        self.clocks[partition] = max(self.clocks[partition], end)
        if len(clocks) > done:
            self._queues[partition].append(_Waiting(chunk, clocks, done))

    def release(self) -> NextRows | None:
        """What can be released; None where nothing can."""
        pieces: list[CutOut] = []
        told: list[NDArray[np.int64]] = []
        for partition, queue in enumerate(self._queues):
            if not queue:
                continue
            limit = self._limit(partition)
            while queue:
                first = queue[0]
                end = int(np.searchsorted(first.clocks, limit, side="right"))
                if end > first.done:
                    pieces.append(CutOut(first.chunk, first.done, end))
                    told.append(first.clocks[first.done : end])
                    first.done = end
                if first.done < len(first.clocks):
                    break
                queue.popleft()
        if not pieces:
            return None
        if all(piece.chunk[0] == pieces[0].chunk[0] for piece in pieces):
            return NextRows(pieces, None)
        return NextRows(pieces, np.argsort(np.concatenate(told), kind="stable"))

    def _limit(self, partition: int) -> int:
        """The greatest clock at which no other partition can come before this one's row."""
        others = (
            clock - (other < partition) for other, clock in enumerate(self.clocks) if other != partition
        )
        return min(others, default=ENDED)

    @property
    def least(self) -> int:
        """How far all partitions have come."""
        return min(self.clocks)
