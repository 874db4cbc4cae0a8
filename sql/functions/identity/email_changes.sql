-- An account gets another address.  The new one is unverified, and the mailbox that had shown whose the account is, is told and can
-- take it back for 7 days: who has got hold of a session has not got hold of the account.
--
-- So while that stands the account is not its new address's: who shows that they read that mail from outside gets an account of
-- their own with it (address_moved), and it is confirmed by who is signed in.  Else either could take the account from the other: who reads
-- the new mail by a reset, or who had the account before by the way back, from somebody who has proved the new address meanwhile.

-- Can an address that the account had be taken back?
CREATE OR REPLACE FUNCTION email_change_stands(who uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM one_time_tokens t
                   WHERE t.tenant_id = app_tenant() AND t.user_id = who AND t.kind = 'email_change' AND t.used_at IS NULL AND t.expires_at > now());
END
$$;

-- Change a user's address to email, spelled as it was sent.  Nothing is done where it is the same one.
--
--   organization  by whose administrator, of another's account: it must be that workspace's to give out (account_hold); NULL: one's own
--   hash, code_hash, mail  that prove the new one: of an activation where the account waits for that
--   back_hash, notice      that take the old one back, and tell of it; a mailbox that has shown nothing is told alone
--
-- Raises AS403, AS404 and AS409.
CREATE OR REPLACE FUNCTION email_change(who uuid, organization uuid, key text, spelling text, email text, hash bytea, code_hash bytea, mail jsonb,
                                        back_hash bytea, notice jsonb) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    had    text;
    had_as text;
    u      users;
BEGIN
    IF request_is_impersonated() THEN
        RAISE SQLSTATE 'AS403' USING HINT = 'email', MESSAGE = 'who acts as a user does not change the address of their account';
    END IF;
    SELECT x.email, address_name(x.email_key, x.email) INTO had, had_as FROM users x WHERE x.tenant_id = tenant AND x.id = who;
    PERFORM lock_addresses(had_as, address_name(key, email));
    SELECT x.* INTO u FROM users x WHERE x.tenant_id = tenant AND x.id = who AND x.deleted_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = who::text;
    ELSIF u.email IS DISTINCT FROM had THEN
        RAISE serialization_failure USING MESSAGE = 'the address has just become another one';
    ELSIF is_same_address(u.email_key, u.email, key, email) THEN
        RETURN;
    ELSIF organization IS NOT NULL AND account_hold(who, organization) IS NOT NULL THEN
        RAISE SQLSTATE 'AS403' USING HINT = 'email', MESSAGE = 'the account is its user''s own, and so is its address';
    ELSIF EXISTS (SELECT FROM user_find(key, spelling)) THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'email', MESSAGE = 'this address is in use';
    END IF;
    UPDATE one_time_tokens t SET used_at = now(), data = t.data - 'registration'
    WHERE t.tenant_id = tenant AND t.user_id = who AND t.used_at IS NULL AND t.kind IN ('verify_email', 'reset_password', 'activation');
    UPDATE users x SET email = email, email_key = key, is_email_verified = false WHERE x.tenant_id = tenant AND x.id = who;
    PERFORM audit('email.change', 'user', u.public_id, jsonb_build_object('was_verified', u.is_email_verified, 'organization_id', organization));
    IF u.email IS NOT NULL THEN
        IF u.is_email_verified THEN
            DELETE FROM account_makers a WHERE a.tenant_id = tenant AND a.user_id = who;
            INSERT INTO one_time_tokens (tenant_id, kind, user_id, hash, data, expires_at)
            VALUES (tenant, 'email_change', who, back_hash,
                    jsonb_build_object('email', u.email, 'key', u.email_key, 'since', coalesce((SELECT s.created_at FROM sessions s, request_session() r
                                                                                               WHERE s.tenant_id = tenant AND s.id = r.session), now())),
                    now() + interval '7 days');
        END IF;
        INSERT INTO jobs (tenant_id, queue, kind, payload)
        VALUES (tenant, 'ashlar.mail', 'mail', (CASE WHEN u.is_email_verified THEN notice ELSE notice - 'sealed' END) || jsonb_build_object('user', who, 'to', u.email));
    END IF;
    IF mail ->> 'template' = 'activation' THEN
        PERFORM mailed_token_issue('activation', who, hash, NULL, jsonb_build_object('email', email, 'organization_id', organization), interval '7 days', mail, NULL);
    ELSE
        PERFORM mailed_token_issue('verify_email', who, hash, code_hash, jsonb_build_object('email', email), interval '24 hours', mail, NULL);
    END IF;
    PERFORM account_tell(who);
END
$$;

-- Those who work with a user read them anew, in each workspace.
CREATE OR REPLACE FUNCTION account_tell(who uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM workspace_tell(m.organization_id, 'members_updated', jsonb_build_object('member_id', m.id))
    FROM memberships m JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id AND o.deleted_at IS NULL
    WHERE m.tenant_id = app_tenant() AND m.user_id = who AND m.is_active;
END
$$;

-- Take an address back, by the token that its mailbox was told of.  It is verified by that.  All sessions end, and what has come into the
-- account since the session began in which the address was changed: who did that may have made it.  So does the password, which they may know; what
-- is older stays, since who reads a mailbox alone is not to get by a second factor.  password_hash NULL: none, one asks for a new one.
--
-- Of several changes the oldest is the owner's: those which followed can be taken back no more.  An account that only claims the address by now
-- loses it.  Raises AS400 for a token that is good for nothing, and AS409 where somebody has proved the address as another account's.
CREATE OR REPLACE FUNCTION email_take_back(hash bytea, password_hash text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    t      one_time_tokens;
    had_as text;
    u      users;
    other  users;
    since  timestamptz;
    ended  jsonb;
    passkeys   integer;
    identities integer;
    factors    integer;
    sessions   integer;
BEGIN
    SELECT x.* INTO t FROM one_time_tokens x
    WHERE x.tenant_id = tenant AND x.hash = hash AND x.kind = 'email_change' AND x.used_at IS NULL AND x.expires_at > now()
    FOR NO KEY UPDATE;
    SELECT address_name(x.email_key, x.email) INTO had_as FROM users x WHERE x.tenant_id = tenant AND x.id = t.user_id;
    PERFORM lock_addresses(had_as, address_name(t.data ->> 'key', t.data ->> 'email'));
    SELECT x.* INTO u FROM users x WHERE x.tenant_id = tenant AND x.id = t.user_id AND x.deleted_at IS NULL FOR UPDATE;
    IF u.id IS NULL THEN
        RAISE SQLSTATE 'AS400' USING HINT = 'token', MESSAGE = 'the token is invalid, used or expired';
    END IF;
    SELECT x.* INTO other FROM user_find(t.data ->> 'key', t.data ->> 'email') x WHERE x.id <> u.id;
    IF other.is_email_verified OR EXISTS (SELECT FROM identities i WHERE i.tenant_id = tenant AND i.user_id = other.id) THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'token', MESSAGE = 'the address is another account''s by now, whose user has proved it';
    ELSIF other.id IS NOT NULL THEN
        UPDATE users x SET email = NULL WHERE x.tenant_id = tenant AND x.id = other.id;
        UPDATE one_time_tokens x SET used_at = now(), data = x.data - 'registration' WHERE x.tenant_id = tenant AND x.user_id = other.id AND x.used_at IS NULL;
        PERFORM audit('user.update', 'user', other.public_id, jsonb_build_object('email', 'proved by another user', 'method', 'email_change'));
    END IF;

    since := (t.data ->> 'since')::timestamptz;
    DELETE FROM passkeys x WHERE x.tenant_id = tenant AND x.user_id = u.id AND x.created_at >= since;
    GET DIAGNOSTICS passkeys = ROW_COUNT;
    DELETE FROM identities x WHERE x.tenant_id = tenant AND x.user_id = u.id AND x.created_at >= since;
    GET DIAGNOSTICS identities = ROW_COUNT;
    DELETE FROM totp_factors x WHERE x.tenant_id = tenant AND x.user_id = u.id AND x.created_at >= since;
    GET DIAGNOSTICS factors = ROW_COUNT;
    IF factors > 0 THEN
        DELETE FROM recovery_codes x WHERE x.tenant_id = tenant AND x.user_id = u.id;
    END IF;
    UPDATE sessions x SET revoked_at = now()
    WHERE x.tenant_id = tenant AND u.id IN (x.user_id, x.impersonator_id) AND x.revoked_at IS NULL AND x.expires_at > now();
    GET DIAGNOSTICS sessions = ROW_COUNT;
    UPDATE one_time_tokens x SET used_at = now(), data = x.data - 'registration'
    WHERE x.tenant_id = tenant AND x.user_id = u.id AND x.used_at IS NULL AND (x.kind <> 'email_change' OR x.created_at >= t.created_at);
    DELETE FROM known_addresses k WHERE k.tenant_id = tenant AND k.account_id = u.id;
    PERFORM address_note(u.id);
    PERFORM set_config('app.address_proved', u.id::text, true);
    UPDATE users x SET email = t.data ->> 'email', email_key = t.data ->> 'key', is_email_verified = true, password_hash = password_hash
    WHERE x.tenant_id = tenant AND x.id = u.id;

    ended := jsonb_strip_nulls(jsonb_build_object('passkeys', nullif(passkeys, 0), 'identities', nullif(identities, 0), 'second_factors', nullif(factors, 0),
        'sessions', nullif(sessions, 0), 'password', CASE WHEN u.password_hash IS NOT NULL AND password_hash IS NULL THEN 1 END));
    PERFORM audit('email.take_back', 'user', u.public_id, jsonb_build_object('ended', ended), u.public_id, 'user');
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    VALUES (tenant, 'ashlar.mail', 'mail', jsonb_build_object('template', 'email_taken_back', 'to', t.data ->> 'email', 'user', u.id, 'locale', u.locale, 'data', ended));
    PERFORM account_tell(u.id);
END
$$;
