-- {template_number} = SELECT min(number) FROM agent_templates WHERE tenant_id = app_tenant()
INSERT INTO agent_templates (tenant_id, name, slug, description, category, interval_s, identity, tools, is_featured, sort_order)
VALUES (app_tenant(), 'Berth planner', 'berth-planner', 'Says which ship goes where.', 'planning', 3600, 'You plan the berths of one harbour.', '{search}', true, 10),
       (app_tenant(), 'Chart reader', 'chart-reader', 'Looks for charts that are out of date.', 'research', 86400, NULL, '{}', false, 20);

-- {agent_number} = SELECT number FROM tenant_agents WHERE tenant_id = app_tenant() AND name = 'pilot'
-- {agent_name} = SELECT 'pilot'
INSERT INTO tenant_agents (tenant_id, name, display_name, role, emoji, workspace_path)
VALUES (app_tenant(), 'pilot', 'Pilot', 'planner', '⚓', 'harbour/pilot');

WITH run AS (
    INSERT INTO agent_runs (tenant_id, agent_number, status, input_tokens, output_tokens, cost, duration_ms, summary, started_at, finished_at)
    SELECT a.tenant_id, a.number, 'completed', 1200, 300, 4500, 60000, 'Two ships have new berths.', now() - interval '1 hour', now() - interval '59 minutes'
    FROM tenant_agents a WHERE a.tenant_id = app_tenant() AND a.name = 'pilot'
    RETURNING *
)
INSERT INTO agent_run_days (tenant_id, agent_number, day, finished, completed, input_tokens, output_tokens, cost)
SELECT r.tenant_id, r.agent_number, (r.finished_at AT TIME ZONE 'UTC')::date, 1, 1, r.input_tokens, r.output_tokens, r.cost FROM run r;
