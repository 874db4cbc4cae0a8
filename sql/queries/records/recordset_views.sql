-- Views of a recordset: those that are shared, and one's own.

-- columns: recordset_view
SELECT v.id, v.recordset_id, v.name, v.view_type, v.config, v.is_default, v.is_shared, v.created_by_id, v.created_at, v.updated_at
FROM recordset_views v;

-- name: recordset_view_list :rows
-- The default first, then by name.
SELECT :columns(recordset_view)
FROM recordset_views v
WHERE v.tenant_id = @tenant AND v.organization_id = @workspace AND v.recordset_id = (SELECT recordset_here(:recordset_slug, 1))
  AND (v.is_shared OR v.created_by_id = @member)
ORDER BY v.is_default DESC, lower(v.name), v.id;

-- name: recordset_view_create :row
INSERT INTO recordset_views AS v
:values(tenant_id = @tenant, organization_id = @workspace, recordset_id = r.id, name, view_type, config = coalesce(:config::jsonb, '{}'), is_default, is_shared,
        created_by_id = @member)
FROM recordsets r
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT recordset_here(:recordset_slug, 1))
  AND may(NOT (:is_shared OR :is_default) OR recordset_may(r.id, r.owner_id, 64), 'a view that is shared, or the default, needs can_admin on the recordset')
RETURNING :columns(recordset_view);

-- name: recordset_view_update :row
UPDATE recordset_views v
SET :set(v.name, v.view_type, v.config, v.is_default, v.is_shared)
WHERE v.tenant_id = @tenant AND v.organization_id = @workspace AND v.recordset_id = (SELECT recordset_here(:recordset_slug, 1))
  AND v.id = :view_id AND (v.is_shared OR v.created_by_id = @member)
  AND may(v.created_by_id = @member AND NOT (coalesce(:is_shared, false) AND NOT v.is_shared) AND NOT (coalesce(:is_default, false) AND NOT v.is_default)
          OR recordset_admin(v.recordset_id), 'this is for who made the view, and needs can_admin on the recordset where it is shared, or the default')
  AND if_match(v.updated_at, :if_match)
RETURNING :columns(recordset_view);

-- name: recordset_view_delete :row
DELETE FROM recordset_views v
WHERE v.tenant_id = @tenant AND v.organization_id = @workspace AND v.recordset_id = (SELECT recordset_here(:recordset_slug, 1))
  AND v.id = :view_id AND (v.is_shared OR v.created_by_id = @member)
  AND may(v.created_by_id = @member OR recordset_admin(v.recordset_id), 'this is for who made the view, and needs can_admin on the recordset where it is shared')
  AND if_match(v.updated_at, :if_match)
RETURNING v.id;
