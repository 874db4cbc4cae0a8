-- Files that are imported into recordsets (sql/functions/records/record_imports.sql).

-- columns: analysis
SELECT 'upload:' || u.id AS file_uri, u.file_name, u.format AS file_type, o.size AS file_size, (u.survey ->> 'total_rows')::bigint AS total_rows,
       jsonb_path_query_array(u.survey, '$.columns[*].name') AS headers, record_upload_columns(u.survey) AS columns, u.survey -> 'sample_rows' AS sample_rows,
       coalesce((u.survey ->> 'has_geometry')::boolean, false) AS has_geometry, coalesce(u.survey -> 'geometry_types', '[]') AS geometry_types,
       u.survey ->> 'delimiter' AS delimiter, u.survey ->> 'encoding' AS encoding, u.survey ->> 'sheet' AS sheet,
       coalesce(u.survey -> 'sheets', '[]') AS sheets
FROM record_uploads u
JOIN stored_objects o ON o.tenant_id = u.tenant_id AND o.id = u.object_id;

-- name: record_upload_await :row
SELECT u.id::text AS upload, u.object_id::text AS object_id, u.tenant_id::text AS tenant_id, 'upload:' || u.id AS file_uri,
       json_time_us(now() + :ttl_s::bigint * interval '1 second')::text AS expires_at
FROM record_upload_await(:backend, :content_type, :size::bigint, :name, :format, :ttl_s::bigint) u;

-- name: record_upload_pending :maybe
-- One that is to be looked at, be it that it was already.
SELECT u.id::text AS upload, u.file_name, u.format, u.surveyed_at IS NOT NULL AS is_taken, o.id::text AS object_id, o.tenant_id::text AS tenant_id, o.backend,
       o.content_type, o.size
FROM record_uploads u
JOIN stored_objects o ON o.tenant_id = u.tenant_id AND o.id = u.object_id AND o.state <> 'gone'
WHERE u.tenant_id = @tenant AND u.organization_id = @workspace AND u.id = :upload::uuid;

-- name: record_survey_check :exec
-- Coordinates that are no degrees can be made some.
SELECT record_survey_check(:survey::jsonb);

-- name: record_upload_surveyed :row
SELECT :columns(analysis)
FROM record_upload_surveyed(:upload::uuid, :file_name, :survey::jsonb, :sha256::bytea) u :joins(analysis);

-- name: record_upload_drop :exec
SELECT record_upload_drop(:upload::uuid);

-- name: record_upload_columns :row
SELECT u.id::text AS upload, jsonb_path_query_array(u.survey, '$.columns[*].name')::text AS names FROM record_upload_find(:file_uri) u;

-- name: record_import_target :row
-- The recordset that is to be imported into, and the columns of the file.
SELECT s.fields::text AS _fields, u.id::text AS upload, jsonb_path_query_array(u.survey, '$.columns[*].name')::text AS names
FROM recordsets s
CROSS JOIN LATERAL record_upload_find(:file_uri) u
WHERE s.tenant_id = @tenant AND s.organization_id = @workspace AND s.id = :recordset_id AND s.trashed_at IS NULL
  AND may(recordset_may(s.id, s.owner_id, 2), 'this needs can_create on the recordset')
  AND may(:mode::text = 'append' OR recordset_may(s.id, s.owner_id, 4), 'this needs can_edit on the recordset')
  AND must(NOT s.is_virtual, 'the rows of this recordset are an integration''s');

-- name: record_import_create :row
WITH made AS (
    INSERT INTO recordsets
    :values(tenant_id = @tenant, organization_id = @workspace, slug = recordset_slug(:name, :slug), name, description, type,
            fields = :fields::jsonb, title_field = :title_field, settings = coalesce(:settings::jsonb, '{}') || jsonb_strip_nulls(jsonb_build_object(
                'lat_field', :lat_field::text, 'lng_field', :lng_field::text)),
            owner_id = @member, created_by_id = @member)
    RETURNING *
)
SELECT r.id AS recordset_id, r.slug AS recordset_slug, j.id AS job_id, 'queued' AS status, '/api/v1/recordsets/import/jobs/' || j.id AS status_url
FROM made r
CROSS JOIN LATERAL (SELECT record_import_start(r.id, :upload::uuid, :options::jsonb) AS id) j
CROSS JOIN audit('recordset.create', 'recordset', r.id::text, jsonb_build_object('organization_id', r.organization_id, 'name', r.name, 'slug', r.slug));

-- name: record_import_into :row
SELECT :recordset_id AS recordset_id, j.id AS job_id, 'queued' AS status, '/api/v1/recordsets/import/jobs/' || j.id AS status_url
FROM (SELECT record_import_start(:recordset_id, :upload::uuid, :options::jsonb) AS id) j;

-- name: record_import_open :maybe
SELECT b.fields::text AS fields, b.schema_version::text AS schema_version, b.options::text AS options, b.survey::text AS survey, b.format, b.after,
       b.tenant_id::text AS tenant_id, b.object_id::text AS object_id, b.backend, b.content_type, b.size
FROM record_import_open(:organization::uuid, :run::uuid) b;

-- name: record_import_put :row
SELECT record_import_put(:organization::uuid, :run::uuid, :after::bigint, :last::bigint, :rows::jsonb, :errors::jsonb, :refused::bigint, :skipped::bigint,
                         :checked::integer) AS came;

-- name: record_import_errors :rows
SELECT e.row_number, e.field, e.value, e.error FROM record_import_errors(:organization::uuid, :run::uuid) e;

-- name: record_run_await :row
SELECT record_run_await(:organization::uuid, :run::uuid, :backend, :content_type, :size::bigint)::text AS object_id, (@tenant)::text AS tenant_id;

-- name: record_import_end :exec
SELECT record_import_end(:organization::uuid, :run::uuid, :message, :object::uuid, :sha256::bytea);

-- name: record_uploads_tend :row
SELECT record_uploads_tend(:most::integer) AS ended;
