-- Logs and objects of traces (sql/functions/traces/trace_files.sql).

-- name: trace_file_await :row
-- Room for what is about to be written.
SELECT stored_object_await(@workspace, NULL, :backend, :content_type, :size::bigint, now() + interval '1 hour')::text AS object_id, @tenant::text AS tenant,
       @project::text AS project;

-- name: trace_file_give_up :exec
SELECT stored_object_drop(:object::uuid);

-- name: trace_log_put :exec
SELECT trace_log_put(:trace::text, :object::uuid, :sha256::bytea);

-- name: trace_object_put :exec
SELECT trace_object_put(:object::uuid, :sha256::bytea, :key_hash::bytea);

-- name: trace_log_find :row
SELECT f.is_seen, f.is_free, f.object_id, f.backend, f.tenant
FROM trace_log_find(:ids::uuid[], :name) f;

-- name: trace_object_find :maybe
SELECT f.object_id, f.tenant, f.backend, f.content_type
FROM trace_object_find(:project_id::uuid, :key_hash::bytea) f;

-- name: trace_files_forget :row
SELECT trace_files_forget(:project::uuid, 500) AS has_more;
