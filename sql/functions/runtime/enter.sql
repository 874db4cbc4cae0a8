-- How a request gets in: who asks, and may they?

-- Runs in front of the first statement of every request, in the same round
-- trip; when it refuses, the server skips that statement.  The settings it
-- makes end with the transaction.
--
--   tenant        of the token ("tid"), or the default one; NULL: the key tells
--   key, origin   SHA-256 of the API key, and where the page that sent it is from
--   team          the caller is to be a team member (dashboard), not a user
--   issuer, subject, role, session
--                 of the bearer token; no session: another issuer's, and role is
--                 what its configured claim says, if that is configured
--   min_role      the least role; NULL: nobody needs to be signed in
--   organization, org_roles
--                 the organization that the path names, and the roles in it
--                 that may; NULL, or a secret key alone: it only has to be there
--   workspace     about an organization that a header names (then it is that
--                 one), or else the user's default one; org_roles are asked there
--   test          a team member wants the tenant's test mode
--   request       who to put down in the audit log: {"ip", "user_agent",
--                 "request_id", "route"}, with "session", or "issuer", of a
--                 bearer token; NULL: the request is not to write
--   gate          the roles of users that may; NULL: all
--   generation    of the session's tokens, as the token says it; NULL: it says
--                 none.  The first use of a newer one than those before is put
--                 down, for refresh_fate() to know: one write for each refresh
--
-- The signature was checked before; this is about what may have changed since:
-- key, session, user, role, membership.  What is asked for in each statement is
-- what lets the caller in; only when nobody is found does enter_refuse() look
-- for the reason.  A session is one row, which knows what enter() wants to know
-- of its user (see sessions): joining users cost 13 µs of 79 that PostgreSQL
-- spends on a page.
--
-- Beyond administrators, roles say something on the operations surface alone:
-- everywhere else their users are users (see users_role_known).
--
-- Raises AS401 (token), AS005 (key), AS006 (origin), AS403, AS404
-- (organization), AS008 (no workspace), and AS001 for a valid token whose
-- subject or role is new here.
DROP FUNCTION IF EXISTS enter(uuid, bytea, text, boolean, text, text, text, uuid, text, uuid, text[], boolean, jsonb),
    enter(uuid, bytea, text, boolean, text, text, text, uuid, text, uuid, text[], boolean, jsonb, text[]);
CREATE OR REPLACE FUNCTION enter(tenant uuid, key bytea, origin text, team boolean, issuer text, subject text,
                                 role text, session uuid, min_role text, organization uuid, org_roles text[],
                                 workspace boolean, test boolean, request jsonb, gate text[], generation integer)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    who          uuid;
    is_new       boolean;   -- the generation
    name         text;      -- the user's public id
    impersonator uuid;
    key_name     text;
    entered      text;
BEGIN
    IF key IS NOT NULL THEN
        key_name := enter_with_key(tenant, key, origin);
        tenant := app_tenant();
    ELSE
        entered := set_config('app.tenant_id', tenant::text, true);
    END IF;

    IF min_role IS NULL THEN
        IF session IS NULL AND subject IS NULL AND request IS NOT NULL THEN
            PERFORM enter_note(request, key_name, CASE WHEN key_name IS NULL THEN 'anonymous' ELSE 'key' END, NULL);
        END IF;
    ELSIF team THEN
        SELECT s.member_id, s.used_generation < enter.generation INTO who, is_new
        FROM team_sessions s
        WHERE s.tenant_id = tenant AND s.id = session AND s.revoked_at IS NULL AND s.expires_at > now()
          AND s.access >= access_of(min_role);
        IF NOT FOUND THEN
            PERFORM enter_refuse_team(tenant, session, min_role);
        END IF;
        entered := set_config('app.team_id', who::text, true);
        IF is_new THEN
            PERFORM enter_team_used(tenant, session, generation);
        END IF;
        IF test THEN
            SELECT set_config('app.tenant_id', t.id::text, true) INTO entered FROM tenants t WHERE t.test_of = tenant;
        END IF;
        IF request IS NULL THEN
            entered := set_config('transaction_read_only', 'on', true);
        ELSE
            PERFORM enter_note(request, who::text, 'team', NULL);
        END IF;
        RETURN;
    ELSIF session IS NOT NULL THEN
        SELECT s.user_id, s.subject, s.impersonator_id, s.used_generation < enter.generation
        INTO who, name, impersonator, is_new
        FROM sessions s
        WHERE s.tenant_id = tenant AND s.id = session AND s.revoked_at IS NULL AND s.expires_at > now()
          AND s.subject = enter.subject AND s.access >= access_of(min_role);
    ELSIF subject IS NOT NULL THEN
        SELECT u.id, u.public_id INTO who, name
        FROM identities i JOIN users u ON u.tenant_id = i.tenant_id AND u.id = i.user_id
        WHERE i.tenant_id = tenant AND i.issuer = enter.issuer AND i.subject = enter.subject
          AND u.access >= access_of(min_role)
          AND (enter.role IS NULL OR u.role = enter.role OR enter.role = 'user' AND u.access <= 1);
    END IF;
    IF is_new THEN
        PERFORM enter_used(tenant, session, generation);
    END IF;
    IF request IS NULL THEN
        entered := set_config('transaction_read_only', 'on', true);
    END IF;
    IF min_role IS NOT NULL THEN
        IF who IS NULL THEN
            PERFORM enter_refuse(tenant, issuer, subject, role, session, min_role);
        END IF;
        entered := set_config('app.user_id', who::text, true);
        IF impersonator IS NOT NULL THEN
            PERFORM enter_impersonated(tenant, impersonator, name, request);
        ELSIF request IS NOT NULL THEN
            PERFORM enter_note(request, name, 'user', NULL);
        END IF;
    END IF;

    IF gate IS NOT NULL THEN
        PERFORM enter_gate(tenant, who, gate);
    END IF;

    IF workspace THEN
        PERFORM enter_workspace(tenant, who, organization, org_roles);
        RETURN;
    ELSIF organization IS NULL THEN
        RETURN;
    ELSIF who IS NULL OR org_roles IS NULL THEN
        PERFORM FROM organizations o WHERE o.tenant_id = tenant AND o.id = organization AND o.deleted_at IS NULL;
    ELSE
        SELECT set_config('app.org_role', m.role, true) INTO entered
        FROM memberships m
        WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.user_id = who AND m.is_active
          AND m.role = ANY (org_roles)
          AND EXISTS (SELECT FROM organizations o
                      WHERE o.tenant_id = tenant AND o.id = organization AND o.deleted_at IS NULL);
    END IF;
    IF NOT FOUND THEN
        PERFORM enter_refuse_organization(tenant, organization, who, org_roles);
    END IF;
END
$$;

-- Until the next release: what the last one's binaries call.
CREATE OR REPLACE FUNCTION enter(tenant uuid, key bytea, origin text, team boolean, issuer text, subject text,
                                 role text, session uuid, min_role text, organization uuid, org_roles text[],
                                 workspace boolean, test boolean, request jsonb, gate text[]) RETURNS void
LANGUAGE sql VOLATILE
RETURN enter(tenant, key, origin, team, issuer, subject, role, session, min_role, organization, org_roles, workspace,
             test, request, gate, NULL);

-- The newest tokens have arrived.  Of requests that find that out at once one
-- puts it down, and none waits: a page that is loaded asks for much, and the
-- row is the transaction's until its end.
CREATE OR REPLACE FUNCTION enter_used(tenant uuid, session uuid, generation integer) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    UPDATE sessions s SET used_generation = enter_used.generation
    WHERE s.tenant_id = enter_used.tenant
      AND s.id = (SELECT x.id FROM sessions x
                  WHERE x.tenant_id = enter_used.tenant AND x.id = enter_used.session
                    AND x.used_generation < enter_used.generation
                  FOR NO KEY UPDATE SKIP LOCKED);
END;

CREATE OR REPLACE FUNCTION enter_team_used(tenant uuid, session uuid, generation integer) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    UPDATE team_sessions s SET used_generation = enter_team_used.generation
    WHERE s.tenant_id = enter_team_used.tenant
      AND s.id = (SELECT x.id FROM team_sessions x
                  WHERE x.tenant_id = enter_team_used.tenant AND x.id = enter_team_used.session
                    AND x.used_generation < enter_team_used.generation
                  FOR NO KEY UPDATE SKIP LOCKED);
END;

-- The workspace that the request is about: an organization in which the user is
-- an active member with one of the roles.  Which ones there are is nobody's to
-- find out, so an unknown one is refused as one of others is; and the role is
-- asked before anybody looks for what the path names: whoever may not see such
-- things learns nothing of which there are.
CREATE OR REPLACE FUNCTION enter_workspace(tenant uuid, who uuid, workspace uuid, roles text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    m       record;
    entered text;
BEGIN
    SELECT x.id, x.organization_id, x.role INTO m
    FROM memberships x JOIN organizations o ON o.tenant_id = x.tenant_id AND o.id = x.organization_id
    WHERE x.tenant_id = tenant AND x.user_id = who AND x.is_active AND o.deleted_at IS NULL
      AND x.organization_id = coalesce(workspace, (SELECT u.default_organization_id FROM users u
                                                   WHERE u.tenant_id = tenant AND u.id = who));
    IF NOT FOUND AND workspace IS NULL THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'X-Workspace-Id',
            MESSAGE = 'no workspace is chosen: send X-Workspace-Id, or choose a default organization';
    ELSIF NOT FOUND THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'you are not an active member of this workspace';
    ELSIF m.role <> ALL (roles) THEN
        RAISE SQLSTATE 'AS403' USING
            MESSAGE = format('this needs the role %s in the workspace', array_to_string(roles, ' or '));
    END IF;
    entered := set_config('app.organization_id', m.organization_id::text, true);
    entered := set_config('app.member_id', m.id::text, true);
    entered := set_config('app.org_role', m.role, true);
END
$$;

-- The tenant is the key's.  Returns how the audit log calls the key.
CREATE OR REPLACE FUNCTION enter_with_key(tenant uuid, key bytea, origin text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    k       record;
    entered text := set_config('app.key_hash', encode(key, 'hex'), true);
BEGIN
    SELECT a.tenant_id, a.type, a.prefix, a.allowed_origins INTO k
    FROM api_keys a
    WHERE a.hash = key AND a.is_active AND a.revoked_at IS NULL AND a.tenant_active;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS005' USING MESSAGE = 'this API key is unknown, suspended or revoked';
    ELSIF k.type = 'public' AND (origin IS NULL OR origin <> ALL (k.allowed_origins)) THEN
        RAISE SQLSTATE 'AS006' USING MESSAGE = CASE WHEN origin IS NULL
            THEN 'a public key needs a page that says where it is from: there is no Origin header'
            ELSE 'this origin is not allowed for this public key' END;
    ELSIF tenant <> k.tenant_id THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'the token is of another tenant than the API key';
    END IF;
    entered := set_config('app.tenant_id', k.tenant_id::text, true);
    entered := set_config('app.key', k.type, true);
    RETURN 'key:' || k.prefix;
END
$$;

-- Is this one of a public key's own pages?  Where the key opens nothing; the
-- setting, by which its row is found, is as it was before.
CREATE OR REPLACE FUNCTION key_has_page(key bytea, origin text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    before text := coalesce(current_setting('app.key_hash', true), '');
    found  boolean;
BEGIN
    PERFORM set_config('app.key_hash', encode(key, 'hex'), true);
    found := EXISTS (SELECT FROM api_keys a
                     WHERE a.hash = key AND a.type = 'public' AND a.is_active AND a.revoked_at IS NULL
                       AND a.tenant_active AND origin = ANY (a.allowed_origins));
    PERFORM set_config('app.key_hash', before, true);
    RETURN found;
END
$$;

-- Has the caller one of these roles?  A secret key alone is an editor of its
-- tenant, and never an administrator.
CREATE OR REPLACE FUNCTION enter_gate(tenant uuid, who uuid, gate text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    role text;
BEGIN
    IF who IS NOT NULL THEN
        SELECT u.role INTO role FROM users u WHERE u.tenant_id = tenant AND u.id = who;
    ELSIF app_is_secret() THEN
        role := 'editor';
    END IF;
    IF role IS NULL OR role <> ALL (gate) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = format('this needs one of the roles %s', array_to_string(gate, ', '));
    END IF;
    PERFORM set_config('app.role', role, true);
END
$$;

-- Put down for audit() who acts; only requests that write need it.
CREATE OR REPLACE FUNCTION enter_note(request jsonb, actor text, actor_type text, on_behalf_of text) RETURNS text
LANGUAGE sql VOLATILE
RETURN set_config('app.request', (request || jsonb_build_object('actor', actor, 'actor_type', actor_type,
                                                              'on_behalf_of', on_behalf_of))::text, true);

-- A session in which an administrator acts as a user: the administrator must
-- still be one, and whatever is changed is put down under both names.
CREATE OR REPLACE FUNCTION enter_impersonated(tenant uuid, impersonator uuid, name text, request jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    admin text;
BEGIN
    SELECT u.public_id INTO admin FROM users u WHERE u.tenant_id = tenant AND u.id = impersonator AND u.access >= 2;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'the session has ended; sign in again';
    END IF;
    IF request IS NOT NULL THEN
        PERFORM enter_note(request, admin, 'user', name);
        PERFORM audit('impersonate.action', 'user', name, jsonb_build_object('route', request ->> 'route'));
    END IF;
END
$$;

-- Why was nobody let in?  Always raises.
CREATE OR REPLACE FUNCTION enter_refuse(tenant uuid, issuer text, subject text, role text, session uuid,
                                        min_role text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    who users;
BEGIN
    IF session IS NOT NULL THEN
        SELECT u.* INTO who
        FROM sessions s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
        WHERE s.tenant_id = tenant AND s.id = session AND s.revoked_at IS NULL AND s.expires_at > now()
          AND s.subject = enter_refuse.subject;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS401' USING MESSAGE = 'the session has ended; sign in again';
        END IF;
    ELSIF subject IS NOT NULL THEN
        SELECT u.* INTO who
        FROM identities i JOIN users u ON u.tenant_id = i.tenant_id AND u.id = i.user_id
        WHERE i.tenant_id = tenant AND i.issuer = enter_refuse.issuer AND i.subject = enter_refuse.subject;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS001' USING MESSAGE = 'a new user';
        ELSIF who.access > 0 AND who.role <> enter_refuse.role AND (who.access > 1 OR enter_refuse.role <> 'user') THEN
            RAISE SQLSTATE 'AS001' USING MESSAGE = 'a new role';
        END IF;
    ELSE
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'a valid bearer token is required';
    END IF;

    IF who.access = 0 THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'this account is not active';
    END IF;
    RAISE SQLSTATE 'AS403' USING MESSAGE = format('this needs the role %s', min_role);
END
$$;

CREATE OR REPLACE FUNCTION enter_refuse_team(tenant uuid, session uuid, min_role text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    access integer;
BEGIN
    SELECT s.access INTO access
    FROM team_sessions s
    WHERE s.tenant_id = tenant AND s.id = session AND s.revoked_at IS NULL AND s.expires_at > now();
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'the session has ended; sign in again';
    ELSIF access = 0 THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'this account is not active';
    END IF;
    RAISE SQLSTATE 'AS403' USING MESSAGE = format('this needs the team role %s', min_role);
END
$$;

CREATE OR REPLACE FUNCTION enter_refuse_organization(tenant uuid, organization uuid, who uuid, org_roles text[])
RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM organizations o
                   WHERE o.tenant_id = tenant AND o.id = organization AND o.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Organization not found', DETAIL = organization::text;
    ELSIF NOT EXISTS (SELECT FROM memberships m
                      WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.user_id = who
                        AND m.is_active) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'you are not a member of this organization';
    END IF;
    RAISE SQLSTATE 'AS403' USING
        MESSAGE = format('this needs the role %s in the organization', array_to_string(org_roles, ' or '));
END
$$;

-- The least access (of users and of team members) that has the role.
CREATE OR REPLACE FUNCTION access_of(role text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE role WHEN 'superadmin' THEN 3 WHEN 'owner' THEN 3 WHEN 'admin' THEN 2 ELSE 1 END;

-- The tenant that a request outside of any transaction speaks for: the key's,
-- else the given one.  NULL for a key that is good for nothing.
CREATE OR REPLACE FUNCTION tenant_of(tenant uuid, key bytea) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    IF key IS NULL THEN
        RETURN tenant;
    END IF;
    PERFORM set_config('app.key_hash', encode(key, 'hex'), true);
    RETURN (SELECT k.tenant_id FROM api_keys k
            WHERE k.hash = key AND k.is_active AND k.revoked_at IS NULL AND k.tenant_active);
END
$$;
