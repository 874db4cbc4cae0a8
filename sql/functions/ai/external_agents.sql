-- Calls of agents that run elsewhere.

-- A call that was told of: it is kept, and counts for its agent and its day.  Plans and bills know nothing of it.
--
--   caller        the user who tells of it, whose call it is where no other one is named
--   total_tokens  NULL: the sum of both
--   cost          in millionths of a dollar
--
-- No row: there is no such agent, or it is switched off.
CREATE OR REPLACE FUNCTION external_agent_report(agent uuid, caller uuid, usr uuid, organization uuid, input_tokens bigint,
                                                 output_tokens bigint, total_tokens bigint, cost bigint, duration_ms bigint,
                                                 status text, error_message text, metadata jsonb)
RETURNS SETOF external_agent_calls
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    called external_agent_calls;
BEGIN
    UPDATE external_agents a
    SET calls_count = a.calls_count + 1, last_call_at = greatest(a.last_call_at, now())
    WHERE a.tenant_id = tenant AND a.id = agent AND a.is_active;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF usr IS NOT NULL AND NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = tenant AND u.id = usr) THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'user_id', MESSAGE = 'there is no such user';
    END IF;
    usr := coalesce(usr, caller);
    IF organization IS NULL THEN
        SELECT u.default_organization_id INTO organization FROM users u WHERE u.tenant_id = tenant AND u.id = usr;
    ELSIF NOT EXISTS (SELECT FROM organizations o WHERE o.tenant_id = tenant AND o.id = organization AND o.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'organization_id', MESSAGE = 'there is no such organization';
    END IF;
    INSERT INTO external_agent_calls AS c (tenant_id, external_agent_id, user_id, organization_id, input_tokens, output_tokens,
                                           total_tokens, cost, duration_ms, status, error_message, call_metadata)
    VALUES (tenant, agent, usr, organization, input_tokens, output_tokens, coalesce(total_tokens, input_tokens + output_tokens),
            cost, duration_ms, status, error_message, metadata)
    RETURNING c.* INTO called;
    INSERT INTO external_agent_daily AS d (tenant_id, day, external_agent_id, organization_id, calls, errors, total_tokens, cost)
    VALUES (tenant, (called.created_at AT TIME ZONE 'UTC')::date, agent, usage_id(organization), 1, (status = 'ERROR')::integer,
            called.total_tokens, cost)
    ON CONFLICT ON CONSTRAINT external_agent_daily_pkey DO UPDATE
    SET calls = d.calls + 1, errors = d.errors + excluded.errors, total_tokens = d.total_tokens + excluded.total_tokens,
        cost = d.cost + excluded.cost;
    RETURN NEXT called;
END
$$;
