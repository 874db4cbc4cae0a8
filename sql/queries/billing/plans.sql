-- Plans: the tenant's own, and the global ones, which nobody but the installation's operator changes.

-- columns: plan
SELECT p.id, p.name, p.description, trim_scale(amount_shown(monthly.amount, p.currency)) AS price_monthly,
       trim_scale(amount_shown(yearly.amount, p.currency)) AS price_yearly, p.currency, (p.limits ->> 'messages')::bigint AS max_messages_per_month,
       trim_scale((p.limits ->> 'cost_usd')::numeric * 0.000001) AS max_cost_usd_per_month, p.features, p.is_free, p.is_active,
       CASE p.provider WHEN 'stripe' THEN p.provider_id END AS stripe_product_id,
       CASE monthly.provider WHEN 'stripe' THEN monthly.provider_id END AS stripe_price_id_monthly,
       CASE yearly.provider WHEN 'stripe' THEN yearly.provider_id END AS stripe_price_id_yearly, p.created_at, p.updated_at
FROM plans p
LEFT JOIN plan_prices monthly ON monthly.tenant_id = p.tenant_id AND monthly.plan_id = p.id AND monthly.interval = 'month'
LEFT JOIN plan_prices yearly ON yearly.tenant_id = p.tenant_id AND yearly.plan_id = p.id AND yearly.interval = 'year';

-- name: plan_list :page
-- scan: a tenant has few plans
-- unindexed: the same; the price is another table's
SELECT :columns(plan)
FROM plans p
:joins(plan)
WHERE (p.tenant_id = @tenant OR p.is_global) AND (p.is_active OR :include_inactive::boolean)
ORDER BY price_monthly, p.id;

-- name: plan_active_list :rows
-- scan: a tenant has few plans
SELECT :columns(plan)
FROM plans p
:joins(plan)
WHERE (p.tenant_id = @tenant OR p.is_global) AND p.is_active
ORDER BY price_monthly, p.id
LIMIT 1000;

-- name: plan_free_list :rows
-- scan: a tenant has few plans
SELECT :columns(plan)
FROM plans p
:joins(plan)
WHERE (p.tenant_id = @tenant OR p.is_global) AND p.is_active AND p.is_free
ORDER BY p.id
LIMIT 1000;

-- name: plan_get :row
SELECT :columns(plan)
FROM plans p
:joins(plan)
WHERE (p.tenant_id = @tenant OR p.is_global) AND p.id = :plan_id;

-- name: plan_sold_list :rows
-- scan: a tenant has few plans
-- What can be subscribed to, with the cap that other shapes have no more.
SELECT :columns(plan), (p.limits ->> 'tokens')::bigint AS max_tokens_per_month
FROM plans p
:joins(plan)
WHERE (p.tenant_id = @tenant OR p.is_global) AND p.is_active
ORDER BY price_monthly, p.id
LIMIT 1000;

-- name: plan_sold_get :row
SELECT :columns(plan), (p.limits ->> 'tokens')::bigint AS max_tokens_per_month
FROM plans p
:joins(plan)
WHERE (p.tenant_id = @tenant OR p.is_global) AND p.id = :plan_id;

-- name: plan_available :row
-- scan: a tenant has few plans
SELECT true AS success, (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'id', p.id, 'name', p.name, 'price_cents', coalesce(x.amount, 0), 'price_display', amount_text(x.amount, p.currency),
               'currency', p.currency, 'features', p.features, 'is_free', p.is_free,
               'stripe_price_id', CASE x.provider WHEN 'stripe' THEN x.provider_id END) ORDER BY x.amount NULLS FIRST, p.id), '[]')
    FROM plans p
    LEFT JOIN plan_prices x ON x.tenant_id = p.tenant_id AND x.plan_id = p.id AND x.interval = 'month'
    WHERE (p.tenant_id = @tenant OR p.is_global) AND p.is_active) AS plans;

-- name: plan_team_list :rows
-- scan: a tenant has few plans
SELECT :columns(plan), (p.limits ->> 'tokens')::bigint AS max_tokens_per_month, p.is_global,
       (SELECT count(*) FROM subscriptions s WHERE s.tenant_id = @tenant AND s.plan_id = p.id AND s.is_current) AS subscriptions_count
FROM plans p
:joins(plan)
WHERE (p.tenant_id = @tenant OR p.is_global) AND (p.is_active OR :include_inactive::boolean)
ORDER BY p.is_global, price_monthly, p.id
LIMIT 1000;

-- name: plan_team_get :row
-- scan: a tenant has few plans
-- What was just made or changed.
SELECT :columns(plan), (p.limits ->> 'tokens')::bigint AS max_tokens_per_month, p.is_global,
       (SELECT count(*) FROM subscriptions s WHERE s.tenant_id = @tenant AND s.plan_id = p.id AND s.is_current) AS subscriptions_count,
       p.updated_at AS _updated_at
FROM plans p
:joins(plan)
WHERE p.tenant_id = @tenant AND p.id = :plan_id;

-- name: plan_create :row
SELECT p.id::text AS id
FROM plan_save(NULL, '{name,description,price_monthly,price_yearly,currency,features,is_free,is_active,max_messages_per_month,max_cost_usd_per_month,max_tokens_per_month,stripe_product_id,stripe_price_id_monthly,stripe_price_id_yearly}',
        :name, :description, :price_monthly::numeric, :price_yearly::numeric, :currency, :features::text[], :is_free::boolean,
               :is_active::boolean, :max_messages_per_month::bigint, :max_cost_usd_per_month::numeric, :max_tokens_per_month::bigint,
               :stripe_product_id, :stripe_price_id_monthly, :stripe_price_id_yearly, NULL) p;

-- name: plan_update :maybe
-- No row: another tenant's, a global one, or none.
SELECT p.id::text AS id
FROM plan_save(:plan_id::uuid, :changed(name, description, price_monthly, price_yearly, currency, features, is_free, is_active,
                                        max_messages_per_month, max_cost_usd_per_month, max_tokens_per_month, stripe_product_id,
                                        stripe_price_id_monthly, stripe_price_id_yearly),
        :name, :description, :price_monthly::numeric, :price_yearly::numeric, :currency, :features::text[], :is_free::boolean,
               :is_active::boolean, :max_messages_per_month::bigint, :max_cost_usd_per_month::numeric, :max_tokens_per_month::bigint,
               :stripe_product_id, :stripe_price_id_monthly, :stripe_price_id_yearly, :if_match) p;
