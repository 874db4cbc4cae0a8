-- Tenants and their teams, where the tenant is not known yet: these run as the
-- owner, whom policies let look into every tenant, and give away no more than
-- an id; see team_find() in emails.sql, too.

-- Make a tenant, and put the transaction into it.  slug NULL: made from the name, with a number behind it if it is taken.
-- Raises a unique violation of tenants_slug_unique.
CREATE OR REPLACE FUNCTION tenant_make(slug text, name text) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    base text := left(coalesce(nullif(trim(BOTH '-' FROM
        regexp_replace(lower(tenant_make.name), '[^a-z0-9]+', '-', 'g')), ''), 'tenant'), 50);
    n    integer := 1;
    made uuid := uuid_v7();
BEGIN
    PERFORM set_config('app.tenant_id', made::text, true);
    LOOP
        INSERT INTO tenants (id, slug, name)
        VALUES (made, coalesce(tenant_make.slug, trim(BOTH '-' FROM base) || CASE WHEN n > 1 THEN '-' || n ELSE '' END), tenant_make.name)
        ON CONFLICT (slug) WHERE test_of IS NULL DO NOTHING;
        EXIT WHEN FOUND;
        IF tenant_make.slug IS NOT NULL THEN
            RAISE unique_violation USING CONSTRAINT = 'tenants_slug_unique', MESSAGE = 'the slug is taken';
        END IF;
        n := CASE WHEN n < 5 THEN n + 1 ELSE 1000 + floor(random() * 1000000)::integer END;
    END LOOP;
    RETURN made;
END
$$;
REVOKE ALL ON FUNCTION tenant_make(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_make(text, text) TO ashlar_api;

-- The same with its first owner; password_hash NULL: who is invited, and has yet to join.  Raises unique violations of
-- team_members_email_unique and team_members_email_key_unique, too.
CREATE OR REPLACE FUNCTION tenant_create(slug text, name text, key text, email text, display_name text, password_hash text,
                                         OUT tenant_id uuid, OUT member_id uuid)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    tenant_create.tenant_id := tenant_make(tenant_create.slug, tenant_create.name);
    INSERT INTO team_members (tenant_id, email, email_key, display_name, role, password_hash, joined_at, invited_at)
    VALUES (tenant_create.tenant_id, tenant_create.email, tenant_create.key, tenant_create.display_name, 'owner',
            tenant_create.password_hash, CASE WHEN tenant_create.password_hash IS NOT NULL THEN now() END,
            CASE WHEN tenant_create.password_hash IS NULL THEN now() END)
    RETURNING id INTO tenant_create.member_id;
END
$$;
REVOKE ALL ON FUNCTION tenant_create(text, text, text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_create(text, text, text, text, text, text) TO ashlar_api;

-- Suspend a tenant with its test mode, or let it go on: no rows are lost, but
-- sessions end, and keys, which carry is_active, let no caller in.  For the owner;
-- returns how many tenants that were.
CREATE OR REPLACE FUNCTION tenant_set_active(slug text, active boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    t tenants;
    n integer := 0;
BEGIN
    FOR t IN SELECT * FROM tenants x WHERE x.slug = tenant_set_active.slug ORDER BY x.id LOOP
        n := n + 1;
        CONTINUE WHEN t.is_active = active;
        PERFORM set_config('app.tenant_id', t.id::text, true);
        UPDATE tenants x SET is_active = active WHERE x.id = t.id;
        IF NOT active THEN
            UPDATE sessions s SET revoked_at = now() WHERE s.tenant_id = t.id AND s.revoked_at IS NULL;
            UPDATE team_sessions s SET revoked_at = now() WHERE s.tenant_id = t.id AND s.revoked_at IS NULL;
        END IF;
        PERFORM audit(CASE WHEN active THEN 'tenant.resume' ELSE 'tenant.suspend' END, 'tenant', t.id::text, '{}',
                      current_setting('app.request')::jsonb ->> 'actor', 'system');
    END LOOP;
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION tenant_set_active(text, boolean) FROM PUBLIC;
