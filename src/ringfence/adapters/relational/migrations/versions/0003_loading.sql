DROP INDEX ringfence.ix_transactions_card_id, ringfence.ix_transactions_account_id;
CREATE INDEX ix_transactions_card_id ON ringfence.transactions (card_id);
CREATE INDEX ix_transactions_account_id ON ringfence.transactions (account_id);
ALTER TABLE ringfence.payment_months SET (fillfactor = 70);

-- Filled by whoever loads next, who knows how sources are ranked.
CREATE TABLE ringfence.label_order (
  sources TEXT[] NOT NULL,
  CONSTRAINT pk_label_order PRIMARY KEY (sources)
);
COMMENT ON TABLE ringfence.label_order IS 'Sources of labels as known_labels ranks them: one row, the strongest first';

ALTER TABLE ringfence.known_labels ADD COLUMN event_time TIMESTAMP WITH TIME ZONE, ADD COLUMN place BIGINT;
UPDATE ringfence.known_labels k SET event_time = l.event_time, place = 0 FROM ringfence.labels l WHERE l."offset" = k."offset";
DELETE FROM ringfence.known_labels WHERE place IS NULL;
ALTER TABLE ringfence.known_labels ALTER COLUMN event_time SET NOT NULL, ALTER COLUMN place SET NOT NULL;
COMMENT ON TABLE ringfence.known_labels IS 'The label in force of each payment: of the source that ranks highest, then the latest';
