-- Packages that are bought, once and by themselves: the operations surface's.  See sql/functions/billing/topups.sql.

-- name: topup_once :row
SELECT t.id::text AS topup, t.package, t.amount, t.price_cents, t.currency, t.provider_id AS payment
FROM topup_once(@user, :package_slug, :idempotency_key) t;

-- name: topup_asked :exec
SELECT topup_asked(:topup::uuid, :payment);

-- columns: tokens
SELECT c.number AS id, c.enabled, c.threshold AS threshold_tokens, c.package AS package_id, c.package AS package_slug, c.most AS max_monthly_topups,
       c.this_month AS topups_this_month, c.method AS stripe_payment_method_id, c.last_topup_at, c.last_error, c.created_at, c.updated_at
FROM topup_config(NULL, NULL) c;

-- columns: credit
SELECT c.number AS id, c.enabled, c.threshold AS threshold_cents, c.package AS package_slug, c.most AS max_monthly_topups,
       c.this_month AS topups_this_month, c.method AS stripe_payment_method_id, c.last_topup_at, c.last_error, c.created_at, c.updated_at
FROM topup_config(NULL, NULL) c;

-- name: topup_tokens_get :row
SELECT (SELECT jsonb_build_object('id', c.number, 'enabled', c.enabled, 'threshold_tokens', c.threshold, 'package_id', c.package, 'package_slug', c.package,
                                  'max_monthly_topups', c.most, 'topups_this_month', c.this_month, 'stripe_payment_method_id', c.method,
                                  'last_topup_at', json_time(c.last_topup_at), 'last_error', c.last_error, 'created_at', json_time(c.created_at),
                                  'updated_at', json_time(c.updated_at))
        FROM topup_config(@tenant, 'tokens') c) AS config,
       (SELECT coalesce(jsonb_agg(package_shown(p) ORDER BY p.price_cents, p.slug), '[]') FROM packages p WHERE p.unit = 'tokens' AND p.is_offered) AS packages;

-- name: topup_tokens_create :row
SELECT :columns(tokens)
FROM topup_setup(@tenant, @user, 'tokens', :threshold_tokens::bigint, :package_id, 'package_id', :enabled::boolean, :max_monthly_topups::integer,
                 :stripe_payment_method_id) owner,
     topup_config(owner, 'tokens') c;

-- name: topup_tokens_update :row
SELECT :columns(tokens)
FROM topup_change(@tenant, @user, 'tokens', :threshold_tokens::bigint, :package_slug, :enabled::boolean, :max_monthly_topups::integer,
                  :stripe_payment_method_id) owner,
     topup_config(owner, 'tokens') c;

-- name: topup_credit_get :row
SELECT (SELECT jsonb_build_object('id', c.number, 'enabled', c.enabled, 'threshold_cents', c.threshold, 'package_slug', c.package,
                                  'max_monthly_topups', c.most, 'topups_this_month', c.this_month, 'stripe_payment_method_id', c.method,
                                  'last_topup_at', json_time(c.last_topup_at), 'last_error', c.last_error, 'created_at', json_time(c.created_at),
                                  'updated_at', json_time(c.updated_at))
        FROM topup_config(@user, 'credit') c) AS config,
       (SELECT coalesce(jsonb_agg(package_shown(p) ORDER BY p.price_cents, p.slug), '[]') FROM packages p WHERE p.unit = 'credit' AND p.is_offered) AS packages;

-- name: topup_credit_create :row
SELECT :columns(credit)
FROM topup_setup(@user, @user, 'credit', :threshold_cents::bigint, :package_slug, 'package_slug', :enabled::boolean, :max_monthly_topups::integer,
                 :stripe_payment_method_id) owner,
     topup_config(owner, 'credit') c;

-- name: topup_credit_update :row
SELECT :columns(credit)
FROM topup_change(@user, @user, 'credit', :threshold_cents::bigint, :package_slug, :enabled::boolean, :max_monthly_topups::integer,
                  :stripe_payment_method_id) owner,
     topup_config(owner, 'credit') c;

-- ---------------------------------------------------------------- the job "topup"

-- name: topup_begin :row
SELECT b.tenant, b.is_test, b.customer, b.method, b.was_asked, b.payment, b.price_cents, b.currency, b.who, b.is_old, own.key_sealed
FROM topup_begin(:topup::uuid) b
LEFT JOIN payment_accounts own ON own.tenant_id = app_tenant() AND own.provider = 'stripe' AND own.is_enabled;

-- name: topup_ask :row
SELECT topup_ask(:topup::uuid, :method) AS is_asked;

-- name: topup_fail :exec
SELECT topup_fail(:topup::uuid, :why, :is_declined::boolean, :wait_s::integer);

-- name: topup_paid :row
-- What the provider shows of its payment.
SELECT payment_see('stripe', :object::jsonb) AS is_ours;

-- name: topups_sweep :row
SELECT topups_sweep() AS found;
