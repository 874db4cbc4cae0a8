-- Who a user of Clerk's is here, as a front end asks that vouches for them.

-- The account of who has this subject at Clerk, else of who has the address, which then keeps the subject; NULL: there is none.
-- That is a proof of the address (address_proved).  Raises AS403 where the account is not active.
CREATE OR REPLACE FUNCTION clerk_user(issuer text, subject text, key text, spelling text, full_name text, avatar_url text) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    u      users;
    owner  uuid;
BEGIN
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('identity'::text, tenant, issuer, subject), 0));
    SELECT x.* INTO u
    FROM identities i JOIN users x ON x.tenant_id = i.tenant_id AND x.id = i.user_id
    WHERE i.tenant_id = tenant AND i.issuer = issuer AND i.subject = subject;
    owner := u.id;
    IF NOT FOUND THEN
        SELECT x.* INTO u FROM user_find(key, spelling) x;
        IF NOT FOUND THEN
            RETURN NULL;
        END IF;
        IF u.access > 0 THEN
            owner := address_proved(u.id, 'clerk');
            IF subject IS NOT NULL THEN
                INSERT INTO identities (tenant_id, issuer, subject, user_id) VALUES (tenant, issuer, subject, owner);
                PERFORM audit('identity.link', 'user', x.public_id, jsonb_build_object('method', 'clerk', 'was_verified', u.is_email_verified), x.public_id, 'user')
                FROM users x WHERE x.tenant_id = tenant AND x.id = owner;
            END IF;
        END IF;
    END IF;
    IF u.access = 0 THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this account is not active';
    END IF;
    UPDATE users x
    SET full_name = coalesce(x.full_name, clerk_user.full_name), avatar_url = coalesce(x.avatar_url, clerk_user.avatar_url)
    WHERE x.tenant_id = tenant AND x.id = owner
      AND (x.full_name IS NULL AND clerk_user.full_name IS NOT NULL OR x.avatar_url IS NULL AND clerk_user.avatar_url IS NOT NULL);
    RETURN owner;
END
$$;
