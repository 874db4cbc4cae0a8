-- Make the user of a valid token of another issuer, at its first request, or
-- give the one there is the role that the token says.  Returns the user's id;
-- the caller then runs its request again.  The tenant is the key's, where there
-- is one.  role NULL: the issuer has none to give.
--
-- Its public id is the token's subject, unless the tenant has a user of that
-- name already: then a fresh one.  Its address is the token's only if it is
-- free: were the new identity attached to the user who has it, any issuer that
-- lets people choose an address would let them choose an account.
--
-- Of two first requests at once the second waits for the lock, and finds what
-- the first one made.
CREATE OR REPLACE FUNCTION user_provision(tenant uuid, key bytea, issuer text, subject text, email text, email_key text,
                                          role text)
RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    address text := address_kept(email_key, email);
    made    uuid;
    had     text;
BEGIN
    tenant := tenant_of(tenant, key);
    IF tenant IS NULL THEN
        RAISE SQLSTATE 'AS005' USING MESSAGE = 'this API key is unknown, suspended or revoked';
    END IF;
    PERFORM set_config('app.tenant_id', tenant::text, true);
    IF char_length(subject) NOT BETWEEN 1 AND 255 THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'the token''s subject must be 1 to 255 characters';
    END IF;
    IF address !~ '^[^@\s]+@[^@\s]+$' OR char_length(address) > 254 THEN
        address := NULL;
        email_key := NULL;
    END IF;

    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('identity'::text, tenant, issuer, subject), 0));
    SELECT u.id, u.role INTO made, had
    FROM identities i JOIN users u ON u.tenant_id = i.tenant_id AND u.id = i.user_id
    WHERE i.tenant_id = tenant AND i.issuer = user_provision.issuer AND i.subject = user_provision.subject;
    IF FOUND THEN
        -- An issuer knows users from administrators; what else a user is here is not its to say.
        IF had <> user_provision.role AND (access_of(had) > 1 OR user_provision.role <> 'user') THEN
            UPDATE users u SET role = user_provision.role WHERE u.tenant_id = tenant AND u.id = made;
            PERFORM audit('user.role', 'user', user_provision.subject,
                          jsonb_build_object('from', had, 'to', user_provision.role, 'issuer', issuer), 'system', 'system');
        END IF;
        RETURN made;
    END IF;

    RETURN identity_made(issuer, subject, email_key, address, user_provision.role);
END
$$;

-- Make the user of an identity that is new, in the tenant of this transaction;
-- see user_provision for their name and address.  The caller holds the
-- identity's lock.
CREATE OR REPLACE FUNCTION identity_made(issuer text, subject text, key text, email text, role text,
                                         full_name text DEFAULT NULL, avatar_url text DEFAULT NULL,
                                         is_email_verified boolean DEFAULT false, is_active boolean DEFAULT true,
                                         deleted_at timestamptz DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    tenant  uuid := app_tenant();
    address text := identity_made.email;
    name    text := identity_made.subject;
    made    uuid;
BEGIN
    -- Try, and after a conflict give up what is taken: at most the address and the name.
    LOOP
        INSERT INTO users (tenant_id, public_id, email, email_key, role, full_name, avatar_url, is_email_verified, is_active,
                           deleted_at)
        VALUES (tenant, name, address, key, coalesce(identity_made.role, 'user'), identity_made.full_name,
                identity_made.avatar_url, identity_made.is_email_verified AND address IS NOT NULL,
                identity_made.is_active, identity_made.deleted_at)
        ON CONFLICT DO NOTHING
        RETURNING id INTO made;
        EXIT WHEN FOUND;
        IF EXISTS (SELECT FROM users u WHERE u.tenant_id = tenant AND u.public_id = name) THEN
            name := 'user_' || replace(uuid_v7()::text, '-', '');
        END IF;
        IF EXISTS (SELECT FROM user_find(key, address)) THEN
            address := NULL;
            key := NULL;
        END IF;
    END LOOP;
    INSERT INTO identities (tenant_id, issuer, subject, user_id) VALUES (tenant, issuer, subject, made);
    RETURN made;
END
$$;
