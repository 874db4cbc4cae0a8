-- How a request gets in: who asks, and may they?
--
-- A door runs in front of the first statement of a request, in the same round
-- trip; when it refuses, the server skips that statement.  The settings it makes
-- end with the transaction.  Which door a caller has is fcgi/caller.c's to say.
--
--   tenant        of the token ("tid"), or the default one; NULL: the key tells
--   key, origin   SHA-256 of the API key, and where the page that sent it is from
--   scope         what the row is, for keys that are not for everything
--   issuer, subject, role, session
--                 of the bearer token; no session: another issuer's, and role is
--                 what its configured claim says, if that is configured
--   generation    of the session's tokens, as the token says it; NULL: it says
--                 none.  The first use of a newer one than those before is put
--                 down, for refresh_fate() to know: one write for each refresh
--   least_role    of the user, or of the team member
--   permission, roles, own_roles
--                 that the row names, with who has it by default: what the table
--                 permissions says, too
--   test          a team member wants the tenant's test mode
--   note          who to put down in the audit log: {"ip", "user_agent",
--                 "request_id", "route"}, with "session", or "issuer", of a
--                 bearer token; NULL: the request is not to write
--
-- The signature was checked before; this is about what may have changed since:
-- key, session, user, role, membership.  What is asked for in each statement is
-- what lets the caller in; only when no caller is found does enter_refuse() look
-- for the reason.  A session is one row, which knows what a door wants to know
-- of its user (see sessions): joining users cost 13 µs of 79 that PostgreSQL
-- spends on a page.
--
-- Beyond administrators, roles say something on the operations surface alone:
-- everywhere else their users are users (see users_role_known).
--
-- They raise AS401 (token), AS005 (key), AS006 (origin), AS403, AS010 (scope),
-- AS404 (organization), AS008 (no workspace), and AS001 for a valid token whose
-- subject or role is new here.

-- An anonymous caller.
CREATE OR REPLACE FUNCTION enter_anyone(tenant uuid, note jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    entered text := set_config('app.tenant_id', tenant::text, true);
BEGIN
    IF note IS NULL THEN
        entered := set_config('transaction_read_only', 'on', true);
    ELSE
        entered := enter_note(note, NULL, 'anonymous', NULL);
    END IF;
END
$$;

-- A key alone; returns no user.
CREATE OR REPLACE FUNCTION enter_key(tenant uuid, key bytea, origin text, scope text, note jsonb) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    name    text := enter_with_key(tenant, key, origin);
    entered text;
BEGIN
    IF EXISTS (SELECT FROM api_keys k
               WHERE k.hash = key AND NOT (k.scopes IS NULL OR k.scopes && ARRAY ['*', scope])) THEN
        RAISE SQLSTATE 'AS010' USING MESSAGE = CASE WHEN scope IS NULL
            THEN 'this needs a key whose scopes are not limited' ELSE format('this needs the scope %s', scope) END;
    END IF;
    IF note IS NULL THEN
        entered := set_config('transaction_read_only', 'on', true);
    ELSE
        entered := enter_note(note, name, 'key', NULL);
    END IF;
    RETURN NULL;
END
$$;

-- A key alone, of whatever scopes: who asks what it is for.
CREATE OR REPLACE FUNCTION enter_holder(tenant uuid, key bytea, origin text, note jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    name    text := enter_with_key(tenant, key, origin);
    entered text;
BEGIN
    IF note IS NULL THEN
        entered := set_config('transaction_read_only', 'on', true);
    ELSE
        entered := enter_note(note, name, 'key', NULL);
    END IF;
END
$$;

-- A key of a workspace: it is for that workspace's data, from the addresses that it names.  workspace is the one
-- that the request means, if it says so.  Raises AS005, AS403 and AS010.
CREATE OR REPLACE FUNCTION enter_workspace_key(key bytea, address inet, workspace uuid, scope text, note jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    shown   record;
    k       record;
    entered text := set_config('app.key_hash', encode(key, 'hex'), true);
BEGIN
    SELECT s.tenant_id, s.key_id INTO shown
    FROM api_key_secrets s
    WHERE s.hash = key AND s.place IS NOT NULL AND (s.expires_at IS NULL OR s.expires_at > now());
    IF FOUND THEN
        entered := set_config('app.tenant_id', shown.tenant_id::text, true);
    END IF;
    SELECT a.tenant_id, a.organization_id, a.prefix, a.scopes, a.allowed_ranges INTO k
    FROM api_keys a
    WHERE a.tenant_id = shown.tenant_id AND a.id = shown.key_id AND a.type = 'workspace' AND a.is_active AND a.revoked_at IS NULL AND a.tenant_active
      AND (a.expires_at IS NULL OR a.expires_at > now());
    IF k.tenant_id IS NULL
       OR NOT EXISTS (SELECT FROM organizations o WHERE o.tenant_id = k.tenant_id AND o.id = k.organization_id AND o.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS005' USING MESSAGE = 'this API key is unknown, switched off, expired or revoked';
    ELSIF workspace <> k.organization_id THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this key is of another workspace';
    ELSIF cardinality(k.allowed_ranges) > 0 AND coalesce(address <<= ANY (k.allowed_ranges), false) IS FALSE THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = format('this key is not taken from the address %s', coalesce(host(address), 'that this comes from'));
    ELSIF cardinality(k.scopes) > 0 AND scope IS NOT NULL AND scope <> ALL (k.scopes) THEN
        RAISE SQLSTATE 'AS010' USING MESSAGE = format('this needs the scope %s', scope);
    END IF;
    entered := set_config('app.key', 'workspace', true);
    entered := set_config('app.organization_id', k.organization_id::text, true);
    IF note IS NULL THEN
        entered := set_config('transaction_read_only', 'on', true);
    ELSE
        entered := enter_note(note, 'key:' || k.prefix, 'key', NULL);
    END IF;
END
$$;

-- A user; returns which.
CREATE OR REPLACE FUNCTION enter_user(tenant uuid, key bytea, origin text, issuer text, subject text, role text,
                                      session uuid, generation integer, least_role text, note jsonb) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    who          uuid;
    is_new       boolean;   -- the generation
    name         text;      -- the user's public id
    impersonator uuid;
    is_acted     boolean;   -- somebody acts as the user
    entered      text;
BEGIN
    IF key IS NOT NULL THEN
        entered := enter_with_key(tenant, key, origin);
        tenant := app_tenant();
    ELSE
        entered := set_config('app.tenant_id', tenant::text, true);
    END IF;

    IF session IS NOT NULL THEN
        SELECT s.user_id, s.subject, s.impersonator_id, s.method = 'impersonation', s.used_generation < enter_user.generation
        INTO who, name, impersonator, is_acted, is_new
        FROM sessions s
        WHERE s.tenant_id = tenant AND s.id = session AND s.revoked_at IS NULL AND s.expires_at > now()
          AND s.subject = enter_user.subject AND s.access >= access_of(least_role);
    ELSE
        SELECT u.id, u.public_id INTO who, name
        FROM identities i JOIN users u ON u.tenant_id = i.tenant_id AND u.id = i.user_id
        WHERE i.tenant_id = tenant AND i.issuer = enter_user.issuer AND i.subject = enter_user.subject
          AND u.access >= access_of(least_role)
          AND (enter_user.role IS NULL OR u.role = enter_user.role OR enter_user.role = 'user' AND u.access <= 1);
    END IF;
    IF who IS NULL THEN
        PERFORM enter_refuse(tenant, issuer, subject, role, session, least_role);
    END IF;
    entered := set_config('app.user_id', who::text, true);
    IF is_new THEN
        PERFORM enter_used(tenant, session, generation);
    END IF;
    IF note IS NULL THEN
        entered := set_config('transaction_read_only', 'on', true);
    END IF;
    IF impersonator IS NOT NULL THEN
        PERFORM enter_impersonated(tenant, impersonator, name, note);
    ELSIF is_acted THEN
        PERFORM enter_impersonated_by_team(tenant, session, name, note);
    ELSIF note IS NOT NULL THEN
        entered := enter_note(note, name, 'user', NULL);
    END IF;
    RETURN who;
END
$$;

-- A team member, of the dashboard.
CREATE OR REPLACE FUNCTION enter_team(tenant uuid, key bytea, origin text, session uuid, generation integer,
                                      least_role text, test boolean, note jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    who     uuid;
    is_new  boolean;
    entered text;
BEGIN
    IF key IS NOT NULL THEN
        entered := enter_with_key(tenant, key, origin);
        tenant := app_tenant();
    ELSE
        entered := set_config('app.tenant_id', tenant::text, true);
    END IF;
    SELECT s.member_id, s.used_generation < enter_team.generation INTO who, is_new
    FROM team_sessions s
    WHERE s.tenant_id = tenant AND s.id = session AND s.revoked_at IS NULL AND s.expires_at > now()
      AND s.access >= access_of(least_role);
    IF NOT FOUND THEN
        PERFORM enter_refuse_team(tenant, session, least_role);
    END IF;
    entered := set_config('app.team_id', who::text, true);
    IF is_new THEN
        PERFORM enter_team_used(tenant, session, generation);
    END IF;
    IF test THEN
        SELECT set_config('app.tenant_id', t.id::text, true) INTO entered FROM tenants t WHERE t.test_of = tenant;
    END IF;
    IF note IS NULL THEN
        entered := set_config('transaction_read_only', 'on', true);
    ELSE
        entered := enter_note(note, who::text, 'team', NULL);
    END IF;
END
$$;

-- A member of the organization that the path names; who NULL: a secret key alone,
-- which need not be one.
CREATE OR REPLACE FUNCTION enter_organization(who uuid, organization uuid, permission text, roles text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    m       record;
    entered text;
BEGIN
    SELECT x.role INTO m
    FROM organizations o
    LEFT JOIN memberships x ON x.tenant_id = o.tenant_id AND x.organization_id = o.id AND x.user_id = who AND x.is_active
    WHERE o.tenant_id = app_tenant() AND o.id = organization AND o.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Organization not found', DETAIL = organization::text;
    ELSIF who IS NULL THEN
        RETURN;
    ELSIF m.role IS NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'you are not a member of this organization';
    ELSIF m.role <> ALL (roles) THEN
        RAISE SQLSTATE 'AS403' USING DETAIL = permission,
            MESSAGE = format('this needs the permission %s: the role %s in the organization', permission,
                             array_to_string(roles, ' or '));
    END IF;
    entered := set_config('app.org_role', m.role, true);
END
$$;

-- A member of the workspace that the request is about: an organization in which
-- the user is an active member.  Which ones there are is not for callers to find out, so
-- an unknown one is refused as one of others is; and the permission is asked
-- before what the path names is looked for: a caller who may not see such things
-- learns nothing of which there are.
--
-- roles have the permission, own_roles have it for what is their own, unless the
-- workspace has set something for the caller's role.
-- chosen is the workspace that the token names as the active one: it serves where no header
-- names another, and is none where the membership has ended.  A token that names none, as that of another
-- issuer, is in the one that the user chose last.
CREATE OR REPLACE FUNCTION enter_member(who uuid, workspace uuid, chosen uuid, permission text, roles text[], own_roles text[])
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    tenant  uuid := app_tenant();
    m       record;
    granted boolean;
    reach   text;
    entered text;
BEGIN
    SELECT x.id, x.organization_id, x.role, o.has_own_permissions
    INTO m
    FROM memberships x JOIN organizations o ON o.tenant_id = x.tenant_id AND o.id = x.organization_id
    WHERE x.tenant_id = tenant AND x.user_id = who AND x.is_active AND o.deleted_at IS NULL
      AND x.organization_id = coalesce(workspace, chosen, (SELECT u.default_organization_id FROM users u
                                                           WHERE u.tenant_id = tenant AND u.id = who));
    IF NOT FOUND AND workspace IS NULL THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'X-Workspace-Id',
            MESSAGE = 'no workspace is chosen: send X-Workspace-Id, or switch to one';
    ELSIF NOT FOUND THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'you are not an active member of this workspace';
    END IF;
    IF permission IS NOT NULL THEN
        -- What permission_reach() finds, in most cases by one look-up: the defaults are known here.  A role itself is no setting.
        IF m.has_own_permissions AND permission LIKE 'can\_%' THEN
            SELECT x.is_granted INTO granted FROM role_permissions x
            WHERE x.tenant_id = tenant AND x.organization_id = m.organization_id AND x.role = m.role AND x.permission = enter_member.permission;
        END IF;
        reach := CASE WHEN coalesce(granted, m.role = ANY (roles)) THEN 'all'
                      WHEN m.has_own_permissions THEN permission_reach(tenant, m.organization_id, m.role, permission)
                      WHEN m.role = ANY (own_roles) THEN 'own' END;
        IF reach IS NULL THEN
            RAISE SQLSTATE 'AS403' USING DETAIL = permission,
                MESSAGE = format('this needs the permission %s, which the role %s does not have here', permission, m.role);
        END IF;
        entered := set_config('app.reach', reach, true);
    END IF;
    entered := set_config('app.organization_id', m.organization_id::text, true);
    entered := set_config('app.member_id', m.id::text, true);
    entered := set_config('app.org_role', m.role, true);
END
$$;

-- The same, of the workspace that the path names: unknown it is not found.
CREATE OR REPLACE FUNCTION enter_workspace(who uuid, workspace uuid, permission text, roles text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    m       record;
    entered text;
BEGIN
    SELECT x.id, x.role INTO m
    FROM organizations o
    LEFT JOIN memberships x ON x.tenant_id = o.tenant_id AND x.organization_id = o.id AND x.user_id = who AND x.is_active
    WHERE o.tenant_id = app_tenant() AND o.id = workspace AND o.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Workspace not found', DETAIL = workspace::text;
    ELSIF m.role IS NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'you are not an active member of this workspace';
    ELSIF m.role <> ALL (roles) THEN
        RAISE SQLSTATE 'AS403' USING DETAIL = permission,
            MESSAGE = format('this needs the permission %s: the role %s in the workspace', permission,
                             array_to_string(roles, ' or '));
    END IF;
    entered := set_config('app.organization_id', workspace::text, true);
    entered := set_config('app.member_id', m.id::text, true);
    entered := set_config('app.org_role', m.role, true);
END
$$;

-- A user of the operations surface by their role, or a secret key alone (who
-- NULL), which is an editor and never an administrator.  is_installation: it is
-- about more than a tenant, so that no role or key of another tenant than the
-- default one will do: any client can register one.
CREATE OR REPLACE FUNCTION enter_operator(who uuid, permission text, roles text[], is_installation boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    role text;
BEGIN
    IF is_installation AND app_tenant() <> '00000000-0000-7000-8000-000000000001' THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this is about the whole installation, and for those who operate it';
    END IF;
    IF who IS NOT NULL THEN
        SELECT u.role INTO role FROM users u WHERE u.tenant_id = app_tenant() AND u.id = who;
    ELSIF app_is_secret() THEN
        role := 'editor';
    END IF;
    IF permission IS NOT NULL AND (role IS NULL OR role <> ALL (roles)) THEN
        RAISE SQLSTATE 'AS403' USING DETAIL = permission,
            MESSAGE = format('this needs the permission %s: one of the roles %s', permission, array_to_string(roles, ', '));
    END IF;
    PERFORM set_config('app.role', coalesce(role, ''), true);
END
$$;

-- A key of an organization: it is the user who made it, while they are a member there, with their role in the tenant, but never an
-- administrator.  Each secret and the key itself end by the clock of this statement.  Raises AS005, AS403 and AS010.
CREATE OR REPLACE FUNCTION enter_organization_key(key bytea, address inet, scope text, permission text, roles text[], is_installation boolean,
                                                  note jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    shown   record;
    k       record;
    role    text;
    entered text := set_config('app.key_hash', encode(key, 'hex'), true);
BEGIN
    SELECT s.tenant_id, s.key_id INTO shown
    FROM api_key_secrets s
    WHERE s.hash = key AND s.place IS NOT NULL AND (s.expires_at IS NULL OR s.expires_at > now());
    IF FOUND THEN
        entered := set_config('app.tenant_id', shown.tenant_id::text, true);
    END IF;
    SELECT a.prefix, a.scopes, a.allowed_ranges, u.id AS user_id, u.public_id, u.role INTO k
    FROM api_keys a
    JOIN organizations o ON o.tenant_id = a.tenant_id AND o.id = a.organization_id
    JOIN memberships m ON m.tenant_id = a.tenant_id AND m.organization_id = a.organization_id AND m.user_id = a.creator_id
    JOIN users u ON u.tenant_id = a.tenant_id AND u.id = a.creator_id
    WHERE a.tenant_id = shown.tenant_id AND a.id = shown.key_id AND a.type = 'organization' AND a.is_active AND a.revoked_at IS NULL
      AND a.deleted_at IS NULL AND a.tenant_active AND (a.expires_at IS NULL OR a.expires_at > now())
      AND o.deleted_at IS NULL AND m.is_active AND m.id = a.made_by AND u.deleted_at IS NULL AND u.access > 0;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS005' USING MESSAGE = 'this API key is unknown, suspended, expired or revoked';
    ELSIF cardinality(k.allowed_ranges) > 0 AND coalesce(address <<= ANY (k.allowed_ranges), false) IS FALSE THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = format('this key is not taken from the address %s', coalesce(host(address), 'that this comes from'));
    ELSIF NOT k.scopes && ARRAY ['*', scope] THEN
        RAISE SQLSTATE 'AS010' USING MESSAGE = format('this needs the scope %s', coalesce(scope, '*'));
    END IF;
    role := CASE WHEN k.role IN ('superadmin', 'admin') THEN 'editor' ELSE k.role END;
    IF is_installation AND shown.tenant_id <> '00000000-0000-7000-8000-000000000001' THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this is about the whole installation, and for those who operate it';
    ELSIF permission IS NOT NULL AND role <> ALL (roles) THEN
        RAISE SQLSTATE 'AS403' USING DETAIL = permission,
            MESSAGE = format('this needs the permission %s: one of the roles %s', permission, array_to_string(roles, ', '));
    END IF;
    entered := set_config('app.key', 'organization', true);
    entered := set_config('app.user_id', k.user_id::text, true);
    entered := set_config('app.role', role, true);
    IF note IS NULL THEN
        entered := set_config('transaction_read_only', 'on', true);
    ELSE
        entered := enter_note(note, 'key:' || k.prefix, 'key', k.public_id);
    END IF;
END
$$;

-- ---------------------------------------------------------------- permissions

-- How far a role's permission reaches there: all, own (what the caller has made),
-- or NULL: not at all.  What the workspace has set counts, else the default.
CREATE OR REPLACE FUNCTION permission_reach(tenant uuid, organization uuid, role text, permission text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    reach text;
BEGIN
    SELECT CASE WHEN coalesce(a.is_granted, permission_reach.role = ANY (p.roles)) THEN 'all'
                WHEN coalesce(o.is_granted, permission_reach.role = ANY (p.own_roles)) THEN 'own' END
    INTO reach
    FROM permissions p
    LEFT JOIN role_permissions a
        ON a.tenant_id = tenant AND a.organization_id = organization AND a.role = permission_reach.role
       AND a.permission = p.name AND p.name LIKE 'can\_%'    -- a role itself is no setting
    LEFT JOIN role_permissions o
        ON o.tenant_id = tenant AND o.organization_id = organization AND o.role = permission_reach.role
       AND o.permission = p.own_name
    WHERE p.name = permission_reach.permission;
    IF NOT FOUND THEN
        RAISE 'there is no permission %: has "ashlar migrate" run?', permission;
    END IF;
    RETURN reach;
END
$$;

-- How far the permission that .may of the row names reaches: all, or own.
CREATE OR REPLACE FUNCTION app_reach() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.reach', true), '');

-- The same of another one, for the caller in the workspace: NULL if they have none of it.
CREATE OR REPLACE FUNCTION member_reach(permission text) RETURNS text
LANGUAGE sql STABLE
RETURN permission_reach(app_tenant(), app_organization(), app_org_role(), permission);

-- As "ashlar migrate" has them; what another release has beside them stays.
CREATE OR REPLACE FUNCTION permissions_put(given jsonb) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    INSERT INTO permissions AS p (name, place, roles, own_name, own_roles, number)
    SELECT g.name, g.place, g.roles::text[], g.own_name, g.own_roles::text[], g.number
    FROM jsonb_to_recordset(given) g(name text, place text, roles text, own_name text, own_roles text, number integer)
    ON CONFLICT (name) DO UPDATE
    SET place = excluded.place, roles = excluded.roles, own_name = excluded.own_name, own_roles = excluded.own_roles,
        number = excluded.number
    WHERE (p.place, p.roles, p.own_name, p.own_roles, p.number)
          IS DISTINCT FROM (excluded.place, excluded.roles, excluded.own_name, excluded.own_roles, excluded.number);
END;
REVOKE ALL ON FUNCTION permissions_put(jsonb) FROM PUBLIC;

-- ---------------------------------------------------------------- what the doors do in common

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
    ELSIF k.type = 'workspace' THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'a workspace''s key is for that workspace''s data alone';
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

-- The same of a member of the team, whose tenant may be the one that this is the test mode of.
CREATE OR REPLACE FUNCTION enter_impersonated_by_team(tenant uuid, session uuid, name text, request jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    member uuid := team_impersonator(tenant, session);
BEGIN
    IF member IS NULL THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'the session has ended; sign in again';
    END IF;
    IF request IS NOT NULL THEN
        PERFORM enter_note(request, member::text, 'team', name);
        PERFORM audit('impersonate.action', 'user', name, jsonb_build_object('route', request ->> 'route'));
    END IF;
END
$$;

-- The member of the team who acts in this session, of the tenant of this transaction; NULL: none, or
-- they may not any more.
CREATE OR REPLACE FUNCTION team_impersonator(tenant uuid, session uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    i      session_impersonators;
    member uuid;
BEGIN
    SELECT * INTO i FROM session_impersonators x WHERE x.tenant_id = tenant AND x.session_id = session;
    IF FOUND THEN
        PERFORM set_config('app.tenant_id', i.member_tenant_id::text, true);
        SELECT m.id INTO member FROM team_members m WHERE m.tenant_id = i.member_tenant_id AND m.id = i.member_id AND m.access >= 2;
        PERFORM set_config('app.tenant_id', tenant::text, true);
    END IF;
    RETURN member;
END
$$;

-- Why was the caller not let in?  Always raises.
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
        ELSIF who.access > 0 AND who.access >= access_of(min_role) THEN
            -- Another first request of theirs has made them since the door looked: it is to look again.
            RAISE SQLSTATE 'AS001' USING MESSAGE = 'a new user';
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
            WHERE k.hash = key AND k.type <> 'workspace' AND k.is_active AND k.revoked_at IS NULL AND k.tenant_active);
END
$$;
