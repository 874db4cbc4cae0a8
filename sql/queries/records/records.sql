-- Records, as who asks may see them; see sql/functions/records/records.sql.

-- columns: record
SELECT r.id, r.recordset_id, s.slug AS recordset_slug, r.title, r.field_values, r.status, r.tags, postgis.ST_AsGeoJSON(g.geometry, 15)::jsonb AS geometry, g.geometry_type,
       CASE WHEN g.geometry_type = 'Point' THEN postgis.ST_Y(g.geometry) END AS lat, CASE WHEN g.geometry_type = 'Point' THEN postgis.ST_X(g.geometry) END AS lng,
       r.tool_statuses, r.group_id, (owner.ref ->> 'id')::uuid AS owner_id, owner.ref AS owner,
       maker.ref AS created_by, r.version, r.deleted_at IS NULL AS is_latest, recordset_permissions(x.rights, x.source) AS permissions,
       (SELECT count(*) FROM comments c
        WHERE c.tenant_id = r.tenant_id AND c.organization_id = r.organization_id AND c.subject_kind = 'record' AND c.subject_id = r.id)::integer AS comment_count,
       (SELECT count(*) FROM record_attachments f
        WHERE f.tenant_id = r.tenant_id AND f.organization_id = r.organization_id AND f.record_id = r.id)::integer AS attachment_count,
       r.deleted_at, r.created_at, r.updated_at
FROM records r
JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id AND s.content_id = r.content_id
                 AND s.trashed_at IS NULL
CROSS JOIN recordset_rights(r.tenant_id, r.organization_id, s.id, s.owner_id) x
LEFT JOIN record_geometries g ON g.tenant_id = r.tenant_id AND g.organization_id = r.organization_id AND g.record_id = r.id
LEFT JOIN member_ref(r.tenant_id, r.organization_id, r.owner_id) owner ON true
LEFT JOIN member_ref(r.tenant_id, r.organization_id, r.created_by_id) maker ON true;

-- columns: listed
-- As lists show them: without the caller's rights. All joins are outer ones, so that what says which is asked, and may refuse, where there is none.
SELECT r.id, r.recordset_id, s.slug AS recordset_slug, r.title,
       [:fields| record_values(r.field_values, :fields::text[]) | r.field_values ] AS field_values,
       r.status, r.tags, postgis.ST_AsGeoJSON(g.geometry, 15)::jsonb AS geometry, g.geometry_type,
       CASE WHEN g.geometry_type = 'Point' THEN postgis.ST_Y(g.geometry) END AS lat, CASE WHEN g.geometry_type = 'Point' THEN postgis.ST_X(g.geometry) END AS lng,
       r.tool_statuses, r.group_id, (owner.ref ->> 'id')::uuid AS owner_id, owner.ref AS owner,
       maker.ref AS created_by, r.version, r.deleted_at IS NULL AS is_latest, NULL::jsonb AS permissions,
       (SELECT count(*) FROM comments c
        WHERE c.tenant_id = r.tenant_id AND c.organization_id = r.organization_id AND c.subject_kind = 'record' AND c.subject_id = r.id)::integer AS comment_count,
       (SELECT count(*) FROM record_attachments f
        WHERE f.tenant_id = r.tenant_id AND f.organization_id = r.organization_id AND f.record_id = r.id)::integer AS attachment_count,
       r.deleted_at, r.created_at, r.updated_at
FROM records r
LEFT JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id AND s.content_id = r.content_id
LEFT JOIN record_geometries g ON g.tenant_id = r.tenant_id AND g.organization_id = r.organization_id AND g.record_id = r.id
LEFT JOIN member_ref(r.tenant_id, r.organization_id, r.owner_id) owner ON true
LEFT JOIN member_ref(r.tenant_id, r.organization_id, r.created_by_id) maker ON true;

-- columns: schema
SELECT s.id::text AS _recordset, s.fields::text AS _fields, s.schema_version AS _version, coalesce((s.settings ->> 'strict_schema')::boolean, false) AS _is_strict
FROM recordsets s;

-- name: record_get :row
SELECT :columns(record)
FROM records r :joins(record)
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = :record_id AND r.deleted_at IS NULL
  AND may(x.rights > 0, 'this needs can_view on the recordset');

-- name: record_list :page
-- total: (SELECT f.total FROM records_find(:recordset_id::uuid, :asked::jsonb, 0, 0) f)
-- unindexed: a page alone, in the order that records_find() has found
-- Which, and in which order, is records_find()'s to say (sql/functions/records/record_search.sql).
SELECT f.total, :columns(listed)
FROM records_find(:recordset_id::uuid, :asked::jsonb, :limit::bigint, :skip::bigint) f
CROSS JOIN LATERAL unnest(f.ids) WITH ORDINALITY x (id, nr)
LEFT JOIN records r ON r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = x.id
:joins(listed)
ORDER BY x.nr;

-- name: record_made :rows
-- The one that the statement before has written.
SELECT :columns(record)
FROM records r :joins(record)
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = @made;

-- name: record_schema_of_recordset :row
SELECT :columns(schema)
FROM recordsets s
WHERE s.tenant_id = @tenant AND s.organization_id = @workspace AND s.id = :recordset_id AND s.trashed_at IS NULL
  AND may(recordset_may(s.id, s.owner_id, 2), 'this needs can_create on the recordset')
  AND must(NOT s.is_virtual, 'the rows of this recordset are an integration''s');

-- name: record_schema_of_record :row
SELECT :columns(schema)
FROM records r
JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id AND s.content_id = r.content_id
                 AND s.trashed_at IS NULL
CROSS JOIN recordset_rights(r.tenant_id, r.organization_id, s.id, s.owner_id) x
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = :record_id AND r.deleted_at IS NULL
  AND may(x.rights & 4 > 0 OR x.rights & 8 > 0 AND @member IN (coalesce(r.created_by_id, r.id), coalesce(r.owner_id, r.id)),
          'this needs can_edit on the recordset, or can_edit_own of who made or owns the record');

-- name: record_create :row
SELECT made(record_add(:recordset_id::uuid, :given::jsonb, :schema_version::integer)) AS _id;

-- name: record_update :row
SELECT record_change(:record_id::uuid, :change::jsonb, 12, :if_match) AS _id;

-- name: record_dismiss :row
SELECT record_change(:record_id::uuid, jsonb_build_object('tools', '{}'::jsonb, 'dropped_tools', jsonb_build_array(:tool::text)), 12, :if_match) AS _id;

-- name: record_restore :row
SELECT record_restore(:record_id::uuid, :history_id::uuid) AS _id;

-- name: record_undelete :row
SELECT record_undelete(:record_id::uuid, :if_match) AS _id;

-- name: record_delete :row
SELECT record_delete(:record_id::uuid, :if_match) AS id;

-- name: record_history :rows
-- The newest first: the record itself, and what it was.
SELECT v.id, v.record_id, v.version, v.change_type, v.title, v.field_values, v.status, v.tags, v.changed_fields, v.restored_from_version, who.ref AS changed_by,
       v.changed_at AS created_at
FROM (SELECT r.tenant_id, r.organization_id, r.id AS record_id, r.version_id AS id, r.version, r.change_type, r.title, r.field_values, r.status, r.tags, r.changed_fields,
             r.restored_from_version, r.changed_by_id, r.changed_at
      FROM records r
      WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT record_here(:record_id::uuid, 1))
      UNION ALL
      SELECT x.tenant_id, x.organization_id, x.record_id, x.id, x.version, x.change_type, x.title, x.field_values, x.status, x.tags, x.changed_fields,
             x.restored_from_version, x.changed_by_id, x.changed_at
      FROM record_versions x
      WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.record_id = (SELECT record_here(:record_id::uuid, 1))) v
LEFT JOIN member_ref(v.tenant_id, v.organization_id, v.changed_by_id) who ON true
ORDER BY v.version DESC;

-- name: records_delete :row
SELECT cardinality(d.deleted) AS deleted_count, to_jsonb(d.deleted) AS deleted_ids, records_failed(d.missing, d.forbidden) AS failed
FROM records_delete(:record_ids::uuid[]) d;

-- name: records_delete_all :row
SELECT records_delete_all(:recordset_id::uuid) AS deleted_count, '[]'::jsonb AS deleted_ids, '[]'::jsonb AS failed;

-- name: recordsets_recount :row
SELECT updated_count, total_recordsets FROM recordsets_recount();

-- name: records_remove :row
SELECT records_remove(:organization::uuid, :content::uuid, :batch::integer) AS removed;

-- name: records_give :row
SELECT records_give(:organization::uuid, :member::uuid, :heir::uuid, :batch::integer) AS given;

-- name: records_fill :row
SELECT records_fill(:organization::uuid, :recordset::uuid, :slots::jsonb, :is_again::boolean, :after, :batch::integer) AS after;

-- name: recordsets_unfilled :row
SELECT recordsets_unfilled() AS found;

-- name: record_slots_used :exec
-- Behind an answer, outside of the request.
SELECT record_slots_used(:note::jsonb);

-- name: recordset_unique_wait :exec
-- What follows may take longer than a request.
SELECT set_config('statement_timeout', '600000', true);

-- name: recordset_unique_fill :row
SELECT recordset_unique_fill(:organization::uuid, :recordset::uuid) AS filled;
