-- Discovery engines; see sql/functions/work/discovery.sql.

-- columns: discovery_engine
SELECT e.number AS id, e.name, e.slug, e.description, e.layer, e.every_ms AS schedule_interval_ms, e.model, e.is_enabled AS enabled, s.id AS schedule_id, s.next_run_at,
       jsonb_build_object('total_runs', e.total_runs, 'completed_runs', e.completed_runs, 'failed_runs', e.failed_runs, 'findings', e.findings,
                          'avg_duration_ms', round(e.duration_ms::numeric / nullif(e.duration_runs, 0)), 'total_cost_usd', trim_scale(e.cost * 0.000001),
                          'last_run_at', r.at, 'last_status', r.status) AS stats,
       e.tasks_created AS linked_tasks, e.created_at, e.updated_at
FROM discovery_engines e
LEFT JOIN LATERAL discovery_last_run(e.tenant_id, e.number) r ON true
LEFT JOIN LATERAL (SELECT x.id, x.next_run_at FROM job_schedules x
                   WHERE x.tenant_id = e.tenant_id AND x.queue = 'discovery' AND x.kind = e.slug AND e.is_enabled LIMIT 1) s ON true;

-- name: discovery_engine_list :page
-- scan: a thousand of the index that is the order
SELECT :columns(discovery_engine)
FROM (SELECT * FROM discovery_engines x WHERE x.tenant_id = @tenant ORDER BY x.name, x.number LIMIT 1000) e
:joins(discovery_engine)
ORDER BY e.name, e.number;

-- name: discovery_engine_create :row
WITH made AS (
    INSERT INTO discovery_engines AS e
    :values(tenant_id = @tenant, name, slug = discovery_slug(:name), description, layer, every_ms = :schedule_interval_ms::bigint, model, is_enabled = :enabled)
    RETURNING *
)
SELECT :columns(discovery_engine)
FROM made e
CROSS JOIN LATERAL discovery_schedule(e.slug, e.every_ms, e.is_enabled) s
LEFT JOIN LATERAL discovery_last_run(e.tenant_id, e.number) r ON true,
audit('discovery_engine.create', 'discovery_engine', e.slug, jsonb_build_object('name', e.name, 'enabled', e.is_enabled));

-- name: discovery_engine_get :row
SELECT :columns(discovery_engine), e.updated_at AS _updated_at
FROM discovery_engines e
:joins(discovery_engine)
WHERE e.tenant_id = @tenant AND e.slug = :engine_slug;

-- name: discovery_engine_of_recent_runs :rows
-- unindexed: twenty
SELECT r.number AS id, :engine_slug::text AS engine_slug, r.status, r.trigger, r.findings, r.tasks_created, trim_scale(r.cost * 0.000001) AS cost_usd, r.duration_ms, r.error,
       r.started_at, r.finished_at, r.created_at
FROM discovery_engines e
CROSS JOIN LATERAL (SELECT * FROM discovery_runs x WHERE x.tenant_id = @tenant AND x.engine_number = e.number ORDER BY x.number DESC LIMIT 20) r
WHERE e.tenant_id = @tenant AND e.slug = :engine_slug
ORDER BY r.number DESC;

-- name: discovery_engine_update :row
WITH changed AS (
    UPDATE discovery_engines e
    SET :set(e.name, e.description, e.layer, e.model),
        every_ms = coalesce(:schedule_interval_ms::bigint, e.every_ms), is_enabled = coalesce(:enabled, e.is_enabled)
    WHERE e.tenant_id = @tenant AND e.slug = :engine_slug
      AND valid(cardinality(:changed(name, description, layer, schedule_interval_ms, model, enabled)) > 0,
                'name', 'send name, description, layer, schedule_interval_ms, model or enabled')
      AND if_match(e.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(discovery_engine), e.updated_at AS _updated_at
FROM changed e
CROSS JOIN LATERAL discovery_schedule(e.slug, e.every_ms, e.is_enabled) s
LEFT JOIN LATERAL discovery_last_run(e.tenant_id, e.number) r ON true,
audit('discovery_engine.update', 'discovery_engine', e.slug, jsonb_build_object('fields', :changed(name, description, layer, schedule_interval_ms, model, enabled)));

-- name: discovery_engine_delete :row
SELECT n AS id, true AS deleted
FROM discovery_engine_remove(:engine_slug) n, audit('discovery_engine.delete', 'discovery_engine', :engine_slug);

-- name: discovery_engine_run :row
SELECT (d.run).number AS run_id, :engine_slug::text AS engine_slug, (d.run).status AS status, (d.run).job_id::text AS job_id, d.is_old AS already_queued,
       (d.run).created_at AS queued_at,
       CASE WHEN NOT d.is_old THEN audit('discovery_engine.run', 'discovery_engine', :engine_slug, jsonb_build_object('run', (d.run).number))::text END AS _noted
FROM discovery_run(:engine_slug) d;

-- name: discovery_efficiency_list :page
-- The last thirty days, today among them: at most thirty rows of each engine.
-- scan: a thousand of the index that is the order
-- unindexed: those, in the order of a figure
SELECT e.slug, e.name, d.runs, trim_scale(round(d.duration_ms / 60000, 2)) AS compute_minutes, trim_scale(d.cost * 0.000001) AS cost_usd, d.tasks_created, t.n AS tasks_done, d.wasted AS wasted_runs,
       coalesce(trim_scale(round(d.wasted * 100.0 / nullif(d.runs, 0), 2)), 0) AS waste_percent,
       trim_scale(round(d.cost * 0.000001 / nullif(d.tasks_created, 0), 6)) AS cost_per_task_usd
FROM (SELECT * FROM discovery_engines x WHERE x.tenant_id = @tenant ORDER BY x.name, x.number LIMIT 1000) e
CROSS JOIN LATERAL (SELECT coalesce(sum(y.runs), 0)::bigint AS runs, coalesce(sum(y.wasted), 0)::bigint AS wasted, coalesce(sum(y.tasks_created), 0)::bigint AS tasks_created,
                           coalesce(sum(y.duration_ms), 0) AS duration_ms, coalesce(sum(y.cost), 0) AS cost
                    FROM discovery_run_days y
                    WHERE y.tenant_id = @tenant AND y.engine_number = e.number AND y.day > (now() AT TIME ZONE 'UTC')::date - 30) d
CROSS JOIN LATERAL (SELECT count(*) AS n FROM discovery_tasks z JOIN tasks k ON k.tenant_id = z.tenant_id AND k.number = z.task_number
                    WHERE z.tenant_id = @tenant AND z.engine_number = e.number AND z.created_at > now() - interval '30 days' AND k.status = 'completed') t
ORDER BY waste_percent DESC, e.name, e.number;
