-- Packages that are bought, once and by themselves: the operations surface's.  See sql/functions/billing/topups.sql.

-- name: topup_once :row
SELECT t.id::text AS topup, t.package, t.amount, t.price_cents, t.currency, t.provider_id AS payment
FROM topup_once(@user, :package_slug, :idempotency_key) t;

-- name: topup_asked :exec
SELECT topup_asked(:topup::uuid, :payment);
