-- What models cost: reserved before one is asked, settled when it has answered, failed or broken off.
--
-- In between there is no transaction, and no connection. A process that dies there has a reservation that expires.

-- What is asked of the limits.  is_open: who has no plan is limited by what was set for them alone, and else by nothing.
CREATE OR REPLACE FUNCTION ai_amounts(organization uuid, usr uuid, is_open boolean, tokens bigint, cost bigint) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    amounts jsonb := jsonb_build_object('ai_requests', 1, 'messages', 1, 'ai_tokens', tokens, 'cost_usd', cost);
BEGIN
    IF is_open AND (SELECT s.plan_id FROM usage_scope(organization, usr) s) IS NULL THEN
        SELECT jsonb_object_agg(a.key, a.value) INTO amounts
        FROM jsonb_each(amounts) a
        WHERE NOT usage_needs_plan(a.key)
           OR EXISTS (SELECT FROM usage_limits l
                      WHERE l.tenant_id = app_tenant() AND l.organization_id = usage_id(organization)
                        AND l.user_id = usage_id(usr) AND l.metric = a.key);
    END IF;
    RETURN amounts;
END
$$;

-- Begin: hold what it may come to, for so many seconds.  Raises AS402, and then nothing is held.
--
--   key   the SHA-256 of a secret key, or NULL: what was set for it (usage_limits under its id) is asked, too
CREATE OR REPLACE FUNCTION ai_begin(organization uuid, usr uuid, key bytea, is_open boolean, tokens bigint, cost bigint, model text,
                                    life integer, OUT operation uuid, OUT user_id uuid, OUT key_id uuid)
LANGUAGE plpgsql AS $$
DECLARE
    until   timestamptz := now() + make_interval(secs => life);
    amounts jsonb;
BEGIN
    operation := uuid_v7();
    IF key IS NOT NULL THEN
        SELECT k.id INTO key_id FROM api_keys k WHERE k.tenant_id = app_tenant() AND k.hash = key;
    END IF;
    user_id := coalesce(usr, key_id);
    PERFORM usage_reserve('ai:' || operation, organization, user_id, ai_amounts(organization, user_id, is_open, tokens, cost), until, model);
    IF usr IS NOT NULL OR organization IS NOT NULL THEN
        SELECT jsonb_object_agg(a.key, a.value) INTO amounts
        FROM jsonb_each(ai_amounts(NULL, key_id, true, tokens, cost)) a
        WHERE EXISTS (SELECT FROM usage_limits l
                      WHERE l.tenant_id = app_tenant() AND l.organization_id = usage_id(NULL) AND l.user_id = key_id AND l.metric = a.key);
        IF amounts IS NOT NULL THEN
            PERFORM usage_reserve('ai-key:' || operation, NULL, key_id, amounts, until, model);
        END IF;
    END IF;
END
$$;

-- The key's own counters, beside those of whom it acts for: no events, which would count the same twice.
CREATE OR REPLACE FUNCTION ai_settle_key(operation uuid, actual jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    o usage_operations;
BEGIN
    SELECT * INTO o FROM usage_operations x WHERE x.tenant_id = app_tenant() AND x.id = 'ai-key:' || operation FOR NO KEY UPDATE;
    IF o.state IN ('reserved', 'expired') THEN
        UPDATE usage_operations x SET state = 'settled', actual = ai_settle_key.actual WHERE x.tenant_id = o.tenant_id AND x.id = o.id;
        PERFORM usage_end(o, actual);
    END IF;
END
$$;

-- End: what it came to.  calls is an array with an object for each call, of the columns of ai_calls.  False: it had ended before,
-- and nothing is put down again.
CREATE OR REPLACE FUNCTION ai_end(operation uuid, organization uuid, usr uuid, key_id uuid, calls jsonb, request_id text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    actual jsonb;
    is_new boolean;
BEGIN
    SELECT jsonb_build_object('ai_requests', count(*), 'messages', max((c.outcome = 'answered')::integer),
                              'ai_tokens', sum(c.input_tokens + c.output_tokens), 'ai_input_tokens', sum(c.input_tokens),
                              'ai_output_tokens', sum(c.output_tokens), 'cost_usd', sum(c.cost))
    INTO actual
    FROM jsonb_to_recordset(calls) c (outcome text, input_tokens bigint, output_tokens bigint, cost bigint)
    WHERE c.outcome = 'answered' OR c.input_tokens + c.output_tokens > 0
    HAVING count(*) > 0;
    IF actual IS NULL THEN
        is_new := usage_release('ai:' || operation);
    ELSE
        is_new := usage_settle('ai:' || operation, actual);
    END IF;
    IF NOT is_new THEN
        RETURN false;
    END IF;
    PERFORM ai_settle_key(operation, coalesce(actual, '{}'));
    WITH new AS (
        INSERT INTO ai_calls AS x (tenant_id, slot, operation, user_id, organization_id, api_key_id, purpose, provider, model, prompt_version,
                                   input_tokens, cached_tokens, output_tokens, is_estimated, cost, outcome, error, first_ms, duration_ms,
                                   request_id)
        SELECT tenant, usage_slot(now()), ai_end.operation, usage_id(usr), usage_id(organization), usage_id(key_id), c.purpose, c.provider,
               c.model, c.prompt_version, c.input_tokens, c.cached_tokens, c.output_tokens, c.is_estimated, c.cost, c.outcome, c.error,
               c.first_ms, c.duration_ms, ai_end.request_id
        FROM jsonb_to_recordset(calls) c (purpose text, provider text, model text, prompt_version text, input_tokens bigint,
                                          cached_tokens bigint, output_tokens bigint, is_estimated boolean, cost bigint, outcome text,
                                          error text, first_ms integer, duration_ms integer)
        RETURNING x.*
    )
    INSERT INTO ai_daily AS d (tenant_id, day, organization_id, user_id, api_key_id, purpose, provider, model, calls, failures, input_tokens,
                               cached_tokens, output_tokens, cost, duration_ms)
    SELECT tenant, (now() AT TIME ZONE 'UTC')::date, n.organization_id, n.user_id, n.api_key_id, n.purpose, n.provider, n.model, count(*),
           count(*) FILTER (WHERE n.outcome <> 'answered'), sum(n.input_tokens), sum(n.cached_tokens), sum(n.output_tokens), sum(n.cost),
           sum(n.duration_ms)
    FROM new n
    GROUP BY n.organization_id, n.user_id, n.api_key_id, n.purpose, n.provider, n.model
    ORDER BY n.purpose, n.provider, n.model
    ON CONFLICT (tenant_id, day, organization_id, user_id, api_key_id, purpose, provider, model) DO UPDATE
    SET calls = d.calls + excluded.calls, failures = d.failures + excluded.failures, input_tokens = d.input_tokens + excluded.input_tokens,
        cached_tokens = d.cached_tokens + excluded.cached_tokens, output_tokens = d.output_tokens + excluded.output_tokens,
        cost = d.cost + excluded.cost, duration_ms = d.duration_ms + excluded.duration_ms;
    RETURN true;
END
$$;

-- The organization that a call is charged to, or NULL.  Raises AS404 and AS403.
CREATE OR REPLACE FUNCTION ai_place(organization uuid, usr uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF organization IS NULL THEN
        RETURN (SELECT u.default_organization_id FROM users u WHERE u.tenant_id = app_tenant() AND u.id = usr);
    END IF;
    IF NOT EXISTS (SELECT FROM organizations o WHERE o.tenant_id = app_tenant() AND o.id = organization AND o.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Organization not found', DETAIL = organization::text;
    ELSIF usr IS NOT NULL AND NOT EXISTS (SELECT FROM memberships m
                                          WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.user_id = usr
                                            AND m.is_active) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'you are no member of this organization';
    END IF;
    RETURN organization;
END
$$;
