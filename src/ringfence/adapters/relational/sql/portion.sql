-- What one portion of the log adds to the relational tables, asked of its rows (`events`, `decisions`) in DuckDB.

-- name: customers
-- What is known last of each customer that the portion names; null where it says nothing.
SELECT customer_id,
       arg_max(gender, "offset") AS gender,
       arg_max(CASE WHEN year(born) BETWEEN 1 AND 9999 THEN born END, "offset") AS birth_date,
       arg_max(job, "offset") AS job
FROM (SELECT *, TRY_CAST(left(dob, 10) AS DATE) AS born FROM people)
GROUP BY customer_id ORDER BY customer_id;

-- name: cards
SELECT card_id, arg_max(customer_id, "offset") AS customer_id, arg_max(card_last4, "offset") AS last4
FROM payments WHERE card_id IS NOT NULL GROUP BY card_id ORDER BY card_id;

-- name: accounts
SELECT account_id, arg_max(customer_id, "offset") AS customer_id
FROM payments WHERE account_id IS NOT NULL GROUP BY account_id ORDER BY account_id;

-- name: merchants
SELECT DISTINCT merchant_id FROM payments WHERE merchant_id IS NOT NULL ORDER BY merchant_id;

-- name: devices
SELECT DISTINCT device_id FROM payments WHERE device_id IS NOT NULL ORDER BY device_id;

-- name: addresses
-- Where a customer's address differs from the one before, in order of time.
SELECT customer_id, event_time AS valid_from, home_street AS street, home_city AS city, home_state AS state,
       home_zip AS zip, city_pop AS city_population, home_lat AS lat, home_lon AS lon
FROM (
  SELECT *, row(home_street, home_city, home_state, home_zip, city_pop, home_lat, home_lon) AS address,
         lag(address) OVER (PARTITION BY customer_id ORDER BY event_time, "offset") AS before
  FROM people
  WHERE coalesce(home_street, home_city, home_state, home_zip) IS NOT NULL OR home_lat IS NOT NULL
)
WHERE before IS NULL OR address IS DISTINCT FROM before
QUALIFY row_number() OVER (PARTITION BY customer_id, event_time ORDER BY "offset" DESC) = 1
ORDER BY customer_id, valid_from;

-- name: months
-- Of payments and decisions, for their partitions.
SELECT DISTINCT date_trunc('month', event_time)::DATE AS month FROM facts ORDER BY month;

-- name: outcome_hours
SELECT date_trunc('hour', event_time) AS hour, outcome, count(*) AS decisions
FROM decisions GROUP BY ALL ORDER BY ALL;

-- name: fired_rules
SELECT transaction_id, event_time, rule, is_shadow, place::SMALLINT AS place
FROM (
  SELECT transaction_id, event_time, unnest(rules) AS rule, generate_subscripts(rules, 1) AS place, false AS is_shadow
  FROM decisions
  UNION ALL
  SELECT transaction_id, event_time, unnest(shadow_rules), generate_subscripts(shadow_rules, 1), true FROM decisions
);

-- name: known_labels
-- The strongest label of each payment in the portion.
SELECT transaction_id, label AS is_fraud, "offset", event_time, place
FROM labels WHERE transaction_id IS NOT NULL AND label IS NOT NULL
QUALIFY row_number() OVER (PARTITION BY transaction_id ORDER BY place, event_time DESC, "offset" DESC) = 1
ORDER BY transaction_id;
