-- Acting as a user: an administrator, or a member of the tenant's team.

-- Open a session in which somebody acts as the user, for an hour at most: that
-- administrator, or, where impersonator is NULL, who the caller puts down.
-- Raises AS403 for administrators, and AS409 for who is not active.
CREATE OR REPLACE FUNCTION impersonation_open(u users, impersonator uuid, reason text, OUT session_id uuid, OUT issued_at timestamptz)
LANGUAGE plpgsql AS $$
BEGIN
    IF access_of(u.role) > 1 THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'administrators cannot be impersonated';
    ELSIF NOT u.is_active THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this account is not active', HINT = 'user_id';
    END IF;
    SELECT s.session_id, s.issued_at INTO session_id, issued_at
    FROM session_open(u.id, 'impersonation', 3600, NULL, false, impersonator) s;
    PERFORM audit('impersonate.start', 'user', u.public_id, jsonb_build_object('reason', reason, 'session', session_id));
END
$$;

-- An administrator begins, by the user's public id.  Raises AS404, and what impersonation_open() does.
CREATE OR REPLACE FUNCTION impersonation_start(target text, reason text, OUT session_id uuid, OUT issued_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    u users;
BEGIN
    SELECT * INTO u
    FROM users x
    WHERE x.tenant_id = app_tenant() AND x.public_id = target AND x.deleted_at IS NULL
    FOR SHARE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', HINT = 'user_id';
    END IF;
    SELECT s.session_id, s.issued_at INTO session_id, issued_at FROM impersonation_open(u, app_user(), reason) s;
END
$$;

-- A member of the team begins: the user, who has an address, reads of it in a mail.  Not as
-- who is in the team, too: what they may do in their own name is no other member's.
CREATE OR REPLACE FUNCTION team_impersonation_start(who uuid, reason text, mail jsonb, OUT session_id uuid, OUT issued_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    u users;
    t record;
BEGIN
    SELECT * INTO u FROM users x WHERE x.tenant_id = app_tenant() AND x.id = who AND x.deleted_at IS NULL FOR SHARE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = who::text;
    END IF;
    SELECT * INTO t FROM team_caller(u.email_key, u.email);
    IF t.is_colleague THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'members of the team cannot be impersonated';
    END IF;
    SELECT s.session_id, s.issued_at INTO session_id, issued_at FROM impersonation_open(u, NULL, reason) s;
    INSERT INTO session_impersonators (tenant_id, session_id, member_tenant_id, member_id, reason)
    VALUES (app_tenant(), team_impersonation_start.session_id, t.tenant, app_team(), team_impersonation_start.reason);
    IF u.email IS NOT NULL THEN
        PERFORM job_add('ashlar.mail', 'mail', mail || jsonb_build_object('to', u.email, 'locale', u.locale, 'user', u.id));
    END IF;
END
$$;

-- The token of an impersonation was shown, whose session this is: another session takes its place, which can be refreshed, and ends
-- when that would have.  impersonator: who acts, a user or a member of the team.
--
-- Raises AS401 where it has ended, or they may not act any more; AS404 and AS403 where the user is gone, or not active.
CREATE OR REPLACE FUNCTION impersonation_exchange(session uuid, OUT session_id uuid, OUT issued_at timestamptz, OUT impersonator uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    s      sessions;
    u      users;
BEGIN
    SELECT x.* INTO s FROM sessions x
    WHERE x.tenant_id = tenant AND x.id = session AND (x.impersonator_id IS NOT NULL OR x.method = 'impersonation')
    FOR UPDATE;
    IF s.id IS NULL OR s.expires_at <= now() OR EXISTS (SELECT FROM session_exchanges e WHERE e.tenant_id = tenant AND session IN (e.session_id, e.exchanged_id)) THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'the impersonation has ended, or the token was exchanged before';
    END IF;
    SELECT x.* INTO u FROM users x WHERE x.tenant_id = tenant AND x.id = s.user_id;
    IF u.deleted_at IS NOT NULL THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = u.id::text;
    ELSIF u.access = 0 THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this account is not active';
    ELSIF s.revoked_at IS NOT NULL THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'the impersonation has ended, or the token was exchanged before';
    ELSIF s.impersonator_id IS NOT NULL THEN
        PERFORM enter_impersonated(tenant, s.impersonator_id, u.public_id, NULL);
        impersonator := s.impersonator_id;
    ELSE
        impersonator := team_impersonator(tenant, session);
        PERFORM enter_impersonated_by_team(tenant, session, u.public_id, NULL);
    END IF;
    SELECT o.session_id, o.issued_at INTO session_id, issued_at
    FROM session_open(u.id, 'impersonation', floor(extract(epoch FROM s.expires_at - now()))::integer, NULL, false, s.impersonator_id) o;
    INSERT INTO session_impersonators (tenant_id, session_id, member_tenant_id, member_id, reason)
    SELECT tenant, impersonation_exchange.session_id, i.member_tenant_id, i.member_id, i.reason
    FROM session_impersonators i WHERE i.tenant_id = tenant AND i.session_id = session;
    INSERT INTO session_exchanges (tenant_id, session_id, exchanged_id) VALUES (tenant, impersonation_exchange.session_id, session);
    UPDATE sessions x SET revoked_at = now() WHERE x.tenant_id = tenant AND x.id = session;
    PERFORM audit('impersonate.exchange', 'user', u.public_id, jsonb_build_object('session', session_id, 'exchanged', session, 'impersonator', impersonator));
END
$$;

-- Who acts in a session; NULL: its user.
CREATE OR REPLACE FUNCTION session_impersonator(session uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT coalesce(s.impersonator_id, i.member_id)
            FROM sessions s
            LEFT JOIN session_impersonators i ON i.tenant_id = s.tenant_id AND i.session_id = s.id
            WHERE s.tenant_id = app_tenant() AND s.id = session);
END
$$;

-- End the session that the request is made in.  No row: no user is impersonated in it.
CREATE OR REPLACE FUNCTION impersonation_stop(session uuid, OUT name text) RETURNS SETOF text
LANGUAGE plpgsql ROWS 1 AS $$
BEGIN
    UPDATE sessions s SET revoked_at = now()
    WHERE s.tenant_id = app_tenant() AND s.id = session AND (s.impersonator_id IS NOT NULL OR s.method = 'impersonation')
    RETURNING s.subject INTO name;
    IF FOUND THEN
        PERFORM audit('impersonate.stop', 'user', name, jsonb_build_object('session', session));
        RETURN NEXT;
    END IF;
END
$$;
