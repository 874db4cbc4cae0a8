-- Signing in: what every way of it ends with, and what keeps it going.

-- Where the request came from, and with what; NULL where nobody noted it.
CREATE OR REPLACE FUNCTION request_ip() RETURNS inet
LANGUAGE sql STABLE
RETURN (nullif(current_setting('app.request', true), '')::jsonb ->> 'ip')::inet;

CREATE OR REPLACE FUNCTION request_user_agent() RETURNS text
LANGUAGE sql STABLE
RETURN nullif(current_setting('app.request', true), '')::jsonb ->> 'user_agent';

-- Sign the user who in, and put that down.
--
--   method        how: see sessions_method_known
--   ttl_s         how long the session lasts
--   mfa_hash      hash of a ticket: if the user has a second factor, this
--                 becomes a challenge for it (good for five minutes), and there
--                 is no session yet; NULL: do not ask
--   has_mfa       a second factor was shown
--   impersonator  the administrator who acts as the user; the user has then
--                 not signed in, and whoever calls says so in the audit log
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

    INSERT INTO sessions (tenant_id, user_id, method, expires_at, user_agent, ip, has_mfa, impersonator_id)
    VALUES (app_tenant(), who, method, now() + make_interval(secs => ttl_s), left(request_user_agent(), 1024),
            request_ip(), session_open.has_mfa, impersonator)
    RETURNING id INTO session_id;
    IF impersonator IS NULL THEN
        UPDATE users u SET last_login_at = now() WHERE u.tenant_id = app_tenant() AND u.id = who;
        PERFORM audit('session.create', 'session', session_id::text,
                      jsonb_build_object('method', method, 'has_mfa', nullif(session_open.has_mfa, false)), name, 'user');
    END IF;
END
$$;

-- What the tokens of a session are made of, and behind that its user as
-- whoever signs in sees it (AuthUser).  issued_at is the tokens'.  Volatile:
-- it sees the session that the same statement has just opened.
CREATE OR REPLACE FUNCTION session_tokens(session_id uuid, issued_at timestamptz)
RETURNS TABLE (_tenant_id text, _session_id text, _generation integer, _iat_s bigint, _end_s bigint, _subject text,
               _role text, _actor text, id uuid, email text, display_name text, avatar_url text, is_active boolean,
               created_at timestamptz)
LANGUAGE sql VOLATILE ROWS 1
BEGIN ATOMIC
    SELECT s.tenant_id::text, s.id::text, s.generation, floor(extract(epoch FROM session_tokens.issued_at))::bigint,
           floor(extract(epoch FROM s.expires_at))::bigint, u.public_id, u.role, a.public_id,
           u.id, u.email, u.full_name, u.avatar_url, u.is_active, u.created_at
    FROM sessions s
    JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
    LEFT JOIN users a ON a.tenant_id = s.tenant_id AND a.id = s.impersonator_id
    WHERE s.tenant_id = app_tenant() AND s.id = session_tokens.session_id;
END;

-- A refresh token was shown: the one of this generation of the session.
--
-- The newest one becomes the next generation.  The one before that is taken
-- for 30 s more, and answered with what its successor was answered with: tabs
-- that refresh at once, and a client whose answer was lost, stay signed in.
-- Anything older was stolen, or its successor was: the session ends
-- (is_reused).  No row: the session has ended, or the user is not active.
--
-- Of two at once the second waits for the row, and finds the first one's.
CREATE OR REPLACE FUNCTION session_refresh(session uuid, generation integer, OUT session_id uuid,
                                           OUT issued_at timestamptz, OUT is_reused boolean) RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
    s sessions;
BEGIN
    SELECT * INTO s
    FROM sessions x
    WHERE x.tenant_id = app_tenant() AND x.id = session AND x.revoked_at IS NULL AND x.expires_at > now()
      AND x.access > 0 AND x.impersonator_id IS NULL
    FOR NO KEY UPDATE;
    IF NOT FOUND OR session_refresh.generation > s.generation THEN
        RETURN;
    END IF;
    session_id := s.id;
    issued_at := now();
    is_reused := false;
    IF session_refresh.generation = s.generation THEN
        IF (SELECT t.refresh_token_rotation FROM tenant_settings t WHERE t.tenant_id = app_tenant()) THEN
            UPDATE sessions x
            SET generation = x.generation + 1, rotated_at = now(), last_seen_at = now()
            WHERE x.tenant_id = app_tenant() AND x.id = s.id;
        ELSE
            UPDATE sessions x SET last_seen_at = now() WHERE x.tenant_id = app_tenant() AND x.id = s.id;
        END IF;
    ELSIF session_refresh.generation = s.generation - 1 AND s.rotated_at > now() - interval '30 seconds' THEN
        issued_at := s.rotated_at;
    ELSE
        is_reused := true;
        UPDATE sessions x SET revoked_at = now() WHERE x.tenant_id = app_tenant() AND x.id = s.id;
        PERFORM audit('session.refresh_reused', 'session', s.id::text,
                      jsonb_build_object('generation', session_refresh.generation, 'newest', s.generation), s.subject, 'user');
    END IF;
    RETURN NEXT;
END
$$;
