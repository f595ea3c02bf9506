-- Payments counted by hour, day and month. Runs in PostgreSQL and in DuckDB, in a session whose zone is UTC.

-- name: payment_hours
SELECT date_trunc('hour', event_time) AS hour, coalesce(currency, '') AS currency,
       sum(counted) AS payments, coalesce(sum(counted * amount), 0) AS amount,
       sum(fraud) AS frauds, coalesce(sum(fraud * amount), 0) AS fraud_amount
FROM counted_payments GROUP BY 1, 2;

-- name: payment_days
-- Bands of the distance between where the payer lives and where the payment was made: from ..., below ....
SELECT event_time::DATE AS day, coalesce(currency, '') AS currency, d.dimension, d.value,
       sum(counted) AS payments, coalesce(sum(counted * amount), 0) AS amount,
       sum(fraud) AS frauds, coalesce(sum(fraud * amount), 0) AS fraud_amount
FROM counted_payments,
     LATERAL (VALUES ('category', merchant_category), ('state', state), ('country', country), ('channel', channel),
                     ('home_distance', CASE WHEN home_distance_km < 10 THEN '0-10 km'
                                            WHEN home_distance_km < 50 THEN '10-50 km'
                                            WHEN home_distance_km < 100 THEN '50-100 km'
                                            WHEN home_distance_km < 500 THEN '100-500 km'
                                            WHEN home_distance_km IS NOT NULL THEN '500 km and more' END)
             ) AS d(dimension, value)
WHERE d.value IS NOT NULL GROUP BY 1, 2, 3, 4;

-- name: payment_months
SELECT date_trunc('month', event_time)::DATE AS month, coalesce(currency, '') AS currency, d.dimension, d.value,
       sum(counted) AS payments, coalesce(sum(counted * amount), 0) AS amount,
       sum(fraud) AS frauds, coalesce(sum(fraud * amount), 0) AS fraud_amount
FROM counted_payments, LATERAL (VALUES ('merchant', merchant_id), ('customer', customer_id)) AS d(dimension, value)
WHERE d.value IS NOT NULL GROUP BY 1, 2, 3, 4;
