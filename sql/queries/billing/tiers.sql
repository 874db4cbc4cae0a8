-- Tiers on the operations surface, and what a user has used of theirs.  See sql/functions/billing/tiers.sql.

-- name: tier_list :rows
SELECT t.slug, t.name, t.description, t.price_monthly_cents, t.price_yearly_cents, t.currency,
       coalesce((t.limits ->> 'tokens_per_month')::bigint, 0) AS included_tokens, tier_limits(t.limits) AS limits, t.features, t.sort_order
FROM tiers t
WHERE t.is_offered
ORDER BY t.sort_order
LIMIT 1000;

-- name: tier_pricing :row
-- What a token costs in the smallest package, and how much less a year costs than twelve months at most.
SELECT 'usd' AS currency,
       (SELECT coalesce(jsonb_agg(tier_shown(t) ORDER BY t.sort_order), '[]') FROM tiers t WHERE t.is_offered) AS tiers,
       (SELECT coalesce(jsonb_agg(package_shown(p) ORDER BY p.price_cents, p.slug), '[]') FROM packages p WHERE p.unit = 'tokens' AND p.is_offered) AS token_packages,
       jsonb_build_object(
           'price_per_1k_tokens_cents', (SELECT trim_scale(round(p.price_cents * 1000.0 / p.amount, 4)) FROM packages p WHERE p.unit = 'tokens' AND p.is_offered ORDER BY p.price_cents, p.slug LIMIT 1),
           'signup_bonus_tokens', coalesce((SELECT b.tokens FROM token_prices b WHERE b.kind = 'bonus' AND b.name = 'sign-up'), 0),
           'annual_discount_percent', (SELECT trim_scale(coalesce(max(round(100 - t.price_yearly_cents * 100.0 / (t.price_monthly_cents * 12), 1)), 0)) FROM tiers t WHERE t.is_offered AND t.price_monthly_cents > 0),
           'action_costs', (SELECT coalesce(jsonb_agg(jsonb_build_object('action', a.name, 'tokens', a.tokens) ORDER BY a.name), '[]') FROM token_prices a WHERE a.kind = 'action')) AS economics;

-- name: tier_subscription :row
-- The current one, else the one that was there last.
SELECT n.number AS id, coalesce(s.tier, 'other') AS tier, CASE s.status WHEN 'incomplete_expired' THEN 'canceled' ELSE s.status END AS status,
       CASE s.provider WHEN 'stripe' THEN s.customer_id END AS stripe_customer_id, CASE s.provider WHEN 'stripe' THEN s.provider_id END AS stripe_subscription_id,
       coalesce(s.period_start, m.starts_at, s.started_at) AS current_period_start,
       coalesce(s.period_end, m.ends_at, s.ended_at, s.started_at + interval '1 month') AS current_period_end, s.cancel_at_period_end, s.trial_end, s.created_at, s.updated_at
FROM (SELECT x.* FROM subscriptions x WHERE x.tenant_id = @tenant AND x.owner_id = @user ORDER BY x.is_current DESC, x.started_at DESC LIMIT 1) s
JOIN subscription_numbers n ON n.tenant_id = s.tenant_id AND n.subscription_id = s.id
LEFT JOIN subscription_period(CASE WHEN s.is_current THEN s.owner_id END) m ON true;

-- name: tier_usage_get :row
-- No row: there is no subscription, and nothing was ever used.
SELECT (h.tier).slug AS tier, h.status AS subscription_status, h.period_start, h.period_end, u.usage, tier_limits((h.tier).limits) AS limits,
       (SELECT jsonb_object_agg(l.key, CASE WHEN jsonb_typeof(l.value) <> 'number' THEN NULL
                                            WHEN (l.value #>> '{}')::bigint = 0 THEN CASE WHEN (u.usage ->> l.key)::bigint > 0 THEN 100 ELSE 0 END
                                            ELSE trim_scale(round((u.usage ->> l.key)::numeric * 100 / (l.value #>> '{}')::bigint, 1)) END)
        FROM jsonb_each(tier_limits((h.tier).limits)) l) AS percent_used
FROM tier_of_user(@user) h
JOIN LATERAL (SELECT tier_usage(@user, h.period_start) AS usage) u ON true
WHERE h.status IS NOT NULL OR (u.usage ->> 'tasks_per_month')::bigint + (u.usage ->> 'agents')::bigint + (u.usage ->> 'storage_bytes')::bigint > 0
   OR EXISTS (SELECT FROM wallets w WHERE w.tenant_id = @tenant AND w.owner_id = @user AND w.unit = 'tokens');

-- name: tier_summary :row
SELECT tier_shown(h.tier) AS tier, h.status AS subscription_status, h.period_start, h.period_end, tier_limits((h.tier).limits) AS limits, u.usage,
       (SELECT jsonb_object_agg(l.key, CASE WHEN jsonb_typeof(l.value) = 'number' THEN greatest((l.value #>> '{}')::bigint - (u.usage ->> l.key)::bigint, 0) END)
        FROM jsonb_each(tier_limits((h.tier).limits)) l) AS remaining
FROM tier_of_user(@user) h
JOIN LATERAL (SELECT tier_usage(@user, h.period_start) AS usage) u ON true;

-- name: tier_downgrade :row
SELECT c.violations = '[]' AS allowed, c.current_tier, c.target_tier, c.violations
FROM tier_check(@user, :tier) c;

-- name: tier_overview :row
SELECT o.currency, o.period_start, o.period_end, o.mrr_cents, o.mrr_by_product, o.infrastructure, o.ai, o.net_monthly_cents
FROM billing_overview() o;

-- name: tier_change :row
-- What it means for the caller to want a tier, beside the price.  Raises AS012 where more is used than a lower one allows; AS409 while
-- what they have is a plan of a tenant's, or in no state for a change.
SELECT c.step, c.slug, c.name, c.currency, c.cycle, c.amount, c.previous, c.is_lower
FROM tier_change(@user, :tier) c;

-- name: tier_changed :row
SELECT :action AS action, :tier AS tier, :previous AS previous_tier,
       CASE WHEN :action::text <> 'changed' THEN NULL WHEN :step::text = 'end' THEN s.period_end ELSE now() END AS effective_at,
       CASE WHEN :session_id::text IS NOT NULL THEN jsonb_build_object('session_id', :session_id::text, 'url', :url::text) END AS checkout,
       CASE WHEN s.id IS NOT NULL THEN jsonb_build_object(
           'id', n.number, 'tier', coalesce(s.tier, 'other'), 'status', CASE s.status WHEN 'incomplete_expired' THEN 'canceled' ELSE s.status END,
           'stripe_customer_id', s.customer_id, 'stripe_subscription_id', s.provider_id,
           'current_period_start', json_time(coalesce(s.period_start, s.started_at)),
           'current_period_end', json_time(coalesce(s.period_end, s.ended_at, s.started_at + interval '1 month')),
           'cancel_at_period_end', s.cancel_at_period_end, 'trial_end', json_time(s.trial_end),
           'created_at', json_time(s.created_at), 'updated_at', json_time(s.updated_at)) END AS subscription
FROM (SELECT) one
LEFT JOIN subscriptions s ON s.tenant_id = @tenant AND s.owner_id = @user AND s.is_current
LEFT JOIN subscription_numbers n ON n.tenant_id = s.tenant_id AND n.subscription_id = s.id;
