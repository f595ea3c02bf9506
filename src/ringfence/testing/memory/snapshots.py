"""Snapshots in memory: the first to sit the exam, and enough for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from ringfence.errors import StoreError


@dataclass(frozen=True, slots=True)
class MemorySaved:
    """`ringfence.ports.SavedState` in memory."""

    offset: int
    header: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class MemoryEnded:
    """`ringfence.ports.Ended`: a copy in memory never fails."""

    offset: int
    problem: StoreError | None = None


@dataclass
class MemoryShelf:
    """What outlives a `MemorySnapshots`, by offset."""

    kept: dict[int, MemorySaved] = field(default_factory=dict)
    damaged: set[int] = field(default_factory=set)


class MemorySnapshots:
    """`ringfence.ports.SnapshotStore` in memory; the newest `keep` stay.

    One in the background is copied at once and on the shelf when somebody asks how it ended.

    >>> snapshots = MemorySnapshots()
    >>> snapshots.save({"sums": np.ones(2)}, {}, 7)
    >>> snapshots.offsets()
    [7]
    """

    def __init__(self, shelf: MemoryShelf | None = None, keep: int = 3) -> None:
        self._shelf = shelf or MemoryShelf()
        self._keep = keep
        self._writing: MemorySaved | None = None

    def save(self, arrays: Mapping[str, NDArray[Any]], header: dict[str, Any], offset: int) -> None:
        self.wait()
        self._put(_copied(arrays, header, offset))

    def save_in_background(
        self, arrays: Mapping[str, NDArray[Any]], header: dict[str, Any], offset: int
    ) -> bool:
        if self._writing is not None:
            return False
        self._writing = _copied(arrays, header, offset)
        return True

    def poll(self) -> MemoryEnded | None:
        return self.wait()

    def wait(self) -> MemoryEnded | None:
        saved, self._writing = self._writing, None
        if saved is None:
            return None
        self._put(saved)
        return MemoryEnded(saved.offset)

    def load_latest(self) -> tuple[MemorySaved | None, list[str]]:
        problems: list[str] = []
        for offset in self.offsets():
            if offset not in self._shelf.damaged:
                saved = self._shelf.kept[offset]
                return _copied(saved.arrays, saved.header, offset), problems
            problems.append(f"the snapshot at offset {offset} is damaged")
        return None, problems

    def discard_beyond(self, offset: int) -> None:
        for ahead in [kept for kept in self._shelf.kept if kept > offset]:
            del self._shelf.kept[ahead]

    def offsets(self) -> list[int]:
        return sorted(self._shelf.kept, reverse=True)

    def set_aside(self, offset: int) -> None:
        self._shelf.kept.pop(offset, None)

    def _put(self, saved: MemorySaved) -> None:
        self._shelf.kept[saved.offset] = saved
        self._shelf.damaged.discard(saved.offset)
        for old in self.offsets()[self._keep :]:
            del self._shelf.kept[old]


def _copied(arrays: Mapping[str, NDArray[Any]], header: dict[str, Any], offset: int) -> MemorySaved:
    return MemorySaved(offset, dict(header), {name: np.array(array) for name, array in arrays.items()})
