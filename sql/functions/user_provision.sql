-- Make the user of a valid token of another issuer, at its first request.
-- Returns the user's id; the caller then runs its request again.
--
-- Its public id is the token's subject, unless the tenant has a user of that
-- name already: then a fresh one.  Its address is the token's only if it is
-- free: were the new identity attached to the user who has it, any issuer that
-- lets people choose an address would let them choose an account.
--
-- Of two first requests at once the second waits for the lock, and finds what
-- the first one made.
CREATE OR REPLACE FUNCTION user_provision(tenant uuid, issuer text, subject text, email text, role text)
RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    address text := lower(user_provision.email);
    name    text := user_provision.subject;
    made    uuid;
    _       text := set_config('app.tenant_id', tenant::text, true);
BEGIN
    IF char_length(subject) NOT BETWEEN 1 AND 255 THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'the token''s subject must be 1 to 255 characters';
    END IF;
    IF address !~ '^[^@\s]+@[^@\s]+$' OR char_length(address) > 254 THEN
        address := NULL;
    END IF;

    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('identity'::text, tenant, issuer, subject), 0));
    SELECT i.user_id INTO made FROM identities i
    WHERE i.tenant_id = tenant AND i.issuer = user_provision.issuer AND i.subject = user_provision.subject;
    IF FOUND THEN
        RETURN made;
    END IF;

    -- Try, and after a conflict give up what is taken: at most the address and the name.
    LOOP
        INSERT INTO users (tenant_id, public_id, email, role)
        VALUES (tenant, name, address, coalesce(user_provision.role, 'user'))
        ON CONFLICT DO NOTHING
        RETURNING id INTO made;
        EXIT WHEN FOUND;
        IF EXISTS (SELECT FROM users u WHERE u.tenant_id = tenant AND u.public_id = name) THEN
            name := 'user_' || replace(uuid_v7()::text, '-', '');
        END IF;
        IF EXISTS (SELECT FROM users u WHERE u.tenant_id = tenant AND u.email = address AND u.deleted_at IS NULL) THEN
            address := NULL;
        END IF;
    END LOOP;
    INSERT INTO identities (tenant_id, issuer, subject, user_id) VALUES (tenant, issuer, subject, made);
    RETURN made;
END
$$;
