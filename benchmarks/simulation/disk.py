"""A disk that keeps what was synced, and of the rest what it happens to keep.

A journal's commits stand on it one after the other. When power goes, what was not synced is gone from some
commit on; the one that was being written may be torn, which the journal finds by its checksum and drops.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ringfence.errors import StoreFullError
from ringfence.testing.memory.event_log import MemoryDisk
from ringfence.testing.memory.snapshots import MemoryShelf
from ringfence.testing.memory.store import MemoryFolder, MemoryJournal

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

IDENTITY = "simulated"


class Crash(BaseException):
    """Power has gone at this point."""


@dataclass
class Disk:
    """What outlives a process."""

    commits: list[tuple[tuple[Any, ...], dict[str, Any]]] = field(default_factory=list)
    synced: int = 0
    is_full: bool = False
    shelf: MemoryShelf = field(default_factory=MemoryShelf)
    lost: int = 0  # commits that power took away

    def lose_power(self, chance: Random) -> None:
        """Of what was not synced, keep the first so many."""
        kept = chance.randint(self.synced, len(self.commits))
        self.lost += len(self.commits) - kept
        del self.commits[kept:]
        self.synced = kept

    def folder(self) -> MemoryFolder:
        """The journal's files as a process finds them when it starts."""
        folder = MemoryFolder(MemoryDisk(identity=IDENTITY))
        journal = MemoryJournal(folder)
        for given, named in self.commits:
            journal.commit(*given, **named)
        journal.close()
        return folder


class DiskJournal(MemoryJournal):
    """`ringfence.ports.Journal` on such a disk. `point` is called wherever power may go."""

    def __init__(self, disk: Disk, point: Callable[[str], None]) -> None:
        super().__init__(disk.folder())
        self.disk = disk
        self._point = point

    def commit(self, *given: Any, **named: Any) -> None:
        """Write, sync, and only then return."""
        if self.disk.is_full:
            raise StoreFullError("the disk is full: make room and start again")
        self._point("before a commit")
        self.disk.commits.append((given, named))
        self._point("a commit is written")
        self.sync()
        self._point("a commit is synced")
        super().commit(*given, **named)

    def sync(self) -> None:
        """What is written stays."""
        self.disk.synced = len(self.disk.commits)
