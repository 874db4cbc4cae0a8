-- What "ashlar billing" asks, as the owner, in one tenant after the other.

-- name: owner_billing_tenants :rows
-- scan: all tenants there are, once
-- All of them, or the one of that slug with its test mode.
SELECT t.id, t.slug, (t.test_of IS NOT NULL)::text AS is_test
FROM tenants t
WHERE :slug::text IS NULL OR t.slug = :slug
ORDER BY t.slug, t.test_of NULLS FIRST;

-- name: owner_billing_enter :row
SELECT set_config('app.tenant_id', :tenant, false) AS entered;

-- name: owner_billing_key :rows
-- Of the tenant's own account; no row: it has none.
SELECT a.key_sealed FROM payment_accounts a WHERE a.tenant_id = app_tenant() AND a.provider = 'stripe' AND a.is_enabled;

-- name: owner_billing_list :rows
-- scan: all of a tenant's that go on
SELECT s.id, s.provider_id
FROM subscriptions s
WHERE s.tenant_id = app_tenant() AND s.ended_at IS NULL AND s.provider_id IS NOT NULL
ORDER BY s.started_at, s.id;

-- name: owner_billing_look :row
SELECT billing_look() AS look;

-- name: owner_billing_drift :rows
SELECT d.key, d.value ->> 0 AS ours, d.value ->> 1 AS theirs
FROM jsonb_each(billing_drift('stripe', :object::jsonb)) d
ORDER BY d.key;

-- name: owner_billing_apply :row
SELECT billing_compared(CASE WHEN seats IS NOT NULL THEN 'stripe' END, :object::jsonb, :look::bigint)::text AS drift
FROM set_config('app.seat_price', :seat_price, true) seats;

-- name: owner_billing_prices :rows
-- scan: a tenant has few plans
SELECT p.name, x.interval, x.amount, lower(p.currency) AS currency, x.provider_id
FROM plan_prices x JOIN plans p ON p.tenant_id = x.tenant_id AND p.id = x.plan_id
WHERE x.tenant_id = app_tenant() AND x.provider = 'stripe' AND x.provider_id IS NOT NULL
ORDER BY p.name, x.interval;

-- name: owner_billing_import :rows
SELECT i.member, i.ours, i.theirs FROM plan_import('stripe', :product::jsonb, :is_dry::boolean) i;
