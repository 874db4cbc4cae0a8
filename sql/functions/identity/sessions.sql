-- Signing in: what every way of it ends with, and what keeps it going.

-- Where the request came from, and with what; NULL where it was not noted.
CREATE OR REPLACE FUNCTION request_ip() RETURNS inet
LANGUAGE sql STABLE
RETURN (nullif(current_setting('app.request', true), '')::jsonb ->> 'ip')::inet;

CREATE OR REPLACE FUNCTION request_user_agent() RETURNS text
LANGUAGE sql STABLE
RETURN nullif(current_setting('app.request', true), '')::jsonb ->> 'user_agent';

-- Does somebody act as the user, of a request that may change something?  What the door knows of the session.
CREATE OR REPLACE FUNCTION request_is_impersonated() RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce(nullif(current_setting('app.request', true), '')::jsonb ->> 'on_behalf_of' IS NOT NULL, false);

-- The session that the request was made in.  is_known: it was made by a user, in
-- that session, or, without one, with another issuer's token; not by somebody who
-- acts as the user, nor by the last release's binaries, which do not say.
CREATE OR REPLACE FUNCTION request_session(OUT is_known boolean, OUT session uuid)
LANGUAGE sql STABLE
BEGIN ATOMIC
    SELECT coalesce(r ?| '{session,issuer}' AND r ->> 'on_behalf_of' IS NULL, false), (r ->> 'session')::uuid
    FROM (SELECT nullif(current_setting('app.request', true), '')::jsonb AS r) x;
END;

-- Behind a lock: the door found the session before.  Raises AS401 when it has ended.
CREATE OR REPLACE FUNCTION session_stands() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM sessions s, request_session() r
    WHERE s.tenant_id = app_tenant() AND s.id = r.session AND s.revoked_at IS NOT NULL;
    IF FOUND THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'the session has ended; sign in again';
    END IF;
END
$$;

-- Sign the user who in, and put that down.
--
--   method        how: see sessions_method_known
--   ttl_s         how long the session lasts
--   mfa_hash      hash of a ticket: if the user has a second factor, this
--                 becomes a challenge for it (good for five minutes), and there
--                 is no session yet; NULL: do not ask
--   has_mfa       a second factor was shown
--   impersonator  the administrator who acts as the user; of method "impersonation"
--                 the user has not signed in, and the caller says so in the audit log
--
-- session_id is NULL when there is a challenge instead.  Raises AS401 when the
-- user is not active any more.
CREATE OR REPLACE FUNCTION session_open(who uuid, method text, ttl_s integer, mfa_hash bytea, has_mfa boolean,
                                        impersonator uuid, OUT session_id uuid, OUT issued_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    issued_at := now();
    SELECT u.public_id INTO name FROM users u WHERE u.tenant_id = app_tenant() AND u.id = who AND u.access > 0;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'this account is not active';
    END IF;
    IF mfa_hash IS NOT NULL AND EXISTS (SELECT FROM totp_factors f
                                        WHERE f.tenant_id = app_tenant() AND f.user_id = who
                                          AND f.confirmed_at IS NOT NULL) THEN
        INSERT INTO one_time_tokens (tenant_id, kind, user_id, hash, data, expires_at)
        VALUES (app_tenant(), 'mfa', who, mfa_hash, jsonb_build_object('method', method), now() + interval '5 minutes');
        RETURN;
    END IF;

    -- It begins in the workspace that the user chose last, and stays in its own.
    INSERT INTO sessions (tenant_id, user_id, method, expires_at, user_agent, ip, has_mfa, impersonator_id, workspace_id)
    VALUES (app_tenant(), who, method, now() + make_interval(secs => ttl_s), left(request_user_agent(), 1024),
            request_ip(), session_open.has_mfa, impersonator, active_workspace(who, NULL))
    RETURNING id INTO session_id;
    IF impersonator IS NULL AND method <> 'impersonation' THEN
        UPDATE users u SET last_login_at = now() WHERE u.tenant_id = app_tenant() AND u.id = who;
        PERFORM address_note(who);
        PERFORM audit('session.create', 'session', session_id::text,
                      jsonb_build_object('method', method, 'has_mfa', nullif(session_open.has_mfa, false)), name, 'user');
    END IF;
END
$$;

-- The user who, while the password that was shown is still theirs: it was
-- compared with hash, which took a while, and may have been changed meanwhile,
-- or have ended with all that lets into the account.  hash NULL: none was shown.
-- Raises AS401.
CREATE OR REPLACE FUNCTION password_holds(who uuid, hash text) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    IF hash IS NOT NULL THEN
        PERFORM FROM users u
        WHERE u.tenant_id = app_tenant() AND u.id = who AND u.password_hash = hash
        FOR NO KEY UPDATE;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS401' USING MESSAGE = 'the password has just been changed; sign in again';
        END IF;
    END IF;
    RETURN who;
END
$$;

-- Sign the user in with a passkey, which the session then names.
CREATE OR REPLACE FUNCTION session_open_with_passkey(passkey uuid, who uuid, ttl_s integer, OUT session_id uuid,
                                                     OUT issued_at timestamptz)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT s.session_id, s.issued_at INTO session_id, issued_at
    FROM session_open(who, 'passkey', ttl_s, NULL, true, NULL) s;
    UPDATE sessions s SET passkey_id = passkey
    WHERE s.tenant_id = app_tenant() AND s.id = session_open_with_passkey.session_id;
END
$$;

-- What the tokens of a session are made of, with the workspace that they are to
-- name, and behind that its user as whoever signs in sees it (AuthUser).
-- issued_at is the tokens'.  Volatile: it sees the session that the same
-- statement has just opened.
CREATE OR REPLACE FUNCTION session_claims(session_id uuid, issued_at timestamptz)
RETURNS TABLE (_tenant_id text, _session_id text, _generation integer, _iat_s bigint, _end_s bigint, _subject text,
               _role text, _actor text, _workspace_id text, id uuid, email text, display_name text, avatar_url text,
               is_active boolean, created_at timestamptz)
LANGUAGE sql VOLATILE ROWS 1
BEGIN ATOMIC
    SELECT s.tenant_id::text, s.id::text, s.generation, floor(extract(epoch FROM session_claims.issued_at))::bigint,
           floor(extract(epoch FROM s.expires_at))::bigint, u.public_id, u.role, coalesce(a.public_id, 'team:' || i.member_id),
           s.workspace_id::text,
           u.id, u.email, u.full_name, u.avatar_url, u.is_active, u.created_at
    FROM sessions s
    JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
    LEFT JOIN users a ON a.tenant_id = s.tenant_id AND a.id = s.impersonator_id
    LEFT JOIN session_impersonators i ON s.method = 'impersonation' AND i.tenant_id = s.tenant_id AND i.session_id = s.id
    WHERE s.tenant_id = app_tenant() AND s.id = session_claims.session_id;
END;

-- What answers about a user tell beside the account itself: who they are in the workspace that they are in (active_workspace), which
-- is none where all of that is null.  Behind what signs in, in the same statement, it sees what that has put down.
CREATE OR REPLACE FUNCTION user_in_workspace(who uuid, chosen uuid)
RETURNS TABLE (name text, title text, phone text, bio text, email_verified boolean, is_staff boolean, is_superuser boolean,
               active_workspace_id uuid, role text, last_login_at timestamptz, updated_at timestamptz, _active_workspace text)
LANGUAGE plpgsql VOLATILE ROWS 1 AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT u.full_name, p.title, p.phone, p.bio, u.is_email_verified, u.role IN ('admin', 'superadmin'), u.role = 'superadmin',
           m.organization_id, workspace_role(m.role), u.last_login_at, u.updated_at, m.organization_id::text
    FROM users u
    LEFT JOIN memberships m ON m.tenant_id = u.tenant_id AND m.user_id = u.id AND m.organization_id = active_workspace(u.id, chosen)
    LEFT JOIN member_profiles p ON p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id
    WHERE u.tenant_id = app_tenant() AND u.id = who;
END
$$;

-- What becomes of a refresh token that was shown, of sessions and team_sessions alike?
--
--   next    it is the newest: it is refreshed
--   again   the newest is given out again: its child was never used, so the
--           answer was lost, however long ago that was; or it was itself
--           rotated within the last 30 s, by another tab
--   stolen  its child was used, and so two hold the same token
--   NULL    it was never given out
CREATE OR REPLACE FUNCTION refresh_fate(shown integer, newest integer, used integer, rotated_at timestamptz,
                                        earlier_rotations timestamptz[]) RETURNS text
LANGUAGE sql STABLE
RETURN CASE WHEN shown > newest THEN NULL
            WHEN shown = newest THEN 'next'
            WHEN shown = newest - 1 AND used < newest THEN 'again'
            WHEN (rotated_at || earlier_rotations)[newest - shown] > now() - interval '30 seconds' THEN 'again'
            ELSE 'stolen' END;

-- earlier_rotations as the next rotation leaves them.
CREATE OR REPLACE FUNCTION refresh_earlier(rotated_at timestamptz, earlier_rotations timestamptz[]) RETURNS timestamptz[]
LANGUAGE sql STABLE
RETURN CASE WHEN rotated_at > now() - interval '30 seconds' THEN (rotated_at || earlier_rotations)[:15] ELSE '{}' END;

-- The time that the tokens of a repeated answer are made for: tabs that refresh
-- at once get the same bytes, and a later one gets a token that is still good.
CREATE OR REPLACE FUNCTION refresh_issued_at(rotated_at timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE
RETURN CASE WHEN rotated_at > now() - interval '30 seconds' THEN rotated_at ELSE now() END;

-- A refresh token was shown: the one of this generation of the session.
--
-- Where the tenant has tokens rotated, the newest becomes the next generation,
-- and older ones meet refresh_fate(); the session of a stolen one ends
-- (is_reused).  No row: the session has ended, or the user is not active.
--
-- tells  the access token will say its generation, so that the door can note
--        its first use; else it counts as used at once
--
-- Of two at once the second waits for the row, and finds the first one's.
CREATE OR REPLACE FUNCTION session_refresh(session uuid, generation integer, tells boolean, OUT session_id uuid,
                                           OUT issued_at timestamptz, OUT is_reused boolean) RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
    s    sessions;
    fate text;
BEGIN
    SELECT * INTO s
    FROM sessions x
    WHERE x.tenant_id = app_tenant() AND x.id = session AND x.revoked_at IS NULL AND x.expires_at > now()
      AND x.access > 0
      AND (x.impersonator_id IS NULL AND x.method <> 'impersonation'
           OR EXISTS (SELECT FROM session_exchanges e WHERE e.tenant_id = x.tenant_id AND e.session_id = x.id))
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    ELSIF s.impersonator_id IS NOT NULL THEN    -- who acts as the user must still be allowed to
        PERFORM enter_impersonated(s.tenant_id, s.impersonator_id, s.subject, NULL);
    ELSIF s.method = 'impersonation' THEN
        PERFORM enter_impersonated_by_team(s.tenant_id, s.id, s.subject, NULL);
    END IF;
    fate := refresh_fate(session_refresh.generation, s.generation, s.used_generation, s.rotated_at, s.earlier_rotations);
    IF fate IS NULL THEN
        RETURN;
    END IF;
    session_id := s.id;
    issued_at := now();
    is_reused := fate = 'stolen';
    IF is_reused THEN
        UPDATE sessions x SET revoked_at = now() WHERE x.tenant_id = app_tenant() AND x.id = s.id;
        PERFORM audit('session.refresh_reused', 'session', s.id::text,
                      jsonb_build_object('generation', session_refresh.generation, 'newest', s.generation), s.subject, 'user');
    ELSIF fate = 'again' THEN
        issued_at := refresh_issued_at(s.rotated_at);
        UPDATE sessions x SET last_seen_at = now() WHERE x.tenant_id = app_tenant() AND x.id = s.id;
        PERFORM audit('session.refresh_repeated', 'session', s.id::text,
                      jsonb_build_object('generation', session_refresh.generation, 'newest', s.generation), s.subject, 'user');
    ELSIF (SELECT t.refresh_token_rotation FROM tenant_settings t WHERE t.tenant_id = app_tenant()) THEN
        UPDATE sessions x
        SET generation = s.generation + 1, used_generation = CASE WHEN tells THEN s.generation END, rotated_at = now(),
            earlier_rotations = refresh_earlier(s.rotated_at, s.earlier_rotations), last_seen_at = now()
        WHERE x.tenant_id = app_tenant() AND x.id = s.id;
    ELSE
        UPDATE sessions x SET last_seen_at = now() WHERE x.tenant_id = app_tenant() AND x.id = s.id;
    END IF;
    RETURN NEXT;
END
$$;
