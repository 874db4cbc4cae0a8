-- The second factor: a code is good once, and what it allows happens with it or not at all.

-- Use up a code of the user who: the time step of one from the app, or the
-- hash of a recovery code.  false: it was used before, or is none, or comes while
-- there are to be no more guesses.  Of two at once the second waits for the row,
-- and then finds it used.
CREATE OR REPLACE FUNCTION mfa_use(who uuid, step bigint, recovery bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF step IS NOT NULL THEN
        UPDATE totp_factors f SET last_step = step
        WHERE f.tenant_id = app_tenant() AND f.user_id = who AND f.confirmed_at IS NOT NULL AND f.last_step < step;
    ELSE
        UPDATE recovery_codes r SET used_at = now()
        WHERE r.tenant_id = app_tenant() AND r.user_id = who AND r.hash = recovery AND r.used_at IS NULL;
    END IF;
    RETURN FOUND AND guess_passed('mfa_code', 'user:' || who, address_is_known(who)) = 0;
END
$$;

-- Recovery codes in the place of those that were there; hashes in hexadecimal.
CREATE OR REPLACE FUNCTION mfa_set_codes(who uuid, hashes text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM recovery_codes r WHERE r.tenant_id = app_tenant() AND r.user_id = who;
    INSERT INTO recovery_codes (tenant_id, user_id, hash)
    SELECT app_tenant(), who, decode(h, 'hex') FROM unnest(hashes) h;
END
$$;

-- The first code of a new factor, which proves that the app has the secret.
-- false: it has been confirmed meanwhile, or replaced by another.
CREATE OR REPLACE FUNCTION mfa_activate(who uuid, secret_sealed text, step bigint, hashes text[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE totp_factors f SET confirmed_at = now(), last_step = step
    WHERE f.tenant_id = app_tenant() AND f.user_id = who AND f.confirmed_at IS NULL
      AND f.secret_sealed = mfa_activate.secret_sealed;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM guess_passed('mfa_code', 'user:' || who, address_is_known(who));
    PERFORM mfa_set_codes(who, hashes);
    PERFORM audit('mfa.enable', 'user', u.public_id, '{"factor": "totp"}')
    FROM users u WHERE u.tenant_id = app_tenant() AND u.id = who;
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION mfa_disable(who uuid, step bigint, recovery bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT mfa_use(who, step, recovery) THEN
        RETURN false;
    END IF;
    DELETE FROM totp_factors f WHERE f.tenant_id = app_tenant() AND f.user_id = who;
    DELETE FROM recovery_codes r WHERE r.tenant_id = app_tenant() AND r.user_id = who;
    PERFORM audit('mfa.disable', 'user', u.public_id,
                  jsonb_build_object('with', CASE WHEN step IS NULL THEN 'recovery_code' ELSE 'totp' END))
    FROM users u WHERE u.tenant_id = app_tenant() AND u.id = who;
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION mfa_replace_codes(who uuid, step bigint, recovery bytea, hashes text[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT mfa_use(who, step, recovery) THEN
        RETURN false;
    END IF;
    PERFORM mfa_set_codes(who, hashes);
    PERFORM audit('mfa.recovery_codes', 'user', u.public_id,
                  jsonb_build_object('with', CASE WHEN step IS NULL THEN 'recovery_code' ELSE 'totp' END))
    FROM users u WHERE u.tenant_id = app_tenant() AND u.id = who;
    RETURN true;
END
$$;

-- The second half of signing in: use up the code, and the challenge with it.
CREATE OR REPLACE FUNCTION mfa_pass(challenge uuid, who uuid, step bigint, recovery bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT mfa_use(who, step, recovery) THEN
        RETURN false;
    END IF;
    UPDATE one_time_tokens t SET used_at = now()
    WHERE t.tenant_id = app_tenant() AND t.id = challenge AND t.used_at IS NULL;
    RETURN FOUND;
END
$$;
