-- Who uses the observability surface for the first time.

-- The Demo Org of the tenant, with a project in it, unless it is there. Nobody has the text of the project's key: what is seen there,
-- whoever runs the installation puts there.
CREATE OR REPLACE FUNCTION demo_org_make() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO organizations (tenant_id, id, name, slug, prem_status)
    VALUES (app_tenant(), demo_org(), 'Demo Org', 'demo-' || gen_random_uuid(), 'pro')
    ON CONFLICT (tenant_id, id) DO NOTHING;
    IF FOUND THEN
        INSERT INTO trace_projects (tenant_id, organization_id, name, environment, api_key_hash, api_key_sealed)
        VALUES (app_tenant(), demo_org(), 'Demo Project', 'production', sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), '');
    END IF;
END
$$;

-- Another key for the project in it, for who runs the installation; returns the project.
CREATE OR REPLACE FUNCTION demo_org_rekey(key_hash bytea) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    changed uuid;
BEGIN
    PERFORM demo_org_make();
    UPDATE trace_projects p SET api_key_hash = demo_org_rekey.key_hash
    WHERE p.tenant_id = app_tenant()
      AND p.id = (SELECT x.id FROM trace_projects x
                  WHERE x.tenant_id = app_tenant() AND x.organization_id = demo_org() AND x.deleted_at IS NULL ORDER BY x.created_at, x.id LIMIT 1)
    RETURNING p.id INTO changed;
    PERFORM audit('trace_project.regenerate_key', 'trace_project', changed::text);
    RETURN changed;
END
$$;

-- An organization whose owner is that user, in the way of organization_create.
CREATE OR REPLACE FUNCTION org_make(who uuid, name text, actor text DEFAULT NULL) RETURNS organizations
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    o organizations;
BEGIN
    INSERT INTO organizations (tenant_id, name, slug)
    VALUES (app_tenant(), org_make.name, 'org-' || replace(gen_random_uuid()::text, '-', ''))
    RETURNING * INTO o;
    -- Before the membership, which is told on the user's channel: see announcements.sql.
    PERFORM FROM users u WHERE u.tenant_id = o.tenant_id AND u.id = who FOR NO KEY UPDATE;
    INSERT INTO departments (tenant_id, organization_id, name, is_default) VALUES (o.tenant_id, o.id, 'General', true);
    UPDATE users u SET default_organization_id = o.id WHERE u.tenant_id = o.tenant_id AND u.id = who AND u.default_organization_id IS NULL;
    INSERT INTO memberships (tenant_id, organization_id, user_id, role, is_paid) VALUES (o.tenant_id, o.id, who, 'owner', true);
    PERFORM audit('organization.create', 'organization', o.id::text, jsonb_build_object('name', o.name, 'slug', o.slug), actor);
    RETURN o;
END
$$;

-- Have a user be on the surface: a profile, an organization of theirs unless they own one, and a project in it unless it had one.
--
-- Behind the door's AS009, in a transaction of its own. The profile's row is the lock: of two at once the second waits, and then there is
-- nothing to do.
CREATE OR REPLACE FUNCTION opsboard_sign_up(tenant uuid, issuer text, subject text, session uuid, key_hash bytea, key_sealed text) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    who users;
    org uuid;
    put trace_projects;
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    SELECT u.* INTO who
    FROM users u
    WHERE u.tenant_id = tenant AND u.access > 0
      AND u.id = CASE WHEN session IS NOT NULL THEN (SELECT s.user_id FROM sessions s WHERE s.tenant_id = tenant AND s.id = session)
                      ELSE (SELECT i.user_id FROM identities i
                            WHERE i.tenant_id = tenant AND i.issuer = opsboard_sign_up.issuer AND i.subject = opsboard_sign_up.subject) END;
    IF NOT FOUND THEN
        RETURN;    -- gone since the door looked, which says so
    END IF;
    INSERT INTO opsboard_profiles (tenant_id, user_id, email) VALUES (tenant, who.id, who.email) ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM set_config('app.user_id', who.id::text, true);
    PERFORM demo_org_make();
    SELECT m.organization_id INTO org
    FROM memberships m
    JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
    WHERE m.tenant_id = tenant AND m.user_id = who.id AND m.role = 'owner' AND m.is_active AND o.deleted_at IS NULL
    ORDER BY o.created_at, o.id
    LIMIT 1;
    IF NOT FOUND THEN
        org := (org_make(who.id, coalesce(nullif(btrim(who.full_name), ''), 'Default Organization'), who.public_id)).id;
    END IF;
    PERFORM organization_lock(org);
    IF NOT EXISTS (SELECT FROM trace_projects p WHERE p.tenant_id = tenant AND p.organization_id = org) THEN
        INSERT INTO trace_projects (tenant_id, organization_id, name, api_key_hash, api_key_sealed)
        VALUES (tenant, org, 'Default Project', key_hash, key_sealed)
        RETURNING * INTO put;
        PERFORM audit('trace_project.create', 'trace_project', put.id::text, jsonb_build_object('organization_id', org, 'name', put.name), who.public_id);
    END IF;
END
$$;
