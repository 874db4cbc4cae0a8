-- Who reaches what in a workspace: a row for each way of each member, and of each key.

-- The flags of a grant in words: "view, create".
CREATE OR REPLACE FUNCTION recordset_flags_text(flags integer) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN array_to_string(ARRAY(SELECT (ARRAY['view', 'create', 'edit', 'edit own', 'delete', 'delete own', 'admin'])[n + 1] FROM generate_series(0, 6) n
                             WHERE flags & (1 << n) <> 0 ORDER BY n), ', ');

-- Each row is one way: who is in two teams that may see a recordset has two of it, and recordset_rights() is what all ways of one
-- come to. Who is not active reaches nothing, and is no part of it; nor are keys that open nothing any more, and what is in the trash.
--
--   through  role: what it lets everybody with it; owner; grant; team: as via names it
CREATE OR REPLACE FUNCTION access_review(organization uuid)
RETURNS TABLE (who_type text, who_id uuid, who_name text, who_email text, role text, kind text, resource_id uuid, resource_name text, access text,
               through text, via text, sort_name text)
LANGUAGE plpgsql STABLE ROWS 1000 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH who AS (
        SELECT m.id, coalesce(p.full_name, u.full_name) AS name, u.email, m.role, p.sort_name
        FROM memberships m
        JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
        JOIN member_profiles p ON p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id
        WHERE m.tenant_id = (SELECT app_tenant()) AND m.organization_id = access_review.organization AND m.is_active AND u.access > 0
    ), sets AS (
        SELECT r.id, r.name, r.owner_id FROM recordsets r
        WHERE r.tenant_id = (SELECT app_tenant()) AND r.organization_id = access_review.organization AND r.trashed_at IS NULL
    ), teams AS (
        SELECT t.id, t.name, x.member_id, x.role FROM workspace_teams t
        JOIN workspace_team_members x ON x.tenant_id = t.tenant_id AND x.organization_id = t.organization_id AND x.team_id = t.id
        WHERE t.tenant_id = (SELECT app_tenant()) AND t.organization_id = access_review.organization AND t.is_active
    ), ways AS (
        SELECT w.id, 'workspace' AS kind, access_review.organization AS resource_id,
               (SELECT o.name FROM organizations o WHERE o.tenant_id = (SELECT app_tenant()) AND o.id = access_review.organization) AS resource_name,
               workspace_role(w.role) AS access, 'role' AS through, NULL::text AS via
        FROM who w
        UNION ALL
        SELECT t.member_id, 'team', t.id, t.name, t.role, 'team', t.name FROM teams t
        UNION ALL
        SELECT w.id, 'recordset', s.id, s.name, recordset_flags_text(127), 'role', NULL FROM who w CROSS JOIN sets s WHERE w.role IN ('owner', 'admin')
        UNION ALL
        SELECT s.owner_id, 'recordset', s.id, s.name, recordset_flags_text(127), 'owner', NULL FROM sets s WHERE s.owner_id IS NOT NULL
        UNION ALL
        SELECT g.member_id, 'recordset', s.id, s.name, recordset_flags_text(g.flags), 'grant', NULL
        FROM sets s
        JOIN recordset_grants g ON g.tenant_id = (SELECT app_tenant()) AND g.organization_id = access_review.organization AND g.recordset_id = s.id
        WHERE g.member_id IS NOT NULL
        UNION ALL
        SELECT t.member_id, 'recordset', s.id, s.name, recordset_flags_text(g.flags), 'team', t.name
        FROM sets s
        JOIN recordset_grants g ON g.tenant_id = (SELECT app_tenant()) AND g.organization_id = access_review.organization AND g.recordset_id = s.id
        JOIN teams t ON t.id = g.team_id
    )
    SELECT 'member', w.id, w.name, w.email, workspace_role(w.role), y.kind, y.resource_id, y.resource_name, y.access, y.through, y.via, w.sort_name
    FROM who w
    JOIN ways y ON y.id = w.id
    UNION ALL
    SELECT 'api_key', k.id, k.name, NULL, NULL, 'workspace', access_review.organization,
           (SELECT o.name FROM organizations o WHERE o.tenant_id = (SELECT app_tenant()) AND o.id = access_review.organization),
           CASE WHEN cardinality(k.scopes) = 0 THEN 'all scopes' ELSE array_to_string(k.scopes, ', ') END, 'key', k.prefix, lower(k.name)
    FROM api_keys k
    WHERE k.tenant_id = (SELECT app_tenant()) AND k.organization_id = access_review.organization AND k.is_active AND k.revoked_at IS NULL
      AND (k.expires_at IS NULL OR k.expires_at > now());
END
$$;
