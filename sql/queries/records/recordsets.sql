-- Recordsets of a workspace, as who asks may see them; see sql/functions/records/recordsets.sql.

-- columns: recordset
SELECT r.id, r.name, r.slug, r.description, r.type, r.mode, r.icon, r.color,
       jsonb_build_object('fields', r.fields, 'title_field', r.title_field) AS schema, r.settings, r.is_virtual, r.integration_type,
       r.staging_table, r.owner_id,
       coalesce((SELECT sum(c.count) FROM recordset_counts c
                 WHERE c.tenant_id = r.tenant_id AND c.organization_id = r.organization_id AND c.recordset_id = r.id), 0)::bigint AS record_count,
       r.is_active, recordset_permissions(x.rights, x.source) AS permissions, r.created_by_id, r.created_at, r.updated_at
FROM recordsets r
CROSS JOIN recordset_rights(r.tenant_id, r.organization_id, r.id, r.owner_id) x;

-- columns: trashed
SELECT r.trashed_at AS deleted_at, who.ref AS deleted_by, r.trashed_at + interval '30 days' AS purge_at,
       greatest(0, ceil(extract(epoch FROM r.trashed_at + interval '30 days' - now()) / 86400))::integer AS days_until_purge
FROM recordsets r
LEFT JOIN member_ref(r.tenant_id, r.organization_id, r.trashed_by_id) who ON true;

-- name: recordset_list :page
-- By name, whatever its case.
SELECT :columns(recordset)
FROM recordsets r :joins(recordset)
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.trashed_at IS NULL AND x.rights > 0
  [AND (r.name ILIKE like_pattern(:search) OR r.slug ILIKE like_pattern(:search) OR r.description ILIKE like_pattern(:search))]
  [AND r.type = :type]
  [AND r.is_active = :is_active]
ORDER BY lower(r.name), r.id;

-- name: recordset_get :row
SELECT :columns(recordset)
FROM recordsets r :joins(recordset)
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT recordset_id(:recordset_slug)) AND r.trashed_at IS NULL
  AND may(x.rights > 0, 'this needs can_view on the recordset');

-- name: recordset_made :rows
-- The one that the statement before has written.
SELECT :columns(recordset)
FROM recordsets r :joins(recordset)
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = @made;

-- name: recordset_rights_get :row
-- Also for who has none.
SELECT x.rights & 1 <> 0 AS can_view, x.rights & 2 <> 0 AS can_create, x.rights & 4 <> 0 AS can_edit, x.rights & 8 <> 0 AS can_edit_own,
       x.rights & 16 <> 0 AS can_delete, x.rights & 32 <> 0 AS can_delete_own, x.rights & 64 <> 0 AS can_admin, x.source
FROM recordsets r :joins(recordset)
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT recordset_id(:recordset_slug)) AND r.trashed_at IS NULL;

-- name: recordset_create :row
-- Who makes it owns it.
WITH made AS (
    INSERT INTO recordsets
    :values(tenant_id = @tenant, organization_id = @workspace, slug = recordset_slug(:name, :slug), name, description, type, mode, icon, color,
            fields = :fields::jsonb, title_field = :title_field, settings = coalesce(:settings::jsonb, '{}'),
            owner_id = @member, created_by_id = @member)
    RETURNING *
)
SELECT :columns(recordset)
FROM made r :joins(recordset)
CROSS JOIN audit('recordset.create', 'recordset', r.id::text, jsonb_build_object('organization_id', r.organization_id, 'name', r.name, 'slug', r.slug));

-- name: recordset_update :row
-- Of the settings, those that are sent.
WITH changed AS (
    UPDATE recordsets r
    SET :set(r.name, r.description, r.type, r.mode, r.icon, r.color, r.owner_id, r.is_active),
        fields = CASE WHEN :has_schema THEN :fields::jsonb ELSE r.fields END,
        title_field = CASE WHEN :has_schema THEN :title_field ELSE r.title_field END,
        schema_version = r.schema_version
            + CASE WHEN :has_schema AND (r.fields, r.title_field) IS DISTINCT FROM (:fields::jsonb, :title_field::text)
                     OR (r.settings || coalesce(:settings::jsonb, '{}')) -> 'strict_schema' IS DISTINCT FROM r.settings -> 'strict_schema' THEN 1 ELSE 0 END,
        settings = r.settings || coalesce(:settings::jsonb, '{}')
    WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT recordset_id(:recordset_slug)) AND r.trashed_at IS NULL
      AND may(recordset_may(r.id, r.owner_id, 64), 'this needs can_admin on the recordset')
      AND must(NOT (r.is_entity AND (:has_schema OR :has_name)), 'name and schema of an entity schema are changed as one: PUT /api/v1/entity/schemas/{schema_id}')
      AND if_match(r.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(recordset)
FROM changed r :joins(recordset)
CROSS JOIN audit('recordset.update', 'recordset', r.id::text, jsonb_build_object('organization_id', r.organization_id,
    'schema_version', CASE WHEN :has_schema THEN r.schema_version END,
    'fields', :changed(name, description, type, mode, icon, color, schema, settings, owner_id, is_active)));

-- name: recordset_replace :row
WITH changed AS (
    UPDATE recordsets r
    SET name = :name, description = :description, type = :type, mode = :mode, icon = :icon, color = :color,
        fields = :fields::jsonb, title_field = :title_field,
        schema_version = r.schema_version
            + CASE WHEN (r.fields, r.title_field) IS DISTINCT FROM (:fields::jsonb, :title_field::text)
                     OR coalesce(:settings::jsonb, '{}') -> 'strict_schema' IS DISTINCT FROM r.settings -> 'strict_schema' THEN 1 ELSE 0 END,
        settings = coalesce(:settings::jsonb, '{}')
    WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT recordset_id(:recordset_slug)) AND r.trashed_at IS NULL
      AND may(recordset_may(r.id, r.owner_id, 64), 'this needs can_admin on the recordset')
      AND must(NOT r.is_entity, 'name and schema of an entity schema are changed as one: PUT /api/v1/entity/schemas/{schema_id}')
      AND if_match(r.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(recordset)
FROM changed r :joins(recordset)
CROSS JOIN audit('recordset.update', 'recordset', r.id::text, jsonb_build_object('organization_id', r.organization_id,
    'schema_version', r.schema_version, 'fields', '["name", "description", "type", "mode", "icon", "color", "schema", "settings"]'::jsonb));

-- name: recordset_trash :row
WITH changed AS (
    UPDATE recordsets r
    SET is_active = false, trashed_at = now(), trashed_by_id = @member
    WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT recordset_id(:recordset_slug)) AND r.trashed_at IS NULL
      AND may(recordset_may(r.id, r.owner_id, 64), 'this needs can_admin on the recordset')
      AND if_match(r.updated_at, :if_match)
    RETURNING r.id, r.organization_id, r.name, r.slug
)
SELECT r.id
FROM changed r
CROSS JOIN audit('recordset.trash', 'recordset', r.id::text, jsonb_build_object('organization_id', r.organization_id, 'name', r.name, 'slug', r.slug));

-- name: recordset_trash_list :page
-- The latest first.
SELECT :columns(recordset), :columns(trashed)
FROM recordsets r :joins(recordset) :joins(trashed)
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.trashed_at IS NOT NULL
  [AND (r.name ILIKE like_pattern(:search) OR r.slug ILIKE like_pattern(:search) OR r.description ILIKE like_pattern(:search))]
ORDER BY r.trashed_at DESC, r.id;

-- name: recordset_restore :row
WITH changed AS (
    UPDATE recordsets r
    SET is_active = true, trashed_at = NULL, trashed_by_id = NULL
    WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT recordset_id(:recordset_slug)) AND r.trashed_at IS NOT NULL
    RETURNING *
)
SELECT :columns(recordset)
FROM changed r :joins(recordset)
CROSS JOIN audit('recordset.restore', 'recordset', r.id::text, jsonb_build_object('organization_id', r.organization_id, 'name', r.name, 'slug', r.slug));

-- name: recordset_purge :row
-- For good, and at once for who looks: what was in it is found no more, and a job takes it away.
WITH gone AS (
    DELETE FROM recordsets r
    WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT recordset_id(:recordset_slug)) AND r.trashed_at IS NOT NULL
    RETURNING r.id, r.organization_id, r.name, r.slug
)
SELECT r.id
FROM gone r
CROSS JOIN audit('recordset.purge', 'recordset', r.id::text, jsonb_build_object('organization_id', r.organization_id, 'name', r.name, 'slug', r.slug));

-- name: recordset_delete :row
-- The same without the trash.
WITH gone AS (
    DELETE FROM recordsets r
    WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = :recordset_id AND r.trashed_at IS NULL
      AND may(recordset_may(r.id, r.owner_id, 64), 'this needs can_admin on the recordset')
      AND if_match(r.updated_at, :if_match)
    RETURNING r.id, r.organization_id, r.name, r.slug
)
SELECT r.id
FROM gone r
CROSS JOIN audit('recordset.purge', 'recordset', r.id::text, jsonb_build_object('organization_id', r.organization_id, 'name', r.name, 'slug', r.slug));

-- name: recordset_resync :row
SELECT r.recordset_id, r.updated_count, r.total, r.errors FROM recordset_resync(:recordset_slug) r;
