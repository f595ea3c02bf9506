-- Whether a topic is whole can be told from the index alone, without a look at the payloads.
DROP INDEX batch_by_offset;
CREATE UNIQUE INDEX batch_by_offset ON batch (topic_id, next_offset, base_offset);
