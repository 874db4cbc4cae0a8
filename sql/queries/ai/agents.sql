-- A tenant's agents: for its team, and those that are made available for its users.

-- columns: agent
SELECT a.id, a.tenant_id, a.name, a.description, a.system_prompt, a.response_type, a.rag_provider, a.is_active, a.rag_config,
       agent_servers_shown(a.mcp_servers) AS mcp_servers, a.created_by, a.created_at, a.updated_at
FROM agents a;

-- columns: team_agent
SELECT :columns(agent), a.model, trim_scale(a.temperature) AS temperature, a.max_tokens, a.available_to_end_users
FROM agents a;

-- name: agent_list :rows
-- scan: a page of the index that is the list's order
SELECT :columns(agent)
FROM agents a
WHERE a.tenant_id = @tenant AND a.deleted_at IS NULL AND a.is_active AND a.available_to_end_users
ORDER BY a.created_at DESC, a.id DESC
LIMIT :limit OFFSET :skip;

-- name: agent_get :row
SELECT :columns(agent)
FROM agents a
WHERE a.tenant_id = @tenant AND a.id = :agent_id AND a.deleted_at IS NULL AND a.is_active AND a.available_to_end_users;

-- name: agent_team_list :rows
-- scan: a page of the index that is the list's order
SELECT :columns(team_agent)
FROM agents a
WHERE a.tenant_id = @tenant AND a.deleted_at IS NULL AND (a.is_active OR :include_inactive::boolean)
ORDER BY a.created_at DESC, a.id DESC
LIMIT :limit OFFSET :skip;

-- name: agent_place :row
-- Lets the caller in, and tells which tenant this is about: in test mode it is not the token's.
SELECT app_tenant()::text AS tenant;

-- name: agent_found :row
-- The same of an agent.  No row: there is none.
SELECT a.tenant_id::text AS tenant
FROM agents a
WHERE a.tenant_id = @tenant AND a.id = :agent_id AND a.deleted_at IS NULL;

-- name: agent_create :row
WITH made AS (
    INSERT INTO agents
    :values(tenant_id = @tenant, name, description, system_prompt, response_type, rag_provider, rag_config,
            mcp_servers = agent_servers_kept(coalesce(:servers::jsonb, '[]'), '[]'), model, temperature = :temperature::numeric, max_tokens, is_active,
            available_to_end_users, created_by = @team)
    WHERE knowledge_want(:files::uuid[])
    RETURNING *
)
SELECT :columns(team_agent), a.updated_at AS _updated_at
FROM made a, audit('agent.create', 'agent', a.id::text, jsonb_build_object('name', a.name, 'model', a.model,
         'mcp_servers', (SELECT jsonb_agg(s ->> 'url') FROM jsonb_array_elements(a.mcp_servers) s)));

-- name: agent_update :row
WITH changed AS (
    UPDATE agents a
    SET :set(name, description, system_prompt, response_type, rag_provider, rag_config, model, temperature, max_tokens, is_active,
             available_to_end_users),
        mcp_servers = CASE WHEN :has_mcp_servers THEN agent_servers_kept(:servers::jsonb, a.mcp_servers) ELSE a.mcp_servers END
    WHERE a.tenant_id = @tenant AND a.id = :agent_id AND a.deleted_at IS NULL AND if_match(a.updated_at, :if_match)
      AND knowledge_want(:files::uuid[])
    RETURNING *
)
SELECT :columns(team_agent), a.updated_at AS _updated_at
FROM changed a, audit('agent.update', 'agent', a.id::text, jsonb_build_object('fields', :changed(name, description, system_prompt,
         response_type, rag_provider, rag_config, mcp_servers, model, temperature, max_tokens, is_active, available_to_end_users)));

-- name: agent_delete :row
-- What it has done stays.
WITH gone AS (
    UPDATE agents SET deleted_at = now(), is_active = false
    WHERE tenant_id = @tenant AND id = :agent_id AND deleted_at IS NULL
    RETURNING id, name
)
SELECT g.id, audit('agent.delete', 'agent', g.id::text, jsonb_build_object('name', g.name))::text AS audited
FROM gone g;
