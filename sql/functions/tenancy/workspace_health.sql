-- How a workspace is, and the runs that bring its data to the version that this release is built for.

-- The steps there are: what brings a workspace from the version before to this one, in words for who waits, and the function that does it,
-- within one transaction and again with no harm. A release whose data need one adds a line, and a function.
CREATE OR REPLACE FUNCTION workspace_steps() RETURNS TABLE (version integer, step text, does text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4
BEGIN ATOMIC
    VALUES (1, 'Counting members', 'workspace_step_members');
END;

CREATE OR REPLACE FUNCTION workspace_version_wanted() RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (SELECT max(s.version) FROM workspace_steps() s);

-- A workspace without a row has the first one. The release that brings the second has new workspaces begin with the newest.
CREATE OR REPLACE FUNCTION workspace_version(organization uuid) RETURNS integer
LANGUAGE sql STABLE
RETURN coalesce((SELECT v.version FROM workspace_versions v WHERE v.tenant_id = app_tenant() AND v.organization_id = workspace_version.organization), 1);

-- Version 1: what is kept beside a workspace is what there is.
CREATE OR REPLACE FUNCTION workspace_step_members(organization uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM organizations o WHERE o.tenant_id = app_tenant() AND o.id = organization FOR NO KEY UPDATE;
    UPDATE organizations o SET owner_count = c.owners, member_count = c.members
    FROM (SELECT count(*) FILTER (WHERE m.role = 'owner') AS owners, count(*) AS members FROM memberships m
          WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.is_active) c
    WHERE o.tenant_id = app_tenant() AND o.id = organization AND (o.owner_count, o.member_count) IS DISTINCT FROM (c.owners::integer, c.members::integer);
END
$$;

-- A run as its stream tells it.
CREATE OR REPLACE FUNCTION workspace_run_event(r workspace_runs) RETURNS jsonb
LANGUAGE sql STABLE
RETURN jsonb_build_object('job_id', r.id, 'status', r.status, 'progress', r.progress, 'current_step', r.current_step, 'error_message', r.error_message,
                          'timestamp', json_time_us(r.updated_at));

CREATE OR REPLACE FUNCTION workspace_run_tell(r workspace_runs) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM realtime_put('workspace_run:' || r.id, workspace_run_event(r), NULL, 'event', 'message', r.status IN ('COMPLETED', 'FAILED'));
END
$$;

-- The run that is under way; one whose job has died is none, and has failed.
CREATE OR REPLACE FUNCTION workspace_run_active(organization uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT r.id FROM workspace_runs r
            JOIN jobs j ON j.tenant_id = r.tenant_id AND j.id = r.job_id AND j.state IN ('scheduled', 'queued', 'running')
            WHERE r.tenant_id = app_tenant() AND r.organization_id = organization AND r.status IN ('QUEUED', 'RUNNING'));
END
$$;

-- Begin a run in the caller's workspace: its id and status, and is_new false where one is under way, which is that one then.
CREATE OR REPLACE FUNCTION workspace_run_start(OUT run uuid, OUT status text, OUT is_new boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    tenant       uuid := app_tenant();
    organization uuid := app_organization();
    r            workspace_runs;
BEGIN
    INSERT INTO workspace_versions (tenant_id, organization_id, version) VALUES (tenant, organization, 1) ON CONFLICT DO NOTHING;
    PERFORM FROM workspace_versions v WHERE v.tenant_id = tenant AND v.organization_id = organization FOR UPDATE;
    run := workspace_run_active(organization);
    is_new := run IS NULL;
    IF NOT is_new THEN
        RETURN;
    END IF;
    FOR r IN UPDATE workspace_runs x SET status = 'FAILED', error_message = 'interrupted', finished_at = clock_timestamp()
             WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.status IN ('QUEUED', 'RUNNING') RETURNING x.* LOOP
        PERFORM workspace_run_tell(r);
    END LOOP;
    status := 'QUEUED';
    IF workspace_version(organization) >= workspace_version_wanted() THEN
        INSERT INTO workspace_runs AS x (tenant_id, organization_id, status, progress, current_step, finished_at)
        VALUES (tenant, organization, 'COMPLETED', 100, 'Up to date', clock_timestamp()) RETURNING x.id INTO run;
        RETURN;
    END IF;
    INSERT INTO workspace_runs AS x (tenant_id, organization_id) VALUES (tenant, organization) RETURNING x.id INTO run;
    UPDATE workspace_runs x
    SET job_id = job_add('ashlar', 'workspace.migrate', jsonb_build_object('organization_id', organization, 'run_id', run), max_attempts => 3)
    WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = run;
END
$$;

-- Go on with a run, in a transaction of its own: tell which step is next, and then do it. False: there are no more, and it is completed, or it has
-- ended before.
CREATE OR REPLACE FUNCTION workspace_run_step(organization uuid, run uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant uuid := app_tenant();
    r      workspace_runs;
    s      record;
    has    integer;
    wanted integer := workspace_version_wanted();
BEGIN
    SELECT v.version INTO has FROM workspace_versions v WHERE v.tenant_id = tenant AND v.organization_id = organization FOR UPDATE;
    SELECT x.* INTO s FROM workspace_steps() x WHERE x.version > has ORDER BY x.version LIMIT 1;
    IF FOUND THEN
        SELECT x.* INTO r FROM workspace_runs x
        WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = run AND x.status IN ('QUEUED', 'RUNNING') FOR UPDATE;
        IF NOT FOUND THEN
            RETURN false;
        ELSIF (r.status, r.current_step) <> ('RUNNING', s.step) THEN
            UPDATE workspace_runs x SET status = 'RUNNING', current_step = s.step, progress = 100 * has / wanted
            WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = run RETURNING x.* INTO r;
            PERFORM workspace_run_tell(r);
            RETURN true;
        END IF;
        EXECUTE format('SELECT %I($1)', s.does) USING organization;
        UPDATE workspace_versions v SET version = s.version WHERE v.tenant_id = tenant AND v.organization_id = organization;
        RETURN true;
    END IF;
    UPDATE workspace_runs x SET status = 'COMPLETED', progress = 100, current_step = 'Up to date', finished_at = clock_timestamp()
    WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = run AND x.status IN ('QUEUED', 'RUNNING') RETURNING x.* INTO r;
    IF r.id IS NOT NULL THEN
        PERFORM workspace_run_tell(r);
    END IF;
    RETURN false;
END
$$;

-- It could not be done, and is not tried again.
CREATE OR REPLACE FUNCTION workspace_run_failed(organization uuid, run uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    r workspace_runs;
BEGIN
    UPDATE workspace_runs x SET status = 'FAILED', error_message = 'the step "' || x.current_step || '" failed: start it again', finished_at = clock_timestamp()
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = run AND x.status IN ('QUEUED', 'RUNNING') RETURNING x.* INTO r;
    IF r.id IS NOT NULL THEN
        PERFORM workspace_run_tell(r);
    END IF;
END
$$;
