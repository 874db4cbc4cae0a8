-- Signing in through an identity provider, such as Google.

-- The user of the tenant who has this address, verified by the provider just
-- now and nobody's identity yet: found and linked, or made.
--
-- An account whose owner has proved the address is theirs: a user who proves it
-- again is the same person.  One where no user ever did is the owner's from here
-- on, and no other's: see address_proved().
CREATE OR REPLACE FUNCTION oauth_user(provider text, issuer text, subject text, key text, email text, full_name text,
                                      avatar_url text) RETURNS users
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    u     users;
    owner uuid;
    name  text := 'user_' || replace(uuid_v7()::text, '-', '');
BEGIN
    PERFORM lock_addresses(address_name(key, oauth_user.email));
    -- Until there is one: another registration at the same moment may come first.
    LOOP
        SELECT x.* INTO u
        FROM user_find(key, oauth_user.email) f
        JOIN users x ON x.tenant_id = f.tenant_id AND x.id = f.id AND x.email = f.email AND x.deleted_at IS NULL
        FOR UPDATE OF x;
        IF FOUND AND u.access = 0 THEN
            RETURN u;
        END IF;
        EXIT WHEN FOUND;

        INSERT INTO users (tenant_id, public_id, email, email_key, is_email_verified, full_name, avatar_url, current_plan_id)
        VALUES (app_tenant(), name, oauth_user.email, key, true, left(oauth_user.full_name, 255), oauth_user.avatar_url,
                default_plan())
        ON CONFLICT DO NOTHING
        RETURNING * INTO u;
        IF FOUND THEN
            INSERT INTO identities (tenant_id, issuer, subject, user_id)
            VALUES (app_tenant(), oauth_user.issuer, oauth_user.subject, u.id);
            PERFORM audit('user.create', 'user', name, jsonb_build_object('method', oauth_user.provider), name, 'user');
            RETURN u;
        END IF;
    END LOOP;

    owner := address_proved(u.id, oauth_user.provider);
    IF owner <> u.id THEN
        UPDATE users x SET full_name = left(oauth_user.full_name, 255), avatar_url = oauth_user.avatar_url
        WHERE x.tenant_id = app_tenant() AND x.id = owner
        RETURNING * INTO u;
    ELSE
        PERFORM audit('identity.link', 'user', u.public_id,
                      jsonb_build_object('method', oauth_user.provider, 'was_verified', u.is_email_verified), u.public_id, 'user');
    END IF;
    INSERT INTO identities (tenant_id, issuer, subject, user_id)
    VALUES (app_tenant(), oauth_user.issuer, oauth_user.subject, u.id);
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
CREATE OR REPLACE FUNCTION oauth_sign_in(provider text, issuer text, subject text, key text, email text, is_verified boolean,
                                         full_name text, avatar_url text, OUT user_id uuid, OUT refusal text)
LANGUAGE plpgsql AS $$
DECLARE
    u       users;
    address text := address_kept(key, email);
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
        u := oauth_user(provider, issuer, subject, key, address, full_name, avatar_url);
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
