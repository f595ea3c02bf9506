"""Bad records as they were found, with the reason, until somebody replays them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ringfence.adapters.sqlite.statements import SQL
from ringfence.errors import InputError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ringfence.adapters.sqlite.database import Database
    from ringfence.events.bad import BadRecord


@dataclass(frozen=True, slots=True)
class QuarantinedRecord:
    """A bad record in quarantine. `replayed_ms` and `outcome` are None while nobody has tried it again."""

    id: str
    source: str
    position: int
    reason: str
    message: str
    original: bytes
    original_format: str
    mapping: str
    received_ms: int
    replayed_ms: int | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a quarantined record that was tried again: `accepted`, `duplicate`, or a new reason."""

    id: str
    outcome: str


class Quarantine:
    """The bad records of a store; `Store.commit` adds them."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def records(
        self, *, reason: str | None = None, source: str | None = None, waiting: bool = False, limit: int = 100
    ) -> list[QuarantinedRecord]:
        """Newest first; only those that wait for a replay if asked."""
        which = {"reason": reason, "source": source, "waiting": waiting, "limit": limit}
        return [QuarantinedRecord(*row) for row in self._database.fetch("bad_records", which)]

    def get(self, record_id: str) -> QuarantinedRecord:
        """The record with this id or the only one whose id begins so; `InputError` where there is none."""
        found = [QuarantinedRecord(*row) for row in self._database.fetch("bad_record", {"id": record_id})]
        if len(found) != 1:
            how_many = "several records begin" if found else "no record begins"
            raise InputError(f"{how_many} with id {record_id!r}: `ringfence quarantine list` shows the ids")
        return found[0]

    def counts(self) -> dict[str, tuple[int, int]]:
        """By reason: how many there are, and how many of them wait for a replay."""
        return {reason: (total, waiting) for reason, total, waiting in self._database.fetch("bad_counts")}


def quarantine_records(
    connection: sqlite3.Connection,
    bad_records: Sequence[BadRecord],
    replayed: Sequence[Replayed],
    now_ms: int,
) -> None:
    """Add and mark records inside a transaction that somebody else commits."""
    if bad_records:
        connection.executemany(SQL["add_bad_record"], [_row(bad, now_ms) for bad in bad_records])
    marks = [{"id": one.id, "outcome": one.outcome, "replayed_ms": now_ms} for one in replayed]
    if marks:
        connection.executemany(SQL["mark_replayed"], marks)


def _row(bad: BadRecord, now_ms: int) -> dict[str, object]:
    return {
        "id": bad.id,
        "source": bad.source,
        "position": bad.position,
        "reason": str(bad.reason),
        "message": bad.message,
        "original": bad.original,
        "original_format": bad.original_format,
        "mapping": bad.mapping,
        "received_ms": now_ms,
    }
