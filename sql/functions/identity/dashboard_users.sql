-- Users as the team of their tenant manages them.

-- The member of the team who calls, whose tenant may be the one that this is the test mode of; is_colleague:
-- an address, as one key and one text, is of a member of the same team.
CREATE OR REPLACE FUNCTION team_caller(key text, email text, OUT tenant uuid, OUT role text, OUT name text, OUT is_colleague boolean)
LANGUAGE plpgsql AS $$
DECLARE
    here uuid := app_tenant();
BEGIN
    tenant := coalesce((SELECT t.test_of FROM tenants t WHERE t.id = here), here);
    PERFORM set_config('app.tenant_id', tenant::text, true);
    SELECT m.role, coalesce(m.display_name, m.email) INTO role, name
    FROM team_members m WHERE m.tenant_id = team_caller.tenant AND m.id = app_team();
    is_colleague := EXISTS (SELECT FROM team_members m
                            WHERE m.tenant_id = team_caller.tenant AND m.deleted_at IS NULL
                              AND (m.email_key = key OR m.email = team_caller.email));
    PERFORM set_config('app.tenant_id', here::text, true);
END
$$;

-- The user's own id; raises AS404.
CREATE OR REPLACE FUNCTION user_known(who uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = app_tenant() AND u.id = who AND u.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = who::text;
    END IF;
    RETURN who;
END
$$;

-- What lets a user in: a password, other issuers' tokens, passkeys, and the second factor, which is none by itself.
CREATE OR REPLACE FUNCTION user_sign_in_methods(who uuid)
RETURNS TABLE (id text, kind text, name text, recovery_codes bigint, created_at timestamptz, last_used_at timestamptz)
LANGUAGE plpgsql STABLE ROWS 5 AS $$
BEGIN
    PERFORM user_known(who);
    RETURN QUERY
    SELECT 'password', 'password', NULL::text, NULL::bigint, NULL::timestamptz, NULL::timestamptz
    FROM users u WHERE u.tenant_id = app_tenant() AND u.id = who AND u.password_hash IS NOT NULL;
    RETURN QUERY
    SELECT identity_id(i.issuer, i.subject)::text, 'identity', i.issuer, NULL::bigint, i.created_at, NULL::timestamptz
    FROM identities i WHERE i.tenant_id = app_tenant() AND i.user_id = who ORDER BY i.created_at, i.issuer, i.subject;
    RETURN QUERY
    SELECT p.id::text, 'passkey', p.name, NULL::bigint, p.created_at, p.last_used_at
    FROM passkeys p WHERE p.tenant_id = app_tenant() AND p.user_id = who ORDER BY p.created_at, p.id;
    RETURN QUERY
    SELECT 'second_factor', 'second_factor', NULL::text,
           (SELECT count(*) FROM recovery_codes r WHERE r.tenant_id = app_tenant() AND r.user_id = who AND r.used_at IS NULL),
           f.confirmed_at, NULL::timestamptz
    FROM totp_factors f WHERE f.tenant_id = app_tenant() AND f.user_id = who AND f.confirmed_at IS NOT NULL;
END
$$;

-- An identity has no id of its own: this is one that a path can name.
CREATE OR REPLACE FUNCTION identity_id(issuer text, subject text) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN md5(issuer || E'\n' || subject)::uuid;

-- Take one of them away, which the user reads of in a mail.  Raises AS404; AS403 where an administrator's
-- is taken by who is no owner; AS409 for an identity, without which its issuer's next token would make another user.
-- Returns its kind.
CREATE OR REPLACE FUNCTION user_sign_in_method_remove(who uuid, method text, mail jsonb) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    u     users;
    t     record;
    label text;
    kind  text := CASE WHEN method IN ('password', 'second_factor') THEN method END;
BEGIN
    SELECT * INTO u FROM users x WHERE x.tenant_id = app_tenant() AND x.id = who AND x.deleted_at IS NULL FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = who::text;
    END IF;
    SELECT * INTO t FROM team_caller(NULL, NULL);
    IF access_of(u.role) > 1 AND t.role <> 'owner' THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'only an owner takes away how an administrator signs in';
    END IF;
    IF method = 'password' THEN
        UPDATE users x SET password_hash = NULL WHERE x.tenant_id = u.tenant_id AND x.id = u.id AND x.password_hash IS NOT NULL
        RETURNING '' INTO label;
    ELSIF method = 'second_factor' THEN
        DELETE FROM recovery_codes r WHERE r.tenant_id = u.tenant_id AND r.user_id = u.id;
        DELETE FROM totp_factors f WHERE f.tenant_id = u.tenant_id AND f.user_id = u.id AND f.confirmed_at IS NOT NULL
        RETURNING '' INTO label;
    ELSE
        DELETE FROM passkeys p WHERE p.tenant_id = u.tenant_id AND p.user_id = u.id AND p.id::text = method RETURNING p.name INTO label;
        kind := 'passkey';
        IF NOT FOUND AND EXISTS (SELECT FROM identities i
                                 WHERE i.tenant_id = u.tenant_id AND i.user_id = u.id AND identity_id(i.issuer, i.subject)::text = method) THEN
            RAISE SQLSTATE 'AS409' USING MESSAGE = 'an identity at another issuer ends there, or with the user';
        END IF;
    END IF;
    IF label IS NULL THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Sign-in method not found', DETAIL = method;
    END IF;
    PERFORM audit('user.sign_in_method_remove', 'user', u.public_id, jsonb_build_object('kind', kind, 'name', nullif(label, '')));
    IF u.email IS NOT NULL THEN
        PERFORM job_add('ashlar.mail', 'mail', jsonb_set(mail, '{data}', mail -> 'data' || jsonb_build_object(kind, coalesce(nullif(label, ''), 'yes')))
                                               || jsonb_build_object('to', u.email, 'locale', u.locale, 'user', u.id));
    END IF;
    RETURN kind;
END
$$;
