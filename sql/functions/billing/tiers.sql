-- Tiers of the installation, what a user has used of theirs, and what the installation earns and costs.

-- As clients see it.
CREATE OR REPLACE FUNCTION tier_limits(limits jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_build_object(
    'tokens_per_month', limits -> 'tokens_per_month', 'tasks_per_month', limits -> 'tasks_per_month', 'agents', limits -> 'agents',
    'products', limits -> 'products', 'team_members', limits -> 'team_members', 'api_requests_per_day', limits -> 'api_requests_per_day',
    'storage_bytes', limits -> 'storage_bytes');

CREATE OR REPLACE FUNCTION tier_shown(t tiers) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_build_object(
    'slug', t.slug, 'name', t.name, 'description', t.description, 'price_monthly_cents', t.price_monthly_cents,
    'price_yearly_cents', t.price_yearly_cents, 'currency', t.currency, 'included_tokens', coalesce((t.limits ->> 'tokens_per_month')::bigint, 0),
    'limits', tier_limits(t.limits), 'features', to_jsonb(t.features), 'sort_order', t.sort_order);

-- A tier by its name.  Raises AS422, of the field tier.
CREATE OR REPLACE FUNCTION tier_find(tier text) RETURNS tiers
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    t tiers;
BEGIN
    SELECT * INTO t FROM tiers x WHERE x.slug = tier AND x.is_offered;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'tier', MESSAGE = format('this tier is not on offer: choose one of %s',
            (SELECT string_agg(x.slug, ', ' ORDER BY x.sort_order) FROM tiers x WHERE x.is_offered));
    END IF;
    RETURN t;
END
$$;

-- What a user has: the tier of their own subscription while that goes on, in its period; else free, in the calendar's month.  A
-- subscription to what is no tier of the installation's counts as free.
CREATE OR REPLACE FUNCTION tier_of_user(who uuid, OUT tier tiers, OUT status text, OUT period_start timestamptz, OUT period_end timestamptz)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    s subscriptions;
BEGIN
    SELECT * INTO s FROM subscriptions x
    WHERE x.tenant_id = app_tenant() AND x.owner_id = who AND x.is_current AND x.status IN ('trialing', 'active', 'past_due');
    IF FOUND THEN
        status := s.status;
        SELECT * INTO tier FROM tiers t WHERE t.slug = s.tier;
        SELECT p.starts_at, p.ends_at INTO period_start, period_end FROM subscription_period(who) p;
        period_start := coalesce(period_start, s.period_start);
        period_end := coalesce(period_end, s.period_end);
    END IF;
    IF tier.slug IS NULL THEN
        SELECT * INTO tier FROM tiers t WHERE t.slug = 'free';
    END IF;
    IF period_start IS NULL OR period_end IS NULL THEN
        period_start := date_trunc('month', now() AT TIME ZONE 'UTC') AT TIME ZONE 'UTC';
        period_end := (date_trunc('month', now() AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC';
    END IF;
END
$$;

-- What a user has used since then.
--
-- Tokens are those of their own wallet; tasks, products that are not archived, and agents those that they have made; team members those of the organizations that
-- they own, they among them; requests those of today.
CREATE OR REPLACE FUNCTION tier_usage(who uuid, since timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    here   uuid := app_tenant();
    w      wallets;
    tokens bigint := 0;
BEGIN
    SELECT * INTO w FROM wallets x WHERE x.tenant_id = here AND x.owner_id = who AND x.unit = 'tokens';
    IF FOUND THEN
        -- What is refunded may have been consumed before.
        tokens := w.lifetime_consumed - coalesce((SELECT t.consumed_after FROM wallet_transactions t
                                                  WHERE t.tenant_id = here AND t.wallet_id = w.id AND t.created_at < since
                                                  ORDER BY t.created_at DESC, t.number DESC LIMIT 1), 0);
    END IF;
    RETURN jsonb_build_object(
        'tokens_per_month', greatest(tokens, 0),
        'tasks_per_month', (SELECT count(*) FROM memberships m
                            JOIN tasks t ON t.tenant_id = m.tenant_id AND t.organization_id = m.organization_id AND t.created_by_id = m.id AND t.created_at >= since
                            WHERE m.tenant_id = here AND m.user_id = who)
                           + (SELECT count(*) FROM tasks t WHERE t.tenant_id = here AND t.maker_id = who AND t.created_at >= since),
        'agents', (SELECT count(*) FROM agents a WHERE a.tenant_id = here AND a.created_by = who AND a.deleted_at IS NULL),
        'products', (SELECT count(*) FROM products p WHERE p.tenant_id = here AND p.creator_id = who AND p.status <> 'archived'),
        'team_members', greatest(1, (SELECT count(DISTINCT x.user_id) FROM memberships m
                                     JOIN memberships x ON x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id AND x.is_active
                                     WHERE m.tenant_id = here AND m.user_id = who AND m.is_active AND m.role = 'owner')),
        'api_requests_per_day', (SELECT coalesce(sum(d.quantity), 0) FROM usage_daily d
                                 WHERE d.tenant_id = here AND d.user_id = who AND d.metric = 'api_requests' AND d.day = usage_today()),
        'storage_bytes', (SELECT greatest(coalesce(sum(c.used), 0), 0) FROM usage_counters c
                          WHERE c.tenant_id = here AND c.user_id = who AND c.metric = 'storage_bytes'));
END
$$;

-- Where usage is above limits, each; []: nowhere.
CREATE OR REPLACE FUNCTION tier_violations(usage jsonb, limits jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('resource', l.key, 'current', usage -> l.key, 'limit', l.value,
                                                     'excess', (usage ->> l.key)::bigint - (l.value #>> '{}')::bigint) ORDER BY l.key), '[]')
        FROM jsonb_each(tier_limits(limits)) l
        WHERE jsonb_typeof(l.value) = 'number' AND (usage ->> l.key)::bigint > (l.value #>> '{}')::bigint);

-- What stands in the way of a user who wants a tier: nothing, unless it is a lower one.  Raises AS422.
CREATE OR REPLACE FUNCTION tier_check(who uuid, name text, OUT current_tier text, OUT target_tier text, OUT violations jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    wants tiers := tier_find(name);
    has   record;
BEGIN
    SELECT * INTO has FROM tier_of_user(who);
    current_tier := (has.tier).slug;
    target_tier := wants.slug;
    violations := CASE WHEN wants.sort_order < (has.tier).sort_order THEN tier_violations(tier_usage(who, has.period_start), wants.limits) ELSE '[]' END;
END
$$;

-- What it means for a user to want a tier.  step: same, nothing; checkout, it has to be paid first; move, what is paid is another one from
-- now on; end, it ends with its period.  Raises AS012 where more is used than a lower tier allows, AS409 and AS422.
CREATE OR REPLACE FUNCTION tier_change(who uuid, wanted text, OUT step text, OUT slug text, OUT name text, OUT currency text, OUT cycle text,
                                       OUT amount bigint, OUT previous text, OUT is_lower boolean)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    wants tiers := tier_find(wanted);
    has   record;
    s     subscriptions;
    above jsonb;
BEGIN
    SELECT * INTO has FROM tier_of_user(who);
    SELECT * INTO s FROM subscriptions x
    WHERE x.tenant_id = app_tenant() AND x.owner_id = who AND x.is_current AND x.provider_id IS NOT NULL AND subscription_is_live(x.status);
    slug := wants.slug;
    name := wants.name;
    currency := wants.currency;
    cycle := CASE WHEN s.interval = 'year' AND wants.price_yearly_cents IS NOT NULL THEN 'year' ELSE 'month' END;
    amount := CASE cycle WHEN 'year' THEN wants.price_yearly_cents ELSE wants.price_monthly_cents END;
    previous := (has.tier).slug;
    is_lower := wants.sort_order < (has.tier).sort_order;
    step := CASE
        WHEN s.id IS NULL THEN CASE WHEN wants.price_monthly_cents = 0 THEN 'same' ELSE 'checkout' END
        WHEN s.tier = wants.slug AND NOT s.cancel_at_period_end OR wants.price_monthly_cents = 0 AND s.cancel_at_period_end THEN 'same'
        WHEN wants.price_monthly_cents = 0 THEN 'end'
        ELSE 'move' END;
    IF step = 'move' AND (s.status NOT IN ('trialing', 'active') OR s.currency <> wants.currency) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = CASE WHEN s.currency <> wants.currency THEN 'the subscription is paid in another currency'
                                                    ELSE 'the last period is not paid yet' END;
    END IF;
    IF step <> 'same' AND is_lower THEN
        above := tier_violations(tier_usage(who, has.period_start), wants.limits);
        IF above <> '[]' THEN
            RAISE SQLSTATE 'AS012' USING MESSAGE = format('more is used than %s allows', wants.name), DETAIL = jsonb_build_object('violations', above);
        END IF;
    END IF;
END
$$;

-- The installation's month, in cents of US dollars: what goes on to be paid to its own account at the provider, by tier or plan,
-- a year's by twelfths; what it costs to run; and what models have cost.  Of all tenants, so its row asks for the operator.
CREATE OR REPLACE FUNCTION billing_overview()
RETURNS TABLE (currency text, period_start timestamptz, period_end timestamptz, mrr_cents bigint, mrr_by_product jsonb, infrastructure jsonb,
               ai jsonb, net_monthly_cents bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    first_day date := date_trunc('month', now() AT TIME ZONE 'UTC')::date;
    today     date := (now() AT TIME ZONE 'UTC')::date;
    models    jsonb;
    spent     bigint;
    spent_30d bigint;
BEGIN
    IF app_tenant() <> '00000000-0000-7000-8000-000000000001' THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this is about the whole installation, and for those who operate it';
    END IF;
    PERFORM set_config('app.operated', 'on', true);
    currency := 'usd';
    period_start := first_day::timestamp AT TIME ZONE 'UTC';
    period_end := (first_day + interval '1 month') AT TIME ZONE 'UTC';

    SELECT coalesce(sum(x.cents), 0), coalesce(jsonb_agg(jsonb_build_object('product_slug', x.slug, 'product_name', x.name, 'mrr_cents', x.cents,
                                                                            'active_subscriptions', x.n) ORDER BY x.cents DESC, x.slug), '[]')
    INTO mrr_cents, mrr_by_product
    FROM (SELECT coalesce(s.tier, 'other') AS slug, coalesce(max(t.name), max(p.name), coalesce(s.tier, 'other')) AS name, count(*) AS n,
                 round(sum(s.amount * s.quantity / CASE s.interval WHEN 'year' THEN 12.0 WHEN 'week' THEN 12 / 52.0 WHEN 'day' THEN 12 / 365.0 ELSE 1 END))::bigint AS cents
          FROM tenants o
          JOIN LATERAL (SELECT y.tier, y.amount, y.quantity, y.interval, y.plan_id FROM subscriptions y
                        WHERE y.tenant_id = o.id AND y.is_current AND y.status IN ('active', 'past_due') AND y.provider_id IS NOT NULL
                          AND y.currency = 'usd') s ON true
          LEFT JOIN tiers t ON t.slug = s.tier
          LEFT JOIN plans p ON p.id = s.plan_id
          WHERE o.test_of IS NULL
            AND NOT EXISTS (SELECT FROM payment_accounts a WHERE a.tenant_id = o.id AND a.is_enabled)
          GROUP BY s.tier) x;

    SELECT coalesce(sum(x.cost), 0) / 10000, coalesce(sum(x.cost_30d), 0) / 10000,
           coalesce(jsonb_agg(jsonb_build_object('model', x.model, 'cost_cents', x.cost / 10000, 'input_tokens', x.input, 'output_tokens', x.output)
                              ORDER BY x.cost DESC, x.model) FILTER (WHERE x.n > 0), '[]')
    INTO spent, spent_30d, models
    FROM (SELECT d.model, sum(d.cost) FILTER (WHERE d.day >= first_day)::bigint AS cost,
                 sum(d.cost) FILTER (WHERE d.day > today - 30)::bigint AS cost_30d, count(*) FILTER (WHERE d.day >= first_day) AS n,
                 coalesce(sum(d.input_tokens) FILTER (WHERE d.day >= first_day), 0)::bigint AS input,
                 coalesce(sum(d.output_tokens) FILTER (WHERE d.day >= first_day), 0)::bigint AS output
          FROM tenants o
          JOIN LATERAL (SELECT y.model, y.day, y.cost, y.input_tokens, y.output_tokens FROM ai_daily y
                        WHERE y.tenant_id = o.id AND y.day >= least(first_day, today - 29)) d ON true
          GROUP BY d.model) x;
    PERFORM set_config('app.operated', '', true);
    ai := jsonb_build_object('month_to_date_cents', spent, 'last_30d_cents', spent_30d, 'by_model', models);

    SELECT jsonb_build_object('total_cents', coalesce(sum(c.monthly_cents), 0), 'items',
                              coalesce(jsonb_agg(jsonb_build_object('name', c.name, 'provider', c.provider, 'monthly_cents', c.monthly_cents)
                                                 ORDER BY c.provider, c.name), '[]'))
    INTO infrastructure
    FROM infrastructure_costs c;
    net_monthly_cents := mrr_cents - (infrastructure ->> 'total_cents')::bigint - spent;
    RETURN NEXT;
END
$$;
REVOKE ALL ON FUNCTION billing_overview() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION billing_overview() TO ashlar_api;

-- A package of tokens, or of credit in cents, as clients see it.
CREATE OR REPLACE FUNCTION package_shown(p packages) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_build_object('slug', p.slug, 'name', p.name, CASE p.unit WHEN 'tokens' THEN 'tokens' ELSE 'credit_cents' END, p.amount,
                          CASE p.unit WHEN 'tokens' THEN 'bonus_tokens' ELSE 'bonus_cents' END, p.bonus, 'price_cents', p.price_cents, 'currency', p.currency);
