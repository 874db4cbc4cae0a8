-- What the housekeeper asks.

-- name: usage_count :row
-- See sql/functions/usage/usage_counts.sql.
SELECT usage_count(:counts::jsonb) AS counted;

-- name: usage_roll :row
-- See sql/functions/usage/rollups.sql.
SELECT usage_roll(:most::integer) AS rolled;

-- name: usage_rotate :row
SELECT usage_rotate() AS emptied;
