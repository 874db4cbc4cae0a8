-- Relationships of records, as seen from one of them.

-- columns: record_relationship
SELECT l.id, l.source_record_id, l.target_record_id, l.relationship_type, l.label, l.metadata, l.direction,
       jsonb_build_object('id', o.id, 'title', o.title, 'recordset_id', o.recordset_id, 'recordset_slug', s.slug, 'status', o.status) AS related_record,
       l.created_by_id, l.created_at
FROM record_relationships l
JOIN records o ON o.tenant_id = l.tenant_id AND o.organization_id = l.organization_id AND o.id = l.other_id AND o.deleted_at IS NULL
JOIN recordsets s ON s.tenant_id = o.tenant_id AND s.organization_id = o.organization_id AND s.id = o.recordset_id AND s.content_id = o.content_id
                 AND s.trashed_at IS NULL
CROSS JOIN recordset_rights(s.tenant_id, s.organization_id, s.id, s.owner_id) x;

-- name: record_relationship_list :rows
-- Both ways, the oldest first; without those of records that the caller may not see.
SELECT :columns(record_relationship)
FROM (SELECT a.*, 'outgoing' AS direction, a.target_record_id AS other_id FROM record_relationships a
      WHERE a.tenant_id = @tenant AND a.organization_id = @workspace AND a.source_record_id = (SELECT record_here(:record_id::uuid, 1))
      UNION ALL
      SELECT a.*, 'incoming', a.source_record_id FROM record_relationships a
      WHERE a.tenant_id = @tenant AND a.organization_id = @workspace AND a.target_record_id = (SELECT record_here(:record_id::uuid, 1))) l
:joins(record_relationship)
WHERE (SELECT record_here(:record_id::uuid, 1)) IS NOT NULL AND x.rights > 0    -- asked first, whatever is joined first
ORDER BY l.created_at, l.id;

-- name: record_relationship_create :row
-- The recordsets of both can neither go nor be emptied meanwhile.
WITH made AS (
    INSERT INTO record_relationships
    :values(tenant_id = @tenant, organization_id = @workspace, source_record_id = r.id, target_record_id = t.id, relationship_type, label,
            metadata = coalesce(:metadata::jsonb, '{}'), created_by_id = @member)
    FROM records r
    JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id
    CROSS JOIN recordset_rights(r.tenant_id, r.organization_id, s.id, s.owner_id) x
    JOIN records t ON t.tenant_id = r.tenant_id AND t.organization_id = r.organization_id AND t.id = (SELECT record_here(:target_record_id::uuid, 1))
    WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT record_here(:record_id::uuid, 1))
      AND may(x.rights & 4 > 0 OR x.rights & 8 > 0 AND @member IN (coalesce(r.created_by_id, r.id), coalesce(r.owner_id, r.id)),
              'this needs can_edit on the recordset, or can_edit_own of who made or owns the record')
      AND valid(r.id <> t.id, 'target_record_id', 'target_record_id is the record itself')
      AND record_recordset(r.recordset_id, r.content_id) AND record_recordset(t.recordset_id, t.content_id)
    RETURNING *
)
SELECT :columns(record_relationship)
FROM (SELECT a.*, 'outgoing' AS direction, a.target_record_id AS other_id FROM made a) l
:joins(record_relationship);
