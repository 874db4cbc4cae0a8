-- Imports, exports and columns that are filled, as members of the workspace see them (sql/functions/records/record_runs.sql).

-- columns: run
SELECT r.id AS job_id, r.kind AS job_type, r.status, r.progress::integer AS progress, r.step AS current_step, r.recordset_id, s.name AS recordset_name,
       s.slug AS recordset_slug, r.file_name, r.format, r.total_rows, r.processed_rows, r.success_count, r.error_count, r.skipped_count, r.error_message,
       record_run_is_dry(r.options) AS dry_run, who.ref AS created_by, r.created_at, r.started_at, r.completed_at
FROM record_runs r
LEFT JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id
LEFT JOIN member_ref(r.tenant_id, r.organization_id, r.member_id) who ON true;

-- name: record_run_list :page
-- The newest first.
SELECT :columns(run)
FROM record_runs r :joins(run)
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.kind <> 'geocode'
  [AND r.kind = :job_type]
  [AND r.status = :status]
ORDER BY r.created_at DESC, r.id DESC;

-- name: record_run_get :row
-- What was in it only for who started it, owners and admins; link is a link to its file, which is there if there is one.
SELECT :columns(run), CASE WHEN x.mine THEN r.summary END AS validation_summary,
       CASE WHEN x.mine AND r.kind <> 'export' AND r.object_id IS NOT NULL THEN :link::text END AS report_download_url,
       CASE WHEN x.mine AND r.kind <> 'export' AND r.object_id IS NOT NULL THEN to_timestamp(:link_expires::bigint) END AS report_expires_at,
       CASE WHEN x.mine AND r.kind = 'export' AND r.object_id IS NOT NULL THEN :link::text END AS download_url,
       CASE WHEN x.mine THEN r.options -> 'field_mappings' END AS field_mappings
FROM record_runs r :joins(run)
CROSS JOIN LATERAL (SELECT record_run_is_mine(r.member_id) AS mine) x
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = :job_id AND r.kind <> 'geocode';

-- name: record_run_status :row
SELECT r.id AS job_id, r.status, r.progress::integer AS progress, r.total_rows, r.processed_rows, r.success_count, r.error_count, r.error_message
FROM record_runs r
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = :job_id AND r.kind <> 'geocode';

-- name: record_run_link :row
SELECT :link::text AS url, to_timestamp(:link_expires::bigint) AS expires_at
FROM record_runs r
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = :job_id AND r.kind <> 'geocode' AND r.object_id IS NOT NULL
  AND may(record_run_is_mine(r.member_id), 'this job is not yours: it takes an owner or admin');

-- name: record_run_cancel :row
SELECT :columns(run)
FROM record_run_cancel(:job_id) r :joins(run);

-- name: record_runs_cancel :row
SELECT cardinality(c.ids) AS cancelled_count, to_jsonb(c.ids) AS job_ids
FROM (SELECT record_runs_cancel() AS ids) c;

-- name: record_run_delete :row
SELECT record_run_delete(:job_id) AS id;

-- name: record_run_file :row
SELECT f.tenant_id::text AS tenant_id, f.object_id::text AS object_id, f.backend, f.content_type, f.file_name
FROM record_run_file(:job_id) f;

-- name: record_runs_tend :row
SELECT record_runs_tend(:most::integer) AS ended;
