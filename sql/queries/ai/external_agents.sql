-- Agents that run elsewhere, and the calls that they tell of.

-- columns: external_agent
SELECT a.id, a.tenant_id, a.name, a.description, a.platform, a.is_active, a.calls_count, a.last_call_at, a.created_by, a.created_at,
       a.updated_at
FROM external_agents a;

-- columns: call
SELECT c.id, c.external_agent_id, c.tenant_id, c.user_id, c.organization_id, c.input_tokens, c.output_tokens, c.total_tokens,
       trim_scale(c.cost * 0.000001) AS cost_usd, c.duration_ms, c.status, c.error_message, c.call_metadata, c.created_at
FROM external_agent_calls c;

-- name: external_agent_list :rows
-- scan: all of a tenant's, 500 at most
SELECT :columns(external_agent)
FROM external_agents a
WHERE a.tenant_id = @tenant
ORDER BY lower(a.name), a.id;

-- name: external_agent_create :row
-- scan: to count a tenant's, 500 at most
WITH made AS (
    INSERT INTO external_agents :values(tenant_id = @tenant, name, description, platform, created_by = @team)
    WHERE valid((SELECT count(*) FROM external_agents x WHERE x.tenant_id = @tenant) < 500, 'name', 'a tenant has at most 500 external agents')
    RETURNING *
)
SELECT :columns(external_agent), a.updated_at AS _updated_at
FROM made a, audit('external_agent.create', 'external_agent', a.id::text, jsonb_build_object('name', a.name, 'platform', a.platform));

-- name: external_agent_update :row
WITH changed AS (
    UPDATE external_agents
    SET :set(name, description, platform, is_active)
    WHERE tenant_id = @tenant AND id = :external_agent_id AND if_match(updated_at, :if_match)
    RETURNING *
)
SELECT :columns(external_agent), a.updated_at AS _updated_at
FROM changed a, audit('external_agent.update', 'external_agent', a.id::text, jsonb_build_object('fields', :changed(name, description, platform, is_active)));

-- name: external_agent_report :row
-- No row: there is no such agent, or it is switched off.
SELECT :columns(call)
FROM external_agent_report(:agent_id::uuid, @user, :user_id::uuid, :organization_id::uuid, :input_tokens::bigint, :output_tokens::bigint,
                           :total_tokens::bigint, round(:cost_usd::numeric * 1000000)::bigint, :duration_ms::bigint, :status,
                           :error_message, :call_metadata::jsonb) c;
