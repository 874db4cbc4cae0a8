-- The doors of the observability surface (see sql/functions/runtime/enter.sql for what a door is).

-- What a program that sends traces sends them to.
CREATE OR REPLACE FUNCTION app_project() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.project_id', true), '')::uuid;

-- The Demo Org: in each tenant one, which all of its users read and nobody changes. Whoever asks for it is a business_user
-- there without a membership: so a million users are no rows.
CREATE OR REPLACE FUNCTION demo_org() RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'c0000000-0000-0000-0000-000000000000'::uuid;

-- A user on the surface. Raises AS009 for one who was never there: the runtime has them be (sign_up of a caller), and asks again.
CREATE OR REPLACE FUNCTION enter_opsboard(who uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM opsboard_profiles p WHERE p.tenant_id = app_tenant() AND p.user_id = who) THEN
        RAISE SQLSTATE 'AS009' USING MESSAGE = 'new on this surface';
    END IF;
    RETURN who;
END
$$;

-- A member of the organization that the path names, or whoever asks for the Demo Org.
CREATE OR REPLACE FUNCTION enter_org(who uuid, organization uuid, permission text, roles text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF organization <> demo_org() THEN
        PERFORM enter_organization(who, organization, permission, roles);
    ELSIF 'business_user' <> ALL (roles) THEN
        RAISE SQLSTATE 'AS403' USING DETAIL = permission, MESSAGE = 'the Demo Org is everybody''s, and nobody changes it';
    ELSE
        PERFORM enter_opsboard(who);
        PERFORM set_config('app.org_role', 'business_user', true);
    END IF;
END
$$;

-- A program that sends traces: with a token, which names tenant, project and the key that it was made with, or with the key itself
-- (its SHA-256). Raises AS401 where the project is deleted, its organization is gone, its tenant is switched off, or it
-- has another key since.
CREATE OR REPLACE FUNCTION enter_project(tenant uuid, project uuid, key_id text, key bytea, note jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    p       record;
    entered text;
BEGIN
    IF key IS NOT NULL THEN
        entered := set_config('app.key_hash', encode(key, 'hex'), true);
        SELECT x.tenant_id INTO tenant FROM trace_projects x WHERE x.api_key_hash = key;
    END IF;
    entered := set_config('app.tenant_id', coalesce(tenant::text, ''), true);
    IF key IS NOT NULL THEN
        SELECT x.id, x.organization_id INTO p
        FROM trace_projects x
        WHERE x.api_key_hash = key AND x.deleted_at IS NULL;
    ELSE
        SELECT x.id, x.organization_id INTO p
        FROM trace_projects x
        WHERE x.tenant_id = tenant AND x.id = project AND x.deleted_at IS NULL AND left(encode(x.api_key_hash, 'hex'), 16) = key_id;
    END IF;
    IF NOT FOUND
       OR NOT EXISTS (SELECT FROM organizations o WHERE o.tenant_id = tenant AND o.id = p.organization_id AND o.deleted_at IS NULL)
       OR NOT EXISTS (SELECT FROM tenants t WHERE t.id = tenant AND t.is_active) THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'the project is not there, or has another API key since';
    END IF;
    entered := set_config('app.project_id', p.id::text, true);
    entered := set_config('app.organization_id', p.organization_id::text, true);
    IF note IS NULL THEN
        entered := set_config('transaction_read_only', 'on', true);
    ELSE
        entered := enter_note(note, 'trace_project:' || p.id, 'key', NULL);
    END IF;
END
$$;
