-- Plans: which one applies, and money as text.

-- The plan of an organization: of its subscription, while that is active or on trial; else the tenant's default one.
-- No row: none applies.
--
-- The plan may have been retired since, or be a global one: what is subscribed to goes on.
CREATE OR REPLACE FUNCTION plan_of_organization(organization uuid) RETURNS SETOF plans
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY
        SELECT p.*
        FROM subscriptions s JOIN plans p ON p.id = s.plan_id
        WHERE s.tenant_id = app_tenant() AND s.owner_id = organization AND s.is_current AND s.status IN ('active', 'trialing');
    IF NOT FOUND THEN
        RETURN QUERY SELECT p.* FROM tenant_settings t JOIN plans p ON p.id = t.default_plan_id WHERE t.tenant_id = app_tenant();
    END IF;
END
$$;

-- The plan of a user: of their own subscription; else the one that was assigned to them; else the tenant's default one.
CREATE OR REPLACE FUNCTION plan_of_user(who uuid) RETURNS SETOF plans
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY
        SELECT p.*
        FROM subscriptions s JOIN plans p ON p.id = s.plan_id
        WHERE s.tenant_id = app_tenant() AND s.owner_id = who AND s.is_current AND s.status IN ('active', 'trialing');
    IF NOT FOUND THEN
        RETURN QUERY SELECT p.* FROM users u JOIN plans p ON p.id = u.current_plan_id WHERE u.tenant_id = app_tenant() AND u.id = who;
    END IF;
    IF NOT FOUND THEN
        RETURN QUERY SELECT p.* FROM tenant_settings t JOIN plans p ON p.id = t.default_plan_id WHERE t.tenant_id = app_tenant();
    END IF;
END
$$;

-- What a user may use in an organization: of its subscription, else what is theirs (plan_of_user).
CREATE OR REPLACE FUNCTION plan_of_member(organization uuid, who uuid) RETURNS SETOF plans
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    RETURN QUERY
        SELECT p.*
        FROM subscriptions s JOIN plans p ON p.id = s.plan_id
        WHERE s.tenant_id = app_tenant() AND s.owner_id = organization AND s.is_current AND s.status IN ('active', 'trialing');
    IF NOT FOUND THEN
        RETURN QUERY SELECT * FROM plan_of_user(who);
    END IF;
END
$$;

-- From when until when an owner's subscription counts: what is paid, or, of a plan that costs nothing, the month since it
-- began that now is in.  Without a subscription that is active or on trial: no row, and the month of the calendar is meant.
CREATE OR REPLACE FUNCTION subscription_period(owner uuid, now timestamptz DEFAULT now(), OUT starts_at timestamptz,
                                               OUT ends_at timestamptz) RETURNS SETOF record
LANGUAGE plpgsql STABLE ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    s      subscriptions;
    began  timestamp;
    months integer;
BEGIN
    SELECT * INTO s FROM subscriptions x
    WHERE x.tenant_id = app_tenant() AND x.owner_id = owner AND x.is_current AND x.status IN ('active', 'trialing');
    IF NOT FOUND THEN
        RETURN;
    END IF;
    starts_at := s.period_start;
    ends_at := s.period_end;
    IF s.provider_id IS NULL THEN
        -- In UTC, from the first day on each time: the 31st is the last day of a shorter month, and of no other one.
        began := s.started_at AT TIME ZONE 'UTC';
        months := extract(year FROM age(subscription_period.now AT TIME ZONE 'UTC', began)) * 12
                  + extract(month FROM age(subscription_period.now AT TIME ZONE 'UTC', began));
        WHILE began + make_interval(months => months + 1) <= subscription_period.now AT TIME ZONE 'UTC' LOOP
            months := months + 1;
        END LOOP;
        WHILE months > 0 AND began + make_interval(months => months) > subscription_period.now AT TIME ZONE 'UTC' LOOP
            months := months - 1;
        END LOOP;
        starts_at := (began + make_interval(months => months)) AT TIME ZONE 'UTC';
        ends_at := (began + make_interval(months => months + 1)) AT TIME ZONE 'UTC';
    END IF;
    RETURN NEXT;
END
$$;

-- How many decimals amounts of a currency have at a provider: Stripe's numbers (stripe_object_decimals), of which some are not
-- ISO 4217's.
CREATE OR REPLACE FUNCTION currency_decimals(currency text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN lower(currency) IN ('bif', 'clp', 'djf', 'gnf', 'jpy', 'kmf', 'krw', 'mga', 'pyg', 'rwf', 'vnd', 'vuv', 'xaf', 'xof',
                             'xpf') THEN 0
    WHEN lower(currency) IN ('bhd', 'jod', 'kwd', 'omr', 'tnd') THEN 3
    ELSE 2 END;

-- An amount in whole units, with the currency's decimals: 2900 usd is 29.00.  Exact, as numeric is.
CREATE OR REPLACE FUNCTION amount_shown(amount bigint, currency text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(amount, 0) * CASE currency_decimals(currency) WHEN 0 THEN 1 WHEN 3 THEN 0.001 ELSE 0.01 END;

-- The same for people: $29.00, 29.00 CHF.
CREATE OR REPLACE FUNCTION amount_text(amount bigint, currency text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE upper(currency) WHEN 'USD' THEN '$' WHEN 'EUR' THEN '€' WHEN 'GBP' THEN '£' WHEN 'JPY' THEN '¥' ELSE '' END
       || amount_shown(amount, currency)::text
       || CASE WHEN upper(currency) IN ('USD', 'EUR', 'GBP', 'JPY') THEN '' ELSE ' ' || upper(currency) END;

-- What was sent as whole units, in the smallest one.  Raises AS422 where there is no such amount.
CREATE OR REPLACE FUNCTION amount_of(number numeric, currency text, field text) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    smallest numeric := number * 10::numeric ^ currency_decimals(currency);
BEGIN
    IF smallest <> trunc(smallest) THEN
        RAISE SQLSTATE 'AS422' USING HINT = field, MESSAGE = format('%s has more decimals than amounts of %s have, which is %s', field,
                                                                    upper(currency), currency_decimals(currency));
    END IF;
    RETURN smallest;
END
$$;

-- Make a plan of the tenant's, or change it: of what fields names the value is new, everything else stays.  No row: it is none
-- of the tenant's own.
--
-- Prices are in the plan's currency: where that is another one, a price that was not sent is the same number of it.
CREATE OR REPLACE FUNCTION plan_save(plan uuid, fields text[], name text, description text, price_monthly numeric, price_yearly numeric,
                                     currency text, features text[], is_free boolean, is_active boolean, max_messages bigint,
                                     max_cost_usd numeric, max_tokens bigint, product text, price_id_monthly text,
                                     price_id_yearly text, unless_changed bigint[]) RETURNS SETOF plans
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    p      plans;
    before plans;
    x      record;
    kept   plan_prices;
    amounts bigint[] := '{}';
BEGIN
    IF plan IS NULL THEN
        p.tenant_id := app_tenant();
        p.id := uuid_v7();
        p.currency := 'USD';
        p.limits := '{}';
        p.features := '{}';
        p.is_free := false;
        p.is_active := true;
    ELSE
        SELECT * INTO p FROM plans q WHERE q.tenant_id = app_tenant() AND q.id = plan AND NOT q.is_global FOR UPDATE;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        PERFORM if_match(p.updated_at, unless_changed);
    END IF;
    before := p;
    IF 'name' = ANY (fields) THEN p.name := plan_save.name; END IF;
    IF 'description' = ANY (fields) THEN p.description := plan_save.description; END IF;
    IF 'currency' = ANY (fields) THEN p.currency := plan_save.currency; END IF;
    IF 'features' = ANY (fields) THEN p.features := coalesce(plan_save.features, '{}'); END IF;
    IF 'is_free' = ANY (fields) THEN p.is_free := plan_save.is_free; END IF;
    IF 'is_active' = ANY (fields) THEN p.is_active := plan_save.is_active; END IF;
    IF 'stripe_product_id' = ANY (fields) THEN p.provider_id := product; p.provider := 'stripe'; END IF;
    IF 'max_messages_per_month' = ANY (fields) THEN
        p.limits := jsonb_strip_nulls(p.limits || jsonb_build_object('messages', max_messages));
    END IF;
    IF 'max_tokens_per_month' = ANY (fields) THEN
        p.limits := jsonb_strip_nulls(p.limits || jsonb_build_object('tokens', max_tokens));
    END IF;
    IF 'max_cost_usd_per_month' = ANY (fields) THEN
        IF max_cost_usd * 1000000 <> trunc(max_cost_usd * 1000000) THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'max_cost_usd_per_month', MESSAGE = 'max_cost_usd_per_month has more than 6 decimals';
        END IF;
        p.limits := jsonb_strip_nulls(p.limits || jsonb_build_object('cost_usd', (max_cost_usd * 1000000)::bigint));
    END IF;
    IF p.currency !~ '^[A-Za-z]{3}$' THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'currency', MESSAGE = 'currency is no code of three letters, as USD is';
    END IF;
    FOR x IN SELECT * FROM (VALUES ('month', 'price_monthly', price_monthly), ('year', 'price_yearly', price_yearly)) v (cycle, field, sent) LOOP
        SELECT * INTO kept FROM plan_prices q WHERE q.tenant_id = p.tenant_id AND q.plan_id = p.id AND q.interval = x.cycle;
        amounts := amounts || amount_of(CASE WHEN x.field = ANY (fields) THEN x.sent ELSE amount_shown(kept.amount, before.currency) END,
                                        p.currency, x.field);
    END LOOP;
    IF p.is_free AND (amounts[1] > 0 OR amounts[2] > 0) THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'is_free', MESSAGE = 'a free plan has no price';
    ELSIF NOT p.is_free AND amounts[1] = 0 AND amounts[2] = 0 THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'price_monthly', MESSAGE = 'a plan that is not free needs a price';
    END IF;

    INSERT INTO plans AS q (tenant_id, id, name, description, features, limits, currency, is_free, is_active, provider, provider_id)
    VALUES (p.tenant_id, p.id, p.name, p.description, p.features, p.limits, p.currency, p.is_free, p.is_active, p.provider, p.provider_id)
    ON CONFLICT (tenant_id, id) DO UPDATE
    SET name = excluded.name, description = excluded.description, features = excluded.features, limits = excluded.limits,
        currency = excluded.currency, is_free = excluded.is_free, is_active = excluded.is_active, provider = excluded.provider,
        provider_id = excluded.provider_id
    RETURNING * INTO p;
    INSERT INTO plan_prices AS q (tenant_id, plan_id, interval, amount, provider, provider_id)
    VALUES (p.tenant_id, p.id, 'month', amounts[1], 'stripe', price_id_monthly), (p.tenant_id, p.id, 'year', amounts[2], 'stripe', price_id_yearly)
    ON CONFLICT (tenant_id, plan_id, interval) DO UPDATE
    SET amount = excluded.amount, provider = excluded.provider,
        provider_id = CASE WHEN 'stripe_price_id_' || q.interval || 'ly' = ANY (fields) THEN excluded.provider_id ELSE q.provider_id END;
    PERFORM audit(CASE WHEN plan IS NULL THEN 'plan.create' ELSE 'plan.update' END, 'plan', p.id::text,
                  jsonb_build_object('name', p.name, 'fields', CASE WHEN plan IS NOT NULL THEN to_jsonb(fields) END));
    RETURN NEXT p;
END
$$;
