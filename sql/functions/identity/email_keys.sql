-- The keys of addresses that were there before there were any: what ashlar
-- migrate asks, whenever it runs; see sql/migrations/0015_email_keys.sql.  All of
-- this is the owner's.

-- Those that are certain without lib/base/email.h.  A few thousand rows at a time are
-- locked, and committed: people sign in meanwhile.
CREATE OR REPLACE PROCEDURE email_keys_ascii()
LANGUAGE plpgsql AS $$
DECLARE
    few     constant integer := 5000;
    tenant  uuid;
    last    uuid;
    next    uuid;
BEGIN
    FOR tenant IN SELECT t.id FROM tenants t ORDER BY t.id LOOP
        PERFORM set_config('app.tenant_id', tenant::text, false);
        last := '00000000-0000-0000-0000-000000000000';
        LOOP
            next := (SELECT p.id FROM (SELECT u.id FROM users u
                                       WHERE u.tenant_id = tenant AND u.id > last ORDER BY u.id LIMIT few) p
                     ORDER BY p.id DESC LIMIT 1);
            EXIT WHEN next IS NULL;
            UPDATE users u SET email_key = email_key_ascii(u.email)
            WHERE u.tenant_id = tenant AND u.id > last AND u.id <= next AND u.email_key IS NULL AND u.deleted_at IS NULL
              AND email_key_ascii(u.email) IS NOT NULL;
            COMMIT;
            last := next;
        END LOOP;
        UPDATE team_members m SET email_key = email_key_ascii(m.email)
        WHERE m.tenant_id = tenant AND m.email_key IS NULL AND m.deleted_at IS NULL AND email_key_ascii(m.email) IS NOT NULL;
        UPDATE invitations i SET email_key = email_key_ascii(i.email)
        WHERE i.tenant_id = tenant AND i.email_key IS NULL AND i.status = 'pending' AND email_key_ascii(i.email) IS NOT NULL;
        UPDATE identity_profiles p SET email_key = email_key_ascii(p.email)
        WHERE p.tenant_id = tenant AND p.email_key IS NULL AND email_key_ascii(p.email) IS NOT NULL;
        COMMIT;
    END LOOP;
    PERFORM set_config('app.tenant_id', '', false);
END
$$;
REVOKE ALL ON PROCEDURE email_keys_ascii() FROM PUBLIC;

-- What is left without a key, of all tenants: of addresses that are one, first
-- that of whoever has proved it, then of who signed in last.  name is what people
-- know it by.
CREATE OR REPLACE FUNCTION email_keys_left()
RETURNS TABLE (tenant uuid, slug text, kind text, id text, name text, email text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    t tenants;
BEGIN
    FOR t IN SELECT x.* FROM tenants x ORDER BY x.id LOOP
        PERFORM set_config('app.tenant_id', t.id::text, true);
        RETURN QUERY
        SELECT t.id, t.slug, 'user', u.id::text, u.public_id, u.email
        FROM users u
        WHERE u.tenant_id = t.id AND u.email IS NOT NULL AND u.email_key IS NULL AND u.deleted_at IS NULL
        ORDER BY u.is_email_verified DESC, u.last_login_at DESC NULLS LAST, u.created_at, u.id;
        RETURN QUERY
        SELECT t.id, t.slug, 'invitation', i.id::text, i.id::text, i.email
        FROM invitations i
        WHERE i.tenant_id = t.id AND i.email_key IS NULL AND i.status = 'pending'
        ORDER BY i.created_at DESC, i.id DESC;
        RETURN QUERY
        SELECT t.id, t.slug, 'profile', jsonb_build_array(p.issuer, p.subject)::text, p.subject, p.email
        FROM identity_profiles p
        WHERE p.tenant_id = t.id AND p.email IS NOT NULL AND p.email_key IS NULL;
    END LOOP;
    -- An address is in one team, of whatever tenant.
    RETURN QUERY
    SELECT m.tenant_id, x.slug, 'team member', m.id::text, m.id::text, m.email
    FROM team_members m JOIN tenants x ON x.id = m.tenant_id
    WHERE m.email_key IS NULL AND m.deleted_at IS NULL
    ORDER BY m.is_email_verified DESC, m.last_login_at DESC NULLS LAST, m.created_at, m.id;
END
$$;
REVOKE ALL ON FUNCTION email_keys_left() FROM PUBLIC;

-- Give one of them, of the tenant of this transaction, its key; false: another one has it.
CREATE OR REPLACE FUNCTION email_key_put(tenant uuid, kind text, id text, email text, key text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    CASE kind
    WHEN 'user' THEN
        UPDATE users u SET email_key = key
        WHERE u.tenant_id = tenant AND u.id = email_key_put.id::uuid AND u.email = email_key_put.email AND u.email_key IS NULL;
    WHEN 'team member' THEN
        UPDATE team_members m SET email_key = key
        WHERE m.tenant_id = tenant AND m.id = email_key_put.id::uuid AND m.email = email_key_put.email AND m.email_key IS NULL;
    WHEN 'invitation' THEN
        UPDATE invitations i SET email_key = key
        WHERE i.tenant_id = tenant AND i.id = email_key_put.id::uuid AND i.email_key IS NULL;
    WHEN 'profile' THEN
        UPDATE identity_profiles p SET email_key = key
        WHERE p.tenant_id = tenant AND p.issuer = email_key_put.id::jsonb ->> 0 AND p.subject = email_key_put.id::jsonb ->> 1
          AND p.email = email_key_put.email AND p.email_key IS NULL;
    END CASE;
    RETURN true;
EXCEPTION WHEN unique_violation THEN
    RETURN false;
END
$$;
REVOKE ALL ON FUNCTION email_key_put(uuid, text, text, text, text) FROM PUBLIC;

-- The same for many, in their order: those which another one came before, by
-- their place from 0, and who that is.
CREATE OR REPLACE FUNCTION email_keys_put(rows jsonb) RETURNS TABLE (place bigint, holder text, holder_slug text)
LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT x.value AS v, x.ordinality - 1 AS n FROM jsonb_array_elements(rows) WITH ORDINALITY x ORDER BY 2 LOOP
        PERFORM set_config('app.tenant_id', r.v ->> 'tenant', true);
        CONTINUE WHEN email_key_put((r.v ->> 'tenant')::uuid, r.v ->> 'kind', r.v ->> 'id', r.v ->> 'email', r.v ->> 'key');
        place := r.n;
        holder := NULL;
        holder_slug := NULL;
        IF r.v ->> 'kind' = 'user' THEN
            SELECT u.public_id INTO holder FROM users u
            WHERE u.tenant_id = (r.v ->> 'tenant')::uuid AND u.email_key = r.v ->> 'key' AND u.deleted_at IS NULL;
        ELSIF r.v ->> 'kind' = 'team member' THEN
            SELECT m.id::text, t.slug INTO holder, holder_slug FROM team_members m JOIN tenants t ON t.id = m.tenant_id
            WHERE m.email_key = r.v ->> 'key' AND m.deleted_at IS NULL;
        END IF;
        RETURN NEXT;
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION email_keys_put(jsonb) FROM PUBLIC;
