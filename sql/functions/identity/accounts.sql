-- A user's account with us: how it begins, and what changes with its password.

-- What a user without a plan gets: the tenant's default one, if that costs nothing.
CREATE OR REPLACE FUNCTION default_plan() RETURNS uuid
LANGUAGE sql STABLE
RETURN (SELECT p.id
        FROM tenant_settings s JOIN plans p ON p.id = s.default_plan_id AND p.is_active AND p.is_free
        WHERE s.tenant_id = app_tenant());

-- Make a user who signs in with a password.  key and email are the address,
-- spelling is how it was sent.  No row: it is taken.
CREATE OR REPLACE FUNCTION user_register(key text, spelling text, email text, password_hash text, display_name text,
                                         locale text) RETURNS SETOF uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    made uuid;
    name text := 'user_' || replace(uuid_v7()::text, '-', '');
BEGIN
    IF EXISTS (SELECT FROM user_find(key, spelling)) THEN
        RETURN;
    END IF;
    INSERT INTO users (tenant_id, public_id, email, email_key, full_name, locale, password_hash, current_plan_id)
    VALUES (app_tenant(), name, user_register.email, key, user_register.display_name, user_register.locale,
            user_register.password_hash, default_plan())
    ON CONFLICT DO NOTHING
    RETURNING id INTO made;
    IF FOUND THEN
        PERFORM audit('user.create', 'user', name, jsonb_build_object('method', 'password'), name, 'user');
        RETURN NEXT made;
    END IF;
END
$$;

-- The same where the address is to be verified first.  The password waits with
-- the mail, and is the account's when that mail proves the address: whoever was
-- the first to sign up with it has set nothing.  That an address is verified is
-- told by mail, to whoever reads that, and to nobody else.  The mail goes to the
-- address as its account has it.
CREATE OR REPLACE FUNCTION user_register_pending(key text, spelling text, email text, password_hash text, display_name text,
                                                 locale text, return_to text, hash bytea, code_hash bytea, mail jsonb,
                                                 known jsonb) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    who     uuid;
    address text := email;
BEGIN
    SELECT r INTO who FROM user_register(key, spelling, email, NULL, display_name, locale) r;
    IF who IS NULL THEN
        SELECT CASE WHEN u.access > 0 AND NOT u.is_email_verified THEN u.id END, u.email INTO who, address
        FROM user_find(key, spelling) u;
        address := coalesce(address, email);
        PERFORM audit(CASE WHEN who IS NULL THEN 'user.create_refused' ELSE 'user.create_again' END, 'user', NULL,
                      jsonb_build_object('email', address_name(key, email)));
    END IF;
    PERFORM mailed_token_issue('verify_email', who, hash, code_hash,
                               jsonb_build_object('email', address, 'return_to', return_to, 'registration',
                                   jsonb_build_object('password_hash', password_hash, 'display_name', display_name,
                                                      'locale', locale)),
                               interval '24 hours', mail || jsonb_build_object('to', address),
                               known || jsonb_build_object('to', address));
END
$$;

-- The password that the newest registration of a user brought, if it waits to
-- be confirmed.
CREATE OR REPLACE FUNCTION pending_password(who uuid) RETURNS text
LANGUAGE sql STABLE
RETURN (SELECT t.data #>> '{registration,password_hash}'
        FROM one_time_tokens t
        WHERE t.tenant_id = app_tenant() AND t.user_id = who AND t.kind = 'verify_email' AND t.used_at IS NULL
          AND t.data ? 'registration'
        ORDER BY t.created_at DESC
        LIMIT 1);

-- Verify the address that a mailed token was sent to; false: there is no such
-- token.  The password is the one that was registered with it; where the mail
-- was asked for without one, it stays.
--
-- Who is signed in confirms their own (app_user()).  An address that an account was changed to is confirmed so alone, while the one before can
-- be taken back (email_changes.sql): raises AS403.
CREATE OR REPLACE FUNCTION user_verify_email(key text, tenant uuid, hash bytea, email text, code_hash bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    t    one_time_tokens;
    who  uuid;
    name text;
    mine sessions;
BEGIN
    SELECT o.* INTO t
    FROM mailed_token_find(key, 'verify_email', tenant, hash, email, code_hash) f
    JOIN one_time_tokens o ON o.tenant_id = app_tenant() AND o.id = f.token_id
    WHERE coalesce(o.user_id = app_user(), true);
    IF app_user() IS NULL AND NOT t.data ? 'registration' AND email_change_stands(t.user_id) THEN
        RAISE SQLSTATE 'AS403' USING HINT = 'token', MESSAGE = 'this address was set by who is signed in to the account: confirm it there';
    ELSIF app_user() IS NOT NULL AND NOT (SELECT r.is_known FROM request_session() r) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'who acts as a user proves nothing for them';
    END IF;
    who := mailed_token_use(t.id);
    IF who IS NULL THEN
        RETURN false;
    END IF;
    SELECT s.* INTO mine FROM sessions s
    WHERE s.tenant_id = app_tenant() AND app_user() IS NOT NULL AND s.id = (SELECT r.session FROM request_session() r);
    who := address_proved(who, 'verify_email', t.data -> 'registration', is_inside => app_user() IS NOT NULL, keeps_password => true, kept => mine);
    SELECT u.public_id INTO name FROM users u WHERE u.tenant_id = app_tenant() AND u.id = who;
    PERFORM audit('email.verify', 'user', name, '{}', name, 'user');
    RETURN true;
END
$$;

-- The same for pages without a key.  What an address shows in vain counts: 20 an
-- hour.  is_verified is false while wait_s is not 0.
CREATE OR REPLACE FUNCTION user_verify_email_counted(key text, tenant uuid, hash bytea, email text, code_hash bytea,
                                                     OUT wait_s integer, OUT is_verified boolean)
LANGUAGE plpgsql AS $$
DECLARE
    name text := 'verify_email_with_token';
BEGIN
    PERFORM mailed_token_enter();
    wait_s := greatest(limit_wait(name, limit_ip(request_ip())), mailed_code_wait(key, email));
    is_verified := wait_s = 0 AND user_verify_email(key, tenant, hash, email, code_hash);
    IF wait_s = 0 AND NOT is_verified AND NOT limits_are_off() THEN
        wait_s := limit_failed(name, limit_ip(request_ip()), 20, 3600, 0, false);
    END IF;
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

-- Give the user a password, and end all sessions; how many there were.  Whoever
-- does that has proved the address, or vouches for it: the user may be another
-- one from now on (see address_proved), whose public id is the name.
CREATE OR REPLACE FUNCTION user_set_password(who uuid, method text, password_hash text, OUT name text, OUT sessions integer)
LANGUAGE plpgsql AS $$
DECLARE
    owner uuid;
BEGIN
    SELECT count(*) INTO sessions
    FROM sessions s
    WHERE s.tenant_id = app_tenant() AND s.user_id = who AND s.revoked_at IS NULL AND s.expires_at > now();
    owner := address_proved(who, method, jsonb_build_object('password_hash', user_set_password.password_hash));
    IF owner <> who THEN
        sessions := 0;
    END IF;
    UPDATE users u SET password_hash = user_set_password.password_hash
    WHERE u.tenant_id = app_tenant() AND u.id = owner
    RETURNING u.public_id INTO name;
    UPDATE one_time_tokens t SET used_at = now(), data = t.data - 'registration'
    WHERE t.tenant_id = app_tenant() AND t.user_id = owner AND t.used_at IS NULL
      AND t.kind IN ('reset_password', 'verify_email', 'mfa');
    PERFORM sessions_end(owner, NULL);
END
$$;

-- Set a forgotten password with a mailed token; false: it was used.
-- The recipient of the mail has the address.  Who has a token that was shown to a workspace's administrator has shown nothing: it
-- is good while the account is that workspace's to give out (account_hold), and proves no address.
CREATE OR REPLACE FUNCTION user_reset_password(token_id uuid, password_hash text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    who uuid := mailed_token_use(token_id);
    t   one_time_tokens;
BEGIN
    SELECT x.* INTO t FROM one_time_tokens x WHERE x.tenant_id = app_tenant() AND x.id = token_id;
    IF who IS NULL THEN
        RETURN false;
    ELSIF t.data ->> 'left' = 'shown' THEN
        IF account_hold(who, (t.data ->> 'organization_id')::uuid) IS NOT NULL THEN
            RETURN false;
        END IF;
        UPDATE users u SET password_hash = user_reset_password.password_hash WHERE u.tenant_id = t.tenant_id AND u.id = who;
        UPDATE one_time_tokens x SET used_at = now()
        WHERE x.tenant_id = t.tenant_id AND x.user_id = who AND x.used_at IS NULL AND x.kind IN ('reset_password', 'activation', 'mfa');
        PERFORM audit('password.reset', 'user', u.public_id, jsonb_build_object('sessions', sessions_end(who, NULL), 'left', 'shown'), u.public_id, 'user')
        FROM users u WHERE u.tenant_id = t.tenant_id AND u.id = who;
        RETURN true;
    END IF;
    PERFORM audit('password.reset', 'user', p.name, jsonb_build_object('sessions', p.sessions), p.name, 'user')
    FROM user_set_password(who, 'reset_password', password_hash) p;
    PERFORM address_note(who);    -- the reader of the mail signs in next, from here
    RETURN true;
END
$$;

-- Set the password of the user who has the address, as its operator, who vouches for
-- it.  No row: there is no such user.
CREATE OR REPLACE FUNCTION user_vouch_password(key text, email text, password_hash text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY
    SELECT p.name
    FROM user_find(key, email) u, user_set_password(u.id, 'operator', user_vouch_password.password_hash) p;
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
