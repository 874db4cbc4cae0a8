-- Many records at once; see sql/functions/records/record_batch.sql.

-- name: record_batch_schema :row
SELECT s.fields::text AS _fields, s.title_field AS _title_field, s.schema_version::text AS _version, coalesce((s.settings ->> 'strict_schema')::boolean, false) AS _is_strict
FROM recordsets s
WHERE s.tenant_id = @tenant AND s.organization_id = @workspace AND s.id = (SELECT recordset_here(:recordset_id, 1));

-- name: records_batch :row
SELECT b.created_count, b.updated_count, b.unchanged_count, b.failed_count, b.results
FROM records_batch(:recordset_id::uuid, :given::jsonb, :match_by, :schema_version::integer) b;
