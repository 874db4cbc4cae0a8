-- Agents of a tenant; see sql/functions/work/tenant_agents.sql.

-- columns: public_agent
SELECT a.number AS id, a.name, a.emoji, a.role, a.public_status AS status, a.current_task, a.workspace_path, a.last_heartbeat, a.created_at, a.updated_at
FROM tenant_agents a;

-- name: public_agent_list :page
-- scan: a page of an index that is the order, and the count of a tenant's up to 10,001
SELECT :columns(public_agent)
FROM tenant_agents a
WHERE a.tenant_id = @tenant
  [AND a.public_status = :status]
  [AND a.role = :role]
ORDER BY a.number;

-- name: public_agent_create :row
WITH made AS (
    INSERT INTO tenant_agents AS a
    :values(tenant_id = @tenant, name, display_name = initcap(left(:name, 1)) || substr(:name, 2), emoji, role, status, workspace_path)
    RETURNING *
)
SELECT :columns(public_agent)
FROM made a, tenant_agent_note(a.name, 'created', jsonb_build_object('role', a.role, 'status', a.status));

-- name: public_agent_get :row
SELECT :columns(public_agent), a.updated_at AS _updated_at
FROM tenant_agents a
WHERE a.tenant_id = @tenant AND a.number = :agent_number::bigint;

-- name: public_agent_update :row
-- A status that is shown as it was asked for stays the finer word that it is.
WITH changed AS (
    UPDATE tenant_agents a
    SET :set(a.emoji, a.role, a.current_task, a.workspace_path),
        status = CASE WHEN :status = a.public_status THEN a.status ELSE coalesce(:status, a.status) END
    WHERE a.tenant_id = @tenant AND a.number = :agent_number::bigint
      AND valid(cardinality(:changed(emoji, role, status, current_task, workspace_path)) > 0, 'emoji', 'send emoji, role, status, current_task or workspace_path')
      AND if_match(a.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(public_agent), a.updated_at AS _updated_at
FROM changed a, tenant_agent_note(a.name, 'updated', jsonb_build_object('fields', :changed(emoji, role, status, current_task, workspace_path), 'status', a.status));

-- name: public_agent_deactivate :row
WITH before AS (
    SELECT x.number, x.status FROM tenant_agents x WHERE x.tenant_id = @tenant AND x.number = :agent_number::bigint FOR UPDATE
), gone AS (
    UPDATE tenant_agents a
    SET status = 'offline'
    FROM before b
    WHERE a.tenant_id = @tenant AND a.number = b.number AND if_match(a.updated_at, :if_match)
    RETURNING a.number, a.name, a.status, b.status AS was
)
SELECT a.number AS id, a.status, CASE WHEN a.was <> 'offline' THEN tenant_agent_note(a.name, 'deactivated', jsonb_build_object('was', a.was)) END AS _noted
FROM gone a;
