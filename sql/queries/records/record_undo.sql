-- Runs that are undone, and fields that are converted (sql/functions/records/record_undo.sql, record_convert.sql).

-- name: record_run_undo :row
SELECT u.recordset_id, u.job_id, 'queued' AS status, '/api/v1/recordsets/import/jobs/' || u.job_id AS status_url
FROM record_run_undo(:job_id) u;

-- name: record_convert_schema :row
SELECT s.id::text AS _recordset, s.fields::text AS _fields, s.schema_version::text AS _version
FROM recordsets s
WHERE s.tenant_id = @tenant AND s.organization_id = @workspace AND s.id = (SELECT recordset_here(:recordset_slug, 64));

-- name: record_convert_start :row
SELECT :recordset::uuid AS recordset_id, j.id AS job_id, 'queued' AS status, '/api/v1/recordsets/import/jobs/' || j.id AS status_url
FROM (SELECT record_convert_start(:recordset::uuid, :key, :was::jsonb, :field::jsonb, :options::jsonb, :schema_version::integer) AS id) j;

-- name: record_undo_batch :row
SELECT record_undo_batch(:organization::uuid, :run::uuid) AS goes_on;

-- name: record_run_kept :rows
SELECT k.record_id, k.value, k.reason FROM record_run_kept(:organization::uuid, :run::uuid) k;

-- name: record_undo_end :exec
SELECT record_undo_end(:organization::uuid, :run::uuid, :object::uuid, :sha256::bytea);

-- name: record_convert_open :maybe
SELECT o.field::text AS field, o.options::text AS options, o.after FROM record_convert_open(:organization::uuid, :run::uuid) o;

-- name: record_convert_read :row
SELECT r.last, r.n::text AS n, r.items::text AS items FROM record_convert_read(:organization::uuid, :run::uuid, :after, :batch::integer) r;

-- name: record_convert_put :row
SELECT record_convert_put(:organization::uuid, :run::uuid, :after, :last, :n::bigint, :items::jsonb, :same::bigint, :misfits::jsonb) AS goes_on;
