-- Who shows a project's API key has a token made: of which project, what its organization is, and by what the token is to name the key.
-- No row: no project has the key, or it is deleted, or its organization or tenant is not there any more.
CREATE OR REPLACE FUNCTION project_token_create(key bytea) RETURNS TABLE (tenant_id uuid, project_id uuid, plan text, key_id text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    p trace_projects;
BEGIN
    PERFORM set_config('app.key_hash', encode(key, 'hex'), true);
    SELECT x.* INTO p FROM trace_projects x WHERE x.api_key_hash = key AND x.deleted_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM set_config('app.tenant_id', p.tenant_id::text, true);
    SELECT o.prem_status INTO plan
    FROM organizations o
    JOIN tenants t ON t.id = o.tenant_id AND t.is_active
    WHERE o.tenant_id = p.tenant_id AND o.id = p.organization_id AND o.deleted_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    PERFORM audit('trace_project.token', 'trace_project', p.id::text, '{}', 'trace_project:' || p.id, 'key');
    tenant_id := p.tenant_id;
    project_id := p.id;
    key_id := left(encode(key, 'hex'), 16);
    RETURN NEXT;
END
$$;
