"""The tables of the file, and how it is opened."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Final

from ringfence.adapters.sqlite.opening import closed_if_it_raises

if TYPE_CHECKING:
    from pathlib import Path

FILE_NAME: Final = "links.sqlite"

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS pair (
  link INTEGER, source TEXT, target TEXT,      -- ids as events have them
  first_ms INTEGER, last_ms INTEGER, count INTEGER, amount INTEGER,
  PRIMARY KEY (link, source, target)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS pair_by_target ON pair (link, target, last_ms);
CREATE INDEX IF NOT EXISTS pair_by_source ON pair (link, source, last_ms);
CREATE INDEX IF NOT EXISTS pair_by_time ON pair (link, last_ms);
CREATE TABLE IF NOT EXISTS payment (
  id TEXT PRIMARY KEY, subject TEXT, payee TEXT, came_ms INTEGER, fraud INTEGER,
  stopped INTEGER  -- 0 no, 1 yes, 2 while a flag of ours held, -1 a label has called it good since
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payment_by_time ON payment (came_ms);
CREATE INDEX IF NOT EXISTS payment_fraud ON payment (subject) WHERE fraud = 1;
CREATE INDEX IF NOT EXISTS payment_fraud_payee ON payment (payee) WHERE fraud = 1;
CREATE INDEX IF NOT EXISTS payment_stopped ON payment (subject) WHERE stopped = 1;
CREATE TABLE IF NOT EXISTS pending (  -- stopped, not looked at yet
  id TEXT PRIMARY KEY, event_offset INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ring (
  id INTEGER PRIMARY KEY, score REAL, size INTEGER, reasons TEXT, start TEXT, -- reasons as a JSON list
  found_ms INTEGER, changed_ms INTEGER, merged_into INTEGER);
CREATE TABLE IF NOT EXISTS member (
  kind TEXT, name TEXT, ring INTEGER, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS member_by_ring ON member (ring);
CREATE TABLE IF NOT EXISTS suspect (  -- flagged by others, not looked at yet
  id TEXT PRIMARY KEY, due INTEGER,  -- 1 now, 0 once it has links
  came_ms INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (  -- whom a flag of ours holds
  kind TEXT, name TEXT, since_ms INTEGER, until_ms INTEGER, PRIMARY KEY (kind, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS news (number INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT);
CREATE TABLE IF NOT EXISTS early (id TEXT PRIMARY KEY, fraud INTEGER, came_ms INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""

_LATER: Final = (
    ("pending", "event_offset"),
    ("early", "came_ms"),
    ("suspect", "due"),
    ("suspect", "came_ms"),
    ("told", "since_ms"),
    ("told", "until_ms"),
)
"""Columns that files of earlier versions do not have."""

_INDEXES: Final = """
CREATE INDEX IF NOT EXISTS pending_by_offset ON pending (event_offset);
CREATE INDEX IF NOT EXISTS early_by_time ON early (came_ms);
CREATE INDEX IF NOT EXISTS suspect_due ON suspect (id) WHERE due = 1;
CREATE INDEX IF NOT EXISTS suspect_by_time ON suspect (came_ms);
CREATE INDEX IF NOT EXISTS told_by_time ON told (until_ms);
"""


def opened(folder: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """The file in a data folder, readable by its owner alone; made unless `read_only`."""
    path = folder / FILE_NAME
    if read_only:
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    connection = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
    with closed_if_it_raises(connection):
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(_TABLES)
        asked = "SELECT 1 FROM pragma_table_info(?) WHERE name = ?"
        for table, column in _LATER:
            if connection.execute(asked, (table, column)).fetchone() is None:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {column} INTEGER")
        connection.executescript(_INDEXES)
    return connection
