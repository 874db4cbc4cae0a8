-- What a provider shows: read it, and apply what it is now (sql/functions/billing).

-- name: billing_look_begin :row
SELECT l.look::text AS look, l.is_test, app_tenant()::text AS tenant, a.key_sealed
FROM billing_look_begin() l
LEFT JOIN payment_accounts a ON a.tenant_id = app_tenant() AND a.provider = 'stripe' AND a.is_enabled;

-- seat_price: the price of a seat (app_seat_price), here and below.

-- name: billing_looked :row
SELECT billing_looked(CASE WHEN seats IS NOT NULL THEN :provider END, :kind, :object::jsonb, :look::bigint) AS problem
FROM set_config('app.seat_price', :seat_price, true) seats;

-- name: billing_compared :row
-- The same, of a subscription, and in what it had differed; null: in nothing.
SELECT billing_compared(CASE WHEN seats IS NOT NULL THEN :provider END, :object::jsonb, :look::bigint)::text AS drift
FROM set_config('app.seat_price', :seat_price, true) seats;

-- name: billing_sweep :row
SELECT billing_sweep() AS compared;
