-- after: tenant_agents
-- {engine_slug} = SELECT min(slug) FROM discovery_engines WHERE tenant_id = app_tenant()
WITH engine AS (
    INSERT INTO discovery_engines (tenant_id, name, slug, description, layer, every_ms, is_enabled, total_runs, completed_runs, findings, tasks_created, duration_runs, duration_ms, cost)
    VALUES (app_tenant(), 'Chart scout', 'chart-scout', 'Looks for charts that are out of date.', 'content', 86400000, false, 1, 1, 3, 1, 1, 42000, 20000)
    RETURNING *
), run AS (
    INSERT INTO discovery_runs (tenant_id, engine_number, job_id, status, trigger, findings, tasks_created, cost, duration_ms, started_at, finished_at)
    SELECT e.tenant_id, e.number, uuid_v7(), 'completed', 'manual', 3, 1, 20000, 42000, now() - interval '1 hour', now() - interval '59 minutes' FROM engine e
), day AS (
    INSERT INTO discovery_run_days (tenant_id, engine_number, day, runs, tasks_created, duration_ms, cost)
    SELECT e.tenant_id, e.number, ((now() - interval '59 minutes') AT TIME ZONE 'UTC')::date, 1, 1, 42000, 20000 FROM engine e
)
INSERT INTO discovery_tasks (tenant_id, engine_number, task_number)
SELECT e.tenant_id, e.number, 1 FROM engine e;
