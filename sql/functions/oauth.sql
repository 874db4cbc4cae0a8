-- Signing in through somebody who vouches for people, such as Google.

-- The user of the tenant who has this address, verified by the provider just
-- now and nobody's identity yet: found and linked, or made.
--
-- An account whose owner has proved the address is theirs: whoever proves it
-- again is the same person.  One where nobody ever did may have been registered
-- by somebody who waits for the owner to come.  It is the owner's from here on,
-- and every other way into it ends: password, sessions, passkeys, second factor,
-- mailed tokens.  But where it came with another issuer's token, that issuer's
-- user goes on owning it, and only the address, which it had no proof of, moves.
CREATE OR REPLACE FUNCTION oauth_user(provider text, issuer text, subject text, email text, full_name text,
                                      avatar_url text) RETURNS users
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    u    users;
    name text := 'user_' || replace(uuid_v7()::text, '-', '');
BEGIN
    -- Until there is one: whoever registers at the same moment may come first.
    LOOP
        SELECT x.* INTO u
        FROM users x
        WHERE x.tenant_id = app_tenant() AND x.email = oauth_user.email AND x.deleted_at IS NULL
        FOR UPDATE;
        IF FOUND AND u.access = 0 THEN
            RETURN u;
        ELSIF FOUND AND NOT u.is_email_verified
              AND EXISTS (SELECT FROM identities i WHERE i.tenant_id = app_tenant() AND i.user_id = u.id) THEN
            UPDATE users x SET email = NULL WHERE x.tenant_id = app_tenant() AND x.id = u.id;
            PERFORM audit('user.update', 'user', u.public_id,
                          jsonb_build_object('email', 'proved by another user', 'method', oauth_user.provider));
        ELSIF FOUND THEN
            EXIT;
        END IF;

        INSERT INTO users (tenant_id, public_id, email, is_email_verified, full_name, avatar_url, current_plan_id)
        VALUES (app_tenant(), name, oauth_user.email, true, left(oauth_user.full_name, 255), oauth_user.avatar_url,
                (SELECT p.id
                 FROM tenant_settings s JOIN plans p ON p.id = s.default_plan_id AND p.is_active AND p.is_free
                 WHERE s.tenant_id = app_tenant()))
        ON CONFLICT (tenant_id, email) WHERE deleted_at IS NULL DO NOTHING
        RETURNING * INTO u;
        IF FOUND THEN
            INSERT INTO identities (tenant_id, issuer, subject, user_id)
            VALUES (app_tenant(), oauth_user.issuer, oauth_user.subject, u.id);
            PERFORM audit('user.create', 'user', name, jsonb_build_object('method', oauth_user.provider), name, 'user');
            RETURN u;
        END IF;
    END LOOP;

    INSERT INTO identities (tenant_id, issuer, subject, user_id)
    VALUES (app_tenant(), oauth_user.issuer, oauth_user.subject, u.id);
    PERFORM audit('identity.link', 'user', u.public_id,
                  jsonb_build_object('method', oauth_user.provider, 'was_verified', u.is_email_verified), u.public_id, 'user');
    IF NOT u.is_email_verified THEN
        UPDATE users x SET is_email_verified = true, password_hash = NULL
        WHERE x.tenant_id = app_tenant() AND x.id = u.id;
        UPDATE sessions s SET revoked_at = now()
        WHERE s.tenant_id = app_tenant() AND u.id IN (s.user_id, s.impersonator_id) AND s.revoked_at IS NULL;
        UPDATE one_time_tokens t SET used_at = now()
        WHERE t.tenant_id = app_tenant() AND t.user_id = u.id AND t.used_at IS NULL;
        DELETE FROM passkeys p WHERE p.tenant_id = app_tenant() AND p.user_id = u.id;
        DELETE FROM totp_factors f WHERE f.tenant_id = app_tenant() AND f.user_id = u.id;
        DELETE FROM recovery_codes r WHERE r.tenant_id = app_tenant() AND r.user_id = u.id;
    END IF;
    RETURN u;
END
$$;

-- Who is it that the provider vouches for?  An identity is issuer and subject;
-- the address decides only whose account a new one is, and only when the
-- provider has verified it.  Either user_id, or why not: 'unverified',
-- 'inactive'.
--
-- Of two callbacks at once the second waits for the lock, and finds what the
-- first one made.
CREATE OR REPLACE FUNCTION oauth_sign_in(provider text, issuer text, subject text, email text, is_verified boolean,
                                         full_name text, avatar_url text, OUT user_id uuid, OUT refusal text)
LANGUAGE plpgsql AS $$
DECLARE
    u       users;
    address text := lower(oauth_sign_in.email);
BEGIN
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('identity'::text, app_tenant(), issuer, subject), 0));
    SELECT x.* INTO u
    FROM identities i JOIN users x ON x.tenant_id = i.tenant_id AND x.id = i.user_id
    WHERE i.tenant_id = app_tenant() AND i.issuer = oauth_sign_in.issuer AND i.subject = oauth_sign_in.subject;
    IF NOT FOUND THEN
        IF NOT coalesce(is_verified AND address ~ '^[^@\s]+@[^@\s]+$' AND char_length(address) <= 254, false) THEN
            refusal := 'unverified';
            PERFORM audit('session.failed', 'user', NULL,
                          jsonb_build_object('method', provider, 'reason', 'address not verified'));
            RETURN;
        END IF;
        u := oauth_user(provider, issuer, subject, address, full_name, avatar_url);
    END IF;
    IF u.access = 0 THEN
        refusal := 'inactive';
        PERFORM audit('session.failed', 'user', u.public_id,
                      jsonb_build_object('method', provider, 'reason', 'account not active'), u.public_id, 'user');
        RETURN;
    END IF;
    user_id := u.id;
END
$$;
