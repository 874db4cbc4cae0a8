-- Whose is an address?  Any client can sign up with any, and wait in the
-- account until its owner comes.  So until a user has shown that they read
-- its mail, an account only claims its address; and when that is shown, what
-- let people into the account before is over.

-- End the ways into an account, but for what a session was opened with, and
-- that session: its passkey, or, behind a password, its second factor.  What
-- has ended, of each how many.
--
-- The caller holds the user's row, and so waits for sign-ins that have begun.
CREATE OR REPLACE FUNCTION ways_in_end(who uuid, kept sessions) RETURNS jsonb
LANGUAGE plpgsql AS $$
DECLARE
    tenant    uuid := app_tenant();
    passkeys  integer;
    factors   integer;
    codes     integer;
    sessions  integer;
BEGIN
    -- A session that was opened before 0016_proofs.sql does not name its passkey.
    IF kept.method = 'passkey' AND kept.passkey_id IS NULL THEN
        SELECT p.id INTO kept.passkey_id FROM passkeys p
        WHERE p.tenant_id = tenant AND p.user_id = who AND p.last_used_at = kept.created_at;
    END IF;
    DELETE FROM passkeys p WHERE p.tenant_id = tenant AND p.user_id = who AND p.id IS DISTINCT FROM kept.passkey_id;
    GET DIAGNOSTICS passkeys = ROW_COUNT;
    IF (kept.method = 'password' AND kept.has_mfa) IS NOT TRUE THEN
        WITH gone AS (
            DELETE FROM totp_factors f WHERE f.tenant_id = tenant AND f.user_id = who RETURNING f.confirmed_at
        )
        SELECT count(*) INTO factors FROM gone WHERE gone.confirmed_at IS NOT NULL;
        WITH gone AS (
            DELETE FROM recovery_codes r WHERE r.tenant_id = tenant AND r.user_id = who RETURNING r.used_at
        )
        SELECT count(*) INTO codes FROM gone WHERE gone.used_at IS NULL;
    END IF;
    UPDATE sessions s SET revoked_at = now()
    WHERE s.tenant_id = tenant AND who IN (s.user_id, s.impersonator_id) AND s.id IS DISTINCT FROM kept.id
      AND s.revoked_at IS NULL AND s.expires_at > now();
    GET DIAGNOSTICS sessions = ROW_COUNT;
    UPDATE one_time_tokens t SET used_at = now(), data = t.data - 'registration'
    WHERE t.tenant_id = tenant AND t.user_id = who AND t.used_at IS NULL;
    -- From where the stranger came is no address that the account knows; from here it is.
    DELETE FROM known_addresses k WHERE k.tenant_id = tenant AND k.account_id = who;
    PERFORM address_note(who);
    RETURN jsonb_strip_nulls(jsonb_build_object('passkeys', nullif(passkeys, 0), 'second_factors', nullif(factors, 0),
        'recovery_codes', nullif(codes, 0), 'sessions', nullif(sessions, 0)));
END
$$;

-- It has just been shown that the caller reads the mail of the user's address:
-- the one place where an address becomes verified.  Returns the user who has it
-- from now on.
--
-- Of a user whose address was verified before nothing ends.  Where it was not,
-- every way in from before does (see ways_in_end), and a mail says which.  But an account that
-- came with another issuer's token goes on being that issuer's user's, and only
-- the address, of which they had no proof, moves to a new account; unless it is
-- they who prove it (is_inside).  So it is of an account whose address was changed, and can be taken back: who confirms the new one
-- inside ends nothing (email_changes.sql).
--
--   method        how, for the audit log
--   registration  what the user who proves it has signed up with: password_hash,
--                 display_name, locale; what is not there stays
--   is_inside     it is proved by who is in the account, or for them
--   keeps_password  the password from before is the prover's own
--   kept          the session in which they are
--   address, key  the address, where it is another one than the user's
CREATE OR REPLACE FUNCTION address_proved(who uuid, method text, registration jsonb DEFAULT NULL,
                                          is_inside boolean DEFAULT false, keeps_password boolean DEFAULT false,
                                          kept sessions DEFAULT NULL, address text DEFAULT NULL,
                                          key text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    had    text;
    had_as text;
    u      users;
    v      users;
    ended  jsonb;
BEGIN
    SELECT x.email, address_name(x.email_key, x.email) INTO had, had_as FROM users x WHERE x.tenant_id = tenant AND x.id = who;
    PERFORM lock_addresses(had_as, address_name(key, address));
    -- Names over tenants (0189_account_names.sql) are a mail's to prove, and neither an issuer's nor an operator's.
    PERFORM set_config('app.address_proved', CASE WHEN method IN ('verify_email', 'reset_password', 'invitation', 'activation', 'signup') THEN who::text ELSE '' END, true);
    SELECT * INTO u FROM users x WHERE x.tenant_id = tenant AND x.id = who AND x.deleted_at IS NULL FOR UPDATE;
    IF u.email IS DISTINCT FROM had THEN
        RAISE serialization_failure USING MESSAGE = 'the address has just become another one';
    ELSIF u.is_email_verified THEN
        UPDATE users x SET email = address, email_key = key
        WHERE x.tenant_id = tenant AND x.id = u.id AND address IS NOT NULL
          AND NOT is_same_address(x.email_key, x.email, key, address);
        RETURN u.id;
    END IF;
    IF address IS NULL OR is_same_address(u.email_key, u.email, key, address) THEN
        address := u.email;
        key := u.email_key;
    END IF;
    IF address IS NULL THEN
        RETURN u.id;
    ELSIF NOT is_inside AND (email_change_stands(u.id) OR EXISTS (SELECT FROM identities i WHERE i.tenant_id = tenant AND i.user_id = u.id)) THEN
        RETURN address_moved(u, method, registration);
    ELSIF email_change_stands(u.id) THEN
        UPDATE users x SET email = address, email_key = key, is_email_verified = true WHERE x.tenant_id = tenant AND x.id = u.id;
        PERFORM audit('email.prove', 'user', u.public_id, jsonb_build_object('method', method), u.public_id, 'user');
        RETURN u.id;
    END IF;

    ended := ways_in_end(u.id, kept);
    UPDATE users x
    SET email = address, email_key = key, is_email_verified = true,
        password_hash = CASE WHEN registration ? 'password_hash' THEN registration ->> 'password_hash'
                             WHEN keeps_password THEN x.password_hash END,
        full_name = CASE WHEN registration ? 'display_name' THEN registration ->> 'display_name' ELSE x.full_name END,
        locale = coalesce(registration ->> 'locale', x.locale)
    WHERE x.tenant_id = tenant AND x.id = u.id
    RETURNING * INTO v;
    IF u.password_hash IS NOT NULL AND v.password_hash IS NULL THEN
        ended := ended || '{"password": 1}';
    END IF;
    PERFORM audit('email.prove', 'user', v.public_id, jsonb_build_object('method', method, 'ended', ended), v.public_id, 'user');
    IF ended <> '{}' THEN
        INSERT INTO jobs (tenant_id, queue, kind, payload)
        VALUES (tenant, 'ashlar.mail', 'mail', jsonb_build_object('template', 'ways_in_ended', 'to', v.email, 'user', v.id,
                                                                  'locale', v.locale, 'data', ended));
    END IF;
    RETURN v.id;
END
$$;

-- Give a claimed address to a new user, whose it is; their id.
CREATE OR REPLACE FUNCTION address_moved(u users, method text, registration jsonb) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    made uuid;
    name text := 'user_' || replace(uuid_v7()::text, '-', '');
BEGIN
    UPDATE users x SET email = NULL WHERE x.tenant_id = u.tenant_id AND x.id = u.id;
    PERFORM audit('user.update', 'user', u.public_id,
                  jsonb_build_object('email', 'proved by another user', 'method', method));
    INSERT INTO users AS x (tenant_id, public_id, email, email_key, is_email_verified, full_name, locale, password_hash, current_plan_id)
    VALUES (u.tenant_id, name, u.email, u.email_key, true, registration ->> 'display_name',
            coalesce(registration ->> 'locale', u.locale), registration ->> 'password_hash', default_plan())
    RETURNING x.id INTO made;
    PERFORM audit('user.create', 'user', name, jsonb_build_object('method', method), name, 'user');
    RETURN made;
END
$$;
