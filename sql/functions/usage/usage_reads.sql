-- What the platform surface shows of counters, and what it asks of them.

-- Is it the caller?  Raises AS403, and AS404 for whom the tenant does not have.
CREATE OR REPLACE FUNCTION usage_own(usr uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF usr <> app_user() THEN
        IF NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = app_tenant() AND u.id = usr) THEN
            RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = usr::text;
        END IF;
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this is for users about themselves', HINT = 'user_id';
    END IF;
    RETURN true;
END
$$;

-- May the caller ask for this one's usage in the organization?  For themself, and as a member.  Raises AS403, AS404.
CREATE OR REPLACE FUNCTION usage_enter(organization uuid, usr uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM usage_own(usr);
    PERFORM enter_organization(app_user(), organization, NULL, NULL);
    RETURN true;
END
$$;

-- A number in the unit in which it is shown: cost in dollars.
CREATE OR REPLACE FUNCTION usage_shown(metric text, n bigint) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN metric = 'cost_usd' THEN trim_scale(n / 1000000.0) ELSE n END;

-- The same of a limit, or of what is left of one.
CREATE OR REPLACE FUNCTION usage_shown_limit(metric text, n bigint) RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN n IS NULL THEN '"unlimited"'::jsonb ELSE to_jsonb(usage_shown(metric, n)) END;

-- What is left of a limit; NULL: there is none.
CREATE OR REPLACE FUNCTION usage_left(most bigint, taken bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN most IS NOT NULL THEN greatest(0, most - taken) END;

-- What is used of a metric beside its limit: {current, max, remaining, percentage}.  What is reserved is not used, and not
-- there to be used either.
CREATE OR REPLACE FUNCTION usage_meter(metric text, used bigint, reserved bigint, most bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN jsonb_build_object(
        'current', usage_shown(metric, used),
        'max', usage_shown_limit(metric, most),
        'remaining', usage_shown_limit(metric, usage_left(most, used + reserved)),
        'percentage', CASE WHEN most IS NULL OR used <= 0 THEN 0 WHEN used >= most THEN 100
                           ELSE trim_scale(round(used * 100.0 / most, 2)) END);
END
$$;

-- What is used and reserved of what plans limit, beside the limits: of an organization's total (whose NULL), or of a user's
-- without one.
CREATE OR REPLACE FUNCTION usage_totals(organization uuid, whose uuid, plan_id uuid, limits jsonb, period_start timestamptz)
RETURNS TABLE (name text, metric text, used bigint, reserved bigint, most bigint)
LANGUAGE plpgsql STABLE ROWS 3 AS $$
DECLARE
    tenant uuid := app_tenant();
BEGIN
    FOR name, metric, used, reserved, most IN
        SELECT x.name, x.metric, coalesce(c.used, 0), coalesce(c.reserved, 0),
               CASE WHEN l.max IS NOT NULL THEN l.max WHEN usage_totals.plan_id IS NULL THEN 0 ELSE (limits ->> x.name)::bigint END    -- as usage_limit()
        FROM (VALUES ('messages', 'messages'), ('cost_usd', 'cost_usd'), ('tokens', 'ai_tokens')) x (name, metric)
        LEFT JOIN usage_counters c ON c.tenant_id = tenant AND c.organization_id = usage_id(organization)
            AND c.user_id = usage_id(whose) AND c.metric = x.metric AND c.period_start = usage_totals.period_start
        LEFT JOIN usage_limits l ON l.tenant_id = tenant AND l.organization_id = usage_id(organization)
            AND l.user_id = usage_id(whose) AND l.metric = x.metric
    LOOP
        IF reserved > 0 THEN
            SELECT t.used, t.reserved INTO used, reserved FROM usage_taken(organization, whose, metric, period_start) t;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;

-- The state of a plan's limits: of the organization's total, or of a user's without one.  used, of (messages, cost_usd, tokens).
CREATE OR REPLACE FUNCTION usage_state_of(organization uuid, usr uuid, OUT plan_id uuid, OUT plan_name text,
                                          OUT period_start timestamptz, OUT period_end timestamptz, OUT messages jsonb,
                                          OUT cost_usd jsonb, OUT tokens jsonb, OUT token_totals jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    limits jsonb;
    whose  uuid := CASE WHEN organization IS NULL THEN usr END;
    t      record;
    meter  jsonb;
BEGIN
    SELECT s.plan_id, s.plan_name, s.limits, s.period_start, s.period_end
    INTO plan_id, plan_name, limits, period_start, period_end
    FROM usage_scope(organization, usr) s;
    FOR t IN SELECT * FROM usage_totals(organization, whose, plan_id, limits, period_start) LOOP
        meter := usage_meter(t.metric, t.used, t.reserved, t.most);
        CASE t.name WHEN 'messages' THEN messages := meter; WHEN 'cost_usd' THEN cost_usd := meter; ELSE tokens := meter; END CASE;
    END LOOP;
    token_totals := jsonb_build_object('total', (tokens -> 'current'),
        'input', (SELECT u.used FROM usage_taken(organization, whose, 'ai_input_tokens', period_start) u),
        'output', (SELECT u.used FROM usage_taken(organization, whose, 'ai_output_tokens', period_start) u));
END
$$;

-- UsageLimits: would amounts more be too many?
CREATE OR REPLACE FUNCTION usage_limits_of(organization uuid, usr uuid, amounts jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    s      record;
    t      record;
    all_of jsonb;
BEGIN
    SELECT * INTO s FROM usage_scope(organization, usr);
    all_of := usage_limits_head(s.plan_id, s.period_start, s.period_end,
        amounts <> '{}' AND EXISTS (SELECT FROM usage_check(organization, usr, amounts) c WHERE NOT c.allowed));
    FOR t IN SELECT * FROM usage_totals(organization, CASE WHEN organization IS NULL THEN usr END, s.plan_id, s.limits, s.period_start) LOOP
        all_of := all_of || jsonb_build_object(t.name, usage_meter(t.metric, t.used, t.reserved, t.most));
    END LOOP;
    RETURN all_of;
END
$$;

-- UsageLimits without the meters.
CREATE OR REPLACE FUNCTION usage_limits_head(plan_id uuid, period_start timestamptz, period_end timestamptz, would_exceed boolean)
RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_object('plan_id', plan_id, 'period_start', json_time(period_start), 'period_end', json_time(period_end),
                              'would_exceed', would_exceed);
END
$$;

-- What a user has used, one row for each period, the newest first: also of the current one, where it is nothing yet.
-- organization NULL: without one.
CREATE OR REPLACE FUNCTION usage_periods(organization uuid, usr uuid)
RETURNS TABLE (id uuid, organization_id uuid, user_id uuid, plan_id uuid, period_start timestamptz, period_end timestamptz,
               messages_count bigint, tokens_count bigint, cost_usd numeric, usage_metadata jsonb, created_at timestamptz,
               updated_at timestamptz, is_current boolean)
LANGUAGE plpgsql STABLE ROWS 12 AS $$
#variable_conflict use_column
DECLARE
    s record;
BEGIN
    SELECT * INTO s FROM usage_scope(organization, usr);
    RETURN QUERY
    WITH c AS (
        SELECT x.period_start, x.period_end, x.metric, x.used, x.plan_id, x.created_at, x.updated_at
        FROM usage_counters x
        WHERE x.tenant_id = app_tenant() AND x.organization_id = usage_id(organization) AND x.user_id = usage_id(usr)
          AND x.period_end <> 'infinity'
        UNION ALL
        SELECT s.period_start, s.period_end, NULL, NULL, s.plan_id, NULL, NULL
    )
    -- The id is the period's: a row that nothing was counted in yet has it, too (RFC 9562, version 8).
    SELECT (overlay(overlay(md5(concat_ws(' ', app_tenant(), organization, usr, extract(epoch FROM c.period_start)))
                            PLACING '8' FROM 13) PLACING 'a' FROM 17))::uuid,
           organization, usr, (array_agg(c.plan_id ORDER BY c.updated_at DESC NULLS LAST))[1], c.period_start, max(c.period_end),
           coalesce(max(c.used) FILTER (WHERE c.metric = 'messages'), 0),
           coalesce(max(c.used) FILTER (WHERE c.metric = 'ai_tokens'), 0),
           usage_shown('cost_usd', coalesce(max(c.used) FILTER (WHERE c.metric = 'cost_usd'), 0)),
           coalesce(jsonb_object_agg(c.metric, c.used) FILTER (WHERE c.metric NOT IN ('messages', 'ai_tokens', 'cost_usd')), '{}'),
           coalesce(min(c.created_at), c.period_start), coalesce(max(c.updated_at), c.period_start), c.period_start = s.period_start
    FROM c
    GROUP BY c.period_start
    ORDER BY c.period_start DESC;
END
$$;

-- What usage_type and tokens say: an amount.  Raises AS422 where it is no whole number.
CREATE OR REPLACE FUNCTION usage_amount(usage_type text, amount double precision) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF amount <> trunc(amount) THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'tokens', MESSAGE = 'only whole numbers are used';
    END IF;
    RETURN jsonb_build_object(CASE usage_type WHEN 'tokens' THEN 'ai_tokens' ELSE usage_type END, amount::bigint);
END
$$;

-- Use it; what there is then.  Others wait for the organization's counter until the commit, so what can be asked and made
-- before it is: behind it only the counter's own meter.
CREATE OR REPLACE FUNCTION usage_use(organization uuid, usr uuid, usage_type text, amount double precision) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    tenant  uuid  := app_tenant();
    owner   uuid  := usage_id(organization);
    amounts jsonb := usage_amount(usage_type, amount);
    s       record;
    t       record;
    own     record;
    all_of  jsonb;
BEGIN
    PERFORM usage_enter(organization, usr);
    SELECT * INTO s FROM usage_scope(organization, usr);
    all_of := usage_limits_head(s.plan_id, s.period_start, s.period_end, false);
    FOR t IN SELECT * FROM usage_totals(organization, NULL, s.plan_id, s.limits, s.period_start) LOOP
        IF amounts ? t.metric THEN
            own := t;
        ELSE
            all_of := all_of || jsonb_build_object(t.name, usage_meter(t.metric, t.used, t.reserved, t.most));
        END IF;
    END LOOP;
    PERFORM usage_consume_in(organization, usr, amounts, NULL, '', s.plan_id, s.limits, s.period_start, s.period_end);
    SELECT c.used, c.reserved INTO own.used, own.reserved
    FROM usage_counters c
    WHERE c.tenant_id = tenant AND c.organization_id = owner AND c.user_id = usage_id(NULL) AND c.metric = own.metric
      AND c.period_start = s.period_start;
    RETURN all_of || jsonb_build_object(own.name, usage_meter(own.metric, own.used, own.reserved, own.most));
END
$$;
