"""A store in memory: the journal with what commits in it, versions, and the history of the rule book."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec

from ringfence.errors import ConflictError, CorruptError, InputError
from ringfence.ports import SETTLED, QuarantinedRecord, Version
from ringfence.rulebook.changes import Change, head
from ringfence.testing.memory.event_log import MemoryDisk, MemoryLog

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ringfence.events.bad import BadRecord
    from ringfence.ports import LogBatch, Position, Replayed
    from ringfence.rulebook.changes import Proposed, Review


class MemoryQuarantine:
    """`ringfence.ports.Quarantine` in memory; `MemoryJournal.commit` adds to it."""

    def __init__(self) -> None:
        self._records: dict[str, QuarantinedRecord] = {}  # oldest first

    def records(
        self, *, reason: str | None = None, source: str | None = None, waiting: bool = False, limit: int = 100
    ) -> list[QuarantinedRecord]:
        found = (
            one
            for one in reversed(list(self._records.values()))
            if reason in (None, one.reason)
            and source in (None, one.source)
            and not (waiting and one.replayed_ms is not None)
        )
        return list(found if limit < 0 else islice(found, limit))

    def unsettled(self, *, reason: str | None = None, limit: int = -1) -> list[QuarantinedRecord]:
        every = [one for one in self.records(reason=reason, limit=-1)[::-1] if one.outcome not in SETTLED]
        chosen = sorted(every, key=lambda one: -1 if one.replayed_ms is None else one.replayed_ms)
        kept = {one.id for one in (chosen if limit < 0 else chosen[:limit])}
        return [one for one in every if one.id in kept]

    def beginnings(self, limit: int, size: int) -> list[QuarantinedRecord]:
        return [replace(one, original=one.original[:size]) for one in self.records(limit=limit)]

    def since(self, place: int, limit: int) -> list[tuple[int, QuarantinedRecord]]:
        numbered = list(enumerate(self._records.values(), 1))
        behind = [one for one in numbered if one[0] > place or place > len(numbered)]
        return behind[:limit]

    def get(self, record_id: str) -> QuarantinedRecord:
        found = [one for one in self._records.values() if one.id.startswith(record_id)]
        if len(found) != 1:
            raise InputError(f"{len(found)} records begin with id {record_id!r}: list them")
        return found[0]

    def counts(self) -> dict[str, tuple[int, int]]:
        every = sorted(self._records.values(), key=lambda one: one.reason)
        counts = dict.fromkeys((one.reason for one in every), (0, 0))
        for one in every:
            total, waiting = counts[one.reason]
            counts[one.reason] = total + 1, waiting + (one.replayed_ms is None)
        return counts

    def count_before(self, before_ms: int) -> int:
        return sum(one.received_ms < before_ms for one in self._records.values())

    def add(self, bad_records: Sequence[BadRecord], now_ms: int) -> None:
        """Each once."""
        for bad in bad_records:
            kept = QuarantinedRecord(
                bad.id,
                bad.source,
                bad.position,
                str(bad.reason),
                bad.message,
                bad.original,
                bad.original_format,
                bad.mapping,
                now_ms,
                None,
                None,
            )
            self._records.setdefault(bad.id, kept)

    def mark(self, replayed: Sequence[Replayed], now_ms: int) -> None:
        """What became of records."""
        for one in replayed:
            if one.id in self._records:
                tried = self._records[one.id]
                self._records[one.id] = replace(tried, replayed_ms=now_ms, outcome=one.outcome)

    def forget(self, before_ms: int) -> int:
        """Drop what was received before a time."""
        old = [one.id for one in self._records.values() if one.received_ms < before_ms]
        for record_id in old:
            del self._records[record_id]
        return len(old)


@dataclass
class MemoryFolder:
    """What outlives a closed `MemoryJournal`: open another over it to go on."""

    disk: MemoryDisk = field(default_factory=MemoryDisk)
    quarantine: MemoryQuarantine = field(default_factory=MemoryQuarantine)
    schedule: bytes | None = None
    positions: dict[tuple[str, str], str] = field(default_factory=dict)


class MemoryJournal:
    """`ringfence.ports.Journal` in memory.

    >>> journal = MemoryJournal()
    >>> journal.commit(schedule=b"pending")
    >>> journal.schedule(), journal.log.topics()
    (b'pending', [])
    """

    def __init__(self, folder: MemoryFolder | None = None) -> None:
        self._folder = folder or MemoryFolder()
        self.log = MemoryLog(self._folder.disk)
        self.quarantine = self._folder.quarantine

    def commit(
        self,
        batches: Sequence[LogBatch] = (),
        *,
        bad_records: Sequence[BadRecord] = (),
        replayed: Sequence[Replayed] = (),
        schedule: bytes | None = None,
        positions: Sequence[Position] = (),
        now_ms: int = 0,
    ) -> None:
        self.log.append(batches)  # the only part that may fail goes first
        self.quarantine.add(bad_records, now_ms)
        self.quarantine.mark(replayed, now_ms)
        if schedule is not None:
            self._folder.schedule = schedule
        for one in positions:
            if one.value is None:
                self._folder.positions.pop((one.source, one.part), None)
            else:
                self._folder.positions[one.source, one.part] = one.value

    def forget_bad_records(self, before_ms: int) -> int:
        return self.quarantine.forget(before_ms)

    def schedule(self) -> bytes | None:
        return self._folder.schedule

    def positions(self, source: str) -> dict[str, str]:
        return {part: value for (name, part), value in self._folder.positions.items() if name == source}

    def close(self) -> None:
        """Let go of the log."""
        self.log.close()


class MemoryRegistry:
    """`ringfence.ports.Registry` in memory."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], Version] = {}

    def register(self, kind: str, digest: str, body: str, now_ms: int) -> None:
        kept = self.kept.setdefault((kind, digest), Version(kind, digest, body, now_ms))
        if kept.body != body:
            raise ConflictError(f"{kind} {digest} names another text")

    def find(self, kind: str, digest: str) -> Version | None:
        found = self.kept.get((kind, digest))
        return None if found is None else _checked(found)

    def versions(self, kind: str | None = None) -> list[Version]:
        found = sorted(self.kept.values(), key=lambda one: one.created_ms)
        return [_checked(one) for one in found if kind in (None, one.kind)]


def _checked(version: Version) -> Version:
    if hashlib.sha256(version.body.encode()).hexdigest()[:16] != version.digest:
        raise CorruptError(f"the text of {version.kind} {version.digest} has changed")
    return version


class MemoryRuleHistory:
    """`ringfence.rulebook.changes.RuleHistory` in memory."""

    def __init__(self) -> None:
        self._changes: list[Change] = []
        self._bodies: dict[str, str] = {}
        self._lock = Lock()

    def changes(self) -> list[Change]:
        with self._lock:
            return self._changes[:]

    def add(self, proposed: Proposed, review: Review | None = None) -> Change | None:
        with self._lock:
            newest = head(self._changes)
            if (newest.digest if newest else None) != proposed.based_on:
                return None
            if self._bodies.get(proposed.digest, proposed.body) != proposed.body:
                raise ConflictError(f"rules {proposed.digest} name another text")
            number = len(self._changes) + 1
            kept = {name: value for name, value in msgspec.structs.asdict(proposed).items() if name != "body"}
            change = Change(number=number, **kept | _said(review))
            self._bodies[proposed.digest] = proposed.body
            self._changes.append(change)
            return change

    def review(self, number: int, review: Review) -> Change | None:
        with self._lock:
            found = self._changes[number - 1]
            if found.approved is not None:
                return None
            self._changes[number - 1] = msgspec.structs.replace(found, **_said(review))
            return self._changes[number - 1]

    def body(self, digest: str) -> str | None:
        return self._bodies.get(digest)


def _said(review: Review | None) -> dict[str, Any]:
    """What a change shows of its review."""
    if review is None:
        return {}
    told = msgspec.structs.asdict(review)
    return told | {"review_note": told.pop("note")}
