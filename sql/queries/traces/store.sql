-- What is asked of PostgreSQL where spans are in ClickHouse: who may read, and what came (sql/functions/traces/batches.sql).

-- name: store_reader :row
-- May the caller read the project, and which seconds does a range have?
SELECT r.is_free, b.from_s, b.until_s
FROM trace_reader(:project_id::uuid) r
CROSS JOIN trace_bounds(:start_time::timestamptz, :end_time::timestamptz) b;

-- name: store_readable :rows
SELECT r.project_id::text AS project_id, r.is_free FROM trace_readable() r;

-- name: store_metrics_reader :row
SELECT b.from_s, b.until_s, b.freeplan_truncated
FROM trace_metrics_bounds(:project_id::uuid, :start_time::timestamptz, :end_time::timestamptz, :most_days::integer) b;

-- name: store_log_find :row
SELECT f.is_seen, f.is_free, f.object_id, f.backend, f.tenant
FROM trace_log_find_in(:projects::uuid[], :name) f;

-- name: batch_open :row
SELECT b.is_due, b.classes, @project::text AS project_id FROM batch_open(@project, :batch::bigint, :days::integer[]) b;

-- name: batch_days :row
SELECT batch_days(@project, :days::integer[], :stored::smallint[]) AS classes;

-- name: batch_drop :exec
SELECT batch_drop(@project, :batch::bigint);

-- name: batch_end :row
SELECT batch_end(@project, :batch::bigint, :taken::bigint, :tokens::numeric, :trace_count::bigint, :traces::jsonb) AS is_new;

-- name: batches_left :rows
SELECT b.tenant_id::text AS tenant_id, b.project_id::text AS project_id, b.batch::text AS batch FROM batches_left(:seconds::integer, :most::integer) b;

-- name: batch_settle :row
SELECT batch_settle(:tenant::uuid, :project::uuid, :batch::bigint, :taken::bigint, :tokens::numeric) AS is_new;

-- name: trace_project_is_gone :row
SELECT trace_project_is_gone(:project::uuid) AS is_gone;
