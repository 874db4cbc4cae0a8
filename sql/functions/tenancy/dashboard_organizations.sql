-- Organizations as the team of their tenant looks after them: who is in one is theirs to change as well, whatever the role.

-- The ids of up to 200 organizations whose name or slug begins with search, in any case; sql/search/close.sql says whose
-- function this is, and why.
CREATE OR REPLACE FUNCTION organization_candidates(search text) RETURNS TABLE (id uuid, created_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp ROWS 100 AS $$
#variable_conflict use_column
DECLARE
    from_here text := lower(search) COLLATE "C";
    to_there  text := from_here || chr(1114111);
BEGIN
    RETURN QUERY
    SELECT DISTINCT o.id, o.created_at
    FROM ((SELECT x.id, x.created_at FROM organizations x
           WHERE x.tenant_id = (SELECT app_tenant()) AND x.deleted_at IS NULL
             AND lower(x.name) COLLATE "C" >= from_here AND lower(x.name) COLLATE "C" < to_there
           ORDER BY lower(x.name) COLLATE "C" LIMIT 200)
          UNION ALL
          (SELECT x.id, x.created_at FROM organizations x
           WHERE x.tenant_id = (SELECT app_tenant()) AND x.deleted_at IS NULL AND x.slug = from_here LIMIT 1)) o;
END
$$;
REVOKE ALL ON FUNCTION organization_candidates(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION organization_candidates(text) TO ashlar_api;

-- A membership behind the organization's lock.  Raises AS404.
CREATE OR REPLACE FUNCTION dashboard_member_lock(organization uuid, member uuid) RETURNS memberships
LANGUAGE plpgsql AS $$
DECLARE
    m memberships;
BEGIN
    PERFORM organization_lock(organization);
    IF NOT EXISTS (SELECT FROM organizations o WHERE o.tenant_id = app_tenant() AND o.id = organization AND o.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Organization not found', DETAIL = organization::text;
    END IF;
    SELECT x.* INTO m FROM memberships x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.user_id = member
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Member not found', DETAIL = member::text;
    END IF;
    RETURN m;
END
$$;

-- Give a member another role, the owner's too, or another standing; NULL: leave it.  Raises AS404 and, of the last owner,
-- AS008 (memberships_tally).
CREATE OR REPLACE FUNCTION dashboard_member_change(organization uuid, member uuid, role text, is_active boolean) RETURNS memberships
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    had memberships := dashboard_member_lock(organization, member);
    m   memberships := had;
BEGIN
    m.role := coalesce(dashboard_member_change.role, had.role);
    m.is_active := coalesce(dashboard_member_change.is_active, had.is_active);
    IF had.is_active AND NOT m.is_active THEN
        PERFORM member_gone(had);
    END IF;
    IF (m.role, m.is_active) <> (had.role, had.is_active) THEN
        UPDATE memberships x SET role = m.role, is_active = m.is_active
        WHERE x.tenant_id = m.tenant_id AND x.organization_id = organization AND x.user_id = member;
        IF m.role <> had.role THEN
            PERFORM member_audit('member.role', m, jsonb_build_object('from', had.role, 'to', m.role));
        END IF;
        IF m.is_active <> had.is_active THEN
            PERFORM member_audit(CASE WHEN m.is_active THEN 'member.activate' ELSE 'member.deactivate' END, m, jsonb_build_object('role', m.role));
        END IF;
        PERFORM workspace_tell(organization, 'members_updated', jsonb_build_object('member_id', m.id));
    END IF;
    RETURN m;
END
$$;

-- Take a member out.  Raises AS404 and, of the last owner, AS008.
CREATE OR REPLACE FUNCTION dashboard_member_remove(organization uuid, member uuid) RETURNS memberships
LANGUAGE plpgsql AS $$
DECLARE
    m memberships := dashboard_member_lock(organization, member);
BEGIN
    PERFORM member_gone(m);
    DELETE FROM memberships x WHERE x.tenant_id = m.tenant_id AND x.organization_id = organization AND x.user_id = member;
    PERFORM member_audit('member.remove', m, jsonb_build_object('role', m.role, 'left', false));
    PERFORM workspace_tell(organization, 'members_updated', jsonb_build_object('member_id', m.id));
    RETURN m;
END
$$;
