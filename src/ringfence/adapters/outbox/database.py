"""The file of the bus: one connection a process, any thread, transactions that wait for each other."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from threading import Lock, RLock
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from ringfence.adapters.sqlite.checkpoint import Checkpointer
from ringfence.adapters.sqlite.opening import closed_if_it_raises
from ringfence.adapters.sqlite.problems import BUSY_SECONDS, explain
from ringfence.adapters.sqlite.schema import FileSchema
from ringfence.adapters.sqlite.transactions import writing
from ringfence.adapters.sqlite.versions import check_known
from ringfence.store import BUS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
    from pathlib import Path

# 128 MiB: whoever commits copies them back where the thread beside has not yet
_CHECKPOINT_PAGES: Final = 32_768
_CHECKPOINT_SECONDS: Final = 2.0  # whoever commits next after a copy waits for the disk
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS position (
  topic       TEXT PRIMARY KEY,
  next_offset INTEGER NOT NULL,
  told        INTEGER NOT NULL DEFAULT 0  -- up to here subscribers have had their messages once
) STRICT;
CREATE TABLE IF NOT EXISTS subscription (name TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS destination (address TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS message (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT,
  id           TEXT    NOT NULL UNIQUE,
  subscription TEXT    NOT NULL,
  destination  TEXT    NOT NULL,
  key          TEXT    NOT NULL,             -- order is kept among messages of one key
  ordered      INTEGER NOT NULL,
  event        BLOB    NOT NULL,
  state        TEXT    NOT NULL,             -- waiting, delivered, dead
  due_ms       INTEGER NOT NULL,
  attempts     INTEGER NOT NULL DEFAULT 0,
  said         TEXT    NOT NULL DEFAULT '',
  made_ms      INTEGER NOT NULL,
  done_ms      INTEGER NOT NULL DEFAULT 0,
  tried_ms     INTEGER NOT NULL DEFAULT 0    -- the first attempt that failed, since it was last held
) STRICT;
CREATE INDEX IF NOT EXISTS message_due_made ON message (destination, due_ms, seq, attempts, made_ms)
  WHERE state = 'waiting';  -- with what figures ask: they read no message
CREATE INDEX IF NOT EXISTS message_key ON message (subscription, key, seq)
  WHERE state = 'waiting' AND ordered;
CREATE INDEX IF NOT EXISTS message_dead ON message (destination) WHERE state = 'dead';
CREATE INDEX IF NOT EXISTS message_done_to ON message (done_ms, destination) WHERE state = 'delivered';
DROP INDEX IF EXISTS message_due;  -- of files of before
DROP INDEX IF EXISTS message_done;
CREATE TABLE IF NOT EXISTS alert (
  id         TEXT PRIMARY KEY,
  number     INTEGER NOT NULL,
  entity     TEXT    NOT NULL,
  entity_id  TEXT    NOT NULL,
  typology   TEXT    NOT NULL,
  severity   INTEGER NOT NULL,
  raised_ms  INTEGER NOT NULL,
  body       TEXT    NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS alert_subject ON alert (entity_id, typology, entity, number);
CREATE INDEX IF NOT EXISTS alert_number ON alert (number);
CREATE INDEX IF NOT EXISTS alert_raised ON alert (raised_ms);
CREATE TABLE IF NOT EXISTS cap (
  destination TEXT    NOT NULL,
  bucket      INTEGER NOT NULL,  -- periods since 1970
  sent        INTEGER NOT NULL,
  held        TEXT    NOT NULL,  -- how many of each severity
  PRIMARY KEY (destination, bucket)
) STRICT;
CREATE TABLE IF NOT EXISTS clock_cap (  -- as `cap`, of what the clock makes: it stays, too
  destination TEXT    NOT NULL,
  bucket      INTEGER NOT NULL,
  sent        INTEGER NOT NULL,
  held        TEXT    NOT NULL,
  PRIMARY KEY (destination, bucket)
) STRICT;
-- What people said of alerts, and what the clock made of them: it stays when the outbox is made again.
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, by TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
-- Alerts that joined a case, and that case: told by `cases.db`, which knows it first.
CREATE TABLE IF NOT EXISTS joined (id TEXT PRIMARY KEY, case_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answer (
  id TEXT PRIMARY KEY, answer TEXT NOT NULL, at_ms INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TABLE IF NOT EXISTS judgement (
  id TEXT NOT NULL, transaction_id TEXT NOT NULL, answer TEXT NOT NULL, by TEXT NOT NULL,
  at_ms INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (id, transaction_id)
) STRICT;
CREATE TABLE IF NOT EXISTS used (mark TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS mute (
  typology TEXT NOT NULL, entity_id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (typology, entity_id)
) STRICT;
CREATE TABLE IF NOT EXISTS done (id TEXT PRIMARY KEY) STRICT;
CREATE TABLE IF NOT EXISTS digest (
  destination TEXT    NOT NULL,  -- and bucket, as in `cap`
  bucket      INTEGER NOT NULL,
  told        INTEGER NOT NULL,  -- how many alerts digests have counted
  told_in     INTEGER NOT NULL,  -- bucket of the latest digest
  PRIMARY KEY (destination, bucket)
) STRICT;
CREATE TABLE IF NOT EXISTS capped_alert (  -- those that a cap held back, in order, for the lists of digests
  destination TEXT    NOT NULL,  -- and bucket, as in `cap`
  bucket      INTEGER NOT NULL,
  n           INTEGER NOT NULL,
  alert       TEXT    NOT NULL,
  PRIMARY KEY (destination, bucket, n)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS digest_span (  -- which of `capped_alert` a digest counts
  id          TEXT    PRIMARY KEY,  -- the name of the digest
  destination TEXT    NOT NULL,
  bucket      INTEGER NOT NULL,
  first       INTEGER NOT NULL,
  last        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notice (  -- events about alerts, for whoever pulls them
  seq   INTEGER PRIMARY KEY AUTOINCREMENT,
  id    TEXT    NOT NULL UNIQUE,
  at_ms INTEGER NOT NULL,
  event BLOB    NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS notice_at ON notice (at_ms);
CREATE TABLE IF NOT EXISTS contact (  -- of profiles, as the log has them, where a value changed
  entity_type TEXT    NOT NULL,
  entity_id   TEXT    NOT NULL,
  name        TEXT    NOT NULL,
  log_offset  INTEGER NOT NULL,
  value       TEXT    NOT NULL,
  PRIMARY KEY (entity_type, entity_id, name, log_offset)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS forgotten (  -- whose contacts of before an offset were erased for good
  entity_id  TEXT    PRIMARY KEY,
  log_offset INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS asked (  -- when a customer was last asked whether it was them, and where
  customer_id TEXT    NOT NULL,  -- "" where the payment named none
  reached     TEXT    NOT NULL,
  at_ms       INTEGER NOT NULL,
  PRIMARY KEY (customer_id, reached)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS asked_at ON asked (at_ms);
CREATE TABLE IF NOT EXISTS owed (id TEXT PRIMARY KEY) STRICT;  -- not delivered when the outbox was emptied
"""
_FILE: Final = FileSchema(
    text=_SCHEMA,
    table="message",
    gone=frozenset({"message_due", "message_done"}),
    added=(
        (
            "SELECT 1 FROM pragma_table_info('message') WHERE name = 'tried_ms'",
            "ALTER TABLE message ADD COLUMN tried_ms INTEGER NOT NULL DEFAULT 0",
        ),
    ),
)


_WRITE_LOCKS: Final[MutableMapping[Path, RLock]] = WeakValueDictionary()
_FINDING_LOCK: Final = Lock()


def _write_lock_of(path: Path) -> RLock:
    """Whoever writes to a file holds its lock: SQLite would ask again later than it could.

    All who have the file open share one lock, which goes with the last of them.
    """
    with _FINDING_LOCK:
        lock = _WRITE_LOCKS.get(path)
        if lock is None:
            lock = _WRITE_LOCKS[path] = RLock()
        return lock


class OutboxDatabase:
    """Statements on the file; `StoreError` with the remedy where it cannot be used.

    `check` raises one where the file must not be made anew; it is called before each opening.
    """

    def __init__(self, folder: Path, check: Callable[[], None] = lambda: None) -> None:
        self.path = folder / BUS
        self._check = check
        self._lock = RLock()
        self._write_lock = _write_lock_of(self.path)
        self._connection: sqlite3.Connection | None = None
        self._checkpointer: Checkpointer | None = None

    @contextmanager
    def transaction(self, *, at_leisure: bool = False) -> Iterator[sqlite3.Connection]:
        """One transaction that writes: all of it is there on return, or nothing.

        It survives a power failure; one `at_leisure` survives the end of the process, and a power failure
        only from the next transaction without it on. What it says has to be found out again from the log.
        """
        with self._write_lock, self._lock, self._errors():
            connection = self._open()
            connection.execute(f"PRAGMA synchronous = {'NORMAL' if at_leisure else 'FULL'}")
            with writing(connection):
                yield connection
            if self._checkpointer is None:
                self._checkpointer = Checkpointer(self._connect, Lock(), _CHECKPOINT_SECONDS)
            self._checkpointer.note()

    def settle(self) -> None:
        """On return, what any process has written at leisure survives a power failure, too."""
        with self.transaction() as connection:  # the file is synced as a whole
            connection.execute(
                "INSERT INTO meta VALUES ('settled', '1') ON CONFLICT DO UPDATE SET value = value + 1"
            )

    def rows(
        self, statement: str, arguments: Sequence[Any] | Mapping[str, Any] = ()
    ) -> list[tuple[Any, ...]]:
        """The answer to one question."""
        with self._lock, self._errors():
            return self._open().execute(statement, arguments).fetchall()

    def empty_log(self) -> None:
        """Write changed pages back to the file, so that the write-ahead log holds none of before."""
        with self._lock, self._errors():
            self._open().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Release the file; the next statement opens it again."""
        with self._lock:
            if self._checkpointer is not None:
                self._checkpointer.close()
                self._checkpointer = None
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._check()
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.touch(mode=0o600)
            connection = self._connect()
            with closed_if_it_raises(connection):
                check_known(connection, self.path)
                connection.execute("PRAGMA journal_mode = WAL")
                connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
                _FILE.bring_up_to_date(connection, self.path)
            self._connection = connection
        return self._connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            self.close()
            raise explain(error, self.path) from error
