-- Dimensions, facts by month and rollups. Later versions are migrations of their own: never change this one.

CREATE TABLE ringfence.customers (
  customer_id TEXT NOT NULL,
  gender TEXT,
  birth_date DATE,
  job TEXT,
  CONSTRAINT pk_customers PRIMARY KEY (customer_id)
);
COMMENT ON TABLE ringfence.customers IS 'Who pays; what is known comes from profiles and from fields of payments, the latest counts';

CREATE TABLE ringfence.devices (
  device_id TEXT NOT NULL,
  CONSTRAINT pk_devices PRIMARY KEY (device_id)
);
COMMENT ON TABLE ringfence.devices IS 'What payments are made with';

CREATE TABLE ringfence.flags (
  "offset" BIGINT NOT NULL,
  event_time TIMESTAMP WITH TIME ZONE NOT NULL,
  entity_type TEXT,
  entity_id TEXT,
  effective_at TIMESTAMP WITH TIME ZONE,
  removed BOOLEAN,
  expires_at TIMESTAMP WITH TIME ZONE,
  note TEXT,
  CONSTRAINT pk_flags PRIMARY KEY ("offset")
);
COMMENT ON TABLE ringfence.flags IS 'Entities that were flagged, and since when';

CREATE TABLE ringfence.known_labels (
  transaction_id TEXT NOT NULL,
  is_fraud BOOLEAN NOT NULL,
  "offset" BIGINT NOT NULL,
  CONSTRAINT pk_known_labels PRIMARY KEY (transaction_id)
);
CREATE INDEX ix_known_labels_frauds ON ringfence.known_labels (transaction_id) WHERE is_fraud;
COMMENT ON TABLE ringfence.known_labels IS 'The label in force of each payment: the last in the log';

CREATE TABLE ringfence.labels (
  "offset" BIGINT NOT NULL,
  transaction_id TEXT NOT NULL,
  event_time TIMESTAMP WITH TIME ZONE NOT NULL,
  label BOOLEAN NOT NULL,
  label_source TEXT,
  CONSTRAINT pk_labels PRIMARY KEY ("offset")
);
CREATE INDEX ix_labels_transaction_id ON ringfence.labels (transaction_id);
COMMENT ON TABLE ringfence.labels IS 'Everything that was said about fraud; the payment may be unknown';

CREATE TABLE ringfence.list_entries (
  "offset" BIGINT NOT NULL,
  event_time TIMESTAMP WITH TIME ZONE NOT NULL,
  list_name TEXT NOT NULL,
  list_kind TEXT,
  entity_type TEXT,
  entity_id TEXT,
  removed BOOLEAN,
  expires_at TIMESTAMP WITH TIME ZONE,
  note TEXT,
  CONSTRAINT pk_list_entries PRIMARY KEY ("offset")
);
COMMENT ON TABLE ringfence.list_entries IS 'Changes of lists';

CREATE TABLE ringfence.log_source (
  log_id TEXT NOT NULL,
  CONSTRAINT pk_log_source PRIMARY KEY (log_id)
);
COMMENT ON TABLE ringfence.log_source IS 'Identity of the log';

CREATE TABLE ringfence.merchants (
  merchant_id TEXT NOT NULL,
  CONSTRAINT pk_merchants PRIMARY KEY (merchant_id)
);
COMMENT ON TABLE ringfence.merchants IS 'Who is paid';

CREATE TABLE ringfence.outcome_hours (
  hour TIMESTAMP WITH TIME ZONE NOT NULL,
  outcome TEXT NOT NULL,
  decisions BIGINT NOT NULL,
  CONSTRAINT pk_outcome_hours PRIMARY KEY (hour, outcome)
);
COMMENT ON TABLE ringfence.outcome_hours IS 'Decisions by hour and outcome';

CREATE TABLE ringfence.payment_days (
  day DATE NOT NULL,
  currency TEXT NOT NULL,
  dimension TEXT NOT NULL,
  value TEXT NOT NULL,
  payments BIGINT NOT NULL,
  amount NUMERIC(22, 3) NOT NULL,
  frauds BIGINT NOT NULL,
  fraud_amount NUMERIC(22, 3) NOT NULL,
  CONSTRAINT pk_payment_days PRIMARY KEY (day, currency, dimension, value)
);
COMMENT ON TABLE ringfence.payment_days IS 'Payments by day and one dimension';

CREATE TABLE ringfence.payment_hours (
  hour TIMESTAMP WITH TIME ZONE NOT NULL,
  currency TEXT NOT NULL,
  payments BIGINT NOT NULL,
  amount NUMERIC(22, 3) NOT NULL,
  frauds BIGINT NOT NULL,
  fraud_amount NUMERIC(22, 3) NOT NULL,
  CONSTRAINT pk_payment_hours PRIMARY KEY (hour, currency)
);
COMMENT ON TABLE ringfence.payment_hours IS 'Payments by hour';

CREATE TABLE ringfence.payment_months (
  month DATE NOT NULL,
  currency TEXT NOT NULL,
  dimension TEXT NOT NULL,
  value TEXT NOT NULL,
  payments BIGINT NOT NULL,
  amount NUMERIC(22, 3) NOT NULL,
  frauds BIGINT NOT NULL,
  fraud_amount NUMERIC(22, 3) NOT NULL,
  CONSTRAINT pk_payment_months PRIMARY KEY (month, currency, dimension, value)
);
COMMENT ON TABLE ringfence.payment_months IS 'Payments by month and merchant or customer';

CREATE TABLE ringfence.positions (
  topic TEXT NOT NULL,
  first_offset BIGINT NOT NULL,
  next_offset BIGINT NOT NULL,
  CONSTRAINT pk_positions PRIMARY KEY (topic)
);
COMMENT ON TABLE ringfence.positions IS 'Beginning and end of what the store holds, by topic of the log; written with the rows';

CREATE TABLE ringfence.accounts (
  account_id TEXT NOT NULL,
  customer_id TEXT,
  CONSTRAINT pk_accounts PRIMARY KEY (account_id),
  CONSTRAINT fk_accounts_customers_customer_id FOREIGN KEY(customer_id) REFERENCES ringfence.customers (customer_id)
);
COMMENT ON TABLE ringfence.accounts IS 'Accounts that pay';

CREATE TABLE ringfence.addresses (
  customer_id TEXT NOT NULL,
  valid_from TIMESTAMP WITH TIME ZONE NOT NULL,
  street TEXT,
  city TEXT,
  state TEXT,
  zip TEXT,
  city_population DOUBLE PRECISION,
  lat DOUBLE PRECISION,
  lon DOUBLE PRECISION,
  CONSTRAINT pk_addresses PRIMARY KEY (customer_id, valid_from),
  CONSTRAINT fk_addresses_customers_customer_id FOREIGN KEY(customer_id) REFERENCES ringfence.customers (customer_id)
);
COMMENT ON TABLE ringfence.addresses IS 'Where a customer lived from when on: one row for each change';

CREATE TABLE ringfence.cards (
  card_id TEXT NOT NULL,
  customer_id TEXT,
  last4 TEXT,
  CONSTRAINT pk_cards PRIMARY KEY (card_id),
  CONSTRAINT fk_cards_customers_customer_id FOREIGN KEY(customer_id) REFERENCES ringfence.customers (customer_id)
);
COMMENT ON TABLE ringfence.cards IS 'Cards by token, never by number';

CREATE TABLE ringfence.transactions (
  transaction_id TEXT NOT NULL,
  event_time TIMESTAMP WITH TIME ZONE NOT NULL,
  "offset" BIGINT NOT NULL,
  ingest_time TIMESTAMP WITH TIME ZONE,
  customer_id TEXT,
  card_id TEXT,
  account_id TEXT,
  merchant_id TEXT,
  device_id TEXT,
  terminal_id TEXT,
  counterparty_id TEXT,
  ip TEXT,
  email TEXT,
  phone TEXT,
  amount NUMERIC(22, 3),
  currency TEXT,
  channel TEXT,
  entry_mode TEXT,
  merchant_category TEXT,
  country TEXT,
  city TEXT,
  state TEXT,
  lat DOUBLE PRECISION,
  lon DOUBLE PRECISION,
  home_distance_km DOUBLE PRECISION,
  attributes JSONB,
  CONSTRAINT pk_transactions PRIMARY KEY (transaction_id, event_time),
  CONSTRAINT fk_transactions_customers_customer_id FOREIGN KEY(customer_id) REFERENCES ringfence.customers (customer_id),
  CONSTRAINT fk_transactions_cards_card_id FOREIGN KEY(card_id) REFERENCES ringfence.cards (card_id),
  CONSTRAINT fk_transactions_accounts_account_id FOREIGN KEY(account_id) REFERENCES ringfence.accounts (account_id),
  CONSTRAINT fk_transactions_merchants_merchant_id FOREIGN KEY(merchant_id) REFERENCES ringfence.merchants (merchant_id),
  CONSTRAINT fk_transactions_devices_device_id FOREIGN KEY(device_id) REFERENCES ringfence.devices (device_id)
)
 PARTITION BY RANGE (event_time);
CREATE INDEX ix_transactions_account_id ON ringfence.transactions (account_id, event_time);
CREATE INDEX ix_transactions_card_id ON ringfence.transactions (card_id, event_time);
CREATE INDEX ix_transactions_event_time ON ringfence.transactions USING brin (event_time);
CREATE INDEX ix_transactions_offset ON ringfence.transactions USING brin ("offset");
COMMENT ON TABLE ringfence.transactions IS 'Payments, one row each';

CREATE TABLE ringfence.decisions (
  transaction_id TEXT NOT NULL,
  event_time TIMESTAMP WITH TIME ZONE NOT NULL,
  "offset" BIGINT NOT NULL,
  decided_at TIMESTAMP WITH TIME ZONE NOT NULL,
  outcome TEXT NOT NULL,
  score DOUBLE PRECISION NOT NULL,
  probability DOUBLE PRECISION,
  model TEXT,
  control BOOLEAN NOT NULL,
  reasons TEXT[] NOT NULL,
  rules TEXT[] NOT NULL,
  typologies TEXT[] NOT NULL,
  degraded TEXT[] NOT NULL,
  latency_us BIGINT NOT NULL,
  features_digest TEXT NOT NULL,
  rules_digest TEXT NOT NULL,
  CONSTRAINT pk_decisions PRIMARY KEY (transaction_id, event_time),
  CONSTRAINT fk_decisions_transactions_transaction_id FOREIGN KEY(transaction_id, event_time) REFERENCES ringfence.transactions (transaction_id, event_time)
)
 PARTITION BY RANGE (event_time);
CREATE INDEX ix_decisions_event_time ON ringfence.decisions USING brin (event_time);
CREATE INDEX ix_decisions_offset ON ringfence.decisions USING brin ("offset");
COMMENT ON TABLE ringfence.decisions IS 'What was decided on each payment, and why; feature values are in the lake';

CREATE TABLE ringfence.fired_rules (
  transaction_id TEXT NOT NULL,
  event_time TIMESTAMP WITH TIME ZONE NOT NULL,
  rule TEXT NOT NULL,
  is_shadow BOOLEAN NOT NULL,
  place SMALLINT NOT NULL,
  CONSTRAINT pk_fired_rules PRIMARY KEY (transaction_id, event_time, rule, is_shadow),
  CONSTRAINT fk_fired_rules_decisions_transaction_id FOREIGN KEY(transaction_id, event_time) REFERENCES ringfence.decisions (transaction_id, event_time)
)
 PARTITION BY RANGE (event_time);
CREATE INDEX ix_fired_rules_rule ON ringfence.fired_rules (rule, event_time);
COMMENT ON TABLE ringfence.fired_rules IS 'Rules that fired on a payment';

