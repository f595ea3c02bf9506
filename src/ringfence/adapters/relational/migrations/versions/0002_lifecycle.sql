ALTER TABLE ringfence.labels ADD COLUMN reason_code TEXT;

CREATE TABLE ringfence.lifecycle (
  "offset" BIGINT NOT NULL,
  event_id TEXT NOT NULL,
  transaction_id TEXT NOT NULL,
  event_time TIMESTAMP WITH TIME ZONE NOT NULL,
  action TEXT NOT NULL,
  amount NUMERIC(22, 3) NOT NULL,
  currency TEXT,
  reason_code TEXT,
  note TEXT,
  attributes JSONB,
  CONSTRAINT pk_lifecycle PRIMARY KEY ("offset")
);
CREATE INDEX ix_lifecycle_transaction_id ON ringfence.lifecycle (transaction_id);
COMMENT ON TABLE ringfence.lifecycle IS 'What became of payments: captures, reversals, refunds, chargebacks; the payment may be unknown';
