-- The questions that people ask a table of card payments. Runs in PostgreSQL and in DuckDB.

-- name: decided_payments
-- Every payment with its decision, why it was made, and what became known of it.
SELECT t."offset", t.transaction_id, t.event_time, t.customer_id, t.card_id, t.account_id, t.merchant_id,
       t.device_id, t.amount, t.currency, t.merchant_category, t.channel, t.country, t.city,
       d.outcome, d.score, d.probability, d.reasons, d.rules, d.degraded, d.decided_at, k.is_fraud
FROM transactions t
LEFT JOIN decisions d ON d.transaction_id = t.transaction_id AND d.event_time = t.event_time
LEFT JOIN known_labels k ON k.transaction_id = t.transaction_id;

-- name: kpis
-- All of it in one row for each currency.
SELECT h.currency, sum(h.payments)::BIGINT AS payments, sum(h.amount) AS amount, sum(h.frauds)::BIGINT AS frauds,
       sum(h.fraud_amount) AS fraud_amount, sum(h.frauds)::FLOAT8 / nullif(sum(h.payments), 0) AS fraud_rate,
       min(h.hour) AS first_hour, max(h.hour) AS last_hour,
       (SELECT count(DISTINCT d.value) FROM payment_days d
        WHERE d.dimension = 'state' AND d.currency = h.currency AND d.payments > 0) AS states
FROM payment_hours h GROUP BY h.currency;

-- name: top_states
SELECT currency, value AS state, sum(payments)::BIGINT AS payments, sum(amount) AS amount,
       sum(frauds)::BIGINT AS frauds, sum(fraud_amount) AS fraud_amount,
       sum(frauds)::FLOAT8 / nullif(sum(payments), 0) AS fraud_rate,
       rank() OVER (PARTITION BY currency ORDER BY sum(amount) DESC, value) AS place
FROM payment_days WHERE dimension = 'state' GROUP BY currency, value;

-- name: top_categories
SELECT currency, value AS merchant_category, sum(payments)::BIGINT AS payments, sum(amount) AS amount,
       sum(frauds)::BIGINT AS frauds, sum(fraud_amount) AS fraud_amount,
       sum(frauds)::FLOAT8 / nullif(sum(payments), 0) AS fraud_rate,
       rank() OVER (PARTITION BY currency ORDER BY sum(amount) DESC, value) AS place
FROM payment_days WHERE dimension = 'category' GROUP BY currency, value;

-- name: top_merchants
SELECT currency, value AS merchant_id, sum(payments)::BIGINT AS payments, sum(amount) AS amount,
       sum(frauds)::BIGINT AS frauds, sum(fraud_amount) AS fraud_amount,
       sum(frauds)::FLOAT8 / nullif(sum(payments), 0) AS fraud_rate,
       rank() OVER (PARTITION BY currency ORDER BY sum(amount) DESC, value) AS place
FROM payment_months WHERE dimension = 'merchant' GROUP BY currency, value;

-- name: merchant_months
-- Volume and fraud of each merchant by month; growth against the month before, null for the first.
SELECT currency, value AS merchant_id, month, payments, amount, frauds, fraud_amount,
       frauds::FLOAT8 / nullif(payments, 0) AS fraud_rate,
       amount::FLOAT8 / nullif(lag(amount) OVER (PARTITION BY currency, value ORDER BY month), 0) - 1 AS growth
FROM payment_months WHERE dimension = 'merchant';

-- name: peaks_by_hour
-- By hour of the day, UTC.
SELECT currency, extract(hour FROM hour)::INTEGER AS hour_of_day, sum(payments)::BIGINT AS payments,
       sum(amount) AS amount, sum(frauds)::BIGINT AS frauds, sum(fraud_amount) AS fraud_amount,
       sum(frauds)::FLOAT8 / nullif(sum(payments), 0) AS fraud_rate
FROM payment_hours GROUP BY 1, 2;

-- name: peaks_by_weekday
-- 1 is Monday.
SELECT currency, extract(isodow FROM hour)::INTEGER AS weekday, sum(payments)::BIGINT AS payments,
       sum(amount) AS amount, sum(frauds)::BIGINT AS frauds, sum(fraud_amount) AS fraud_amount,
       sum(frauds)::FLOAT8 / nullif(sum(payments), 0) AS fraud_rate
FROM payment_hours GROUP BY 1, 2;

-- name: payment_weeks
-- By week, which begins on Monday.
SELECT currency, date_trunc('week', hour)::DATE AS week, sum(payments)::BIGINT AS payments,
       sum(amount) AS amount, sum(frauds)::BIGINT AS frauds, sum(fraud_amount) AS fraud_amount,
       sum(frauds)::FLOAT8 / nullif(sum(payments), 0) AS fraud_rate
FROM payment_hours GROUP BY 1, 2;

-- name: fraud_trend
-- By day, with the mean rate of that day and the six before.
SELECT currency, day, payments, amount, frauds, fraud_amount, frauds::FLOAT8 / nullif(payments, 0) AS fraud_rate,
       sum(frauds) OVER (PARTITION BY currency ORDER BY day ROWS 6 PRECEDING)::FLOAT8
       / nullif(sum(payments) OVER (PARTITION BY currency ORDER BY day ROWS 6 PRECEDING), 0) AS fraud_rate_7_days
FROM (
  SELECT currency, hour::DATE AS day, sum(payments)::BIGINT AS payments, sum(amount) AS amount,
         sum(frauds)::BIGINT AS frauds, sum(fraud_amount) AS fraud_amount
  FROM payment_hours GROUP BY 1, 2
) AS days;

-- name: card_history
-- Of one card: ask with WHERE card_id = ....
SELECT card_id, event_time, transaction_id, merchant_id, merchant_category, amount, currency, outcome, score,
       reasons, is_fraud
FROM decided_payments WHERE card_id IS NOT NULL;

-- name: spend_by_gender
SELECT p.currency, c.gender, sum(p.payments)::BIGINT AS payments, sum(p.amount) AS amount,
       sum(p.frauds)::BIGINT AS frauds, sum(p.fraud_amount) AS fraud_amount,
       sum(p.frauds)::FLOAT8 / nullif(sum(p.payments), 0) AS fraud_rate
FROM payment_months p JOIN customers c ON c.customer_id = p.value
WHERE p.dimension = 'customer' GROUP BY 1, 2;

-- name: spend_by_job
SELECT p.currency, c.job, sum(p.payments)::BIGINT AS payments, sum(p.amount) AS amount,
       sum(p.frauds)::BIGINT AS frauds, sum(p.fraud_amount) AS fraud_amount,
       sum(p.frauds)::FLOAT8 / nullif(sum(p.payments), 0) AS fraud_rate
FROM payment_months p JOIN customers c ON c.customer_id = p.value
WHERE p.dimension = 'customer' GROUP BY 1, 2;

-- name: spend_by_age
-- By decade of life in the month of the payment.
SELECT p.currency,
       (floor((extract(year FROM p.month) - extract(year FROM c.birth_date)
               - CASE WHEN extract(month FROM p.month) < extract(month FROM c.birth_date) THEN 1 ELSE 0 END
              ) / 10.0) * 10)::INTEGER AS age_from,
       sum(p.payments)::BIGINT AS payments, sum(p.amount) AS amount, sum(p.frauds)::BIGINT AS frauds,
       sum(p.fraud_amount) AS fraud_amount, sum(p.frauds)::FLOAT8 / nullif(sum(p.payments), 0) AS fraud_rate
FROM payment_months p JOIN customers c ON c.customer_id = p.value
WHERE p.dimension = 'customer' AND c.birth_date IS NOT NULL GROUP BY 1, 2;

-- name: home_distances
-- How far from home people pay.
SELECT currency, value AS distance, sum(payments)::BIGINT AS payments, sum(amount) AS amount,
       sum(frauds)::BIGINT AS frauds, sum(fraud_amount) AS fraud_amount,
       sum(frauds)::FLOAT8 / nullif(sum(payments), 0) AS fraud_rate
FROM payment_days WHERE dimension = 'home_distance' GROUP BY 1, 2;

-- name: account_windows
-- Of one account (ask with WHERE account_id = ...): what it paid in the five minutes up to each payment, and how
-- many payments it made in the fifteen. Windows slide: a spree that is split over a bin's border is one spree.
SELECT account_id, event_time, transaction_id, amount, currency,
       sum(amount) OVER (PARTITION BY account_id, currency ORDER BY event_time
                         RANGE BETWEEN INTERVAL '299.999 seconds' PRECEDING AND CURRENT ROW) AS amount_5m,
       count(*) OVER (PARTITION BY account_id ORDER BY event_time
                      RANGE BETWEEN INTERVAL '899.999 seconds' PRECEDING AND CURRENT ROW) AS payments_15m
FROM transactions WHERE account_id IS NOT NULL;

-- name: payment_lives
-- What became of each payment. A reversal takes first what was not captured; net is what captures brought, less
-- refunds, chargebacks and reversals of what was captured, and representments again. Actions in another currency
-- than the payment's do not count.
SELECT transaction_id, event_time, customer_id, card_id, merchant_id, currency, actions, last_action, last_action_time,
       asked - reversed AS authorised, captured, reversed, refunded, charged_back, represented,
       captured - greatest(0, reversed - greatest(0, asked - captured)) - refunded - charged_back + represented AS net
FROM (
  SELECT t.transaction_id, t.event_time, t.customer_id, t.card_id, t.merchant_id, t.currency,
         count(l.action) AS actions,
         (array_agg(l.action ORDER BY l.event_time DESC, l."offset" DESC) FILTER (WHERE l.action IS NOT NULL))[1]
           AS last_action,
         max(l.event_time) AS last_action_time,
         t.amount::DECIMAL(22, 3)
           + coalesce(sum(l.amount::DECIMAL(22, 3)) FILTER (WHERE l.action = 'increment'), 0) AS asked,
         coalesce(sum(l.amount::DECIMAL(22, 3)) FILTER (WHERE l.action = 'capture'), 0) AS captured,
         coalesce(sum(l.amount::DECIMAL(22, 3)) FILTER (WHERE l.action = 'reversal'), 0) AS reversed,
         coalesce(sum(l.amount::DECIMAL(22, 3)) FILTER (WHERE l.action = 'refund'), 0) AS refunded,
         coalesce(sum(l.amount::DECIMAL(22, 3)) FILTER (WHERE l.action = 'chargeback'), 0) AS charged_back,
         coalesce(sum(l.amount::DECIMAL(22, 3)) FILTER (WHERE l.action = 'representment'), 0) AS represented
  FROM transactions t
  LEFT JOIN lifecycle l ON l.transaction_id = t.transaction_id
       AND coalesce(l.currency, t.currency, '') = coalesce(t.currency, l.currency, '')
  GROUP BY t.transaction_id, t.event_time, t.customer_id, t.card_id, t.merchant_id, t.currency, t.amount
) AS lives;
