"""The audit trail of a data folder, in a file of its own: a server and commands beside it all write to it."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Final

import msgspec

from ringfence.adapters.sqlite.shared_file import SharedFile
from ringfence.audit import Act, Anchor, Head, Record, RecordSpan, chained
from ringfence.audit.records import KEY_ADDED, SEALED
from ringfence.store import TRAIL

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from ringfence.audit import SigningKey

_PAGE: Final = 1000  # records read at once
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS trail (id INTEGER PRIMARY KEY CHECK (id = 1), value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS record (
  number   INTEGER PRIMARY KEY,
  time_ms  INTEGER NOT NULL,
  actor    TEXT NOT NULL,
  action   TEXT NOT NULL,
  object   TEXT NOT NULL,
  act      TEXT NOT NULL,
  previous TEXT NOT NULL,
  hash     TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS record_by_actor ON record (actor, number);
CREATE INDEX IF NOT EXISTS record_by_action ON record (action, object, number);
CREATE TRIGGER IF NOT EXISTS record_stays BEFORE UPDATE ON record
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER IF NOT EXISTS record_remains BEFORE DELETE ON record
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TABLE IF NOT EXISTS checkpoint (
  number    INTEGER PRIMARY KEY,
  hash      TEXT NOT NULL,
  time_ms   INTEGER NOT NULL,
  key       TEXT NOT NULL,
  signature TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS span (
  topic  TEXT NOT NULL,
  first  INTEGER NOT NULL,
  next   INTEGER NOT NULL,
  digest TEXT NOT NULL,
  PRIMARY KEY (topic, first)
) STRICT;
"""
_NAME: Final = "INSERT INTO trail VALUES (1, ?) ON CONFLICT DO NOTHING"
_INSERT: Final = "INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_COLUMNS: Final = "number, time_ms, act, previous, hash, actor, action, object"
_LATEST: Final = "SELECT number, hash FROM record ORDER BY number DESC LIMIT 1"
_SIGNED: Final = "INSERT INTO checkpoint VALUES (?, ?, ?, ?, ?) ON CONFLICT (number) DO NOTHING"
_SPAN: Final = (
    "INSERT INTO span VALUES (?, ?, ?, ?) ON CONFLICT (topic, first) DO UPDATE SET "
    "next = excluded.next, digest = excluded.digest"
)
_SPANS: Final = "SELECT topic, first, next, digest FROM span"
_POSITIONS: Final = "SELECT topic, max(next) FROM span GROUP BY topic"


_UNREADABLE: Final = Act(actor="", channel="", action="")


class SqliteTrail:
    """The chain of one data folder. Any thread and any process may use it. Its id is made with the file."""

    @staticmethod
    def is_in(folder: Path) -> bool:
        """Whether anything was ever written down in a data folder."""
        return (folder / TRAIL).exists()

    def __init__(self, folder: Path) -> None:
        self._file = SharedFile(folder / TRAIL, _SCHEMA)
        with self._file.transaction() as connection:
            connection.execute(_NAME, (secrets.token_hex(16),))
            (self.id,) = connection.execute("SELECT value FROM trail").fetchone()

    def write(self, acts: Sequence[Act], now_ms: int) -> Head:
        """Append records, all or none, on stable storage on return; the new head."""
        with self._file.transaction() as connection:
            head = self._head(connection)
            for act in acts:
                record = chained(act, head.number + 1, now_ms, head.hash)
                connection.execute(_INSERT, _row(record))
                head = Head(self.id, record.number, record.hash)
        return head

    def head(self) -> Head:
        """The end of the chain as it is."""
        with self._file.reading() as connection:
            return self._head(connection)

    def sign(self, key: SigningKey, now_ms: int, head: Head | None = None) -> Anchor:
        """Sign a head, the one as it is unless given, and keep that beside the records."""
        with self._file.transaction() as connection:
            head = head or self._head(connection)
            anchor = Anchor(head, now_ms, key.public, key.sign(head))
            if head.number:
                row = (head.number, head.hash, now_ms, anchor.key, anchor.signature)
                connection.execute(_SIGNED, row)
        return anchor

    def records(
        self, *, actor: str = "", action: str = "", since_ms: int = 0, after: int = 0
    ) -> Iterator[Record]:
        """Records behind number `after` in order; of an actor, of an action or all below it (`list`)."""
        wanted = ["number > ?", "time_ms >= ?"]
        values: list[Any] = [since_ms]
        if actor:
            wanted.append("actor = ?")
            values.append(actor)
        if action:
            wanted.append("(action = ? OR substr(action, 1, ?) = ?)")
            values += [action, len(action) + 1, f"{action}."]
        statement = (
            f"SELECT {_COLUMNS} FROM record WHERE {' AND '.join(wanted)} ORDER BY number LIMIT {_PAGE}"  # noqa: S608 (constants)
        )
        while True:
            with self._file.reading() as connection:
                rows = connection.execute(statement, (after, *values)).fetchall()
                found = [_record(row) for row in rows]
            yield from found
            if len(found) < _PAGE:
                return
            after = found[-1].number

    def newest(self, limit: int, *, actor: str = "", action: str = "", since_ms: int = 0) -> list[Record]:
        """The last so many of `records`, the newest first."""
        found: list[Record] = []
        for record in self.records(actor=actor, action=action, since_ms=since_ms):
            found.append(record)
            if len(found) >= 2 * limit:
                del found[:-limit]
        return found[-limit:][::-1]

    def checkpoints(self) -> dict[int, Anchor]:
        """Signed heads by the number of their record."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "SELECT number, hash, time_ms, key, signature FROM checkpoint"
            ).fetchall()
        return {
            number: Anchor(Head(self.id, number, digest), time_ms, key, signature)
            for number, digest, time_ms, key, signature in rows
        }

    def positions(self) -> dict[str, int]:
        """How far spans of the log have come, by topic."""
        with self._file.reading() as connection:
            return dict(connection.execute(_POSITIONS).fetchall())

    def spans(self) -> list[RecordSpan]:
        """All spans of the log, by topic and offset; the last of each topic may grow."""
        with self._file.reading() as connection:
            rows = connection.execute(f"{_SPANS} ORDER BY topic, first")
            return [RecordSpan(*row) for row in rows]

    def last_span(self, topic: str) -> RecordSpan | None:
        """The span of a topic that may grow."""
        with self._file.reading() as connection:
            row = connection.execute(
                f"{_SPANS} WHERE topic = ? ORDER BY first DESC LIMIT 1", (topic,)
            ).fetchone()
        return RecordSpan(*row) if row else None

    def sealed(self, topic: str) -> RecordSpan | None:
        """The last span of a topic that the chain knows."""
        statement = "SELECT act FROM record WHERE action = ? AND object = ? ORDER BY number DESC LIMIT 1"
        with self._file.reading() as connection:
            row = connection.execute(statement, (SEALED, topic)).fetchone()
        return RecordSpan.of(msgspec.json.decode(row[0], type=Act)) if row else None

    def keys(self) -> list[str]:
        """Public halves of the signing keys, as they came."""
        return [record.act.object for record in self.records(action=KEY_ADDED)]

    def put_spans(self, spans: Sequence[RecordSpan]) -> None:
        """Keep new spans, and those that have grown."""
        with self._file.transaction() as connection:
            connection.executemany(_SPAN, [msgspec.structs.astuple(span) for span in spans])

    def forget_spans(self) -> None:
        """Begin with the spans anew; what the chain says of them stays."""
        with self._file.transaction() as connection:
            connection.execute("DELETE FROM span")

    def close(self) -> None:
        """Release the file. Closing twice is allowed."""
        self._file.close()

    def _head(self, connection: sqlite3.Connection) -> Head:
        found = connection.execute(_LATEST).fetchone()
        return Head(self.id, *found) if found else Head(self.id)


def _row(record: Record) -> tuple[Any, ...]:
    act = record.act
    told = msgspec.json.encode(act, order="sorted").decode()
    return (
        record.number, record.time_ms, act.actor, act.action, act.object, told, record.previous, record.hash,
    )  # fmt: skip


def _record(row: tuple[int, int, str, str, str, str, str, str]) -> Record:
    """As it stands in the file. An act has no text, and so another hash, where it cannot be read any more.

    Nor has one that is filed under what it does not say: nobody who asks for that would find it.
    """
    number, time_ms, told, previous, digest, *filed = row
    try:
        act = msgspec.json.decode(told, type=Act)
    except msgspec.MsgspecError:
        act = _UNREADABLE
    if filed != [act.actor, act.action, act.object]:
        act = _UNREADABLE
    return Record(number=number, time_ms=time_ms, act=act, previous=previous, hash=digest)
