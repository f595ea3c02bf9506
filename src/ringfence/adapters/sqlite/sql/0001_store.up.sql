-- First version of the store: log, what surrounds it, and identity.

-- One row per topic; offsets outlive trimmed batches.
CREATE TABLE topic (
  id           INTEGER PRIMARY KEY,
  name         TEXT    NOT NULL UNIQUE,
  start_offset INTEGER NOT NULL,
  end_offset   INTEGER NOT NULL
) STRICT;

-- One row per batch of records. next_offset is the first offset after it, so that "the batch that holds x" is one seek.
CREATE TABLE batch (
  id            INTEGER PRIMARY KEY,
  topic_id      INTEGER NOT NULL REFERENCES topic (id),
  base_offset   INTEGER NOT NULL,
  next_offset   INTEGER NOT NULL,
  first_time_ms INTEGER NOT NULL,
  last_time_ms  INTEGER NOT NULL,
  checksum      INTEGER NOT NULL,
  payload       BLOB    NOT NULL
) STRICT;
CREATE UNIQUE INDEX batch_by_offset ON batch (topic_id, next_offset);

-- How far each projection has come.
CREATE TABLE reader (
  name     TEXT    NOT NULL,
  topic    TEXT    NOT NULL,
  "offset" INTEGER NOT NULL,
  PRIMARY KEY (name, topic)
) STRICT, WITHOUT ROWID;

-- Identity and secrets of this store, written once.
CREATE TABLE meta (
  name  TEXT PRIMARY KEY,
  value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- Bad records, each kept once with its reason until somebody replays it.
CREATE TABLE quarantine (
  id              TEXT    NOT NULL UNIQUE,
  source          TEXT    NOT NULL,
  position        INTEGER NOT NULL,
  reason          TEXT    NOT NULL,
  message         TEXT    NOT NULL,
  original        BLOB    NOT NULL,
  original_format TEXT    NOT NULL,
  mapping         TEXT    NOT NULL,
  received_ms     INTEGER NOT NULL,
  replayed_ms     INTEGER,
  outcome         TEXT
) STRICT;
CREATE INDEX quarantine_by_reason ON quarantine (reason);

-- Labels that are not due yet: one row, replaced together with the append that releases some of them.
CREATE TABLE schedule (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  payload BLOB NOT NULL
) STRICT;

-- Every version of a specification, rule set or mapping that a decision's digest may name.
CREATE TABLE version (
  kind       TEXT    NOT NULL,
  digest     TEXT    NOT NULL,
  body       TEXT    NOT NULL,
  created_ms INTEGER NOT NULL,
  PRIMARY KEY (kind, digest)
) STRICT;
