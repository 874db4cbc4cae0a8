-- Logs for the operators of the installation; see sql/functions/ops/operator_logs.sql.

-- columns: operator_log
SELECT l."timestamp", l.id, l.origin AS source, l.agent_name AS agent, l.severity AS level, l.message, l.file, l.meta
FROM operator_log_page('all', NULL, NULL, NULL, NULL, 1) l;

-- name: operator_log_list :page
-- What operator_log_page() gives is a page, in its order.
SELECT l.total, :columns(operator_log)
FROM operator_log_page(:source, :agent, :level, :q, :found::jsonb, :limit::integer) l;

-- name: operator_log_create :row
INSERT INTO operator_logs AS o
:values(tenant_id = @tenant, agent, message, level, meta = coalesce(:meta::jsonb, '{}'))
RETURNING o.created_at AS "timestamp", o.number AS id, 'db'::text AS source, o.agent, o.level, o.message, NULL::text AS file, o.meta;

-- name: operator_log_file_list :rows
-- unindexed: what ashlar host has found
SELECT f.name, f.agent, f.size_bytes, f.modified_at
FROM jsonb_to_recordset(:found::jsonb -> 'files') f (name text, agent text, size_bytes bigint, modified_at timestamptz)
ORDER BY f.modified_at DESC, f.name;
