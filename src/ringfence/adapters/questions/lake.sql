-- What the rollups and views need, over the analysis tables in DuckDB.

-- name: known_labels
-- The label in force of each payment: of the source that ranks highest, then the latest.
SELECT transaction_id, label AS is_fraud, "offset"
FROM raw_events e LEFT JOIN label_ranks r ON r.label_source = e.label_source
WHERE kind = 1 AND transaction_id IS NOT NULL AND label IS NOT NULL
QUALIFY row_number() OVER (
  PARTITION BY transaction_id ORDER BY r.place NULLS LAST, event_time_ms DESC, "offset" DESC) = 1;

-- name: counted_payments
SELECT e.transaction_id, make_timestamp_ms(e.event_time_ms) AS event_time, e.amount, e.currency, e.merchant_category,
       e.country, e.channel, e.merchant_id, e.customer_id,
       coalesce(json_extract_string(e.attributes, '/home_state'), json_extract_string(e.attributes, '/state')) AS state,
       CASE WHEN home.lat + home.lon + e.lat + e.lon IS NOT NULL THEN  -- least and greatest pass over nulls
         2 * 6371.0088 * asin(sqrt(least(1, greatest(0,
           sin(radians(e.lat - home.lat) / 2) ** 2
           + cos(radians(home.lat)) * cos(radians(e.lat)) * sin(radians(e.lon - home.lon) / 2) ** 2
         ))))
       END AS home_distance_km,
       1 AS counted, coalesce(k.is_fraud, false)::INTEGER AS fraud
FROM raw_events e
LEFT JOIN known_labels k ON k.transaction_id = e.transaction_id,
LATERAL (SELECT TRY_CAST(json_extract_string(e.attributes, '/home_lat') AS DOUBLE) AS lat,
                TRY_CAST(json_extract_string(e.attributes, '/home_lon') AS DOUBLE) AS lon) AS home
WHERE e.kind = 0;

-- name: customers
SELECT customer_id,
       arg_max(json_extract_string(attributes, '/gender'), "offset") AS gender,
       arg_max(CASE WHEN year(born) BETWEEN 1 AND 9999 THEN born END, "offset") AS birth_date,
       arg_max(json_extract_string(attributes, '/job'), "offset") AS job
FROM (
  SELECT *, TRY_CAST(left(json_extract_string(attributes, '/dob'), 10) AS DATE) AS born
  FROM (
    SELECT customer_id, attributes, "offset" FROM raw_events WHERE kind = 0
    UNION ALL
    SELECT entity_id, attributes, "offset" FROM raw_events WHERE kind = 2 AND entity_type = 'customer'
  )
)
WHERE customer_id IS NOT NULL GROUP BY customer_id;

-- name: fired_rules
SELECT transaction_id, make_timestamp_ms(event_time_ms) AS event_time, rule, is_shadow, place
FROM (
  SELECT transaction_id, event_time_ms, unnest(rules) AS rule, generate_subscripts(rules, 1) AS place,
         false AS is_shadow
  FROM raw_decisions
  UNION ALL
  SELECT transaction_id, event_time_ms, unnest(shadow_rules), generate_subscripts(shadow_rules, 1), true
  FROM raw_decisions
);

-- name: outcome_hours
SELECT date_trunc('hour', make_timestamp_ms(event_time_ms)) AS hour, outcome::VARCHAR AS outcome,
       count(*) AS decisions
FROM raw_decisions GROUP BY 1, 2;
