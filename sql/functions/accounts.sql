-- A user's account with us: how it begins, and what changes with its password.

-- Make a user who signs in with a password.  No row: the address is taken.
-- Whoever has no plan gets the tenant's default one, if that costs nothing.
CREATE OR REPLACE FUNCTION user_register(email text, password_hash text, display_name text, locale text)
RETURNS SETOF uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    made uuid;
    name text := 'user_' || replace(uuid_v7()::text, '-', '');
BEGIN
    INSERT INTO users (tenant_id, public_id, email, full_name, locale, password_hash, current_plan_id)
    VALUES (app_tenant(), name, lower(user_register.email), user_register.display_name, user_register.locale,
            user_register.password_hash,
            (SELECT p.id
             FROM tenant_settings s JOIN plans p ON p.id = s.default_plan_id AND p.is_active AND p.is_free
             WHERE s.tenant_id = app_tenant()))
    ON CONFLICT (tenant_id, email) WHERE deleted_at IS NULL DO NOTHING
    RETURNING id INTO made;
    IF FOUND THEN
        PERFORM audit('user.create', 'user', name, jsonb_build_object('method', 'password'), name, 'user');
        RETURN NEXT made;
    END IF;
END
$$;

-- The same where the address is to be verified first.  A taken address is told
-- by mail, to whoever reads that, and to nobody else.
CREATE OR REPLACE FUNCTION user_register_pending(email text, password_hash text, display_name text, locale text,
                                                 return_to text, hash bytea, code_hash bytea, mail jsonb, known jsonb)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    made uuid;
BEGIN
    SELECT u INTO made FROM user_register(email, password_hash, display_name, locale) u;
    IF made IS NULL THEN
        PERFORM audit('user.create_refused', 'user', NULL, jsonb_build_object('email', lower(email)));
    END IF;
    PERFORM mailed_token_issue('verify_email', made, hash, code_hash,
                               jsonb_build_object('email', lower(email), 'return_to', return_to), interval '24 hours',
                               mail, known);
END
$$;

-- Verify the address that a mailed token was sent to; false: there is no such token.
CREATE OR REPLACE FUNCTION user_verify_email(tenant uuid, hash bytea, email text, code_hash bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    who  uuid;
    name text;
BEGIN
    SELECT mailed_token_use(f.token_id) INTO who
    FROM mailed_token_find('verify_email', tenant, hash, email, code_hash) f;
    IF who IS NULL THEN
        RETURN false;
    END IF;
    UPDATE users u SET is_email_verified = true WHERE u.tenant_id = app_tenant() AND u.id = who RETURNING public_id INTO name;
    PERFORM audit('email.verify', 'user', name, '{}', name, 'user');
    RETURN true;
END
$$;

-- End a user's sessions, but for one; how many there were.
CREATE OR REPLACE FUNCTION sessions_end(who uuid, keep uuid) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    n integer;
BEGIN
    UPDATE sessions s SET revoked_at = now()
    WHERE s.tenant_id = app_tenant() AND s.user_id = who AND s.id IS DISTINCT FROM keep AND s.revoked_at IS NULL
      AND s.expires_at > now();
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;

-- Set a forgotten password with a mailed token; false: somebody has used it.
-- Whoever got the mail has the address: it counts as verified from now on.
-- All sessions end, and so do other tokens for the same.
CREATE OR REPLACE FUNCTION user_reset_password(token_id uuid, password_hash text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    who  uuid := mailed_token_use(token_id);
    name text;
BEGIN
    IF who IS NULL THEN
        RETURN false;
    END IF;
    UPDATE users u SET password_hash = user_reset_password.password_hash, is_email_verified = true
    WHERE u.tenant_id = app_tenant() AND u.id = who
    RETURNING public_id INTO name;
    UPDATE one_time_tokens t SET used_at = now()
    WHERE t.tenant_id = app_tenant() AND t.user_id = who AND t.used_at IS NULL
      AND t.kind IN ('reset_password', 'verify_email', 'mfa');
    PERFORM audit('password.reset', 'user', name, jsonb_build_object('sessions', sessions_end(who, NULL)), name, 'user');
    RETURN true;
END
$$;

-- Change a password that was shown: before is its hash.  The other sessions
-- end.  false: it was changed in between.
CREATE OR REPLACE FUNCTION user_change_password(before text, password_hash text, session uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    UPDATE users u SET password_hash = user_change_password.password_hash
    WHERE u.tenant_id = app_tenant() AND u.id = app_user() AND u.password_hash = before
    RETURNING public_id INTO name;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE one_time_tokens t SET used_at = now()
    WHERE t.tenant_id = app_tenant() AND t.user_id = app_user() AND t.used_at IS NULL AND t.kind IN ('reset_password', 'mfa');
    PERFORM audit('password.change', 'user', name, jsonb_build_object('sessions', sessions_end(app_user(), session)));
    RETURN true;
END
$$;
