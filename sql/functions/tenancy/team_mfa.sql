-- The second factor of members of a tenant's team, as sql/functions/identity/mfa.sql has it of users: a code is good once, and what it
-- allows happens with it or not at all.

-- Is a member's second factor on?
CREATE OR REPLACE FUNCTION team_has_factor(member uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM team_totp_factors f
                   WHERE f.tenant_id = app_tenant() AND f.member_id = team_has_factor.member AND f.confirmed_at IS NOT NULL);
END
$$;

CREATE OR REPLACE FUNCTION team_mfa_use(who uuid, step bigint, recovery bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF step IS NOT NULL THEN
        UPDATE team_totp_factors f SET last_step = step
        WHERE f.tenant_id = app_tenant() AND f.member_id = who AND f.confirmed_at IS NOT NULL AND f.last_step < step;
    ELSE
        UPDATE team_recovery_codes r SET used_at = now()
        WHERE r.tenant_id = app_tenant() AND r.member_id = who AND r.hash = recovery AND r.used_at IS NULL;
    END IF;
    RETURN FOUND AND guess_passed('team_mfa_code', 'team:' || who, address_is_known(who)) = 0;
END
$$;

-- Recovery codes in the place of those that were there; hashes in hexadecimal.
CREATE OR REPLACE FUNCTION team_mfa_set_codes(who uuid, hashes text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM team_recovery_codes r WHERE r.tenant_id = app_tenant() AND r.member_id = who;
    INSERT INTO team_recovery_codes (tenant_id, member_id, hash)
    SELECT app_tenant(), who, decode(h, 'hex') FROM unnest(hashes) h;
END
$$;

-- The first code of a new factor.  false: it has been confirmed meanwhile, or replaced by another.
CREATE OR REPLACE FUNCTION team_mfa_activate(who uuid, secret_sealed text, step bigint, hashes text[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE team_totp_factors f SET confirmed_at = now(), last_step = step
    WHERE f.tenant_id = app_tenant() AND f.member_id = who AND f.confirmed_at IS NULL
      AND f.secret_sealed = team_mfa_activate.secret_sealed;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM guess_passed('team_mfa_code', 'team:' || who, address_is_known(who));
    PERFORM team_mfa_set_codes(who, hashes);
    PERFORM audit('mfa.enable', 'team_member', who::text, '{"factor": "totp"}');
    RETURN true;
END
$$;

-- The factor and its codes are gone, whoever has asked for that.  false: there was none that is on.
CREATE OR REPLACE FUNCTION team_mfa_drop(who uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    was_on boolean;
BEGIN
    DELETE FROM team_recovery_codes r WHERE r.tenant_id = app_tenant() AND r.member_id = who;
    DELETE FROM team_totp_factors f WHERE f.tenant_id = app_tenant() AND f.member_id = who RETURNING f.confirmed_at IS NOT NULL INTO was_on;
    RETURN coalesce(was_on, false);
END
$$;

CREATE OR REPLACE FUNCTION team_mfa_disable(who uuid, step bigint, recovery bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT team_mfa_use(who, step, recovery) THEN
        RETURN false;
    END IF;
    PERFORM team_mfa_drop(who);
    PERFORM audit('mfa.disable', 'team_member', who::text,
                  jsonb_build_object('with', CASE WHEN step IS NULL THEN 'recovery_code' ELSE 'totp' END));
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION team_mfa_replace_codes(who uuid, step bigint, recovery bytea, hashes text[]) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT team_mfa_use(who, step, recovery) THEN
        RETURN false;
    END IF;
    PERFORM team_mfa_set_codes(who, hashes);
    PERFORM audit('mfa.recovery_codes', 'team_member', who::text,
                  jsonb_build_object('with', CASE WHEN step IS NULL THEN 'recovery_code' ELSE 'totp' END));
    RETURN true;
END
$$;

-- A password was right, by the hash that it was compared with: a session, as team_session_open() makes it; or, of a member with a second
-- factor, a challenge of that hash, good for five minutes.  Neither: the member or the tenant is not active.
CREATE OR REPLACE FUNCTION team_sign_in(member uuid, verified_hash text, new_hash text, challenge bytea, OUT session uuid, OUT is_challenged boolean)
LANGUAGE plpgsql AS $$
BEGIN
    is_challenged := false;
    IF NOT team_has_factor(member) THEN
        session := team_session_open(member, verified_hash, new_hash);
        RETURN;
    END IF;
    UPDATE team_members m SET password_hash = coalesce(new_hash, m.password_hash)
    WHERE m.tenant_id = app_tenant() AND m.id = member AND m.password_hash = verified_hash AND m.access > 0
      AND EXISTS (SELECT FROM tenants t WHERE t.id = app_tenant() AND t.is_active);
    IF NOT FOUND THEN
        PERFORM audit('session.failed', 'team_member', member::text, '{"reason": "inactive"}', member::text, 'team');
        RETURN;
    END IF;
    INSERT INTO one_time_tokens (tenant_id, kind, member_id, hash, expires_at)
    VALUES (app_tenant(), 'team_mfa', member, challenge, now() + interval '5 minutes');
    is_challenged := true;
END
$$;

-- The second half of that: use up the code, and the challenge with it, and sign the member in.  NULL: one of them is used by now.
CREATE OR REPLACE FUNCTION team_mfa_pass(challenge uuid, who uuid, step bigint, recovery bytea) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    session uuid;
BEGIN
    IF NOT team_mfa_use(who, step, recovery) THEN
        RETURN NULL;
    END IF;
    UPDATE one_time_tokens t SET used_at = now()
    WHERE t.tenant_id = app_tenant() AND t.id = challenge AND t.used_at IS NULL;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    UPDATE team_members m SET last_login_at = now() WHERE m.tenant_id = app_tenant() AND m.id = who;
    INSERT INTO team_sessions (tenant_id, member_id, expires_at, user_agent, ip)
    VALUES (app_tenant(), who, now() + interval '30 days', left(request_user_agent(), 1024), request_ip())
    RETURNING id INTO session;
    PERFORM address_note(who);
    PERFORM audit('session.create', 'team_session', session::text, '{"method": "password", "has_mfa": true}', who::text, 'team');
    RETURN session;
END
$$;

-- Another member's is taken away, for who has lost it.  false: there was none that is on.  Raises AS409 for the caller's own, which
-- takes a code.
CREATE OR REPLACE FUNCTION team_mfa_remove(who uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    IF who = app_team() THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'your own second factor is turned off with a code of it';
    ELSIF NOT team_mfa_drop(who) THEN
        RETURN false;
    END IF;
    PERFORM audit('mfa.remove', 'team_member', who::text);
    RETURN true;
END
$$;
