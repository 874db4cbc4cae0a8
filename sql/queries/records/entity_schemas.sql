-- Entity schemas of an organization; see sql/functions/records/entity_schemas.sql.

-- columns: entity_schema
SELECT r.id, r.tenant_id, r.organization_id, r.name, r.slug, r.description, entity_definition(r.fields) AS fields_definition, r.schema_version AS version, r.is_active,
       r.created_at, r.updated_at
FROM recordsets r;

-- name: entity_schema_list :page
-- The newest first.
SELECT :columns(entity_schema)
FROM recordsets r
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.is_entity AND r.trashed_at IS NULL
ORDER BY r.created_at DESC, r.id;

-- name: entity_schema_get :row
SELECT :columns(entity_schema)
FROM recordsets r
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = :schema_id AND r.is_entity AND r.trashed_at IS NULL;

-- name: entity_schema_create :row
-- On the workspace surface it is a recordset that nobody owns: its admins see it.
WITH made AS (
    INSERT INTO recordsets
    :values(tenant_id = @tenant, organization_id = @workspace, name, slug = entity_slug(:slug), description, fields = :fields::jsonb,
            settings = '{"strict_schema": true, "versioning_enabled": false}'::jsonb, is_entity = true, created_by_id = @member)
    RETURNING *
)
SELECT :columns(entity_schema)
FROM made r
CROSS JOIN audit('entity_schema.create', 'entity_schema', r.id::text, jsonb_build_object('organization_id', r.organization_id, 'name', r.name, 'slug', r.slug));

-- name: entity_schema_update :row
-- Another order of the same fields is no change.
WITH changed AS (
    UPDATE recordsets r
    SET :set(r.name, r.slug, r.description, r.is_active),
        fields = CASE WHEN :has_fields_definition AND entity_definition(r.fields) IS DISTINCT FROM entity_definition(:fields::jsonb) THEN :fields::jsonb ELSE r.fields END,
        schema_version = r.schema_version
            + CASE WHEN :has_fields_definition AND entity_definition(r.fields) IS DISTINCT FROM entity_definition(:fields::jsonb) THEN 1 ELSE 0 END
    WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = :schema_id AND r.is_entity AND r.trashed_at IS NULL
      AND (NOT :has_slug OR entity_slug(:slug) IS NOT NULL)
      AND if_match(r.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(entity_schema)
FROM changed r
CROSS JOIN audit('entity_schema.update', 'entity_schema', r.id::text, jsonb_build_object('organization_id', r.organization_id, 'schema_version', r.schema_version,
    'fields', :changed(name, slug, description, fields_definition, is_active)));

-- name: entity_schema_delete :row
SELECT 'the schema is deleted' AS message, entity_schema_delete(:schema_id::uuid, :if_match) AS _id;

-- name: entity_schema_list_all :page
-- scan: a page of the index that is the list's order, and that has entity schemas alone
-- Of all organizations of the tenant, or of one; the newest first.
SELECT :columns(entity_schema)
FROM recordsets r
WHERE r.tenant_id = @tenant AND r.is_entity AND r.trashed_at IS NULL
  [AND r.organization_id = (SELECT entity_organization(:organization_id::uuid))]
ORDER BY r.created_at DESC, r.id;
