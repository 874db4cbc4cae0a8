-- Who is told of a grant, and which view is the default.

-- Who may see a recordset now is told so, once: not again where a grant says something else.
CREATE OR REPLACE FUNCTION recordset_shared() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    r recordsets;
BEGIN
    SELECT x.* INTO r FROM recordsets x
    WHERE x.tenant_id = NEW.tenant_id AND x.organization_id = NEW.organization_id AND x.id = NEW.recordset_id;
    PERFORM notify(NEW.organization_id, 'recordset_shared',
                   CASE WHEN NEW.member_id IS NOT NULL THEN ARRAY[NEW.member_id]
                        ELSE ARRAY(SELECT m.member_id FROM workspace_team_members m
                                   JOIN workspace_teams t ON t.tenant_id = m.tenant_id AND t.organization_id = m.organization_id AND t.id = m.team_id
                                   WHERE m.tenant_id = NEW.tenant_id AND m.organization_id = NEW.organization_id AND m.team_id = NEW.team_id AND t.is_active) END,
                   jsonb_build_object('type', 'recordset', 'id', r.id, 'link', '/recordsets/' || r.slug), app_member(),
                   jsonb_build_object('recordset_id', r.id, 'name', r.name, 'slug', r.slug));
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER recordset_grants_made AFTER INSERT ON recordset_grants FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION recordset_shared();

-- Has the caller can_admin on it?  For what is below a recordset.
CREATE OR REPLACE FUNCTION recordset_admin(recordset uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT recordset_may(r.id, r.owner_id, 64) FROM recordsets r
            WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = recordset);
END
$$;

-- A view becomes the default: the one before is it no more.
CREATE OR REPLACE FUNCTION recordset_view_default() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE recordset_views v SET is_default = false
    WHERE v.tenant_id = NEW.tenant_id AND v.organization_id = NEW.organization_id AND v.recordset_id = NEW.recordset_id
      AND v.is_default AND v.id <> NEW.id;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER recordset_views_default_made BEFORE INSERT ON recordset_views FOR EACH ROW
    WHEN (NEW.is_default) EXECUTE FUNCTION recordset_view_default();
CREATE OR REPLACE TRIGGER recordset_views_default_changed BEFORE UPDATE ON recordset_views FOR EACH ROW
    WHEN (NEW.is_default AND NOT OLD.is_default) EXECUTE FUNCTION recordset_view_default();
