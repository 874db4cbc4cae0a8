-- Activity: what happened in a workspace, for those who work there.
--
-- A trigger of a table writes it, so each surface's way to change a row is seen, and in the transaction of the change. One function says
-- what a member may see of it (activity_scopes), which all that reads asks.

-- All kinds there are, and what each says: a line each, which triggers and the tests read. {name} is what it is about; others are of its
-- metadata. What no table writes yet, those of channels, recordsets and integrations will.
--
--   entity  the entity_type;  link  the page about it, without the host
CREATE OR REPLACE FUNCTION activity_events() RETURNS TABLE (event text, entity text, description text, link text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 40 AS $$
VALUES
    ('goal.created', 'goal', 'Goal created: {name}', '/goals/{id}'),
    ('goal.updated', 'goal', 'Goal changed: {name}', '/goals/{id}'),
    ('goal.progress_updated', 'goal', 'Progress on a goal: {name} ({progress} %)', '/goals/{id}'),
    ('goal.completed', 'goal', 'Goal completed: {name}', '/goals/{id}'),
    ('goal.deleted', 'goal', 'Goal deleted: {name}', NULL),
    ('user.member_invited', 'invitation', 'Invited: {name}, as {role}', NULL),
    ('user.member_joined', 'member', 'Member joined: {name}', '/members/{id}'),
    ('user.member_removed', 'member', 'Member removed: {name}', NULL),
    ('user.role_changed', 'member', 'Role changed: {name}, from {previous_role} to {role}', '/members/{id}'),
    ('user.work_reassigned', 'member', 'Work of {name} given to {to_member_name}: {count}', '/members/{id}'),
    ('user.team_created', 'team', 'Team created: {name}', '/teams/{id}'),
    ('user.team_member_added', 'team', 'Added to the team {name}: {member_name}', '/teams/{id}'),
    ('user.team_member_removed', 'team', 'Removed from the team {name}: {member_name}', '/teams/{id}'),
    ('action.created', 'channel', 'Channel created: {name}', '/channels/{id}'),
    ('action.updated', 'channel', 'Channel changed: {name}', '/channels/{id}'),
    ('action.completed', 'channel', 'Channel completed: {name}', '/channels/{id}'),
    ('action.message', 'channel', 'Message in {name}', '/channels/{id}'),
    ('action.file_uploaded', 'channel', 'File in {name}: {file_name}', '/channels/{id}'),
    ('action.member_joined', 'channel', 'Joined {name}: {member_name}', '/channels/{id}'),
    ('action.member_left', 'channel', 'Left {name}: {member_name}', '/channels/{id}'),
    ('action.task_created', 'task', 'Task created: {name}', '/tasks/{id}'),
    ('action.task_completed', 'task', 'Task completed: {name}', '/tasks/{id}'),
    ('record.created', 'record', 'Record created: {name}', '/records/{id}'),
    ('record.updated', 'record', 'Record changed: {name}', '/records/{id}'),
    ('record.deleted', 'record', 'Record deleted: {name}', NULL),
    ('record.bulk_deleted', 'recordset', 'Records deleted from {name}: {count}', '/recordsets/{id}'),
    ('record.bulk_written', 'recordset', 'Records written to {name}: {count}', '/recordsets/{id}'),
    ('record.restored', 'record', 'Record restored: {name}', '/records/{id}'),
    ('record.imported', 'recordset', 'Records imported into {name}: {count}', '/recordsets/{id}'),
    ('record.import_undone', 'recordset', 'Import into {name} undone: {count}', '/recordsets/{id}'),
    ('record.field_converted', 'recordset', 'Field of {name} converted: {count}', '/recordsets/{id}'),
    ('record.conversion_undone', 'recordset', 'Conversion of a field of {name} undone: {count}', '/recordsets/{id}'),
    ('record.exported', 'recordset', 'Records exported from {name}: {count}', '/recordsets/{id}'),
    ('record.comment_added', 'record', 'Comment on {name}', '/records/{id}'),
    ('record.interaction_logged', 'record', 'Interaction with {name}', '/records/{id}'),
    ('record.recordset_created', 'recordset', 'Recordset created: {name}', '/recordsets/{id}'),
    ('record.recordset_trashed', 'recordset', 'Recordset put into the trash: {name}', NULL),
    ('record.recordset_restored', 'recordset', 'Recordset restored: {name}', '/recordsets/{id}'),
    ('integration.connected', 'integration', 'Integration connected: {name}', '/integrations/{id}'),
    ('integration.sync_started', 'integration', 'Synchronization begun: {name}', '/integrations/{id}'),
    ('integration.sync_completed', 'integration', 'Synchronization done: {name}', '/integrations/{id}'),
    ('integration.sync_failed', 'integration', 'Synchronization failed: {name}', '/integrations/{id}'),
    ('integration.disconnected', 'integration', 'Integration disconnected: {name}', NULL)
$$;

-- What a member may see: the ids of scopes, of which zero is what concerns everybody; the others are recordsets that the member may see, also those
-- in the trash. Channels add theirs here, with what they are.
CREATE OR REPLACE FUNCTION activity_scopes(organization uuid, member uuid) RETURNS uuid[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
    m memberships;
BEGIN
    SELECT x.* INTO m FROM memberships x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = member AND x.is_active;
    IF NOT FOUND THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY(SELECT '00000000-0000-0000-0000-000000000000'::uuid
                 UNION ALL
                 SELECT r.id FROM recordsets r
                 CROSS JOIN recordset_rights(r.tenant_id, r.organization_id, r.id, r.owner_id, m.id, m.role) x
                 WHERE r.tenant_id = m.tenant_id AND r.organization_id = m.organization_id AND x.rights > 0);
END
$$;

-- Make the partition of a month, unless it is there; true: it was made. Made apart and attached then, it is in nobody's way.
CREATE OR REPLACE FUNCTION activity_month(at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    first timestamp := date_trunc('month', at AT TIME ZONE 'UTC');
    part  text := 'activities_' || to_char(first, 'YYYYMM');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('activity months', 0));
    IF EXISTS (SELECT FROM pg_class c WHERE c.relname = part AND c.relnamespace = 'public'::regnamespace) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE public.%I (LIKE activities INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)', part);
    PERFORM isolate(('public.' || part)::regclass);
    EXECUTE format('ALTER TABLE activities ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', part, first AT TIME ZONE 'UTC',
                   (first + interval '1 month') AT TIME ZONE 'UTC');
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION activity_month(timestamptz) FROM PUBLIC;

-- Something happened: one of activity_events().
--
--   scope, scope_of   none and NULL: for everybody
--   actor             NULL: nobody
--   data              of what the description shows; its metadata
CREATE OR REPLACE FUNCTION activity_put(organization uuid, happened text, scope text, scope_of uuid, actor uuid, entity text, name text,
                                        data jsonb DEFAULT '{}') RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    none uuid := '00000000-0000-0000-0000-000000000000';
    e    record;
    all_ jsonb := data || jsonb_build_object('name', coalesce(name, ''), 'id', entity);
BEGIN
    SELECT * INTO e FROM activity_events() x WHERE x.event = happened;
    IF NOT FOUND THEN
        RAISE 'activity_put: there is no kind of event %', happened;
    END IF;
    IF to_regclass('public.activities_' || to_char(now() AT TIME ZONE 'UTC', 'YYYYMM')) IS NULL THEN
        PERFORM activity_month(now());
    END IF;
    INSERT INTO activities (tenant_id, organization_id, scope, scope_id, actor_id, type, event, entity_type, entity_id, entity_name, link,
                            description, metadata)
    VALUES (app_tenant(), organization, scope, CASE WHEN scope = 'none' OR scope_of IS NULL THEN none ELSE scope_of END, coalesce(actor, none), split_part(happened, '.', 1), happened, e.entity,
            entity, left(name, 500), CASE WHEN e.link IS NOT NULL THEN notification_text(e.link, all_) END,
            left(notification_text(e.description, all_), 1000), data);
END
$$;
REVOKE ALL ON FUNCTION activity_put(uuid, text, text, uuid, uuid, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION activity_put(uuid, text, text, uuid, uuid, text, text, jsonb) TO ashlar_api;

-- Counted when the transaction commits, so that nobody waits for a counter but for that long. Those who write into one recordset at once
-- would still wait for one another: of records the sum of all days is in sixteen rows, told apart by ids of nobody.
CREATE OR REPLACE FUNCTION activity_count() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    PERFORM set_config('app.tenant_id', NEW.tenant_id::text, true);
    INSERT INTO activity_days AS d (tenant_id, organization_id, day, scope_id, actor_id, type, count)
    VALUES (NEW.tenant_id, NEW.organization_id, '-infinity', NEW.scope_id,
            CASE WHEN NEW.type = 'record' THEN '00000000-0000-0000-0000-0000000000' || lpad(to_hex(pg_backend_pid() % 16), 2, '0')
                 ELSE '00000000-0000-0000-0000-000000000000' END::uuid, NEW.type, 1),
           (NEW.tenant_id, NEW.organization_id, (NEW.created_at AT TIME ZONE 'UTC')::date, NEW.scope_id, NEW.actor_id, NEW.type, 1)
    ON CONFLICT (tenant_id, organization_id, day, scope_id, actor_id, type) DO UPDATE SET count = d.count + 1;
    PERFORM set_config('app.tenant_id', within, true);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION activity_count() FROM PUBLIC;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'activities'::regclass AND tgname = 'activities_count') THEN
        CREATE CONSTRAINT TRIGGER activities_count AFTER INSERT ON activities DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION activity_count();
    END IF;
END
$$;

-- ---------------------------------------------------------------- what happens

CREATE OR REPLACE FUNCTION goal_activity() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    g     goals := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    event text := CASE WHEN TG_OP = 'INSERT' THEN 'goal.created' WHEN TG_OP = 'DELETE' THEN 'goal.deleted'
                       WHEN NEW.status = 'completed' AND OLD.status <> 'completed' THEN 'goal.completed'
                       WHEN NEW.progress <> OLD.progress THEN 'goal.progress_updated' ELSE 'goal.updated' END;
BEGIN
    PERFORM activity_put(g.organization_id, event, 'none', NULL, acting_member(g.organization_id), g.id::text, g.title,
                         jsonb_build_object('progress', round(g.progress, 2), 'status', g.status, 'level', g.level));
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER goals_activity_made AFTER INSERT ON goals FOR EACH ROW WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION goal_activity();
-- Not where it only lost its owner, team or parent, which is theirs to tell.
CREATE OR REPLACE TRIGGER goals_activity_changed AFTER UPDATE ON goals FOR EACH ROW
    WHEN (((OLD.title, OLD.description, OLD.level, OLD.status, OLD.progress, OLD.start_date, OLD.due_date)
           IS DISTINCT FROM (NEW.title, NEW.description, NEW.level, NEW.status, NEW.progress, NEW.start_date, NEW.due_date)
           OR NEW.owner_id IS DISTINCT FROM OLD.owner_id AND NEW.owner_id IS NOT NULL
           OR NEW.team_id IS DISTINCT FROM OLD.team_id AND NEW.team_id IS NOT NULL
           OR NEW.parent_goal_id IS DISTINCT FROM OLD.parent_goal_id AND NEW.parent_goal_id IS NOT NULL) AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION goal_activity();
CREATE OR REPLACE TRIGGER goals_activity_gone AFTER DELETE ON goals FOR EACH ROW WHEN (is_told(OLD.tenant_id)) EXECUTE FUNCTION goal_activity();

-- What a member is called in a text that others read: not by their address.
CREATE OR REPLACE FUNCTION activity_member_name(organization uuid, member uuid, usr uuid) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT coalesce(p.display_name, p.full_name) FROM member_profiles p
                     WHERE p.tenant_id = app_tenant() AND p.organization_id = organization AND p.member_id = member),
                    (SELECT u.full_name FROM users u WHERE u.tenant_id = app_tenant() AND u.id = usr), 'a member');
END
$$;

-- Somebody joined, left, or has another role. Who was invited has joined when they accept it.
CREATE OR REPLACE FUNCTION membership_activity() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    m     memberships := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    event text := CASE WHEN TG_OP = 'DELETE' OR TG_OP = 'UPDATE' AND OLD.is_active AND NOT NEW.is_active THEN 'user.member_removed'
                       WHEN TG_OP = 'INSERT' OR NOT OLD.is_active THEN 'user.member_joined'
                       ELSE 'user.role_changed' END;
    data  jsonb := jsonb_build_object('role', workspace_role(m.role));
    actor uuid;
BEGIN
    IF NOT EXISTS (SELECT FROM organizations o WHERE o.tenant_id = m.tenant_id AND o.id = m.organization_id AND o.deleted_at IS NULL) THEN
        RETURN NULL;
    END IF;
    IF event = 'user.role_changed' THEN
        data := data || jsonb_build_object('previous_role', workspace_role(OLD.role));
    END IF;
    actor := CASE WHEN event = 'user.member_joined' AND TG_OP = 'INSERT' THEN m.id ELSE acting_member(m.organization_id) END;
    PERFORM activity_put(m.organization_id, event, 'none', NULL, actor, m.id::text, activity_member_name(m.organization_id, m.id, m.user_id), data);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER memberships_activity_made AFTER INSERT ON memberships FOR EACH ROW
    WHEN (NEW.is_active AND is_told(NEW.tenant_id)) EXECUTE FUNCTION membership_activity();
CREATE OR REPLACE TRIGGER memberships_activity_changed AFTER UPDATE OF role, is_active ON memberships FOR EACH ROW
    WHEN ((NEW.is_active OR OLD.is_active) AND (OLD.role <> NEW.role OR OLD.is_active <> NEW.is_active) AND is_told(NEW.tenant_id))
    EXECUTE FUNCTION membership_activity();
CREATE OR REPLACE TRIGGER memberships_activity_gone AFTER DELETE ON memberships FOR EACH ROW
    WHEN (OLD.is_active AND is_told(OLD.tenant_id)) EXECUTE FUNCTION membership_activity();

CREATE OR REPLACE FUNCTION invitation_activity() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM activity_put(NEW.organization_id, 'user.member_invited', 'none', NULL, acting_member(NEW.organization_id), NEW.id::text, NEW.email,
                         jsonb_build_object('role', workspace_role(NEW.role)));
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER invitations_activity AFTER INSERT ON invitations FOR EACH ROW
    WHEN (NEW.organization_id IS NOT NULL AND is_told(NEW.tenant_id)) EXECUTE FUNCTION invitation_activity();

CREATE OR REPLACE FUNCTION team_activity() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM activity_put(NEW.organization_id, 'user.team_created', 'none', NULL, acting_member(NEW.organization_id), NEW.id::text, NEW.name);
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER workspace_teams_activity AFTER INSERT ON workspace_teams FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION team_activity();

-- Not of a team that is deleted, nor of a member who has left, which takes them out.
CREATE OR REPLACE FUNCTION team_member_activity() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    m       workspace_team_members := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    team    text;
    usr     uuid;
BEGIN
    SELECT t.name INTO team FROM workspace_teams t WHERE t.tenant_id = m.tenant_id AND t.organization_id = m.organization_id AND t.id = m.team_id;
    SELECT x.user_id INTO usr FROM memberships x WHERE x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id AND x.id = m.member_id;
    IF team IS NOT NULL AND usr IS NOT NULL THEN
        PERFORM activity_put(m.organization_id, CASE TG_OP WHEN 'DELETE' THEN 'user.team_member_removed' ELSE 'user.team_member_added' END, 'none', NULL,
                             acting_member(m.organization_id), m.team_id::text, team,
                             jsonb_build_object('member_id', m.member_id, 'member_name', activity_member_name(m.organization_id, m.member_id, usr)));
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER workspace_team_members_activity_made AFTER INSERT ON workspace_team_members FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION team_member_activity();
CREATE OR REPLACE TRIGGER workspace_team_members_activity_gone AFTER DELETE ON workspace_team_members FOR EACH ROW
    WHEN (is_told(OLD.tenant_id)) EXECUTE FUNCTION team_member_activity();
