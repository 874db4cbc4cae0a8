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
