-- Teams of a tenant: everybody in it sees them; their owners and admins, and the tenant's administrators, change them.

-- The team of a number.  Raises AS404.
CREATE OR REPLACE FUNCTION tenant_team_of(number bigint) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    team uuid;
BEGIN
    SELECT t.id INTO team FROM tenant_teams t WHERE t.tenant_id = app_tenant() AND t.number = tenant_team_of.number;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Team not found', DETAIL = number::text;
    END IF;
    RETURN team;
END
$$;

-- The same for who may change it: its owners and admins, and the tenant's administrators.  Raises AS403, too.
CREATE OR REPLACE FUNCTION tenant_team_managed(number bigint) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
DECLARE
    team uuid := tenant_team_of(number);
BEGIN
    IF NOT EXISTS (SELECT FROM tenant_team_members m
                   WHERE m.tenant_id = app_tenant() AND m.team_id = team AND m.user_id = app_user() AND m.role IN ('owner', 'admin'))
       AND NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = app_tenant() AND u.id = app_user() AND u.access >= 2) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs the role owner or admin in the team';
    END IF;
    RETURN team;
END
$$;

-- And behind the team's lock, for who changes who is in it.  of: the roles that are changed: owners are touched by owners alone.
CREATE OR REPLACE FUNCTION tenant_team_lock(number bigint, VARIADIC of text[] DEFAULT '{}') RETURNS uuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    team uuid;
BEGIN
    PERFORM FROM tenant_teams t WHERE t.tenant_id = app_tenant() AND t.number = tenant_team_lock.number FOR NO KEY UPDATE;
    team := tenant_team_managed(number);
    IF 'owner' = ANY (of) AND NOT EXISTS (SELECT FROM tenant_team_members m WHERE m.tenant_id = app_tenant() AND m.team_id = team
                                            AND m.user_id = app_user() AND m.role = 'owner') THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'only an owner touches an owner';
    END IF;
    RETURN team;
END
$$;

-- The number of whoever has owned it longest.
CREATE OR REPLACE FUNCTION tenant_team_owner(team uuid) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT a.number FROM tenant_team_members m JOIN user_accounts a ON a.tenant_id = m.tenant_id AND a.user_id = m.user_id
            WHERE m.tenant_id = (SELECT app_tenant()) AND m.team_id = team AND (m.role <> 'owner') = false
            ORDER BY m.created_at, m.user_id LIMIT 1);
END
$$;

-- Put a user of the tenant in.  Only an owner adds an owner.  Raises AS403, AS404 and AS409.
CREATE OR REPLACE FUNCTION tenant_team_member_add(number bigint, "user" bigint, role text, OUT user_id uuid, OUT given text, OUT joined_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    team uuid := tenant_team_lock(number, role);
BEGIN
    user_id := operations_user_of("user");
    IF user_id IS NULL THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = "user"::text;
    END IF;
    INSERT INTO tenant_team_members AS m (tenant_id, team_id, user_id, role) VALUES (app_tenant(), team, user_id, role)
    ON CONFLICT ON CONSTRAINT tenant_team_members_pkey DO NOTHING
    RETURNING m.role, m.created_at INTO given, joined_at;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'user_id', MESSAGE = 'this user is a member already';
    END IF;
    PERFORM audit('tenant_team.member_add', 'tenant_team', number::text, jsonb_build_object('user_id', "user", 'role', role));
END
$$;

-- The member whom a caller is about to change: of an owner another one stays.  will_be NULL: nothing, which everybody may become who leaves.
CREATE OR REPLACE FUNCTION tenant_team_member_lock(number bigint, "user" bigint, will_be text, OUT team uuid, OUT user_id uuid, OUT role text)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    PERFORM FROM tenant_teams t WHERE t.tenant_id = app_tenant() AND t.number = number FOR NO KEY UPDATE;
    team := tenant_team_of(number);
    user_id := operations_user_of("user");
    IF will_be IS NOT NULL OR user_id IS DISTINCT FROM app_user() THEN
        PERFORM tenant_team_managed(number);
    END IF;
    SELECT m.role INTO role FROM tenant_team_members m WHERE m.tenant_id = app_tenant() AND m.team_id = team AND m.user_id = user_id;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Member not found', DETAIL = "user"::text;
    ELSIF role = 'owner' OR will_be = 'owner' THEN
        PERFORM tenant_team_lock(number, 'owner');
    END IF;
    IF role = 'owner' AND will_be IS DISTINCT FROM 'owner'
       AND NOT EXISTS (SELECT FROM tenant_team_members m WHERE m.tenant_id = app_tenant() AND m.team_id = team AND m.role = 'owner' AND m.user_id <> user_id) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this is the last owner: make another one first';
    END IF;
END
$$;

CREATE OR REPLACE FUNCTION tenant_team_member_change(number bigint, "user" bigint, role text, OUT user_id uuid, OUT given text, OUT joined_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    l record;
BEGIN
    SELECT * INTO l FROM tenant_team_member_lock(number, "user", role);
    UPDATE tenant_team_members m SET role = role
    WHERE m.tenant_id = app_tenant() AND m.team_id = l.team AND m.user_id = l.user_id AND m.role <> role;
    IF FOUND THEN
        PERFORM audit('tenant_team.member_role', 'tenant_team', number::text, jsonb_build_object('user_id', "user", 'from', l.role, 'to', role));
    END IF;
    SELECT m.user_id, m.role, m.created_at INTO user_id, given, joined_at
    FROM tenant_team_members m WHERE m.tenant_id = app_tenant() AND m.team_id = l.team AND m.user_id = l.user_id;
END
$$;

CREATE OR REPLACE FUNCTION tenant_team_member_remove(number bigint, "user" bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    l record;
BEGIN
    SELECT * INTO l FROM tenant_team_member_lock(number, "user", NULL);
    DELETE FROM tenant_team_members m WHERE m.tenant_id = app_tenant() AND m.team_id = l.team AND m.user_id = l.user_id;
    PERFORM audit('tenant_team.member_remove', 'tenant_team', number::text,
                  jsonb_build_object('user_id', "user", 'role', l.role, 'left', l.user_id = app_user()));
END
$$;

-- Whose account is deleted is in no team any more.  Where nobody else owned one, an admin who has been there longest does, else a member; a team
-- of nobody is none.
CREATE OR REPLACE FUNCTION user_leaves_teams() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    team uuid;
    heir uuid;
BEGIN
    FOR team IN SELECT t.id FROM tenant_teams t JOIN tenant_team_members m ON m.tenant_id = t.tenant_id AND m.team_id = t.id
                WHERE m.tenant_id = NEW.tenant_id AND m.user_id = NEW.id ORDER BY t.id FOR NO KEY UPDATE OF t LOOP
        DELETE FROM tenant_team_members m WHERE m.tenant_id = NEW.tenant_id AND m.team_id = team AND m.user_id = NEW.id;
        CONTINUE WHEN EXISTS (SELECT FROM tenant_team_members m WHERE m.tenant_id = NEW.tenant_id AND m.team_id = team AND m.role = 'owner');
        SELECT m.user_id INTO heir FROM tenant_team_members m
        WHERE m.tenant_id = NEW.tenant_id AND m.team_id = team ORDER BY m.role <> 'admin', m.created_at, m.user_id LIMIT 1;
        IF FOUND THEN
            UPDATE tenant_team_members m SET role = 'owner' WHERE m.tenant_id = NEW.tenant_id AND m.team_id = team AND m.user_id = heir;
        ELSE
            DELETE FROM tenant_teams t WHERE t.tenant_id = NEW.tenant_id AND t.id = team;
        END IF;
    END LOOP;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER users_leave_teams AFTER UPDATE OF deleted_at ON users FOR EACH ROW
    WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION user_leaves_teams();

-- In the activity log: who is in a team, and as what; not of a team that is deleted.
CREATE OR REPLACE FUNCTION tenant_team_logged() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    m    tenant_team_members := CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
    team bigint := (SELECT t.number FROM tenant_teams t WHERE t.tenant_id = m.tenant_id AND t.id = m.team_id);
    data jsonb := jsonb_build_object('user_id', operations_user_number(m.user_id), 'role', m.role);
BEGIN
    IF team IS NOT NULL THEN
        PERFORM activity_log_put(CASE TG_OP WHEN 'INSERT' THEN 'team.member_added' WHEN 'DELETE' THEN 'team.member_removed' ELSE 'team.role_changed' END,
                                 'team', team::text, data || CASE TG_OP WHEN 'UPDATE' THEN jsonb_build_object('previous_role', OLD.role) ELSE '{}' END);
    END IF;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER tenant_team_members_logged_made AFTER INSERT ON tenant_team_members FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION tenant_team_logged();
CREATE OR REPLACE TRIGGER tenant_team_members_logged_changed AFTER UPDATE OF role ON tenant_team_members FOR EACH ROW
    WHEN (OLD.role <> NEW.role AND is_told(NEW.tenant_id)) EXECUTE FUNCTION tenant_team_logged();
CREATE OR REPLACE TRIGGER tenant_team_members_logged_gone AFTER DELETE ON tenant_team_members FOR EACH ROW
    WHEN (is_told(OLD.tenant_id)) EXECUTE FUNCTION tenant_team_logged();

-- ---------------------------------------------------------------- invitations

-- Invite an address, spelled as it was sent: at most 100 of a team are pending, one of them for an address.  Raises AS403, AS404 and AS409.
CREATE OR REPLACE FUNCTION tenant_team_invite(number bigint, key text, spelling text, email text, role text, token_hash bytea,
                                              OUT id uuid, OUT to_email text, OUT expires_at timestamptz, OUT created_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant  uuid := app_tenant();
    team    uuid := tenant_team_lock(number, role);
    invited users;
BEGIN
    SELECT * INTO invited FROM user_find(key, spelling);
    IF FOUND THEN
        key := invited.email_key;
        email := invited.email;
        IF EXISTS (SELECT FROM tenant_team_members m WHERE m.tenant_id = tenant AND m.team_id = team AND m.user_id = invited.id) THEN
            RAISE SQLSTATE 'AS409' USING HINT = 'email', MESSAGE = 'this address is already a member''s';
        END IF;
    END IF;
    UPDATE tenant_team_invitations i SET status = 'expired'
    WHERE i.tenant_id = tenant AND i.team_id = team AND i.status = 'pending' AND i.expires_at <= now();
    IF EXISTS (SELECT FROM tenant_team_invitations i WHERE i.tenant_id = tenant AND i.team_id = team AND i.status = 'pending'
                 AND is_same_address(i.email_key, i.email, key, email)) THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'email', MESSAGE = 'this address has a pending invitation already';
    ELSIF (SELECT count(*) FROM tenant_team_invitations i WHERE i.tenant_id = tenant AND i.team_id = team AND i.status = 'pending') >= 100 THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the team has 100 pending invitations';
    END IF;
    INSERT INTO tenant_team_invitations AS i (tenant_id, team_id, email, email_key, role, token_hash, invited_by)
    VALUES (tenant, team, email, key, role, token_hash, app_user())
    RETURNING i.id, i.email, i.expires_at, i.created_at INTO id, to_email, expires_at, created_at;
    PERFORM audit('tenant_team.invite', 'tenant_team', number::text, jsonb_build_object('email', email, 'role', role));
END
$$;

-- The caller accepts an invitation to a team.  No row: the token is none of a team.  Raises AS403 for another address than the invited one, AS404 for
-- one that is spent or over, AS409 for who is in already: then nothing is used up.  Who shows the token reads the mail of its address, as
-- invitation_accept() has it.
CREATE OR REPLACE FUNCTION tenant_team_invitation_accept(token_hash bytea) RETURNS TABLE (number bigint, name text, role text, joined_at timestamptz)
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := app_tenant();
    i      tenant_team_invitations;
    who    users;
    opened sessions;
BEGIN
    SELECT x.* INTO i FROM tenant_team_invitations x WHERE x.tenant_id = tenant AND x.token_hash = tenant_team_invitation_accept.token_hash;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM FROM tenant_teams t WHERE t.tenant_id = tenant AND t.id = i.team_id FOR NO KEY UPDATE;
    SELECT x.* INTO i FROM tenant_team_invitations x WHERE x.tenant_id = tenant AND x.id = i.id AND x.status = 'pending' AND x.expires_at > now() FOR UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Invitation not found';
    END IF;
    SELECT u.* INTO who FROM users u WHERE u.tenant_id = tenant AND u.id = app_user();
    IF NOT is_same_address(who.email_key, who.email, i.email_key, i.email) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this invitation is for another e-mail address';
    ELSIF NOT who.is_email_verified AND NOT (SELECT r.is_known FROM request_session() r) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'verify your e-mail address, then accept the invitation';
    ELSIF EXISTS (SELECT FROM tenant_team_members m WHERE m.tenant_id = tenant AND m.team_id = i.team_id AND m.user_id = who.id) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'you are a member of this team already';
    END IF;
    SELECT s.* INTO opened FROM sessions s WHERE s.tenant_id = tenant AND s.id = (SELECT r.session FROM request_session() r);
    PERFORM address_proved(who.id, 'invitation', is_inside => true, keeps_password => coalesce(opened.method = 'password', false), kept => opened);
    UPDATE tenant_team_invitations x SET status = 'accepted', responded_at = now() WHERE x.tenant_id = tenant AND x.id = i.id;
    INSERT INTO tenant_team_members (tenant_id, team_id, user_id, role) VALUES (tenant, i.team_id, who.id, i.role);
    PERFORM audit('tenant_team.accept', 'tenant_team', t.number::text, jsonb_build_object('email', i.email, 'role', i.role))
    FROM tenant_teams t WHERE t.tenant_id = tenant AND t.id = i.team_id;
    RETURN QUERY
    SELECT t.number, t.name, m.role, m.created_at
    FROM tenant_teams t JOIN tenant_team_members m ON m.tenant_id = t.tenant_id AND m.team_id = t.id
    WHERE t.tenant_id = tenant AND t.id = i.team_id AND m.user_id = who.id;
END
$$;

-- Accept what a token is for, a place in an organization or in a team.
CREATE OR REPLACE FUNCTION operations_invite_accept(token_hash bytea, OUT kind text, OUT organization jsonb, OUT team jsonb, OUT role text, OUT joined_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    t record;
    m memberships;
BEGIN
    SELECT * INTO t FROM tenant_team_invitation_accept(token_hash);
    IF FOUND THEN
        kind := 'team';
        team := jsonb_build_object('id', t.number, 'name', t.name, 'role', t.role);
        role := t.role;
        joined_at := t.joined_at;
        RETURN;
    END IF;
    m := operations_invitation_accept(token_hash);
    kind := 'organization';
    role := workspace_role(m.role);
    joined_at := m.joined_at;
    organization := (SELECT jsonb_build_object('id', o.id, 'name', o.name, 'slug', o.slug, 'role', workspace_role(m.role))
                     FROM organizations o WHERE o.tenant_id = m.tenant_id AND o.id = m.organization_id);
END
$$;

-- ---------------------------------------------------------------- search

-- Those whose name contains search, in any case, in no order; sql/search/close.sql says whose function this is, and why.
CREATE OR REPLACE FUNCTION tenant_team_candidates(search text) RETURNS TABLE (id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 20 SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    pattern text := like_pattern(search);
    tenant  text := app_tenant()::text;
BEGIN
    RETURN QUERY
        SELECT n.id
        FROM (SELECT t.tenant_id, t.id FROM tenant_teams t WHERE t.tenant_id::text = tenant AND t.name ILIKE pattern OFFSET 0) n
        WHERE n.tenant_id = (SELECT app_tenant())
        LIMIT 100000;
END
$$;
REVOKE ALL ON FUNCTION tenant_team_candidates(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_team_candidates(text) TO ashlar_api;
