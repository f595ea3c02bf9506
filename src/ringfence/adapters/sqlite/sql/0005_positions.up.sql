-- How far each source has been taken; moved by the commit that holds what was taken.

-- One row per part: a partition, a shard, the reading of some files.
CREATE TABLE source_position (
  source   TEXT    NOT NULL,
  part     TEXT    NOT NULL,
  value    TEXT    NOT NULL,
  moved_ms INTEGER NOT NULL,
  PRIMARY KEY (source, part)
) STRICT, WITHOUT ROWID;
