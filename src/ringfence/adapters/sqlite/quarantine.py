"""Bad records as they were found, with the reason, until somebody replays them."""

from __future__ import annotations

from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from ringfence.adapters.sqlite.statements import SQL
from ringfence.errors import InputError
from ringfence.ports import QuarantinedRecord

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from ringfence.adapters.sqlite.database import Database
    from ringfence.events.bad import BadRecord
    from ringfence.ports import Replayed


MOST_RECORDS: Final = 200_000
"""Records that are kept; of more the oldest go."""

MOST_BYTES: Final = 256 * 1024 * 1024
"""Bytes of originals from which on only a beginning of each is kept."""

_BEGINNING: Final = 512
_AT_ONCE: Final = (256, 32, 4, 1)
_PLACES: Final = "(?, ?, ?, ?, ?, ?, ?, ?, ?)"


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
        last = int(connection.execute(SQL["newest_bad"]).fetchone()[0])
        if self._bytes is None:
            self._bytes = _bytes_since(connection, 0)
        rows, size = [], self._bytes
        for bad in bad_records:
            rows.append(_row(bad, now_ms, is_full=size + len(bad.original) > MOST_BYTES))
            size += len(rows[-1].original)
        for some in _portions(rows):
            connection.execute(_adding(len(some)), list(chain.from_iterable(some)))
        self._bytes += _bytes_since(connection, last)
        self._release(connection, "bad_bytes_beyond", "bad_beyond", {"most": MOST_RECORDS})

    def forget(self, connection: sqlite3.Connection, before_ms: int) -> int:
        """Drop what was received before a time; how many records that were."""
        return self._release(connection, "bad_bytes_before", "forget_bad", {"before_ms": before_ms})

    def _release(
        self, connection: sqlite3.Connection, size: str, statement: str, arguments: dict[str, int]
    ) -> int:
        gone = int(connection.execute(SQL[size], arguments).fetchone()[0])
        if self._bytes is not None:
            self._bytes -= gone
        return connection.execute(SQL[statement], arguments).rowcount

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

    def count_before(self, before_ms: int) -> int:
        """How many were received before a time."""
        return int(self._database.fetch("bad_count_before", {"before_ms": before_ms})[0][0])


def mark_replayed(connection: sqlite3.Connection, replayed: Sequence[Replayed], now_ms: int) -> None:
    """Say what became of records, inside a transaction that somebody else commits."""
    marks = [{"id": one.id, "outcome": one.outcome, "replayed_ms": now_ms} for one in replayed]
    if marks:
        connection.executemany(SQL["mark_replayed"], marks)


class _QuarantineRow(NamedTuple):
    """As the statement has it."""

    id: str
    source: str
    position: int
    reason: str
    message: str
    original: bytes
    original_format: str
    mapping: str
    received_ms: int


def _row(bad: BadRecord, now_ms: int, *, is_full: bool) -> _QuarantineRow:
    original, message = bad.original, bad.message
    if is_full and len(original) > _BEGINNING:
        said = f"the quarantine is full: the first {_BEGINNING} of {len(original)} bytes are kept"
        original, message = original[:_BEGINNING], f"{message}; {said}"
    where = (bad.id, bad.source, bad.position, str(bad.reason))
    return _QuarantineRow(*where, message, original, bad.original_format, bad.mapping, now_ms)


def _portions(rows: Sequence[_QuarantineRow]) -> Iterator[Sequence[_QuarantineRow]]:
    """Rows that go in by one statement: each gives the interpreter away once, and waits until it is back."""
    begin = 0
    for size in _AT_ONCE:
        while len(rows) - begin >= size:
            yield rows[begin : begin + size]
            begin += size


@cache
def _adding(count: int) -> str:
    """The statement for so many rows."""
    return SQL["add_bad_records"].replace(_PLACES, ", ".join([_PLACES] * count))


def _bytes_since(connection: sqlite3.Connection, place: int) -> int:
    return int(connection.execute(SQL["bad_bytes_since"], {"place": place}).fetchone()[0])
