"""Tables of the file of cases. `event` is the truth: `standing`, `subject`, `payment` follow."""

from __future__ import annotations

from typing import Final

from ringfence.adapters.sqlite.schema import FileSchema

WAITS_SINCE: Final = "coalesce(json_extract(CAST(body AS TEXT), '$.waiting_ms'), opened_ms)"
"""`Case.waiting_ms`; cases of before do not say."""

SCHEMA: Final = f"""
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
CREATE INDEX IF NOT EXISTS standing_loss ON standing (escalated, loss DESC, due_ms)
WHERE state IN ('open', 'proposed');
CREATE INDEX IF NOT EXISTS standing_due ON standing (escalated, due_ms, loss, queue)
WHERE state IN ('open', 'proposed');
CREATE INDEX IF NOT EXISTS standing_since ON standing (
  queue, {WAITS_SINCE}, ready_ms
) WHERE state IN ('open', 'proposed');
CREATE INDEX IF NOT EXISTS standing_held ON standing (queue, lease_until_ms, ready_ms)
WHERE state IN ('open', 'proposed') AND assignee IS NOT NULL;
CREATE INDEX IF NOT EXISTS standing_proposed ON standing (changed_ms) WHERE state = 'proposed';
CREATE INDEX IF NOT EXISTS standing_mine ON standing (assignee, lease_until_ms)
WHERE state IN ('open', 'proposed') AND assignee IS NOT NULL;
CREATE INDEX IF NOT EXISTS standing_closed_by ON standing (closed_by, closed_ms) WHERE state = 'closed';
DROP INDEX IF EXISTS standing_ended;
DROP INDEX IF EXISTS standing_changed;
CREATE INDEX IF NOT EXISTS standing_latest ON standing (changed_ms, number, state, queue, ready_ms, due_ms);
CREATE INDEX IF NOT EXISTS standing_opened ON standing (opened_ms, number, state, queue, ready_ms, due_ms);
CREATE INDEX IF NOT EXISTS standing_amount ON standing (amount, number, state, queue, ready_ms, due_ms);
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

_LIVE: Final = "state IN ('open', 'proposed')"
_COMES: Final = """
  INSERT INTO queue_total SELECT new.queue, 1, new.loss WHERE new.state IN ('open', 'proposed')
  ON CONFLICT (queue) DO UPDATE SET live = live + 1, loss = queue_total.loss + excluded.loss;"""
_GOES: Final = """
  UPDATE queue_total
  SET live = live - 1, loss = CASE live WHEN 1 THEN 0.0 ELSE loss - old.loss END
  WHERE queue = old.queue AND old.state IN ('open', 'proposed');"""
TOTALS: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS queue_total (
  queue TEXT    PRIMARY KEY,
  live  INTEGER NOT NULL,
  loss  REAL    NOT NULL
) STRICT, WITHOUT ROWID;
DELETE FROM queue_total;
INSERT INTO queue_total SELECT queue, count(*), sum(loss) FROM standing WHERE {_LIVE} GROUP BY queue;
CREATE TRIGGER IF NOT EXISTS standing_comes AFTER INSERT ON standing BEGIN {_COMES} END;
CREATE TRIGGER IF NOT EXISTS standing_goes AFTER DELETE ON standing BEGIN {_GOES} END;
CREATE TRIGGER IF NOT EXISTS standing_moves AFTER UPDATE ON standing BEGIN {_GOES} {_COMES} END;
COMMIT;
"""  # noqa: S608 (constants)
"""What waits in each queue, kept as cases come and go: counting takes longer than the rest of a page."""

CASE_FILE: Final = FileSchema(
    text=SCHEMA,
    table="standing",
    gone=frozenset({"standing_ended", "standing_changed"}),
    added=(("SELECT 1 FROM sqlite_master WHERE name = 'standing_moves'", TOTALS),),
)

URGENCY: Final = "loss / max(1.0, (due_ms - :now) / 60000.0)"
"""As of `Case.urgency`; escalated cases go before."""

ORDERS: Final = {
    "urgency": f"escalated DESC, {URGENCY} DESC, number",
    "opened": "opened_ms DESC, number DESC",
    "due": "due_ms, number",
    "changed": "changed_ms DESC, number DESC",
    "amount": "amount DESC, number DESC",
    "loss": "loss DESC, number DESC",
}

WAITING: Final = frozenset({"urgency", "due", "loss"})
"""Orders for which the index `standing_waiting` has all that is asked of cases that wait."""

IN_ORDER: Final = {"opened": "standing_opened", "changed": "standing_latest", "amount": "standing_amount"}
"""Orders in which an index stands that has all that is asked: a page is read, and nothing ranked."""

BEST: Final = f"""
SELECT number FROM standing INDEXED BY standing_waiting
WHERE state IN ('open', 'proposed') AND ready_ms <= :now AND (:queue IS NULL OR queue = :queue)
  AND (assignee IS NULL OR assignee = :analyst OR lease_until_ms <= :now)
  AND (proposed_by IS NULL OR proposed_by <> :analyst)
ORDER BY (assignee IS :analyst AND lease_until_ms > :now) DESC, escalated DESC, {URGENCY} DESC, number
LIMIT :limit OFFSET :skip
"""  # noqa: S608 (constants)

ANY: Final = "SELECT body FROM standing WHERE number = :one"

FREE: Final = """
SELECT body FROM standing WHERE number = :one AND ready_ms <= :now AND (:queue IS NULL OR queue = :queue)
  AND (assignee IS NULL OR lease_until_ms <= :now) AND (proposed_by IS NULL OR proposed_by <> :analyst)
"""
"""A case, where it can be handed to an analyst who has none."""

OWN: Final = f"""
SELECT number FROM standing INDEXED BY standing_held
WHERE {_LIVE} AND assignee IS NOT NULL AND assignee = :analyst AND lease_until_ms > :now AND ready_ms <= :now
  AND (:queue IS NULL OR queue = :queue) AND (proposed_by IS NULL OR proposed_by <> :analyst)
ORDER BY escalated DESC, {URGENCY} DESC, number
"""  # noqa: S608 (constants)
"""Cases that an analyst has already: these come first."""

QUEUES: Final = f"""
WITH overdue AS (
  SELECT queue, count(*) AS late FROM standing INDEXED BY standing_due
  WHERE {_LIVE} AND escalated IN (0, 1) AND due_ms <= :now GROUP BY queue
), resting AS (
  SELECT queue, (
    SELECT count(*) FROM standing s INDEXED BY standing_waiting
    WHERE {_LIVE} AND s.queue = t.queue AND ready_ms > :now
  ) AS resting
  FROM queue_total t
)
SELECT t.queue, t.live - r.resting, r.resting, (
    SELECT count(*) FROM standing s INDEXED BY standing_held
    WHERE {_LIVE} AND assignee IS NOT NULL AND s.queue = t.queue AND lease_until_ms > :now
      AND ready_ms <= :now
  ),
  coalesce(o.late, 0), max(t.loss, 0.0), (
    SELECT {WAITS_SINCE} AS since FROM standing s INDEXED BY standing_since
    WHERE {_LIVE} AND s.queue = t.queue AND ready_ms <= :now ORDER BY since LIMIT 1
  )
FROM queue_total t JOIN resting r USING (queue) LEFT JOIN overdue o USING (queue)
WHERE t.live > 0 ORDER BY t.queue
"""  # noqa: S608 (constants)

BY_LOSS: Final = f"""
SELECT number, loss, due_ms FROM standing INDEXED BY standing_loss
WHERE {_LIVE} AND escalated = :escalated ORDER BY loss DESC
"""  # noqa: S608 (constants)

BY_DUE: Final = f"""
SELECT number, loss, due_ms FROM standing INDEXED BY standing_due
WHERE {_LIVE} AND escalated = :escalated ORDER BY due_ms
"""  # noqa: S608 (constants)
