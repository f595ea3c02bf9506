-- name: topic_end
-- Where the next record of a topic goes.
SELECT end_offset FROM topic WHERE name = :topic;

-- name: topic_start
-- The oldest record of a topic that is kept.
SELECT start_offset FROM topic WHERE name = :topic;

-- name: topics
-- All topics, sorted.
SELECT name FROM topic ORDER BY name;

-- name: set_topic_end
-- Moves the end of a topic; a topic begins with its first record.
INSERT INTO topic (name, start_offset, end_offset) VALUES (:topic, 0, :end)
ON CONFLICT (name) DO UPDATE SET end_offset = excluded.end_offset;

-- name: append_batch
-- The topic's row is there by now: its end is set first.
INSERT INTO batch (topic_id, base_offset, next_offset, first_time_ms, last_time_ms, checksum, payload)
VALUES ((SELECT id FROM topic WHERE name = :topic), :base, :next, :first_time_ms, :last_time_ms, :checksum, :payload);

-- name: next_batch
-- The batch that holds an offset, or the next one after a gap left by trimming.
SELECT base_offset, next_offset, first_time_ms, last_time_ms, checksum, payload FROM batch
WHERE topic_id = (SELECT id FROM topic WHERE name = :topic) AND next_offset > :offset
ORDER BY next_offset LIMIT 1;

-- name: trimmed
-- How many records, and up to which offset, a trim takes away.
SELECT sum(next_offset - base_offset), max(next_offset) FROM batch
WHERE topic_id = (SELECT id FROM topic WHERE name = :topic) AND next_offset <= :before;

-- name: trim
-- Whole batches only.
DELETE FROM batch WHERE topic_id = (SELECT id FROM topic WHERE name = :topic) AND next_offset <= :before;

-- name: set_topic_start
-- After a trim.
UPDATE topic SET start_offset = :start WHERE name = :topic;

-- name: commit_reader
-- Remembers how far a reader has come.
INSERT INTO reader (name, topic, "offset") VALUES (:reader, :topic, :offset)
ON CONFLICT (name, topic) DO UPDATE SET "offset" = excluded."offset";

-- name: forget_reader
-- Nothing is kept for it any more.
DELETE FROM reader WHERE name = :reader;

-- name: reader_offset
-- How far one reader has come.
SELECT "offset" FROM reader WHERE name = :reader AND topic = :topic;

-- name: readers
-- How far every reader has come.
SELECT name, topic, "offset" FROM reader ORDER BY name, topic;

-- name: set_meta
-- The first writer of a name wins.
INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO NOTHING;

-- name: remember
-- A name's latest value.
INSERT INTO meta (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: remembered
SELECT value FROM meta WHERE name = :name;

-- name: meta
-- Identity and secrets.
SELECT name, value FROM meta;

-- name: add_bad_records
-- A record that is quarantined already stays as it is. The row is repeated for several at once.
INSERT INTO quarantine (id, source, position, reason, message, original, original_format, mapping, received_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO NOTHING;

-- name: newest_bad
-- Place of the record that came last.
SELECT coalesce(max(rowid), 0) FROM quarantine;

-- name: bad_bytes_since
-- Of all originals behind a place.
SELECT coalesce(sum(length(original)), 0) FROM quarantine WHERE rowid > :place;

-- name: bad_records
-- Newest first; a null argument filters nothing.
SELECT id, source, position, reason, message, original, original_format, mapping, received_ms, replayed_ms, outcome
FROM quarantine
WHERE (:reason IS NULL OR reason = :reason) AND (:source IS NULL OR source = :source)
  AND (NOT :waiting OR replayed_ms IS NULL)
ORDER BY rowid DESC LIMIT :limit;

-- name: bad_since
-- Those behind a place, in the order in which they came; all where the newest is before it.
SELECT rowid, id, source, position, reason, message, original, original_format, mapping, received_ms, replayed_ms,
  outcome
FROM quarantine
WHERE rowid > :place OR :place > (SELECT max(rowid) FROM quarantine)
ORDER BY rowid LIMIT :limit;

-- name: bad_unsettled
-- Those that have become no event: which of them by how long ago they were tried, and the oldest first.
SELECT id, source, position, reason, message, original, original_format, mapping, received_ms, replayed_ms, outcome
FROM quarantine
WHERE rowid IN (
  SELECT rowid FROM quarantine
  WHERE (:reason IS NULL OR reason = :reason) AND (outcome IS NULL OR outcome NOT IN ('accepted', 'duplicate'))
  ORDER BY replayed_ms, rowid LIMIT :limit
)
ORDER BY rowid;

-- name: bad_beginnings
-- The newest, with the beginning of each original.
SELECT id, source, position, reason, message, substr(original, 1, :bytes), original_format, mapping, received_ms,
  replayed_ms, outcome
FROM quarantine ORDER BY rowid DESC LIMIT :limit;

-- name: bad_beyond
-- The oldest, beyond so many.
DELETE FROM quarantine WHERE rowid <= (SELECT max(rowid) FROM quarantine) - :most;

-- name: bad_bytes_beyond
-- Of their originals.
SELECT coalesce(sum(length(original)), 0) FROM quarantine
WHERE rowid <= (SELECT max(rowid) FROM quarantine) - :most;

-- name: forget_bad
-- Received before a time.
DELETE FROM quarantine WHERE received_ms < :before_ms;

-- name: bad_bytes_before
-- Of their originals.
SELECT coalesce(sum(length(original)), 0) FROM quarantine WHERE received_ms < :before_ms;

-- name: bad_record
-- By id, or by a beginning of it.
SELECT id, source, position, reason, message, original, original_format, mapping, received_ms, replayed_ms, outcome
FROM quarantine
WHERE substr(id, 1, length(:id)) = :id ORDER BY rowid LIMIT 2;

-- name: bad_counts
-- How many there are of each reason, and how many of them wait.
SELECT reason, count(*), count(*) - count(replayed_ms) FROM quarantine GROUP BY reason ORDER BY reason;

-- name: bad_count_before
-- How many were received before a time.
SELECT count(*) FROM quarantine WHERE received_ms < :before_ms;

-- name: mark_replayed
-- What became of a record that was tried again.
UPDATE quarantine SET replayed_ms = :replayed_ms, outcome = :outcome WHERE id = :id;

-- name: set_schedule
-- Replaces what is pending.
INSERT INTO schedule (id, payload) VALUES (1, :payload) ON CONFLICT (id) DO UPDATE SET payload = excluded.payload;

-- name: schedule
-- What is pending.
SELECT payload FROM schedule WHERE id = 1;

-- name: set_position
-- Where a part of a source goes on.
INSERT INTO source_position (source, part, value, moved_ms) VALUES (:source, :part, :value, :moved_ms)
ON CONFLICT (source, part) DO UPDATE SET value = excluded.value, moved_ms = excluded.moved_ms;

-- name: forget_position
-- A part that begins anew next time.
DELETE FROM source_position WHERE source = :source AND part = :part;

-- name: source_positions
-- Where the parts of a source go on.
SELECT part, value FROM source_position WHERE source = :source ORDER BY part;

-- name: add_version
-- A version never changes.
INSERT INTO version (kind, digest, body, created_ms) VALUES (:kind, :digest, :body, :created_ms)
ON CONFLICT (kind, digest) DO NOTHING;

-- name: version
-- What a digest names.
SELECT kind, digest, body, created_ms FROM version WHERE kind = :kind AND digest = :digest;

-- name: versions
-- In the order in which they were first used; a null kind gives all.
SELECT kind, digest, body, created_ms FROM version WHERE :kind IS NULL OR kind = :kind ORDER BY created_ms, rowid;

-- name: rule_changes
-- The whole history of the rule book, oldest first.
SELECT number, digest, based_on, author, created_ms, note, origin, approved, reviewer, reviewed_ms, review_note
FROM rule_change ORDER BY number;

-- name: rule_head
-- What the next change must be based on: the newest that nobody rejected.
SELECT digest FROM rule_change WHERE approved IS NOT 0 ORDER BY number DESC LIMIT 1;

-- name: add_rule_change
-- Numbers count from 1 and are never given twice: rows are never deleted.
INSERT INTO rule_change (digest, based_on, author, created_ms, note, origin)
VALUES (:digest, :based_on, :author, :created_ms, :note, :origin);

-- name: review_rule_change
-- A change is reviewed once.
UPDATE rule_change
SET approved = :approved, reviewer = :reviewer, reviewed_ms = :reviewed_ms, review_note = :note
WHERE number = :number AND approved IS NULL;

-- name: spans
-- What each topic should hold, and what its batches do hold; batches of no topic come last, without a name.
SELECT topic.name, topic.start_offset, topic.end_offset, count(batch.next_offset), min(batch.base_offset),
  max(batch.next_offset), sum(batch.next_offset - batch.base_offset)
FROM topic LEFT JOIN batch ON batch.topic_id = topic.id GROUP BY topic.id
UNION ALL
SELECT NULL, 0, 0, count(*), min(base_offset), max(next_offset), sum(next_offset - base_offset)
FROM batch WHERE topic_id NOT IN (SELECT id FROM topic) HAVING count(*) > 0;

-- name: first_gap
-- Where the batches of a topic first do not follow on: the offset that is due, and the one that comes.
SELECT due, base_offset FROM (
  SELECT lag(next_offset, 1, :start) OVER (ORDER BY next_offset) AS due, base_offset
  FROM batch WHERE topic_id = (SELECT id FROM topic WHERE name = :topic)
) WHERE due <> base_offset LIMIT 1;

-- name: integrity
-- Reads every page; one row, "ok", where all are sound.
PRAGMA integrity_check(1);
