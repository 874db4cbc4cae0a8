-- Records of a recordset as a file (sql/functions/records/record_exports.sql).

-- name: record_export_start :row
SELECT x.id AS job_id, 'queued' AS status, :recordset_id::uuid AS recordset_id, '/api/v1/recordsets/import/jobs/' || x.id AS status_url
FROM (SELECT record_export_start(:recordset_id::uuid, :format, :options::jsonb) AS id) x;

-- name: record_export_begin :maybe
SELECT b.format, b.columns, b.columns::text AS columns_text FROM record_export_begin(:organization::uuid, :run::uuid) b;

-- name: record_export_survey :maybe
SELECT x.last::text AS last, x.columns, x.columns::text AS columns_text FROM record_export_survey(:organization::uuid, :run::uuid, :columns::text[], :after::uuid, :most::integer) x;

-- name: record_export_rows :rows
SELECT b.at, b.id, b.cells, b.field_values
FROM record_export_rows(:organization::uuid, :run::uuid, :columns::text[], :after_at::timestamptz, :after_id::uuid, :seen::bigint, :most::bigint) b;

-- name: record_export_done :exec
SELECT record_export_done(:organization::uuid, :run::uuid, :row_count::bigint, :object::uuid, :sha256::bytea);

-- name: record_export_failed :row
SELECT record_run_end(:organization::uuid, :run::uuid, 'failed', :message) AS ended;
