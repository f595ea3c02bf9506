-- What the relational store asks of PostgreSQL, with search_path on its schema and UTC as the zone.

-- name: position
-- Locks the topic's row: of two processes that load, the second waits and then sees where the first has come.
SELECT first_offset, next_offset FROM positions WHERE topic = %(topic)s FOR UPDATE;

-- name: positions
SELECT topic, first_offset, next_offset FROM positions;

-- name: set_position
INSERT INTO positions (topic, first_offset, next_offset) VALUES (%(topic)s, %(first)s, %(next)s)
ON CONFLICT (topic) DO UPDATE SET next_offset = excluded.next_offset;

-- name: log_source
SELECT log_id FROM log_source;

-- name: set_log_source
-- Once, in an empty store.
INSERT INTO log_source (log_id) SELECT %(log_id)s WHERE NOT EXISTS (SELECT FROM log_source);

-- name: add_customers
-- What the portion does not say of a customer stays as it was.
INSERT INTO customers AS c SELECT * FROM incoming_customers
ON CONFLICT (customer_id) DO UPDATE
SET gender = coalesce(excluded.gender, c.gender), birth_date = coalesce(excluded.birth_date, c.birth_date),
    job = coalesce(excluded.job, c.job)
WHERE (coalesce(excluded.gender, c.gender), coalesce(excluded.birth_date, c.birth_date),
       coalesce(excluded.job, c.job)) IS DISTINCT FROM (c.gender, c.birth_date, c.job);

-- name: add_cards
INSERT INTO cards AS c SELECT * FROM incoming_cards
ON CONFLICT (card_id) DO UPDATE
SET customer_id = coalesce(excluded.customer_id, c.customer_id), last4 = coalesce(excluded.last4, c.last4)
WHERE (coalesce(excluded.customer_id, c.customer_id), coalesce(excluded.last4, c.last4))
      IS DISTINCT FROM (c.customer_id, c.last4);

-- name: add_accounts
INSERT INTO accounts AS a SELECT * FROM incoming_accounts
ON CONFLICT (account_id) DO UPDATE SET customer_id = coalesce(excluded.customer_id, a.customer_id)
WHERE coalesce(excluded.customer_id, a.customer_id) IS DISTINCT FROM a.customer_id;

-- name: add_merchants
INSERT INTO merchants SELECT * FROM incoming_merchants ON CONFLICT DO NOTHING;

-- name: add_devices
INSERT INTO devices SELECT * FROM incoming_devices ON CONFLICT DO NOTHING;

-- name: add_addresses
-- Not what is known from before already.
INSERT INTO addresses
SELECT i.* FROM incoming_addresses i
LEFT JOIN LATERAL (
  SELECT * FROM addresses a WHERE a.customer_id = i.customer_id AND a.valid_from <= i.valid_from
  ORDER BY a.valid_from DESC LIMIT 1
) AS a ON true
WHERE (a.street, a.city, a.state, a.zip, a.city_population, a.lat, a.lon)
      IS DISTINCT FROM (i.street, i.city, i.state, i.zip, i.city_population, i.lat, i.lon)
ON CONFLICT (customer_id, valid_from) DO UPDATE
SET street = excluded.street, city = excluded.city, state = excluded.state, zip = excluded.zip,
    city_population = excluded.city_population, lat = excluded.lat, lon = excluded.lon;

-- name: payments_labelled_before
-- Payments of the portion that a label names which came before them.
CREATE TEMPORARY TABLE counted_payments ON COMMIT DROP AS
SELECT t.*, 0 AS counted, 1 AS fraud FROM transactions t JOIN known_labels k USING (transaction_id)
WHERE k.is_fraud AND t."offset" >= %(begin)s AND t."offset" < %(end)s;

-- name: payments_labelled_now
-- Payments whose label in force the portion changes.
CREATE TEMPORARY TABLE counted_payments ON COMMIT DROP AS
SELECT t.*, 0 AS counted, i.is_fraud::INTEGER - coalesce(k.is_fraud, false)::INTEGER AS fraud
FROM incoming_known_labels i
LEFT JOIN known_labels k USING (transaction_id)
JOIN transactions t USING (transaction_id)
WHERE i.is_fraud <> coalesce(k.is_fraud, false);

-- name: payments_counted_anew
-- All of them, as the rollups should have counted them.
CREATE TEMPORARY TABLE counted_payments ON COMMIT DROP AS
SELECT t.*, 1 AS counted, coalesce(k.is_fraud, false)::INTEGER AS fraud
FROM transactions t LEFT JOIN known_labels k USING (transaction_id);

-- name: forget_payments
DROP TABLE IF EXISTS pg_temp.counted_payments;

-- name: drop_weaker_labels
-- Of the portion's, those that do not count beside what is known already.
DELETE FROM incoming_known_labels i USING known_labels k
WHERE k.transaction_id = i.transaction_id
  AND (k.place < i.place OR k.place = i.place AND (k.event_time, k."offset") > (i.event_time, i."offset"));

-- name: add_known_labels
INSERT INTO known_labels SELECT * FROM incoming_known_labels
ON CONFLICT (transaction_id) DO UPDATE
SET is_fraud = excluded.is_fraud, "offset" = excluded."offset", event_time = excluded.event_time,
    place = excluded.place;

-- name: label_order
SELECT sources FROM label_order;

-- name: set_label_order
INSERT INTO label_order (sources) VALUES (%(sources)s);

-- name: rank_labels_anew
-- All of them, by an order of sources that is new.
INSERT INTO known_labels (transaction_id, is_fraud, "offset", event_time, place)
SELECT DISTINCT ON (transaction_id) transaction_id, label, "offset", event_time, place
FROM (
  SELECT *, coalesce(array_position(%(sources)s::TEXT[], label_source) - 1, cardinality(%(sources)s::TEXT[])) AS place
  FROM labels
) AS placed
ORDER BY transaction_id, place, event_time DESC, "offset" DESC;

-- name: add_outcome_hours
INSERT INTO outcome_hours AS o SELECT * FROM incoming_outcome_hours
ON CONFLICT (hour, outcome) DO UPDATE SET decisions = o.decisions + excluded.decisions;

-- name: days
-- What the store holds, day by day of the payment's time, to be compared with the log.
SELECT t.event_time::DATE AS day, count(*) AS payments, coalesce(sum(t.amount), 0) AS amount,
       count(d.transaction_id) FILTER (WHERE d."offset" >= %(decided)s) AS decisions
FROM transactions t LEFT JOIN decisions d USING (transaction_id, event_time)
WHERE t."offset" >= %(paid)s GROUP BY 1 ORDER BY 1;
