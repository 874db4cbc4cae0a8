-- Entity records of an organization; see sql/functions/records/entity_records.sql.

-- columns: entity_record
-- Who made it and who changed it last are users, as long as they are members.
SELECT r.id, r.tenant_id, r.organization_id, r.recordset_id AS schema_id, coalesce(r.schema_version, 1) AS schema_version, r.field_values AS data,
       (SELECT m.user_id FROM memberships m
        WHERE m.tenant_id = r.tenant_id AND m.organization_id = r.organization_id AND m.id = r.created_by_id) AS created_by_id,
       (SELECT m.user_id FROM memberships m
        WHERE m.tenant_id = r.tenant_id AND m.organization_id = r.organization_id AND m.id = r.changed_by_id AND r.change_type <> 'created') AS updated_by_id,
       r.created_at, r.updated_at
FROM records r;

-- columns: entity_fields
SELECT s.id::text AS _recordset, s.fields::text AS _fields, s.schema_version AS _version, true AS _is_strict
FROM recordsets s;

-- name: entity_record_get :row
SELECT :columns(entity_record)
FROM records r
JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id AND s.content_id = r.content_id
                 AND s.is_entity AND s.trashed_at IS NULL
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = :record_id AND r.deleted_at IS NULL;

-- name: entity_record_made :rows
-- The one that the statement before has written.
SELECT :columns(entity_record)
FROM records r
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = @made;

-- name: entity_fields_of_schema :row
SELECT :columns(entity_fields)
FROM recordsets s
WHERE s.tenant_id = @tenant AND s.organization_id = @workspace AND s.id = :schema_id AND s.is_entity AND s.trashed_at IS NULL;

-- name: entity_fields_of_record :row
SELECT :columns(entity_fields)
FROM records r
JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id AND s.content_id = r.content_id
                 AND s.is_entity AND s.trashed_at IS NULL
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = :record_id AND r.deleted_at IS NULL;

-- name: entity_record_create :row
SELECT made(entity_record_add(:schema_id::uuid, :version::integer, :given::jsonb)) AS _id;

-- name: entity_record_update :row
SELECT entity_record_change(:record_id::uuid, :version::integer, :given::jsonb, :if_match) AS _id;

-- name: entity_record_delete :row
SELECT 'the record is deleted' AS message, entity_record_delete(:record_id::uuid, :if_match) AS _id;

-- name: entity_record_search :page
-- total: (SELECT f.total FROM records_find(:schema_id::uuid, :asked::jsonb, 0, 0) f)
-- unindexed: a page alone, in the order that records_find() has found
SELECT f.total, :columns(entity_record)
FROM records_find(:schema_id::uuid, :asked::jsonb, :limit::bigint, :skip::bigint) f
CROSS JOIN LATERAL unnest(f.ids) WITH ORDINALITY x (id, nr)
LEFT JOIN records r ON r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = x.id
ORDER BY x.nr;

-- name: entity_record_search_in :page
-- total: (SELECT f.total FROM entity_records_find(:organization_id::uuid, :schema_id::uuid, :asked::jsonb, 0, 0) f)
-- unindexed: a page alone, in the order that records_find() has found
SELECT f.total, :columns(entity_record)
FROM entity_records_find(:organization_id::uuid, :schema_id::uuid, :asked::jsonb, :limit::bigint, :skip::bigint) f
CROSS JOIN LATERAL unnest(f.ids) WITH ORDINALITY x (id, nr)
LEFT JOIN records r ON r.tenant_id = @tenant AND r.organization_id = :organization_id AND r.id = x.id
ORDER BY x.nr;
