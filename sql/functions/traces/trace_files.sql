-- What programs store beside their traces: a log of each, and objects that anybody may read who has the address. Content is stored_objects',
-- of the project's organization.

-- For how long what a project stores now is kept: a class, as spans have it.
CREATE OR REPLACE FUNCTION trace_file_class() RETURNS smallint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT span_class(o.prem_status)
            FROM trace_projects p
            JOIN organizations o ON o.tenant_id = p.tenant_id AND o.id = p.organization_id
            WHERE p.tenant_id = app_tenant() AND p.id = app_project());
END
$$;

-- The content of a trace's log has come: it takes the place of the one before. Raises AS404 where it is not awaited any more.
CREATE OR REPLACE FUNCTION trace_log_put(trace text, object uuid, sha256 bytea) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    before uuid;
BEGIN
    INSERT INTO trace_logs (tenant_id, project_id, trace_id, object_id, keep) VALUES (app_tenant(), app_project(), trace, object, trace_file_class())
    ON CONFLICT (tenant_id, project_id, trace_id) DO NOTHING;
    IF NOT FOUND THEN
        SELECT l.object_id INTO before
        FROM trace_logs l
        WHERE l.tenant_id = app_tenant() AND l.project_id = app_project() AND l.trace_id = trace
        FOR UPDATE;
        UPDATE trace_logs l SET object_id = object, keep = trace_file_class()
        WHERE l.tenant_id = app_tenant() AND l.project_id = app_project() AND l.trace_id = trace;
        PERFORM stored_object_drop(before);
    END IF;
    IF NOT stored_object_keep(object, sha256) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Upload not found', DETAIL = object::text;
    END IF;
END
$$;

-- The same of an object, which is found by the hash of what its address ends with.
CREATE OR REPLACE FUNCTION trace_object_put(object uuid, sha256 bytea, key_hash bytea) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO trace_objects (tenant_id, project_id, object_id, key_hash, keep) VALUES (app_tenant(), app_project(), object, key_hash, trace_file_class());
    IF NOT stored_object_keep(object, sha256) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Upload not found', DETAIL = object::text;
    END IF;
END
$$;

-- Whose an object is, of whatever tenant: who has its address may read it. No row: nobody's, or its project is deleted.
CREATE OR REPLACE FUNCTION trace_object_find(project uuid, hash bytea) RETURNS TABLE (object_id text, tenant text, backend text, content_type text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    x record;
BEGIN
    PERFORM set_config('app.key_hash', encode(hash, 'hex'), true);
    SELECT o.tenant_id, o.object_id INTO x FROM trace_objects o WHERE o.key_hash = hash AND o.project_id = project;
    PERFORM set_config('app.tenant_id', coalesce(x.tenant_id::text, ''), true);
    RETURN QUERY
        SELECT s.id::text, s.tenant_id::text, s.backend, s.content_type
        FROM stored_objects s
        JOIN trace_projects p ON p.tenant_id = s.tenant_id AND p.id = project AND p.deleted_at IS NULL
        WHERE s.tenant_id = x.tenant_id AND s.id = x.object_id AND s.state = 'stored';
END
$$;

-- A trace's log, for who is a member of the organization of a project that has such a trace, or anybody of the Demo Org's. is_seen: there
-- is such a trace; without a log object_id is null.
--
--   ids   what the trace may be called: its 16 bytes as a uuid
--   name  what its log is called
CREATE OR REPLACE FUNCTION trace_log_find(ids uuid[], name text, OUT is_seen boolean, OUT is_free boolean, OUT object_id text, OUT backend text, OUT tenant text)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    here uuid := app_tenant();
    p    record;
BEGIN
    is_seen := false;
    tenant := here::text;
    FOR p IN SELECT x.id, o.prem_status
             FROM organizations o
             JOIN trace_projects x ON x.tenant_id = o.tenant_id AND x.organization_id = o.id AND x.deleted_at IS NULL
             WHERE o.tenant_id = here AND o.deleted_at IS NULL
               AND o.id IN (SELECT m.organization_id FROM memberships m WHERE m.tenant_id = here AND m.user_id = app_user() AND m.is_active
                            UNION ALL SELECT demo_org())
               AND EXISTS (SELECT FROM traces t WHERE t.tenant_id = here AND t.project_id = x.id AND t.trace_id = ANY (ids))
             ORDER BY x.created_at, x.id LOOP
        is_seen := true;
        SELECT l.object_id::text, s.backend, p.prem_status = 'free' INTO object_id, backend, is_free
        FROM trace_logs l
        JOIN stored_objects s ON s.tenant_id = l.tenant_id AND s.id = l.object_id
        WHERE l.tenant_id = here AND l.project_id = p.id AND l.trace_id = name;
        EXIT WHEN FOUND;
    END LOOP;
END
$$;

-- A deleted project's, so many at a time: returns whether there is more.
CREATE OR REPLACE FUNCTION trace_files_forget(project uuid, most integer) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    here uuid := app_tenant();
    o    uuid;
    n    integer := 0;
BEGIN
    FOR o IN DELETE FROM trace_logs l
             WHERE l.tenant_id = here AND l.project_id = project
               AND l.trace_id IN (SELECT x.trace_id FROM trace_logs x WHERE x.tenant_id = here AND x.project_id = project LIMIT most)
             RETURNING l.object_id LOOP
        PERFORM stored_object_drop(o);
        n := n + 1;
    END LOOP;
    FOR o IN DELETE FROM trace_objects t
             WHERE t.tenant_id = here AND t.project_id = project
               AND t.object_id IN (SELECT x.object_id FROM trace_objects x WHERE x.tenant_id = here AND x.project_id = project LIMIT most)
             RETURNING t.object_id LOOP
        PERFORM stored_object_drop(o);
        n := n + 1;
    END LOOP;
    RETURN n >= most;
END
$$;
