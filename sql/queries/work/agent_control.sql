-- Agents that are made, started and stopped on a host; see sql/functions/work/agent_control.sql.

-- name: tenant_agent_create :row
-- Only put down: what the host did with it is tenant_agent_created's.
WITH made AS (
    INSERT INTO tenant_agents AS a
    :values(tenant_id = @tenant, name, display_name = coalesce(:display_name, upper(left(:name, 1)) || substr(:name, 2)), model, emoji, color = lower(:color),
            interval_s = :interval_sec::integer, wanted = 'running', wish = agent_wish(0), asked_model = :default_model, asked_url = :url)
    RETURNING *
)
SELECT a.number, a.wish, agent_question(a, 'make', :default_model, :url) AS question
FROM made a, tenant_agent_note(a.name, 'created', jsonb_build_object('role', a.role, 'status', a.status));

-- name: tenant_agent_created :row
WITH made AS (
    UPDATE tenant_agents a
    SET steps = agent_steps(:said::jsonb), host = coalesce(:said::jsonb ->> 'host', a.host),
        done_wish = CASE WHEN agent_steps(:said::jsonb) @> '[{"status": "failed"}]' THEN a.done_wish ELSE :wish::bigint END,
        run_due_at = now() + make_interval(secs => a.interval_s),
        last_heartbeat = CASE WHEN agent_steps(:said::jsonb) @> '[{"step": 9, "status": "ok"}]' THEN now() ELSE a.last_heartbeat END
    WHERE a.tenant_id = @tenant AND a.name = :name
    RETURNING *
)
SELECT NOT a.steps @> '[{"status": "failed"}]' AS success,
       jsonb_build_object('id', a.number, 'name', a.name, 'display_name', a.display_name, 'role', a.role, 'status', a.status, 'model', coalesce(a.model, :default_model),
                          'last_heartbeat', a.last_heartbeat, 'created_at', a.created_at) AS agent,
       a.steps
FROM made a;

-- name: tenant_agent_want :row
-- The wish, which stands whatever becomes of its host.
WITH wanted AS (
    UPDATE tenant_agents a
    SET wanted = CASE :action WHEN 'stop' THEN 'stopped' ELSE 'running' END, wish = agent_wish(a.wish), note = :note, asked_model = :default_model, asked_url = :url
    WHERE a.tenant_id = @tenant AND a.name = :agent_name
    RETURNING *
)
SELECT a.wish, agent_question(a, :action, :default_model, :url) AS question
FROM wanted a;

-- name: tenant_agent_stopped :row
SELECT true AS success, a.name, a.status, :note::text AS note, now() AS stopped_at
FROM agent_apply(:agent_name, :action, :wish::bigint, :note, :said::jsonb) a;

-- name: tenant_agent_started :row
SELECT true AS success, a.name, a.status, :note::text AS note, now() AS started_at
FROM agent_apply(:agent_name, :action, :wish::bigint, :note, :said::jsonb) a;

-- name: tenant_agent_restarted :row
SELECT true AS success, a.name, a.status, :note::text AS note, now() AS restarted_at
FROM agent_apply(:agent_name, :action, :wish::bigint, :note, :said::jsonb) a;

-- name: host_agent_due_list :rows
-- For ashlar host, outside of any tenant.
-- unindexed: what host_agents_due() gives
SELECT tenant::text AS tenant, agent::text AS agent, wish::text AS wish, question
FROM host_agents_due(:this_host);

-- name: host_agent_done :row
SELECT host_agent_done(:this_host, :of_tenant::uuid, :agent::bigint, :wish::bigint) AS is_done;
