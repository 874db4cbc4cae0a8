-- The people who run a tenant: how they sign in to the dashboard, and who may
-- change whom.

-- Which members of two versions of a row differ, for the audit log: their names, and no values.
CREATE OR REPLACE FUNCTION changed_fields(before jsonb, after jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT coalesce(jsonb_agg(a.key ORDER BY a.key), '[]')
        FROM jsonb_each(after) a
        WHERE a.value IS DISTINCT FROM before -> a.key AND a.key NOT IN ('created_at', 'updated_at'));

-- TenantUser, and Tenant.
CREATE OR REPLACE FUNCTION team_user(m team_members) RETURNS json
LANGUAGE sql STABLE
RETURN (SELECT row_to_json(u)
        FROM (SELECT m.id, m.tenant_id, m.email, m.display_name, m.role, m.is_active, m.is_email_verified,
                     json_time(m.last_login_at) AS last_login_at, json_time(m.created_at) AS created_at) u);

CREATE OR REPLACE FUNCTION tenant_account(t tenants) RETURNS json
LANGUAGE sql STABLE
RETURN (SELECT row_to_json(a)
        FROM (SELECT t.id, t.name, t.slug, t.is_active, json_time(t.created_at) AS created_at,
                     json_time(t.updated_at) AS updated_at) a);

CREATE OR REPLACE FUNCTION team_permissions(role text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN role IN ('owner', 'admin')
            THEN ARRAY['settings:write', 'keys:write', 'team:write', 'plans:write', 'agents:write', 'files:write',
                       'entities:read', 'analytics:read']
            ELSE ARRAY['entities:read', 'analytics:read'] END;

CREATE OR REPLACE FUNCTION team_status(m team_members) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN NOT m.is_active THEN 'deactivated' WHEN m.joined_at IS NULL THEN 'invited' ELSE 'active' END;

-- ---------------------------------------------------------------- signing in

-- Guesses at a member's password.  The sign-in of all tenants' teams is one door,
-- and is counted in one place, the default tenant's, for members as for nobody:
-- counted in the tenant of the account that is meant, the refusals would tell which
-- addresses are known.  Where they signed in from is their tenant's to know.

-- address_is_known() of a member of that tenant; member NULL: false.
CREATE OR REPLACE FUNCTION team_address_is_known(tenant uuid, member uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    here     text := current_setting('app.tenant_id');
    is_known boolean := false;
BEGIN
    IF member IS NOT NULL THEN
        PERFORM set_config('app.tenant_id', tenant::text, true);
        is_known := address_is_known(member);
        PERFORM set_config('app.tenant_id', here, true);
    END IF;
    RETURN is_known;
END
$$;

-- A guess was right, or wrong, in a transaction of the member's tenant.  Returns
-- what guess_passed() and guess_failed() do.
CREATE OR REPLACE FUNCTION team_guessed(key text, email text, member uuid, passed boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    here     text := current_setting('app.tenant_id');
    is_known boolean := address_is_known(member);
    account  text := limit_account(key, email);
    wait     integer;
BEGIN
    PERFORM set_config('app.tenant_id', '00000000-0000-7000-8000-000000000001', true);
    wait := CASE WHEN passed THEN guess_passed('tenant_login', account, is_known)
                 ELSE guess_failed('tenant_login', account, is_known) END;
    PERFORM set_config('app.tenant_id', here, true);
    RETURN wait;
END
$$;

-- Sign a member in whose password was found right, by the hash that it was
-- compared with: a password that has changed in between lets no caller in.
-- new_hash, unless NULL, replaces it.  NULL: the member or the tenant is not
-- active, which is put down.
CREATE OR REPLACE FUNCTION team_session_open(member uuid, verified_hash text, new_hash text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    session uuid;
BEGIN
    UPDATE team_members m
    SET last_login_at = now(), password_hash = coalesce(new_hash, m.password_hash)
    WHERE m.tenant_id = app_tenant() AND m.id = member AND m.password_hash = verified_hash AND m.access > 0
      AND EXISTS (SELECT FROM tenants t WHERE t.id = app_tenant() AND t.is_active);
    IF NOT FOUND THEN
        PERFORM audit('session.failed', 'team_member', member::text, '{"reason": "inactive"}', member::text, 'team');
        RETURN NULL;
    END IF;
    INSERT INTO team_sessions (tenant_id, member_id, expires_at, user_agent, ip)
    VALUES (app_tenant(), member, now() + interval '30 days', left(request_user_agent(), 1024), request_ip())
    RETURNING id INTO session;
    PERFORM address_note(member);
    PERFORM audit('session.create', 'team_session', session::text, '{"method": "password"}', member::text, 'team');
    RETURN session;
END
$$;

-- What the answer to signing in is made of; issued_at is the tokens'.
-- Volatile: it sees the session that the same statement has just opened.
CREATE OR REPLACE FUNCTION team_session_tokens(session uuid, issued_at timestamptz)
RETURNS TABLE (_tenant_id text, _session_id text, _member_id text, _generation integer, email text, role text,
               iat_s bigint, end_s bigint, member text, tenant text)
LANGUAGE sql VOLATILE ROWS 1
BEGIN ATOMIC
    SELECT s.tenant_id::text, s.id::text, m.id::text, s.generation, m.email, m.role,
           floor(extract(epoch FROM team_session_tokens.issued_at))::bigint,
           floor(extract(epoch FROM s.expires_at))::bigint, team_user(m)::text, tenant_account(t)::text
    FROM team_sessions s
    JOIN team_members m ON m.tenant_id = s.tenant_id AND m.id = s.member_id
    JOIN tenants t ON t.id = s.tenant_id
    WHERE s.tenant_id = app_tenant() AND s.id = team_session_tokens.session;
END;

-- session_refresh() of the team.
CREATE OR REPLACE FUNCTION team_session_refresh(session uuid, generation integer, OUT session_id uuid,
                                                OUT issued_at timestamptz, OUT is_reused boolean) RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
    s    team_sessions;
    fate text;
BEGIN
    SELECT * INTO s
    FROM team_sessions x
    WHERE x.tenant_id = app_tenant() AND x.id = session AND x.revoked_at IS NULL AND x.expires_at > now()
      AND x.access > 0 AND EXISTS (SELECT FROM tenants t WHERE t.id = app_tenant() AND t.is_active)
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    fate := refresh_fate(team_session_refresh.generation, s.generation, s.used_generation, s.rotated_at,
                         s.earlier_rotations);
    IF fate IS NULL THEN
        RETURN;
    END IF;
    session_id := s.id;
    issued_at := now();
    is_reused := fate = 'stolen';
    IF is_reused THEN
        UPDATE team_sessions x SET revoked_at = now() WHERE x.tenant_id = app_tenant() AND x.id = s.id;
        PERFORM audit('session.refresh_reused', 'team_session', s.id::text,
                      jsonb_build_object('generation', team_session_refresh.generation, 'newest', s.generation),
                      s.member_id::text, 'team');
    ELSIF fate = 'again' THEN
        issued_at := refresh_issued_at(s.rotated_at);
        UPDATE team_sessions x SET last_seen_at = now() WHERE x.tenant_id = app_tenant() AND x.id = s.id;
        PERFORM audit('session.refresh_repeated', 'team_session', s.id::text,
                      jsonb_build_object('generation', team_session_refresh.generation, 'newest', s.generation),
                      s.member_id::text, 'team');
    ELSIF (SELECT t.refresh_token_rotation FROM tenant_settings t WHERE t.tenant_id = app_tenant()) THEN
        UPDATE team_sessions x
        SET generation = s.generation + 1, used_generation = s.generation, rotated_at = now(),
            earlier_rotations = refresh_earlier(s.rotated_at, s.earlier_rotations), last_seen_at = now()
        WHERE x.tenant_id = app_tenant() AND x.id = s.id;
    ELSE
        UPDATE team_sessions x SET last_seen_at = now() WHERE x.tenant_id = app_tenant() AND x.id = s.id;
    END IF;
    RETURN NEXT;
END
$$;

-- End all of a member's sessions.
CREATE OR REPLACE FUNCTION team_sessions_end(member uuid) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    UPDATE team_sessions SET revoked_at = now()
    WHERE tenant_id = app_tenant() AND member_id = member AND revoked_at IS NULL;
    UPDATE one_time_tokens SET used_at = now()
    WHERE tenant_id = app_tenant() AND member_id = member AND kind = 'team_mfa' AND used_at IS NULL;
END;

-- Change the caller's password, of which before is the hash: all sessions end.  false: it was changed in between.
CREATE OR REPLACE FUNCTION team_change_password(before text, password_hash text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE team_members m SET password_hash = team_change_password.password_hash
    WHERE m.tenant_id = app_tenant() AND m.id = app_team() AND m.password_hash = before;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM team_sessions_end(app_team());
    PERFORM audit('password.change', 'team_member', app_team()::text);
    RETURN true;
END
$$;

-- A member's address has just been proved, by a reset, who had signed up with it
-- themself: the tenant may be a stranger's, who waited for the address's owner
-- to come.  The member's own password and sessions have ended; what else gets at
-- the tenant is in use where nobody is a stranger, and is the owner's to end.  A
-- mail and the audit log say what there is.  A second factor would keep out who
-- has just come, and goes.
CREATE OR REPLACE FUNCTION team_address_proved(member uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    found  jsonb;
BEGIN
    SELECT jsonb_strip_nulls(jsonb_build_object(
        'keys', (SELECT nullif(count(*), 0) FROM api_keys k WHERE k.tenant_id = tenant AND k.organization_id IS NULL AND k.is_active AND k.revoked_at IS NULL),
        'members', (SELECT nullif(count(*), 0) FROM team_members m
                    WHERE m.tenant_id = tenant AND m.id <> member AND m.is_active AND m.deleted_at IS NULL),
        'issuers', (SELECT nullif(count(*), 0) FROM tenant_issuers i WHERE i.tenant_id = tenant AND i.is_enabled)))
    INTO found;
    PERFORM audit('email.prove', 'team_member', member::text, jsonb_strip_nulls(jsonb_build_object(
                      'method', 'team_reset', 'found', found, 'second_factor', CASE WHEN team_mfa_drop(member) THEN 'removed' END)),
                  member::text, 'team');
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT tenant, 'ashlar.mail', 'mail', jsonb_build_object('template', 'team_ways_in', 'to', m.email, 'locale', 'en',
                                                             'data', found || jsonb_build_object('tenant', t.name))
    FROM team_members m JOIN tenants t ON t.id = m.tenant_id
    WHERE m.tenant_id = tenant AND m.id = member AND found <> '{}';
END
$$;

-- Take a mailed ticket (kind team_reset or team_invitation) for a new
-- password; once.  An invited member has joined then; sessions from before
-- end.  Returns the member; raises AS400 when the ticket is good for nothing.
CREATE OR REPLACE FUNCTION team_ticket_use(kind text, hash bytea, password_hash text, display_name text) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    who    uuid;
    is_new boolean;
BEGIN
    UPDATE one_time_tokens o
    SET used_at = now()
    WHERE o.tenant_id = app_tenant() AND o.hash = team_ticket_use.hash AND o.kind = team_ticket_use.kind
      AND o.used_at IS NULL AND o.expires_at > now()
    RETURNING o.member_id INTO who;
    IF FOUND THEN
        SELECT NOT m.is_email_verified AND m.joined_at IS NOT NULL INTO is_new
        FROM team_members m
        WHERE m.tenant_id = app_tenant() AND m.id = who
        FOR NO KEY UPDATE;
        UPDATE team_members m
        SET password_hash = team_ticket_use.password_hash, is_email_verified = true,
            joined_at = coalesce(m.joined_at, now()),
            display_name = coalesce(team_ticket_use.display_name, m.display_name)
        WHERE m.tenant_id = app_tenant() AND m.id = who AND m.is_active AND m.deleted_at IS NULL
          AND (m.joined_at IS NULL) = (team_ticket_use.kind = 'team_invitation');
    END IF;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS400' USING MESSAGE = 'the token is invalid, used or expired';
    END IF;
    UPDATE one_time_tokens o
    SET used_at = now()
    WHERE o.tenant_id = app_tenant() AND o.member_id = who AND o.kind = team_ticket_use.kind AND o.used_at IS NULL;
    PERFORM team_sessions_end(who);
    PERFORM address_note(who);    -- the reader of the mail signs in next, from here
    PERFORM audit(CASE team_ticket_use.kind WHEN 'team_reset' THEN 'password.reset' ELSE 'team.join' END, 'team_member',
                  who::text, '{}', who::text, 'team');
    IF is_new THEN
        PERFORM team_address_proved(who);
    END IF;
    RETURN who;
END
$$;

-- ---------------------------------------------------------------- who may change whom

-- May the caller give this member a role (new_role), (de)activate it
-- (new_active) or remove it?  NULL: left as it is.  A member that is not there
-- is not refused: the statement behind this finds no row.
--
-- Locks the owners, always in the same order, and decides by what is there
-- when it has them all: of two owners who demote each other the second waits,
-- and is then the last one, or no owner any more.
--
-- Raises AS403, and AS409 when no owner would be left.
CREATE OR REPLACE FUNCTION team_guard(member uuid, new_role text, new_active boolean, removes boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    caller team_members;
    target team_members;
BEGIN
    PERFORM FROM team_members m
    WHERE m.tenant_id = app_tenant() AND m.deleted_at IS NULL AND (m.role = 'owner' OR m.id IN (member, app_team()))
    ORDER BY m.id
    FOR UPDATE;
    SELECT * INTO caller FROM team_members m WHERE m.tenant_id = app_tenant() AND m.id = app_team();
    SELECT * INTO target FROM team_members m
    WHERE m.tenant_id = app_tenant() AND m.id = member AND m.deleted_at IS NULL;

    IF caller.access < 2 THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs the team role admin';
    ELSIF caller.role <> 'owner' AND target.role = 'owner' THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'only an owner can change or remove an owner';
    ELSIF caller.role <> 'owner' AND new_role = 'owner' AND target.id IS NOT NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'only an owner can make somebody an owner';
    ELSIF target.access = 3 AND (removes OR NOT coalesce(new_active, true) OR coalesce(new_role, 'owner') <> 'owner')
          AND NOT EXISTS (SELECT FROM team_members m
                          WHERE m.tenant_id = app_tenant() AND m.access = 3 AND m.id <> target.id) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = CASE WHEN removes THEN 'the last owner cannot be removed'
            ELSE 'the last owner cannot be demoted or deactivated' END;
    END IF;
END
$$;
