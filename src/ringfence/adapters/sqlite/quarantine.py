"""Bad records as they were found, with the reason, until somebody replays them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ringfence.adapters.sqlite.statements import SQL
from ringfence.errors import InputError
from ringfence.ports import QuarantinedRecord

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from ringfence.adapters.sqlite.database import Database
    from ringfence.events.bad import BadRecord
    from ringfence.ports import Replayed


MOST_RECORDS: Final = 200_000
"""Records that are kept; of more the oldest go."""

MOST_BYTES: Final = 256 * 1024 * 1024
"""Bytes of originals from which on only a beginning of each is kept."""

_BEGINNING: Final = 512


class SqliteQuarantine:
    """`ringfence.ports.Quarantine` in the store's file; `Store.commit` adds to it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bytes: int | None = None  # of all originals, once records have been added

    def records(
        self, *, reason: str | None = None, source: str | None = None, waiting: bool = False, limit: int = 100
    ) -> list[QuarantinedRecord]:
        """Newest first; only those that wait for a replay if asked."""
        which = {"reason": reason, "source": source, "waiting": waiting, "limit": limit}
        return [QuarantinedRecord(*row) for row in self._database.fetch("bad_records", which)]

    def unsettled(self, *, reason: str | None = None, limit: int = -1) -> list[QuarantinedRecord]:
        """Those that have become no event, by their age: of more than `limit` those tried longest ago."""
        found = self._database.fetch("bad_unsettled", {"reason": reason, "limit": limit})
        return [QuarantinedRecord(*row) for row in found]

    def beginnings(self, limit: int, size: int) -> list[QuarantinedRecord]:
        """The newest, with the first `size` bytes of each original."""
        found = self._database.fetch("bad_beginnings", {"limit": limit, "bytes": size})
        return [QuarantinedRecord(*row) for row in found]

    def since(self, place: int, limit: int) -> list[tuple[int, QuarantinedRecord]]:
        """Those behind a place, in the order in which they came, each with its place."""
        found = self._database.fetch("bad_since", {"place": place, "limit": limit})
        return [(row[0], QuarantinedRecord(*row[1:])) for row in found]

    def add(self, connection: sqlite3.Connection, bad_records: Sequence[BadRecord], now_ms: int) -> None:
        """Take in records inside a transaction that somebody else commits.

        Nobody fills the disk with what is refused: once `MOST_BYTES` of originals are kept, of further ones
        only a beginning is, and of more than `MOST_RECORDS` records the oldest go.
        """
        if not bad_records:
            return
        if self._bytes is None:
            self._bytes = int(connection.execute(SQL["bad_bytes"]).fetchone()[0])
        for bad in bad_records:
            row = self._row(bad, now_ms)
            if connection.execute(SQL["add_bad_record"], row).rowcount:
                self._bytes += len(row["original"])
        self._release(connection, "bad_beyond", {"most": MOST_RECORDS})

    def forget(self, connection: sqlite3.Connection, before_ms: int) -> int:
        """Drop what was received before a time; how many records that were."""
        return self._release(connection, "forget_bad", {"before_ms": before_ms})

    def _release(self, connection: sqlite3.Connection, statement: str, arguments: dict[str, int]) -> int:
        sizes = [int(row[0]) for row in connection.execute(SQL[statement], arguments)]
        if self._bytes is not None:
            self._bytes -= sum(sizes)
        return len(sizes)

    def _row(self, bad: BadRecord, now_ms: int) -> dict[str, Any]:
        row = _row(bad, now_ms)
        assert self._bytes is not None
        if self._bytes + len(bad.original) > MOST_BYTES and len(bad.original) > _BEGINNING:
            said = f"the quarantine is full: the first {_BEGINNING} of {len(bad.original)} bytes are kept"
            row |= {"original": bad.original[:_BEGINNING], "message": f"{bad.message}; {said}"}
        return row

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


def mark_replayed(connection: sqlite3.Connection, replayed: Sequence[Replayed], now_ms: int) -> None:
    """Say what became of records, inside a transaction that somebody else commits."""
    marks = [{"id": one.id, "outcome": one.outcome, "replayed_ms": now_ms} for one in replayed]
    if marks:
        connection.executemany(SQL["mark_replayed"], marks)


def _row(bad: BadRecord, now_ms: int) -> dict[str, Any]:
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
