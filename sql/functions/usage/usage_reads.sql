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
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN n IS NULL THEN '"unlimited"'::jsonb ELSE to_jsonb(usage_shown(metric, n)) END;

-- What is left of a limit; NULL: there is none.
CREATE OR REPLACE FUNCTION usage_left(most bigint, taken bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN most IS NOT NULL THEN greatest(0, most - taken) END;

-- What is used of a metric beside its limit: {current, max, remaining, percentage}.  What is reserved is not used, and not
-- there to be used either.
CREATE OR REPLACE FUNCTION usage_meter(metric text, used bigint, reserved bigint, most bigint) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_build_object(
    'current', usage_shown(metric, used),
    'max', usage_shown_limit(metric, most),
    'remaining', usage_shown_limit(metric, usage_left(most, used + reserved)),
    'percentage', CASE WHEN most IS NULL OR used <= 0 THEN 0 WHEN used >= most THEN 100
                       ELSE trim_scale(round(used * 100.0 / most, 2)) END);

-- The state of a plan's limits: of the organization's total, or of a user's without one.  used, of (messages, cost_usd, tokens).
CREATE OR REPLACE FUNCTION usage_state_of(organization uuid, usr uuid, OUT plan_id uuid, OUT plan_name text,
                                          OUT period_start timestamptz, OUT period_end timestamptz, OUT messages jsonb,
                                          OUT cost_usd jsonb, OUT tokens jsonb, OUT token_totals jsonb)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    limits jsonb;
    whose  uuid := CASE WHEN organization IS NULL THEN usr END;
    m      text;
    most   bigint;
    t      record;
    meter  jsonb;
BEGIN
    SELECT s.plan_id, s.plan_name, s.limits, s.period_start, s.period_end
    INTO plan_id, plan_name, limits, period_start, period_end
    FROM usage_scope(organization, usr) s;
    FOREACH m IN ARRAY ARRAY ['messages', 'cost_usd', 'ai_tokens'] LOOP
        most := usage_limit(organization, whose, m, true, plan_id, limits);
        SELECT * INTO t FROM usage_taken(organization, whose, m, period_start);
        meter := usage_meter(m, t.used, t.reserved, most);
        CASE m WHEN 'messages' THEN messages := meter; WHEN 'cost_usd' THEN cost_usd := meter; ELSE tokens := meter; END CASE;
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
    s record;
BEGIN
    SELECT * INTO s FROM usage_state_of(organization, usr);
    RETURN jsonb_build_object('plan_id', s.plan_id, 'period_start', json_time(s.period_start), 'period_end', json_time(s.period_end),
                              'messages', s.messages, 'cost_usd', s.cost_usd, 'tokens', s.tokens,
                              'would_exceed', EXISTS (SELECT FROM usage_check(organization, usr, amounts) c WHERE NOT c.allowed));
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

-- Use it; what there is then.
CREATE OR REPLACE FUNCTION usage_use(organization uuid, usr uuid, usage_type text, amount double precision) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    amounts jsonb := usage_amount(usage_type, amount);
BEGIN
    PERFORM usage_enter(organization, usr);
    PERFORM usage_consume(organization, usr, amounts);
    RETURN usage_limits_of(organization, usr, '{}');
END
$$;
