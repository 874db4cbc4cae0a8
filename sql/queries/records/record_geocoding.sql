-- Geocoding, as members of the workspace see it, and as its job does it (sql/functions/records/record_geocoding.sql).

-- columns: geocoding
-- What it did not find is of records, and so for who started it, owners and admins.
SELECT r.id AS job_id, r.recordset_id, s.name AS recordset_name, r.status, r.progress::integer AS progress, r.total_rows AS total_records,
       r.processed_rows AS processed_records, r.success_count AS geocoded_count, r.error_count AS failed_count, r.skipped_count,
       r.options -> 'address_fields' AS address_fields, r.options ->> 'lat_field' AS lat_field, r.options ->> 'lng_field' AS lng_field, r.error_message,
       CASE WHEN record_run_is_mine(r.member_id) THEN coalesce(r.summary -> 'errors', '[]') ELSE '[]' END AS errors,
       who.ref AS created_by, r.created_at, r.started_at, r.completed_at
FROM record_runs r
LEFT JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id
LEFT JOIN member_ref(r.tenant_id, r.organization_id, r.member_id) who ON true;

-- name: record_geocode_start :row
SELECT r.id AS job_id, r.status, r.total_rows AS total_records, '/api/v1/recordsets/geocode/jobs/' || r.id || '/stream' AS stream_url,
       '/api/v1/recordsets/geocode/jobs/' || r.id AS status_url
FROM record_geocode_start(:recordset_id::uuid, :options::jsonb) r;

-- name: record_geocode_list :page
-- The newest first.
SELECT :columns(geocoding)
FROM record_runs r :joins(geocoding)
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.kind = 'geocode'
  [AND r.status = :status]
ORDER BY r.created_at DESC, r.id DESC;

-- name: record_geocode_get :row
SELECT :columns(geocoding)
FROM record_runs r :joins(geocoding)
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = :job_id AND r.kind = 'geocode';

-- name: record_geocode_stream :row
-- Who listens to a run of a workspace that the caller is in, as realtime/authorizer.c reads it: how it stands, and what comes behind that. No row: there is no
-- such run.
SELECT app_tenant()::text AS tenant_id, u.id::text, u.public_id,
       EXISTS (SELECT FROM api_keys k
               WHERE k.tenant_id = app_tenant() AND k.type = 'public' AND k.is_active AND k.revoked_at IS NULL
                 AND @origin = ANY (k.allowed_origins)) AS is_from_page,
       'record_run:' || r.id AS channel, true AS is_plain, realtime_position('record_run:' || r.id) AS event_id, 'message' AS state_event,
       record_run_event(r)::text AS state, 300 AS lasts_s, r.status NOT IN ('queued', 'running') AS is_last
FROM record_runs r
JOIN users u ON u.tenant_id = r.tenant_id AND u.id = @user
WHERE r.tenant_id = @tenant AND r.id = :job_id AND r.kind = 'geocode'
  AND may(EXISTS (SELECT FROM memberships m
                  WHERE m.tenant_id = r.tenant_id AND m.organization_id = r.organization_id AND m.user_id = u.id AND m.is_active), 'you are no member of the job''s workspace');

-- name: record_geocode_next :rows
SELECT n.was, n.at, n.record_id::text AS id, n.is_placed, n.address, n.hash, n.is_known, n.lat::text AS lat, n.lng::text AS lng
FROM record_geocode_next(:organization::uuid, :run::uuid, :provider, :most::integer) n;

-- name: record_geocode_put :row
SELECT record_geocode_put(:organization::uuid, :run::uuid, :was, :after, :results::jsonb, :skipped::bigint, :answered::boolean) AS is_more;

-- name: record_geocode_pass :row
SELECT record_geocode_pass(:organization::uuid, :run::uuid, :is_stall::boolean, :wait_s::bigint) AS is_more;

-- name: record_geocode_failed :row
SELECT record_run_end(:organization::uuid, :run::uuid, 'failed', :message) AS ended;
