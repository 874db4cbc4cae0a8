-- Who may do what with a recordset: its grants.

-- columns: recordset_grant
SELECT g.id, g.recordset_id, g.member_id, g.team_id, who.ref AS member,
       CASE WHEN t.id IS NOT NULL THEN jsonb_build_object('id', t.id, 'name', t.name, 'member_count', (
           SELECT count(*) FROM workspace_team_members m
           WHERE m.tenant_id = t.tenant_id AND m.organization_id = t.organization_id AND m.team_id = t.id)) END AS team,
       g.can_view, g.can_create, g.can_edit, g.can_edit_own, g.can_delete, g.can_delete_own, g.can_admin, g.granted_by_id, g.created_at, g.updated_at
FROM recordset_grants g
LEFT JOIN member_ref(g.tenant_id, g.organization_id, g.member_id) who ON true
LEFT JOIN workspace_teams t ON t.tenant_id = g.tenant_id AND t.organization_id = g.organization_id AND t.id = g.team_id;

-- name: recordset_access :row
SELECT (SELECT count(*) FROM recordset_grants g
        WHERE g.tenant_id = r.tenant_id AND g.organization_id = r.organization_id AND g.recordset_id = r.id) AS total, who.ref AS owner
FROM recordsets r
LEFT JOIN member_ref(r.tenant_id, r.organization_id, r.owner_id) who ON true
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT recordset_id(:recordset_slug)) AND r.trashed_at IS NULL
  AND may(recordset_may(r.id, r.owner_id, 64), 'this needs can_admin on the recordset');

-- name: recordset_grant_list :rows
-- Members first, the oldest first.
SELECT :columns(recordset_grant)
FROM recordset_grants g :joins(recordset_grant)
WHERE g.tenant_id = @tenant AND g.organization_id = @workspace AND g.recordset_id = (SELECT recordset_id(:recordset_slug))
ORDER BY g.member_id IS NULL, g.created_at, g.id;

-- name: recordset_grant :row
-- Another one for the same member or team takes its place.
WITH made AS (
    INSERT INTO recordset_grants AS g (tenant_id, organization_id, recordset_id, member_id, team_id, can_view, can_create, can_edit, can_edit_own,
                                       can_delete, can_delete_own, can_admin, granted_by_id)
    SELECT r.tenant_id, r.organization_id, r.id, :member_id, :team_id, true, :can_create OR :can_admin, :can_edit OR :can_admin,
           :can_edit_own OR :can_edit OR :can_admin, :can_delete OR :can_admin, :can_delete_own OR :can_delete OR :can_admin, :can_admin, @member
    FROM recordsets r
    WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT recordset_id(:recordset_slug)) AND r.trashed_at IS NULL
      AND may(recordset_may(r.id, r.owner_id, 64), 'this needs can_admin on the recordset')
      AND valid(:can_view OR :can_create OR :can_edit OR :can_edit_own OR :can_delete OR :can_delete_own OR :can_admin, 'can_view',
                'a grant needs a right: take the grant away to give none')
    ON CONFLICT ON CONSTRAINT recordset_grants_pkey DO UPDATE
    SET can_create = excluded.can_create, can_edit = excluded.can_edit, can_edit_own = excluded.can_edit_own, can_delete = excluded.can_delete,
        can_delete_own = excluded.can_delete_own, can_admin = excluded.can_admin, granted_by_id = excluded.granted_by_id
    RETURNING *
)
SELECT :columns(recordset_grant)
FROM made g :joins(recordset_grant)
CROSS JOIN audit('recordset.grant', 'recordset', g.recordset_id::text, jsonb_build_object('organization_id', g.organization_id, 'member_id', g.member_id,
    'team_id', g.team_id, 'rights', recordset_permissions(g.flags, NULL) - 'source'))
CROSS JOIN workspace_tell(g.organization_id, 'recordsets_updated', jsonb_build_object('recordset_id', g.recordset_id, 'change', 'access'));

-- name: recordset_revoke_member :row
-- What teams give stays.  Whether the caller may is asked first, also where there is no grant.
WITH gone AS (
    DELETE FROM recordset_grants g
    WHERE g.tenant_id = @tenant AND g.organization_id = @workspace AND (SELECT recordset_here(:recordset_slug, 64)) IS NOT NULL
      AND g.recordset_id = (SELECT recordset_id(:recordset_slug)) AND g.grantee_id = :member_id AND g.member_id = :member_id
    RETURNING g.organization_id, g.recordset_id, g.member_id
)
SELECT g.member_id
FROM gone g
CROSS JOIN audit('recordset.revoke', 'recordset', g.recordset_id::text, jsonb_build_object('organization_id', g.organization_id, 'member_id', g.member_id))
CROSS JOIN workspace_tell(g.organization_id, 'recordsets_updated', jsonb_build_object('recordset_id', g.recordset_id, 'change', 'access'));

-- name: recordset_revoke_team :row
WITH gone AS (
    DELETE FROM recordset_grants g
    WHERE g.tenant_id = @tenant AND g.organization_id = @workspace AND (SELECT recordset_here(:recordset_slug, 64)) IS NOT NULL
      AND g.recordset_id = (SELECT recordset_id(:recordset_slug)) AND g.grantee_id = :team_id AND g.team_id = :team_id
    RETURNING g.organization_id, g.recordset_id, g.team_id
)
SELECT g.team_id
FROM gone g
CROSS JOIN audit('recordset.revoke', 'recordset', g.recordset_id::text, jsonb_build_object('organization_id', g.organization_id, 'team_id', g.team_id))
CROSS JOIN workspace_tell(g.organization_id, 'recordsets_updated', jsonb_build_object('recordset_id', g.recordset_id, 'change', 'access'));
