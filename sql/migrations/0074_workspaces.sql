-- Workspaces: what the members of an organization see of it and of each other.

-- ---------------------------------------------------------------- roles

-- The roles of members, as rows.  rank: nobody acts on who has a higher one.  shown_as is what the workspace
-- surface calls it, which knows four.
CREATE TABLE roles (
    name       text PRIMARY KEY,
    rank       smallint NOT NULL,
    shown_as   text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT roles_name_length CHECK (char_length(name) BETWEEN 1 AND 50),
    CONSTRAINT roles_shown_as_known CHECK (shown_as IN ('owner', 'admin', 'member', 'viewer'))
);
CREATE TRIGGER roles_touch BEFORE UPDATE ON roles FOR EACH ROW EXECUTE FUNCTION touch();
GRANT SELECT ON roles TO ashlar_api;

INSERT INTO roles (name, rank, shown_as)
VALUES ('owner', 4, 'owner'), ('admin', 3, 'admin'), ('member', 2, 'member'), ('developer', 2, 'member'), ('viewer', 1, 'viewer'),
       ('business_user', 1, 'viewer');

ALTER TABLE memberships
    DROP CONSTRAINT memberships_role_known,
    ADD CONSTRAINT memberships_role FOREIGN KEY (role) REFERENCES roles;
ALTER TABLE invitations
    DROP CONSTRAINT invitations_role_known,
    ADD CONSTRAINT invitations_role FOREIGN KEY (role) REFERENCES roles;
ALTER TABLE role_permissions
    DROP CONSTRAINT role_permissions_role_known,
    ADD CONSTRAINT role_permissions_role FOREIGN KEY (role) REFERENCES roles,
    ADD CONSTRAINT role_permissions_not_of_owners CHECK (role <> 'owner');

-- ---------------------------------------------------------------- the workspace

-- status     'active', or why it does not serve: it is being made, or moved, or suspended
-- settings   the product's own
-- owner_count, member_count  of the memberships that are active; memberships_tally() keeps them
ALTER TABLE organizations
    ADD industry text,
    ADD website text,
    ADD timezone text NOT NULL DEFAULT 'UTC',
    ADD settings jsonb NOT NULL DEFAULT '{}',
    ADD status text NOT NULL DEFAULT 'active',
    ADD owner_count integer NOT NULL DEFAULT 0,
    ADD member_count integer NOT NULL DEFAULT 0,
    ADD CONSTRAINT organizations_industry_length CHECK (char_length(industry) <= 100),
    ADD CONSTRAINT organizations_website_length CHECK (char_length(website) <= 2048),
    ADD CONSTRAINT organizations_timezone_length CHECK (char_length(timezone) <= 64),
    ADD CONSTRAINT organizations_settings_is_object CHECK (jsonb_typeof(settings) = 'object'),
    ADD CONSTRAINT organizations_settings_size CHECK (octet_length(settings::text) <= 65536),
    ADD CONSTRAINT organizations_status_known CHECK (status IN ('active', 'provisioning', 'migrating', 'suspended')),
    ADD CONSTRAINT organizations_counts_range CHECK (owner_count >= 0 AND member_count >= owner_count);
GRANT UPDATE (industry, website, timezone, settings, status, owner_count, member_count) ON organizations TO ashlar_api;

DROP TRIGGER organizations_touch ON organizations;
CREATE TRIGGER organizations_touch
    BEFORE UPDATE OF name, slug, description, logo_url, deleted_at, industry, website, timezone, settings, status ON organizations
    FOR EACH ROW EXECUTE FUNCTION touch();

CREATE INDEX memberships_owners ON memberships (tenant_id, organization_id, joined_at, user_id) WHERE role = 'owner' AND is_active;

-- An organization's members are others: its counts follow, whatever the way.  The one statement tests and
-- changes, so of two owners who would both go the second waits for the first, and is refused: an
-- organization that has an owner keeps one until it is deleted.  What an operator changes by hand, in no
-- tenant, is counted and not refused.
CREATE FUNCTION memberships_tally() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    o record;
BEGIN
    FOR o IN EXECUTE format(
        'SELECT c.tenant_id, c.organization_id, sum(c.n * c.is_in::integer) AS members,
                sum(c.n * (c.is_in AND c.role = ''owner'')::integer) AS owners
         FROM (%s) c (tenant_id, organization_id, role, is_in, n)
         GROUP BY c.tenant_id, c.organization_id
         HAVING sum(c.n * c.is_in::integer) <> 0 OR sum(c.n * (c.is_in AND c.role = ''owner'')::integer) <> 0
         ORDER BY c.tenant_id, c.organization_id', TG_ARGV[0])
    LOOP
        UPDATE organizations x
        SET owner_count = x.owner_count + o.owners, member_count = x.member_count + o.members
        WHERE x.tenant_id = o.tenant_id AND x.id = o.organization_id
          AND (o.owners >= 0 OR x.owner_count + o.owners >= 1 OR x.deleted_at IS NOT NULL
               OR o.tenant_id IS DISTINCT FROM app_tenant());
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS008' USING MESSAGE = 'this is the last owner: make another one first';
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
CREATE TRIGGER memberships_tally_made AFTER INSERT ON memberships REFERENCING NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION memberships_tally('SELECT tenant_id, organization_id, role, is_active, 1 FROM made');
CREATE TRIGGER memberships_tally_changed AFTER UPDATE ON memberships REFERENCING OLD TABLE AS gone NEW TABLE AS made
    FOR EACH STATEMENT EXECUTE FUNCTION memberships_tally(
        'SELECT tenant_id, organization_id, role, is_active, 1 FROM made UNION ALL SELECT tenant_id, organization_id, role, is_active, -1 FROM gone');
CREATE TRIGGER memberships_tally_gone AFTER DELETE ON memberships REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION memberships_tally('SELECT tenant_id, organization_id, role, is_active, -1 FROM gone');

-- Those that are there.
DO $$
DECLARE
    t uuid;
BEGIN
    FOR t IN SELECT id FROM tenants LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        UPDATE organizations o SET owner_count = c.owners, member_count = c.members
        FROM (SELECT m.organization_id, count(*) AS members, count(*) FILTER (WHERE m.role = 'owner') AS owners
              FROM memberships m WHERE m.tenant_id = t AND m.is_active GROUP BY m.organization_id) c
        WHERE o.tenant_id = t AND o.id = c.organization_id;
    END LOOP;
END
$$;

-- ---------------------------------------------------------------- members

-- What a member is in one workspace, beside the membership, which each request reads: what is null is the
-- account's.  Each membership has one.
--
-- sort_name        the name by which lists are sorted, the account's too; triggers keep it
-- onboarding_step  how far the member came, of 5
-- invited_by       the user who did
CREATE TABLE member_profiles (
    tenant_id            uuid NOT NULL,
    organization_id      uuid NOT NULL,
    member_id            uuid NOT NULL,
    sort_name            text NOT NULL DEFAULT '',
    full_name            text,
    display_name         text,
    title                text,
    department           text,
    phone                text,
    bio                  text,
    timezone             text,
    avatar_url           text,
    tours                jsonb NOT NULL DEFAULT '{}',
    onboarding_completed boolean NOT NULL DEFAULT false,
    onboarding_step      smallint NOT NULL DEFAULT 0,
    invited_by           uuid,
    invited_at           timestamptz,
    accepted_at          timestamptz,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, member_id),
    CONSTRAINT member_profiles_member FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE CASCADE,
    CONSTRAINT member_profiles_invited_by FOREIGN KEY (tenant_id, invited_by) REFERENCES users (tenant_id, id),
    CONSTRAINT member_profiles_lengths CHECK (greatest(char_length(full_name), char_length(display_name), char_length(title),
        char_length(department)) <= 255 AND char_length(phone) <= 50 AND char_length(bio) <= 2000 AND char_length(timezone) <= 64
        AND char_length(avatar_url) <= 2048),
    CONSTRAINT member_profiles_tours_is_object CHECK (jsonb_typeof(tours) = 'object'),
    CONSTRAINT member_profiles_tours_size CHECK (octet_length(tours::text) <= 32768),
    CONSTRAINT member_profiles_onboarding_range CHECK (onboarding_step BETWEEN 0 AND 5)
);
CREATE INDEX member_profiles_list ON member_profiles (tenant_id, organization_id, sort_name, member_id);
CREATE INDEX member_profiles_of_inviter ON member_profiles (tenant_id, invited_by) WHERE invited_by IS NOT NULL;

SELECT isolate('member_profiles', 'full_name', 'display_name', 'title', 'department', 'phone', 'bio', 'timezone', 'avatar_url', 'tours',
               'onboarding_completed', 'onboarding_step', 'accepted_at');
GRANT SELECT, INSERT ON member_profiles TO ashlar_api;
SELECT changeable('member_profiles');

CREATE FUNCTION member_profile_made() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO member_profiles (tenant_id, organization_id, member_id) VALUES (NEW.tenant_id, NEW.organization_id, NEW.id);
    RETURN NULL;
END
$$;
CREATE TRIGGER memberships_profile AFTER INSERT ON memberships FOR EACH ROW EXECUTE FUNCTION member_profile_made();

CREATE FUNCTION member_profile_sorted() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    SELECT lower(coalesce(NEW.full_name, u.full_name, u.email, '')) INTO NEW.sort_name
    FROM memberships m JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
    WHERE m.tenant_id = NEW.tenant_id AND m.organization_id = NEW.organization_id AND m.id = NEW.member_id;
    NEW.sort_name := coalesce(NEW.sort_name, '');
    RETURN NEW;
END
$$;
CREATE TRIGGER member_profiles_sorted BEFORE INSERT OR UPDATE OF full_name ON member_profiles
    FOR EACH ROW EXECUTE FUNCTION member_profile_sorted();

CREATE FUNCTION user_renamed() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE member_profiles p SET sort_name = lower(coalesce(NEW.full_name, NEW.email, ''))
    FROM memberships m
    WHERE m.tenant_id = NEW.tenant_id AND m.user_id = NEW.id
      AND p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id AND p.full_name IS NULL;
    RETURN NULL;
END
$$;
CREATE TRIGGER users_renamed AFTER UPDATE OF full_name, email ON users FOR EACH ROW
    WHEN (OLD.full_name IS DISTINCT FROM NEW.full_name OR OLD.email IS DISTINCT FROM NEW.email) EXECUTE FUNCTION user_renamed();

-- Of those that are there.
DO $$
DECLARE
    t uuid;
BEGIN
    FOR t IN SELECT id FROM tenants LOOP
        PERFORM set_config('app.tenant_id', t::text, true);
        INSERT INTO member_profiles (tenant_id, organization_id, member_id)
        SELECT m.tenant_id, m.organization_id, m.id FROM memberships m WHERE m.tenant_id = t;
    END LOOP;
END
$$;

-- ---------------------------------------------------------------- the active workspace

-- Which one the session's tokens name; NULL: none yet.
ALTER TABLE sessions
    ADD workspace_id uuid,
    ADD CONSTRAINT sessions_workspace FOREIGN KEY (tenant_id, workspace_id) REFERENCES organizations;
GRANT UPDATE (workspace_id) ON sessions TO ashlar_api;
