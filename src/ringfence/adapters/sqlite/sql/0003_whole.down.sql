-- Takes 0003_whole.up.sql back.
DROP INDEX batch_by_offset;
CREATE UNIQUE INDEX batch_by_offset ON batch (topic_id, next_offset);
