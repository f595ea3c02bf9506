-- The history of the rule book. Texts of its versions are in `version`, of kind 'rules'.

-- One row per change, in one line; `approved` is null while a second person is still to look at it.
CREATE TABLE rule_change (
  number      INTEGER PRIMARY KEY,
  digest      TEXT    NOT NULL,
  based_on    TEXT,
  author      TEXT    NOT NULL,
  created_ms  INTEGER NOT NULL,
  note        TEXT    NOT NULL,
  origin      TEXT    NOT NULL,
  approved    INTEGER,
  reviewer    TEXT,
  reviewed_ms INTEGER,
  review_note TEXT
) STRICT;
