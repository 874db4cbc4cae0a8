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
