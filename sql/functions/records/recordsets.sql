-- Recordsets: who may do what with one, and what one is called.

-- The seven rights as bits, in the order of recordset_grants' columns: view 1, create 2, edit 4, edit_own 8, delete 16,
-- delete_own 32, admin 64.
--
-- What a member of the workspace may do with a recordset, and why: all of it as owner or admin of the workspace, or as the
-- recordset's owner; else what the member is granted, directly and by the active teams that they are in.  It is put into the
-- query that joins it, unless an argument is a subquery, as @member is; then it is planned anew in each transaction, for 0.6 ms. Of the caller it has four:
--     CROSS JOIN recordset_rights(r.tenant_id, r.organization_id, r.id, r.owner_id) x
CREATE OR REPLACE FUNCTION recordset_rights(tenant uuid, organization uuid, recordset uuid, owner uuid, member uuid, role text)
RETURNS TABLE (rights integer, source text)
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
    SELECT CASE WHEN w.is_admin OR w.is_owner THEN 127 ELSE coalesce(g.flags, 0) END,
           CASE WHEN w.is_admin THEN 'workspace_admin' WHEN w.is_owner THEN 'owner' WHEN g.flags > 0 THEN 'grant' ELSE 'none' END
    FROM (SELECT coalesce(role IN ('owner', 'admin'), false) AS is_admin, coalesce(owner = member, false) AS is_owner) w,
         LATERAL (SELECT bit_or(e.flags) AS flags
                  FROM (SELECT x.flags FROM recordset_grants x
                        WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.recordset_id = recordset AND x.grantee_id = member
                          AND NOT w.is_admin AND NOT w.is_owner
                        UNION ALL
                        SELECT x.flags
                        FROM workspace_team_members m
                        JOIN workspace_teams t ON t.tenant_id = m.tenant_id AND t.organization_id = m.organization_id AND t.id = m.team_id AND t.is_active
                        JOIN recordset_grants x ON x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id
                                               AND x.recordset_id = recordset AND x.grantee_id = m.team_id
                        WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.member_id = member
                          AND NOT w.is_admin AND NOT w.is_owner) e) g;
END;

CREATE OR REPLACE FUNCTION recordset_rights(tenant uuid, organization uuid, recordset uuid, owner uuid) RETURNS TABLE (rights integer, source text)
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
    SELECT x.rights, x.source FROM recordset_rights(tenant, organization, recordset, owner, app_member(), app_org_role()) x;
END;

-- Has the caller this right?  For may().
CREATE OR REPLACE FUNCTION recordset_may(recordset uuid, owner uuid, flag integer) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT x.rights & flag = flag
            FROM recordset_rights(app_tenant(), app_organization(), recordset, owner, app_member(), app_org_role()) x);
END
$$;

-- Rights as answers show them (the shape RecordsetPermissions).
CREATE OR REPLACE FUNCTION recordset_permissions(rights integer, source text) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    RETURN jsonb_build_object('can_view', rights & 1 <> 0, 'can_create', rights & 2 <> 0, 'can_edit', rights & 4 <> 0, 'can_edit_own', rights & 8 <> 0,
                              'can_delete', rights & 16 <> 0, 'can_delete_own', rights & 32 <> 0, 'can_admin', rights & 64 <> 0, 'source', source);
END
$$;

-- The recordset of the workspace that a path names by its slug or its id; NULL: there is none.  No slug looks like an id.
CREATE OR REPLACE FUNCTION recordset_id(slug_or_id text) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF slug_or_id ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        RETURN slug_or_id::uuid;
    END IF;
    RETURN (SELECT r.id FROM recordsets r
            WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.slug = slug_or_id);
END
$$;

-- A slug that is free: the one that is wanted, else one of the words of the name; then with -2, -3, …  Of two at once that want
-- the same one the second waits.  Those that would hide behind another path are not given to anybody.
CREATE OR REPLACE FUNCTION recordset_slug(name text, wanted text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    base text := coalesce(wanted, nullif(rtrim(left(btrim(regexp_replace(lower(name), '[^a-z0-9]+', '-', 'g'), '-'), 110), '-'), ''), 'recordset');
    free text := base;
    n    integer := 1;
BEGIN
    IF wanted IN ('trash', 'import', 'export', 'geocode') THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'slug', MESSAGE = 'slug must not be trash, import, export or geocode';
    ELSIF wanted ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'slug', MESSAGE = 'slug must not look like an id';
    END IF;
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('recordset_slug'::text, app_tenant(), app_organization(), base), 0));
    WHILE free IN ('trash', 'import', 'export', 'geocode') OR free ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
        OR EXISTS (SELECT FROM recordsets r
                   WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.slug = free) LOOP
        n := n + 1;
        free := rtrim(left(base, 119 - length(n::text)), '-') || '-' || n;
    END LOOP;
    RETURN free;
END
$$;

-- Everybody in the workspace reads recordsets anew; what one is they are told by what they may see of it.
CREATE OR REPLACE FUNCTION recordset_told() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    what text := CASE WHEN TG_OP = 'INSERT' THEN 'created' WHEN TG_OP = 'DELETE' THEN 'purged'
                      WHEN OLD.trashed_at IS NULL AND NEW.trashed_at IS NOT NULL THEN 'trashed'
                      WHEN OLD.trashed_at IS NOT NULL AND NEW.trashed_at IS NULL THEN 'restored' ELSE 'updated' END;
    r    recordsets := coalesce(NEW, OLD);
BEGIN
    PERFORM workspace_tell(r.organization_id, 'recordsets_updated', jsonb_build_object('recordset_id', r.id, 'change', what));
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER recordsets_told_made AFTER INSERT ON recordsets FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION recordset_told();
CREATE OR REPLACE TRIGGER recordsets_told_changed AFTER UPDATE ON recordsets FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION recordset_told();
CREATE OR REPLACE TRIGGER recordsets_told_gone AFTER DELETE ON recordsets FOR EACH ROW
    WHEN (is_told(OLD.tenant_id)) EXECUTE FUNCTION recordset_told();

-- The recordset that a path names, in which the caller has the right: for lists of what is below it.  Raises AS404, AS403.
CREATE OR REPLACE FUNCTION recordset_here(slug_or_id text, flag integer) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    wanted uuid := recordset_id(slug_or_id);
    rights integer;
BEGIN
    SELECT x.rights INTO rights
    FROM recordsets r
    CROSS JOIN recordset_rights(r.tenant_id, r.organization_id, r.id, r.owner_id, app_member(), app_org_role()) x
    WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = wanted AND r.trashed_at IS NULL;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Recordset not found', DETAIL = slug_or_id;
    ELSIF rights & flag <> flag THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs ' || (ARRAY['can_view', 'can_create', 'can_edit', 'can_edit_own', 'can_delete', 'can_delete_own', 'can_admin'])[
            1 + round(log(2, flag))::integer] || ' on the recordset';
    END IF;
    RETURN wanted;
END
$$;

-- Activity: one is made, goes into the trash, comes back.
CREATE OR REPLACE FUNCTION recordset_activity() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM activity_put(NEW.organization_id, CASE WHEN TG_OP = 'INSERT' THEN 'record.recordset_created' WHEN NEW.trashed_at IS NULL THEN 'record.recordset_restored'
                                                   ELSE 'record.recordset_trashed' END,
                         'recordset', NEW.id, acting_member(NEW.organization_id), NEW.id::text, NEW.name, jsonb_build_object('slug', NEW.slug));
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER recordsets_activity_made AFTER INSERT ON recordsets FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION recordset_activity();
CREATE OR REPLACE TRIGGER recordsets_activity_changed AFTER UPDATE ON recordsets FOR EACH ROW
    WHEN ((OLD.trashed_at IS NULL) <> (NEW.trashed_at IS NULL) AND is_told(NEW.tenant_id)) EXECUTE FUNCTION recordset_activity();
