-- Projects of the observability surface: of organizations, each with a key.

-- What was sent to a project and is there still: its spans, and the traces that they make.
CREATE OR REPLACE FUNCTION trace_project_counts(project uuid, OUT span_count bigint, OUT trace_count bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT coalesce(sum(s.span_count), 0), coalesce(sum(s.trace_count), 0) INTO span_count, trace_count
    FROM trace_stats s
    WHERE s.tenant_id = app_tenant() AND s.project_id = project AND s.width = 86400;
END
$$;

-- A project that the caller, who is one of roles in its organization, is about to change: both are locked. Raises AS404 where
-- there is none, or the caller is no member, and AS403.
CREATE OR REPLACE FUNCTION trace_project_lock(project uuid, roles text[]) RETURNS trace_projects
LANGUAGE plpgsql AS $$
DECLARE
    p    trace_projects;
    role text;
BEGIN
    SELECT x.* INTO p FROM trace_projects x WHERE x.tenant_id = app_tenant() AND x.id = project AND x.deleted_at IS NULL;
    role := opsboard_role_in(p.organization_id);
    IF role IS NULL THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Project not found', DETAIL = project::text;
    ELSIF role = ANY (roles) THEN
        PERFORM organization_lock(p.organization_id);
        -- Neither may be what it was before the lock.
        role := opsboard_role_in(p.organization_id);
        SELECT x.* INTO p FROM trace_projects x WHERE x.tenant_id = app_tenant() AND x.id = project AND x.deleted_at IS NULL FOR NO KEY UPDATE;
        IF NOT FOUND OR role IS NULL THEN
            RAISE SQLSTATE 'AS404' USING MESSAGE = 'Project not found', DETAIL = project::text;
        END IF;
    END IF;
    IF role <> ALL (roles) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = format('this needs the role %s in the project''s organization', array_to_string(roles, ' or '));
    END IF;
    RETURN p;
END
$$;

-- most: how many projects a free organization may have; 0: as many as it likes. Raises AS404 where there is no such organization, AS403 for who is
-- neither its owner nor an admin, and where it is full.
CREATE OR REPLACE FUNCTION trace_project_create(organization uuid, name text, environment text, key_hash bytea, key_sealed text, most bigint)
RETURNS trace_projects
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    p    trace_projects;
    role text;
BEGIN
    PERFORM organization_lock(organization);
    role := opsboard_role_in(organization);
    IF role IS NULL AND NOT EXISTS (SELECT FROM organizations o WHERE o.tenant_id = app_tenant() AND o.id = organization AND o.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Organization not found', DETAIL = organization::text;
    ELSIF role IS NULL OR role NOT IN ('owner', 'admin') THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs the role owner or admin in the organization';
    ELSIF most > 0 AND (SELECT o.prem_status FROM organizations o WHERE o.tenant_id = app_tenant() AND o.id = organization) = 'free'
          AND (SELECT count(*) FROM trace_projects x
               WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.deleted_at IS NULL) >= most THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = format('a free organization has at most %s project%s', most, CASE WHEN most > 1 THEN 's' ELSE '' END);
    END IF;
    INSERT INTO trace_projects (tenant_id, organization_id, name, environment, api_key_hash, api_key_sealed)
    VALUES (app_tenant(), organization, trace_project_create.name, trace_project_create.environment, key_hash, key_sealed)
    RETURNING * INTO p;
    PERFORM audit('trace_project.create', 'trace_project', p.id::text, jsonb_build_object('organization_id', organization, 'name', p.name));
    RETURN p;
END
$$;

-- What is NULL stays as it is.
CREATE OR REPLACE FUNCTION trace_project_update(project uuid, name text, environment text) RETURNS trace_projects
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    p       trace_projects := trace_project_lock(project, '{owner,admin}');
    changed trace_projects;
BEGIN
    UPDATE trace_projects x
    SET name = coalesce(trace_project_update.name, x.name), environment = coalesce(trace_project_update.environment, x.environment)
    WHERE x.tenant_id = p.tenant_id AND x.id = p.id
      AND (x.name, x.environment) IS DISTINCT FROM (coalesce(trace_project_update.name, x.name), coalesce(trace_project_update.environment, x.environment))
    RETURNING x.* INTO changed;
    IF NOT FOUND THEN
        RETURN p;
    END IF;
    PERFORM audit('trace_project.update', 'trace_project', p.id::text,
                  jsonb_build_object('name', changed.name, 'environment', changed.environment));
    RETURN changed;
END
$$;

-- From here on neither the old key nor a token that was made with it is one.
CREATE OR REPLACE FUNCTION trace_project_rekey(project uuid, key_hash bytea, key_sealed text) RETURNS trace_projects
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    p trace_projects := trace_project_lock(project, '{owner,admin}');
BEGIN
    UPDATE trace_projects x
    SET api_key_hash = key_hash, api_key_sealed = key_sealed
    WHERE x.tenant_id = p.tenant_id AND x.id = p.id
    RETURNING x.* INTO p;
    PERFORM audit('trace_project.regenerate_key', 'trace_project', p.id::text, '{}');
    RETURN p;
END
$$;

-- Its key is none from here on; what was sent to it goes later, in batches.
CREATE OR REPLACE FUNCTION trace_project_delete(project uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    p trace_projects := trace_project_lock(project, '{owner}');
BEGIN
    UPDATE trace_projects x SET deleted_at = now() WHERE x.tenant_id = p.tenant_id AND x.id = p.id;
    PERFORM job_add('ashlar', 'traces.forget', jsonb_build_object('project_id', p.id), unique_key => 'traces.forget ' || p.id);
    PERFORM job_add('ashlar', 'traces.forget_files', jsonb_build_object('project_id', p.id), unique_key => 'traces.forget_files ' || p.id);
    PERFORM audit('trace_project.delete', 'trace_project', p.id::text, jsonb_build_object('organization_id', p.organization_id, 'name', p.name));
END
$$;
