-- What a tenant's team sees of its product: figures of a time, from counters and sums by day.

-- The time that is asked about: this month (UTC) until now, unless something else is said.  first and last are its days.
-- Raises AS422.
CREATE OR REPLACE FUNCTION analytics_period(since timestamptz, until timestamptz, OUT starts_at timestamptz, OUT ends_at timestamptz,
                                            OUT first date, OUT last date)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    ends_at := coalesce(until, greatest(now(), since));
    starts_at := coalesce(since, utc_month(ends_at));
    IF starts_at > ends_at THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'from', MESSAGE = 'from must not be after to';
    ELSIF ends_at - starts_at > interval '366 days' THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'from', MESSAGE = 'from and to may be 366 days apart at most';
    END IF;
    first := (starts_at AT TIME ZONE 'UTC')::date;
    last := (ends_at AT TIME ZONE 'UTC')::date;
END
$$;

-- The same in buckets of an hour or a day: the last day, or this month, unless something else is said; 31 days at most by
-- the hour.  first and last begin the first and the last bucket, ends is behind the last.  Raises AS422.
CREATE OR REPLACE FUNCTION analytics_hours(since timestamptz, until timestamptz, bucket text, OUT starts_at timestamptz, OUT ends_at timestamptz,
                                           OUT first timestamp, OUT last timestamp, OUT ends timestamp)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF bucket = 'hour' THEN
        ends_at := coalesce(until, greatest(now(), since));
        starts_at := coalesce(since, ends_at - interval '23 hours');
        IF starts_at > ends_at THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'from', MESSAGE = 'from must not be after to';
        ELSIF ends_at - starts_at > interval '31 days' THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'from', MESSAGE = 'by the hour from and to may be 31 days apart at most';
        END IF;
    ELSE
        SELECT p.starts_at, p.ends_at INTO starts_at, ends_at FROM analytics_period(since, until) p;
    END IF;
    first := date_trunc(bucket, starts_at AT TIME ZONE 'UTC');
    last := date_trunc(bucket, ends_at AT TIME ZONE 'UTC');
    ends := last + ('1 ' || bucket)::interval;
END
$$;

-- How many of the tenant's jobs are in a state, up to 10,001; failed ones are kept for 30 days.
CREATE OR REPLACE FUNCTION analytics_jobs(state text) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF state = 'failed' THEN
        RETURN (SELECT count(*) FROM (SELECT FROM jobs j WHERE j.tenant_id = app_tenant() AND j.state = 'failed' AND j.finished_at IS NOT NULL LIMIT 10001) c);
    END IF;
    RETURN (SELECT count(*) FROM (SELECT FROM jobs j
                                  WHERE j.tenant_id = app_tenant() AND j.state = analytics_jobs.state AND j.state IN ('scheduled', 'queued', 'running')
                                  LIMIT 10001) c);
END
$$;

-- Webhooks of the tenant and of its workspaces, up to 10,001: those that are on, those of them whose last delivery failed, and those
-- that were switched off for it.
CREATE OR REPLACE FUNCTION analytics_webhooks() RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT jsonb_build_object('active', count(*) FILTER (WHERE w.is_active), 'failing', count(*) FILTER (WHERE w.is_active AND w.consecutive_failures > 0),
                                      'disabled', count(*) FILTER (WHERE NOT w.is_active AND w.disabled_reason IS NOT NULL))
            FROM (SELECT x.is_active, x.consecutive_failures, x.disabled_reason
                  FROM webhook_endpoints x WHERE x.tenant_id = app_tenant() AND x.deleted_at IS NULL LIMIT 10001) w);
END
$$;

-- A counter of the tenant (tenant_counters), over all of its keys or those from one to another.
CREATE OR REPLACE FUNCTION tenant_count(name text, since text DEFAULT NULL, until text DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(sum(c.n), 0)::bigint
            FROM tenant_counters c
            WHERE c.tenant_id = app_tenant() AND c.name = tenant_count.name AND (since IS NULL OR c.key BETWEEN since AND until));
END
$$;

-- What active subscriptions bring in a month, in whole units of the currency that brings most of them.  A year's is
-- its twelfth.
CREATE OR REPLACE FUNCTION analytics_mrr() RETURNS numeric
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT trim_scale(amount_shown(round(sum(c.n * CASE split_part(c.key, '/', 2)
                                WHEN 'year' THEN 1.0 / 12 WHEN 'month' THEN 1 WHEN 'week' THEN 52.0 / 12 ELSE 365.0 / 12 END))::bigint,
                                split_part(c.key, '/', 1)))
                     FROM tenant_counters c
                     WHERE c.tenant_id = app_tenant() AND c.name = 'subscription_income'
                     GROUP BY split_part(c.key, '/', 1)
                     ORDER BY sum(c.n) DESC, split_part(c.key, '/', 1)
                     LIMIT 1), 0);
END
$$;

-- Figures by day, of the platform's own use or of agents that run elsewhere, each row with the key that it is grouped by:
-- an organization's id, an agent's, a model, or ''.
CREATE OR REPLACE FUNCTION analytics_days(first date, last date, source text, group_by text)
RETURNS TABLE (day date, key text, messages bigint, tokens bigint, cost bigint, calls bigint, errors bigint)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := app_tenant();
BEGIN
    IF source = 'external' THEN
        RETURN QUERY
            SELECT d.day, CASE group_by WHEN 'organization' THEN nullif(d.organization_id, usage_id(NULL))::text
                                        WHEN 'external_agent' THEN d.external_agent_id::text ELSE '' END,
                   d.calls - d.errors, d.total_tokens, d.cost, d.calls, d.errors
            FROM external_agent_daily d
            WHERE d.tenant_id = tenant AND d.day BETWEEN first AND last;
    ELSIF group_by = 'agent' THEN
        RETURN QUERY
            SELECT d.day, d.agent_id::text, d.executions - d.failed, d.tokens, d.cost, d.executions, d.failed
            FROM agent_daily d
            WHERE d.tenant_id = tenant AND d.day BETWEEN first AND last;
    ELSIF group_by = 'model' THEN
        RETURN QUERY
            SELECT d.day, d.model, d.calls - d.failures, d.input_tokens + d.output_tokens, d.cost, d.calls, d.failures
            FROM ai_daily d
            WHERE d.tenant_id = tenant AND d.day BETWEEN first AND last;
    ELSE
        RETURN QUERY
            SELECT d.day, CASE group_by WHEN 'organization' THEN nullif(d.organization_id, usage_id(NULL))::text ELSE '' END,
                   CASE d.metric WHEN 'messages' THEN d.quantity ELSE 0 END, CASE d.metric WHEN 'ai_tokens' THEN d.quantity ELSE 0 END,
                   CASE d.metric WHEN 'cost_usd' THEN d.quantity ELSE 0 END, 0::bigint, 0::bigint
            FROM usage_daily d
            WHERE d.tenant_id = tenant AND d.metric IN ('messages', 'ai_tokens', 'cost_usd') AND d.day BETWEEN first AND last
            UNION ALL
            SELECT d.day, CASE group_by WHEN 'organization' THEN nullif(d.organization_id, usage_id(NULL))::text ELSE '' END,
                   0, 0, 0, d.calls, d.failures
            FROM ai_daily d
            WHERE d.tenant_id = tenant AND d.day BETWEEN first AND last;
    END IF;
END
$$;

-- What a key is called, for people; NULL: it has no name.
CREATE OR REPLACE FUNCTION analytics_label(group_by text, key text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant uuid := app_tenant();
BEGIN
    CASE group_by
        WHEN 'organization' THEN RETURN (SELECT o.name FROM organizations o WHERE o.tenant_id = tenant AND o.id = key::uuid);
        WHEN 'agent' THEN RETURN (SELECT a.name FROM agents a WHERE a.tenant_id = tenant AND a.id = key::uuid);
        WHEN 'external_agent' THEN RETURN (SELECT a.name FROM external_agents a WHERE a.tenant_id = tenant AND a.id = key::uuid);
        ELSE RETURN nullif(key, '');
    END CASE;
END
$$;
