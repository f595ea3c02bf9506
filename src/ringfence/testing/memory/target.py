"""A follower whose target is memory, and a roll in memory: the first to sit the exam."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING

from ringfence.errors import InputError
from ringfence.follow.roll import DeclaredFollower

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ringfence.ports import LogBatch


@dataclass
class MemoryTarget:
    """What outlives a `MemoryFollower`: the records that were put here, as (topic, offset), and positions."""

    records: list[tuple[str, int]] = field(default_factory=list)
    positions: dict[str, int] = field(default_factory=dict)


class MemoryFollower:
    """`ringfence.follow.Follower` that lists what it is given.

    >>> from ringfence.ports import LogBatch
    >>> target = MemoryTarget()
    >>> MemoryFollower(target).take("events", [LogBatch("events", 0, 2, 10, 20, b"two records")])
    >>> target
    MemoryTarget(records=[('events', 0), ('events', 1)], positions={'events': 2})
    """

    def __init__(
        self,
        target: MemoryTarget,
        topics: tuple[str, ...] = ("events", "decisions"),
        name: str = "memory",
        least: int = 1,
        most: int = 10,
    ) -> None:
        self.name = name
        self.topics = topics
        self.least = least
        self.most = most
        self._target = target

    def positions(self) -> dict[str, int]:
        """See `Follower.positions`."""
        return dict(self._target.positions)

    def take(self, topic: str, batches: Iterable[LogBatch], /) -> None:
        """See `Follower.take`."""
        taken, end = [], None
        for batch in batches:
            taken += [(topic, offset) for offset in range(batch.base_offset, batch.next_offset)]
            end = batch.next_offset
        if end is not None:
            self._target.records.extend(taken)
            self._target.positions[topic] = end

    def reset(self) -> None:
        """See `Follower.reset`."""
        self._target.records.clear()
        self._target.positions.clear()

    def close(self) -> None:
        """See `Follower.close`."""


class MemoryRoll:
    """`ringfence.follow.Roll` for one process."""

    def __init__(self) -> None:
        self._entries: dict[str, DeclaredFollower] = {}
        self._restored: dict[str, int] | None = None
        self._proven: set[str] = set()
        self._lock = Lock()

    def declare(self, name: str, topics: Iterable[str], least: int) -> None:
        """See `Roll.declare`."""
        with self._lock:
            known = self._entries.get(name, DeclaredFollower(name, positions=dict.fromkeys(topics, 0)))
            self._entries[name] = replace(known, least=least)

    def entries(self) -> list[DeclaredFollower]:
        """See `Roll.entries`."""
        return sorted(self._entries.values(), key=lambda entry: entry.name)

    def entry(self, name: str) -> DeclaredFollower:
        """See `Roll.entry`."""
        if name not in self._entries:
            raise InputError(f"there is no follower {name!r}: {', '.join(sorted(self._entries))}")
        return self._entries[name]

    def pause(self, name: str) -> None:
        """See `Roll.pause`."""
        self._change(name, paused=True)

    def resume(self, name: str) -> None:
        """See `Roll.resume`."""
        self._change(name, paused=False)

    def rebuild(self, name: str) -> None:
        """See `Roll.rebuild`."""
        self._change(name, rebuild=True)

    def rebuilt(self, name: str) -> None:
        """See `Roll.rebuilt`."""
        self._change(name, rebuild=False, positions=dict.fromkeys(self.entry(name).positions, 0))

    def forget(self, name: str) -> None:
        """See `Roll.forget`."""
        del self._entries[self.entry(name).name]

    def report(self, name: str, positions: Mapping[str, int], now_ms: int) -> None:
        """See `Roll.report`."""
        self._change(name, positions=dict(positions), heard_ms=now_ms, failing=0, problem="")

    def report_failure(self, name: str, problem: str, now_ms: int) -> None:
        """See `Roll.report_failure`."""
        before = self.entry(name)
        failures, failing = before.failures + 1, before.failing + 1
        self._change(name, failures=failures, failing=failing, problem=problem, heard_ms=now_ms)

    def restored(self, ends: Mapping[str, int]) -> None:
        """See `Roll.restored`."""
        self._restored = dict(ends)

    def unproven(self, name: str) -> Mapping[str, int] | None:
        """See `Roll.unproven`."""
        return None if name in self._proven else self._restored

    def prove(self, name: str) -> None:
        """See `Roll.prove`."""
        self._proven.add(name)

    def _change(self, name: str, **values: object) -> None:
        with self._lock:
            self._entries[name] = replace(self.entry(name), **values)  # type: ignore[arg-type]

    def close(self) -> None:
        """See `Roll.close`."""
