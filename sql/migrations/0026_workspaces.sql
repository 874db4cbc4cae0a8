-- What the members of a workspace have together: teams, goals, and what each is
-- notified of.  (Organizations are called workspaces there.)
--
-- Rules of every table of a workspace, beside those of 0001_core.sql:
--   * the primary key begins with tenant_id and organization_id: one index serves
--     the look-up, the foreign keys, and the list;
--   * foreign keys name all three, so no row can refer to another workspace's, and
--     "is there such a member, team, parent here" is a constraint with a line in
--     .constraints, not a query;
--   * people are members, not users: who has left is null.

ALTER TABLE memberships ADD CONSTRAINT memberships_member_unique UNIQUE (tenant_id, organization_id, id);

-- A row is not to be its own ancestor.  Trigger, BEFORE UPDATE OF the column that
-- it is told, of a table with the key (tenant_id, organization_id, id).  All moves
-- within a workspace stand in one line, and each looks when it has its turn: of two
-- that would close a circle together, the second one is refused.
CREATE FUNCTION keep_acyclic() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    parent text := TG_ARGV[0];
    above  uuid := (to_jsonb(NEW) ->> parent)::uuid;
    is_own boolean;
BEGIN
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW (TG_TABLE_NAME::text, NEW.tenant_id, NEW.organization_id), 0));
    EXECUTE format('WITH RECURSIVE up (id) AS (
                        SELECT $3
                        UNION
                        SELECT x.%1$I FROM up JOIN %2$I x ON x.tenant_id = $1 AND x.organization_id = $2 AND x.id = up.id)
                    SELECT EXISTS (SELECT FROM up WHERE id = $4)', parent, TG_TABLE_NAME)
    INTO is_own USING NEW.tenant_id, NEW.organization_id, above, NEW.id;
    IF is_own THEN
        RAISE SQLSTATE 'AS422' USING HINT = parent, MESSAGE = parent || ' would make it its own ancestor';
    END IF;
    RETURN NEW;
END
$$;

-- ---------------------------------------------------------------- teams

-- lead_member_id is one of the leads that the team has: the one to turn to.
CREATE TABLE workspace_teams (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    name            text NOT NULL,
    description     text,
    color           text,
    icon            text,
    parent_team_id  uuid,
    lead_member_id  uuid,
    is_active       boolean NOT NULL DEFAULT true,
    created_by_id   uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT workspace_teams_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT workspace_teams_parent FOREIGN KEY (tenant_id, organization_id, parent_team_id) REFERENCES workspace_teams
        ON DELETE SET NULL (parent_team_id),
    CONSTRAINT workspace_teams_created_by FOREIGN KEY (tenant_id, organization_id, created_by_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (created_by_id),
    CONSTRAINT workspace_teams_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT workspace_teams_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT workspace_teams_color_format CHECK (color ~ '^#[0-9a-fA-F]{6}$'),
    CONSTRAINT workspace_teams_icon_length CHECK (char_length(icon) <= 50)
);
CREATE UNIQUE INDEX workspace_teams_name_unique ON workspace_teams (tenant_id, organization_id, lower(name));
CREATE INDEX workspace_teams_of_parent ON workspace_teams (tenant_id, organization_id, parent_team_id)
    WHERE parent_team_id IS NOT NULL;
CREATE INDEX workspace_teams_of_creator ON workspace_teams (tenant_id, organization_id, created_by_id)
    WHERE created_by_id IS NOT NULL;
CREATE TRIGGER workspace_teams_touch BEFORE UPDATE ON workspace_teams FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER workspace_teams_acyclic BEFORE UPDATE OF parent_team_id ON workspace_teams FOR EACH ROW
    WHEN (NEW.parent_team_id IS NOT NULL AND NEW.parent_team_id IS DISTINCT FROM OLD.parent_team_id)
    EXECUTE FUNCTION keep_acyclic('parent_team_id');

SELECT isolate('workspace_teams');
GRANT SELECT, INSERT, DELETE ON workspace_teams TO ashlar_api;
GRANT UPDATE (name, description, color, icon, parent_team_id, lead_member_id, is_active) ON workspace_teams TO ashlar_api;

-- A lead may change the team and who is in it; beyond that, roles mean nothing.
CREATE TABLE workspace_team_members (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    team_id         uuid NOT NULL,
    member_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    role            text NOT NULL DEFAULT 'member',
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, team_id, member_id),
    CONSTRAINT workspace_team_members_team FOREIGN KEY (tenant_id, organization_id, team_id) REFERENCES workspace_teams
        ON DELETE CASCADE,
    CONSTRAINT workspace_team_members_member FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE CASCADE,
    CONSTRAINT workspace_team_members_role_known CHECK (role IN ('lead', 'member'))
);
CREATE INDEX workspace_team_members_of_member ON workspace_team_members (tenant_id, organization_id, member_id);
CREATE TRIGGER workspace_team_members_touch BEFORE UPDATE ON workspace_team_members FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('workspace_team_members');
GRANT SELECT, INSERT, DELETE ON workspace_team_members TO ashlar_api;
GRANT UPDATE (role) ON workspace_team_members TO ashlar_api;

-- The lead is in the team; who leaves it leads it no longer.
ALTER TABLE workspace_teams
    ADD CONSTRAINT workspace_teams_lead FOREIGN KEY (tenant_id, organization_id, id, lead_member_id)
        REFERENCES workspace_team_members ON DELETE SET NULL (lead_member_id);

-- ---------------------------------------------------------------- notifications

-- What a member is told, newest last by its id.  event_type is one of
-- notification_types(), which also knows its category.
CREATE TABLE notifications (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    member_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    event_type      text NOT NULL,
    title           text NOT NULL,
    message         text NOT NULL,
    data            jsonb NOT NULL DEFAULT '{}',
    link            text,
    entity_type     text,
    entity_id       text,
    actor_id        uuid,
    read_at         timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, member_id, id),
    CONSTRAINT notifications_member FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE CASCADE,
    CONSTRAINT notifications_actor FOREIGN KEY (tenant_id, organization_id, actor_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (actor_id),
    CONSTRAINT notifications_data_is_object CHECK (jsonb_typeof(data) = 'object')
);
CREATE INDEX notifications_unread ON notifications (tenant_id, organization_id, member_id, id) WHERE read_at IS NULL;
CREATE INDEX notifications_of_actor ON notifications (tenant_id, organization_id, actor_id) WHERE actor_id IS NOT NULL;
CREATE TRIGGER notifications_touch BEFORE UPDATE ON notifications FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('notifications');
GRANT SELECT, INSERT ON notifications TO ashlar_api;
GRANT UPDATE (read_at) ON notifications TO ashlar_api;

-- Where a member's wishes differ from what notification_types() recommends.
CREATE TABLE notification_preferences (
    tenant_id        uuid NOT NULL,
    organization_id  uuid NOT NULL,
    member_id        uuid NOT NULL,
    event_type       text NOT NULL,
    id               uuid NOT NULL DEFAULT uuid_v7(),
    inapp_enabled    boolean NOT NULL,
    email_enabled    boolean NOT NULL,
    whatsapp_enabled boolean NOT NULL,
    muted            boolean NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT notification_preferences_event_unique PRIMARY KEY (tenant_id, organization_id, member_id, event_type),
    CONSTRAINT notification_preferences_member FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE CASCADE
);
CREATE TRIGGER notification_preferences_touch BEFORE UPDATE ON notification_preferences
    FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('notification_preferences');
GRANT SELECT, INSERT, DELETE ON notification_preferences TO ashlar_api;
GRANT UPDATE (inapp_enabled, email_enabled, whatsapp_enabled, muted) ON notification_preferences TO ashlar_api;

-- How a member gets notifications by mail; no row: at once.
CREATE TABLE notification_deliveries (
    tenant_id                uuid NOT NULL,
    organization_id          uuid NOT NULL,
    member_id                uuid NOT NULL,
    email_delivery_mode      text NOT NULL DEFAULT 'instant',
    digest_frequency_minutes text NOT NULL DEFAULT '60',
    created_at               timestamptz NOT NULL DEFAULT now(),
    updated_at               timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, member_id),
    CONSTRAINT notification_deliveries_member FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE CASCADE,
    CONSTRAINT notification_deliveries_mode_known CHECK (email_delivery_mode IN ('instant', 'digest')),
    CONSTRAINT notification_deliveries_frequency_known CHECK (digest_frequency_minutes IN ('30', '60'))
);
CREATE TRIGGER notification_deliveries_touch BEFORE UPDATE ON notification_deliveries
    FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('notification_deliveries');
GRANT SELECT, INSERT ON notification_deliveries TO ashlar_api;
GRANT UPDATE (email_delivery_mode, digest_frequency_minutes) ON notification_deliveries TO ashlar_api;

-- ---------------------------------------------------------------- goals

-- progress, status and completed_at are kept by goal_settle().  level_rank is the
-- order of levels in the list; key_results_at, when key results were changed last.
CREATE TABLE goals (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    title           text NOT NULL,
    description     text,
    level           text NOT NULL DEFAULT 'individual',
    level_rank      smallint NOT NULL GENERATED ALWAYS AS (CASE level WHEN 'company' THEN 0 WHEN 'team' THEN 1 ELSE 2 END) STORED,
    status          text NOT NULL DEFAULT 'on-track',
    progress        numeric NOT NULL DEFAULT 0,
    owner_id        uuid,
    team_id         uuid,
    parent_goal_id  uuid,
    start_date      date,
    due_date        date,
    created_by      uuid,
    completed_at    timestamptz,
    key_results_at  timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT goals_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT goals_owner FOREIGN KEY (tenant_id, organization_id, owner_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (owner_id),
    CONSTRAINT goals_team FOREIGN KEY (tenant_id, organization_id, team_id) REFERENCES workspace_teams
        ON DELETE SET NULL (team_id),
    CONSTRAINT goals_parent FOREIGN KEY (tenant_id, organization_id, parent_goal_id) REFERENCES goals
        ON DELETE SET NULL (parent_goal_id),
    CONSTRAINT goals_created_by FOREIGN KEY (tenant_id, organization_id, created_by)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (created_by),
    CONSTRAINT goals_title_length CHECK (char_length(title) BETWEEN 1 AND 255),
    CONSTRAINT goals_description_length CHECK (char_length(description) <= 5000),
    CONSTRAINT goals_level_known CHECK (level IN ('company', 'team', 'individual')),
    CONSTRAINT goals_status_known CHECK (status IN ('on-track', 'at-risk', 'behind', 'completed')),
    CONSTRAINT goals_progress_range CHECK (progress BETWEEN 0 AND 100),
    CONSTRAINT goals_dates_order CHECK (due_date >= start_date)
);
CREATE INDEX goals_list ON goals (tenant_id, organization_id, level_rank, created_at DESC, id);
CREATE INDEX goals_of_owner ON goals (tenant_id, organization_id, owner_id) WHERE owner_id IS NOT NULL;
CREATE INDEX goals_of_team ON goals (tenant_id, organization_id, team_id) WHERE team_id IS NOT NULL;
CREATE INDEX goals_of_parent ON goals (tenant_id, organization_id, parent_goal_id) WHERE parent_goal_id IS NOT NULL;
CREATE INDEX goals_of_creator ON goals (tenant_id, organization_id, created_by) WHERE created_by IS NOT NULL;
CREATE TRIGGER goals_touch BEFORE UPDATE ON goals FOR EACH ROW EXECUTE FUNCTION touch();
CREATE TRIGGER goals_acyclic BEFORE UPDATE OF parent_goal_id ON goals FOR EACH ROW
    WHEN (NEW.parent_goal_id IS NOT NULL AND NEW.parent_goal_id IS DISTINCT FROM OLD.parent_goal_id)
    EXECUTE FUNCTION keep_acyclic('parent_goal_id');

SELECT isolate('goals');
GRANT SELECT, INSERT, DELETE ON goals TO ashlar_api;
GRANT UPDATE (title, description, level, status, progress, owner_id, team_id, parent_goal_id, start_date, due_date,
              completed_at, key_results_at) ON goals TO ashlar_api;

-- What a report of this transaction says beside the numbers; NULL: there is none.
CREATE FUNCTION app_goal_report() RETURNS jsonb
LANGUAGE sql STABLE
RETURN nullif(current_setting('app.goal_report', true), '')::jsonb;

-- progress is not rounded: a goal's is made of it.  Whether the target is reached
-- is compared, not computed, since a division is never exact.
CREATE TABLE key_results (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    goal_id         uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    title           text NOT NULL,
    description     text,
    metric_type     text NOT NULL DEFAULT 'number',
    unit            text,
    start_value     numeric NOT NULL,
    target_value    numeric NOT NULL,
    current_value   numeric NOT NULL,
    weight          numeric NOT NULL DEFAULT 1,
    is_completed    boolean NOT NULL GENERATED ALWAYS AS (
        CASE WHEN target_value >= start_value THEN current_value >= target_value
             ELSE current_value <= target_value END) STORED,
    progress        numeric NOT NULL GENERATED ALWAYS AS (
        CASE WHEN metric_type = 'boolean' OR target_value = start_value
             THEN CASE WHEN current_value >= target_value THEN 100 ELSE 0 END
             ELSE least(100, greatest(0, 100 * (current_value - start_value) / (target_value - start_value))) END) STORED,
    due_date        date,
    owner_id        uuid,
    position        integer NOT NULL DEFAULT 0,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, goal_id, id),
    -- Asked at the end: a new goal's come before the goal, whose progress is theirs.
    CONSTRAINT key_results_goal FOREIGN KEY (tenant_id, organization_id, goal_id) REFERENCES goals ON DELETE CASCADE
        DEFERRABLE INITIALLY DEFERRED,
    CONSTRAINT key_results_owner FOREIGN KEY (tenant_id, organization_id, owner_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (owner_id),
    CONSTRAINT key_results_title_length CHECK (char_length(title) BETWEEN 1 AND 255),
    CONSTRAINT key_results_metric_known CHECK (metric_type IN ('number', 'percentage', 'currency', 'boolean')),
    CONSTRAINT key_results_boolean_range CHECK (metric_type <> 'boolean' OR (start_value = 0 AND target_value = 1)),
    CONSTRAINT key_results_weight_range CHECK (weight BETWEEN 0 AND 1000)
);
CREATE INDEX key_results_list ON key_results (tenant_id, organization_id, goal_id, position, created_at, id);
CREATE INDEX key_results_of_owner ON key_results (tenant_id, organization_id, owner_id) WHERE owner_id IS NOT NULL;
CREATE TRIGGER key_results_touch BEFORE UPDATE ON key_results FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('key_results');
GRANT SELECT, INSERT, DELETE ON key_results TO ashlar_api;
GRANT UPDATE (title, description, metric_type, unit, start_value, target_value, current_value, weight, due_date,
              owner_id, position) ON key_results TO ashlar_api;
