"""Tables of the file of cases. `event` is the truth: `standing`, `subject`, `payment` follow."""

from __future__ import annotations

from typing import Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS event (
  case_id TEXT    NOT NULL,
  version INTEGER NOT NULL,
  at_ms   INTEGER NOT NULL,
  by_whom TEXT    NOT NULL,
  change  BLOB    NOT NULL,
  PRIMARY KEY (case_id, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS standing (
  number         INTEGER PRIMARY KEY,
  case_id        TEXT    NOT NULL UNIQUE,
  state          TEXT    NOT NULL,
  queue          TEXT    NOT NULL,
  assignee       TEXT,
  lease_until_ms INTEGER NOT NULL,
  ready_ms       INTEGER NOT NULL,
  opened_ms      INTEGER NOT NULL,
  due_ms         INTEGER NOT NULL,
  changed_ms     INTEGER NOT NULL,
  closed_ms      INTEGER,
  closed_by      TEXT,
  escalated      INTEGER NOT NULL,
  proposed_by    TEXT,
  loss           REAL    NOT NULL,
  amount         REAL    NOT NULL,
  disposition    TEXT,
  body           BLOB    NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS standing_waiting ON standing (
  queue, ready_ms, due_ms, loss, escalated, assignee, lease_until_ms, proposed_by, state, opened_ms
) WHERE state IN ('open', 'proposed');
CREATE INDEX IF NOT EXISTS standing_closed ON standing (closed_ms) WHERE state = 'closed';
CREATE INDEX IF NOT EXISTS standing_ended ON standing (changed_ms, number) WHERE state = 'closed';
CREATE INDEX IF NOT EXISTS standing_changed ON standing (changed_ms);
CREATE TABLE IF NOT EXISTS subject (
  entity_type TEXT    NOT NULL,
  entity_id   TEXT    NOT NULL,
  number      INTEGER NOT NULL,
  is_live     INTEGER NOT NULL,
  PRIMARY KEY (entity_type, entity_id, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS subject_live ON subject (entity_type, entity_id) WHERE is_live = 1;
CREATE INDEX IF NOT EXISTS subject_id ON subject (entity_id);
CREATE TABLE IF NOT EXISTS payment (
  transaction_id TEXT    PRIMARY KEY,
  case_id        TEXT    NOT NULL,
  origin         TEXT    NOT NULL,
  event_time_ms  INTEGER NOT NULL,
  body           BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS payment_case ON payment (case_id, event_time_ms);
CREATE TABLE IF NOT EXISTS outgoing (
  number       INTEGER PRIMARY KEY,
  id           TEXT    NOT NULL UNIQUE,
  body         BLOB    NOT NULL,
  is_delivered INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS outgoing_waiting ON outgoing (number) WHERE is_delivered = 0;
CREATE TABLE IF NOT EXISTS attachment (
  sha256 TEXT PRIMARY KEY,
  body   BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS alert (alert TEXT PRIMARY KEY, case_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS feed (  -- every event once more, in the order in which they came
  seq     INTEGER PRIMARY KEY AUTOINCREMENT,
  case_id TEXT    NOT NULL,
  version INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS progress (
  topic    TEXT    PRIMARY KEY,
  position INTEGER NOT NULL
) STRICT;
"""

URGENCY: Final = "loss / max(1.0, (due_ms - :now) / 60000.0)"
"""As of `Case.urgency`; escalated cases go before."""

ORDERS: Final = {
    "urgency": f"escalated DESC, {URGENCY} DESC, number",
    "opened": "opened_ms DESC, number DESC",
    "due": "due_ms, number",
    "changed": "changed_ms DESC, number DESC",
    "amount": "amount DESC, number DESC",
}

BEST: Final = f"""
SELECT number FROM standing INDEXED BY standing_waiting
WHERE state IN ('open', 'proposed') AND ready_ms <= :now AND (:queue IS NULL OR queue = :queue)
  AND (assignee IS NULL OR assignee = :analyst OR lease_until_ms <= :now)
  AND (proposed_by IS NULL OR proposed_by <> :analyst)
ORDER BY (assignee IS :analyst AND lease_until_ms > :now) DESC, escalated DESC, {URGENCY} DESC, number
LIMIT :limit OFFSET :skip
"""  # noqa: S608 (constants)

QUEUES: Final = """
SELECT queue,
  sum(ready_ms <= :now),
  sum(ready_ms > :now),
  sum(ready_ms <= :now AND assignee IS NOT NULL AND lease_until_ms > :now),
  sum(due_ms <= :now),
  sum(loss),
  min(opened_ms)
FROM standing INDEXED BY standing_waiting
WHERE state IN ('open', 'proposed') GROUP BY queue ORDER BY queue
"""
