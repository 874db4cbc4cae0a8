-- Teams of a workspace.

-- How many are in a team.  Volatile: it sees what the same statement has just written.
CREATE OR REPLACE FUNCTION workspace_team_size(t workspace_teams) RETURNS bigint
LANGUAGE sql VOLATILE
RETURN (SELECT count(*) FROM workspace_team_members x
        WHERE x.tenant_id = t.tenant_id AND x.organization_id = t.organization_id AND x.team_id = t.id);

-- Does the caller lead it?
CREATE OR REPLACE FUNCTION workspace_team_is_led(team uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM workspace_team_members x
                   WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.team_id = team
                     AND x.member_id = app_member() AND x.role = 'lead');
END
$$;

-- Put members, and the lead, into a team that was just made.
CREATE OR REPLACE FUNCTION workspace_team_fill(t workspace_teams, members uuid[]) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO workspace_team_members (tenant_id, organization_id, team_id, member_id, role)
    SELECT DISTINCT t.tenant_id, t.organization_id, t.id, m, CASE WHEN m = t.lead_member_id THEN 'lead' ELSE 'member' END
    FROM unnest(members || t.lead_member_id) m
    WHERE m IS NOT NULL;
END;

-- lead_member_id was changed: the new one is in the team, as a lead; the one before is a member like others.
CREATE OR REPLACE FUNCTION workspace_team_lead_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE workspace_team_members x SET role = 'member'
    WHERE x.tenant_id = OLD.tenant_id AND x.organization_id = OLD.organization_id AND x.team_id = OLD.id
      AND x.member_id = OLD.lead_member_id AND x.role = 'lead';
    IF NEW.lead_member_id IS NOT NULL THEN
        INSERT INTO workspace_team_members AS x (tenant_id, organization_id, team_id, member_id, role)
        VALUES (NEW.tenant_id, NEW.organization_id, NEW.id, NEW.lead_member_id, 'lead')
        ON CONFLICT (tenant_id, organization_id, team_id, member_id) DO UPDATE SET role = 'lead' WHERE x.role <> 'lead';
    END IF;
    RETURN NEW;
END
$$;
CREATE OR REPLACE TRIGGER workspace_teams_lead_changed BEFORE UPDATE OF lead_member_id ON workspace_teams FOR EACH ROW
    WHEN (OLD.lead_member_id IS DISTINCT FROM NEW.lead_member_id) EXECUTE FUNCTION workspace_team_lead_changed();

-- And the other way round, where a role is changed: the first lead of a team that has
-- none is the one to turn to, and who is no lead any more is not.
CREATE OR REPLACE FUNCTION workspace_team_role_changed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE workspace_teams t SET lead_member_id = CASE WHEN NEW.role = 'lead' THEN NEW.member_id END
    WHERE t.tenant_id = NEW.tenant_id AND t.organization_id = NEW.organization_id AND t.id = NEW.team_id
      AND CASE WHEN NEW.role = 'lead' THEN t.lead_member_id IS NULL ELSE t.lead_member_id = NEW.member_id END;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER workspace_team_members_role_changed AFTER INSERT OR UPDATE OF role ON workspace_team_members
    FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION workspace_team_role_changed();

-- Who is put into a team is notified; everybody in the workspace reads teams anew.
-- The workspace's channel is locked before those of its members, here and elsewhere.
CREATE OR REPLACE FUNCTION workspace_team_told() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    r            jsonb := to_jsonb(coalesce(NEW, OLD));
    organization uuid := r ->> 'organization_id';
    team         uuid := coalesce(r ->> 'team_id', r ->> 'id');
    its_name     text;
BEGIN
    PERFORM workspace_tell(organization, 'teams_updated', jsonb_build_object('team_id', team));
    IF TG_OP = 'INSERT' AND TG_TABLE_NAME = 'workspace_team_members' THEN
        SELECT t.name INTO its_name FROM workspace_teams t
        WHERE t.tenant_id = NEW.tenant_id AND t.organization_id = organization AND t.id = team;
        PERFORM notify(organization, 'team_added', ARRAY[(r ->> 'member_id')::uuid],
                       jsonb_build_object('type', 'team', 'id', team, 'link', '/teams/' || team), app_member(),
                       jsonb_build_object('team_id', team, 'team_name', its_name, 'role', r ->> 'role'));
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER workspace_teams_tell_made AFTER INSERT ON workspace_teams FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION workspace_team_told();
CREATE OR REPLACE TRIGGER workspace_teams_tell_changed AFTER UPDATE ON workspace_teams FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION workspace_team_told();
CREATE OR REPLACE TRIGGER workspace_teams_tell_gone AFTER DELETE ON workspace_teams FOR EACH ROW
    WHEN (is_told(OLD.tenant_id)) EXECUTE FUNCTION workspace_team_told();
CREATE OR REPLACE TRIGGER workspace_team_members_tell_made AFTER INSERT ON workspace_team_members FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION workspace_team_told();
CREATE OR REPLACE TRIGGER workspace_team_members_tell_changed AFTER UPDATE ON workspace_team_members FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION workspace_team_told();
CREATE OR REPLACE TRIGGER workspace_team_members_tell_gone AFTER DELETE ON workspace_team_members FOR EACH ROW
    WHEN (is_told(OLD.tenant_id)) EXECUTE FUNCTION workspace_team_told();
