-- Runs: what is done to many records in the background, for the member who started it.
--
--   record_run_start   a member starts one
--   record_run_enter   its job is about to do something of it, in each transaction anew
--   record_run_end     it is over
--   record_run_cancel, record_runs_cancel, record_run_delete   as members ask
--   record_runs_tend   by the clock: files that are over, and runs whose job has died

-- The caller starts one of a recordset, which job does; its id.  options are those of its kind.  An import takes what the job's attempts allow: each goes
-- on where the one before was killed.
CREATE OR REPLACE FUNCTION record_run_start(kind text, recordset uuid, options jsonb, format text, file_name text, total bigint) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    made uuid := uuid_v7();
BEGIN
    INSERT INTO record_runs (tenant_id, organization_id, id, kind, recordset_id, member_id, options, format, file_name, total_rows, job_id)
    VALUES (app_tenant(), app_organization(), made, kind, recordset, app_member(), options, format, file_name, total,
            -- A provider that hangs has no other job wait for it.
            job_add(CASE kind WHEN 'geocode' THEN 'ashlar.geocoding' ELSE 'ashlar' END, 'record.' || kind, jsonb_build_object('organization_id', app_organization(), 'run_id', made),
                    max_attempts => 20, timeout_s => CASE kind WHEN 'geocode' THEN 300 ELSE 14400 END));
    RETURN made;
END
$$;

-- Go into a run that is under way: its row, locked, and from here on the transaction is its member's.  flag is the right on its recordset that it takes.
-- No row: there is nothing to be done any more, be it that it was cancelled, or that its member may not do it now, for which it has failed.
CREATE OR REPLACE FUNCTION record_run_enter(organization uuid, run uuid, flag integer) RETURNS SETOF record_runs
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    tenant uuid := app_tenant();
    r      record_runs;
    m      record;
    s      recordsets;
    why    text;
BEGIN
    UPDATE record_runs x SET status = 'running', started_at = coalesce(x.started_at, clock_timestamp())
    WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = run AND x.status IN ('queued', 'running')
    RETURNING x.* INTO r;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT x.id, x.role INTO m FROM memberships x
    JOIN users u ON u.tenant_id = x.tenant_id AND u.id = x.user_id AND u.access > 0
    JOIN organizations o ON o.tenant_id = x.tenant_id AND o.id = x.organization_id AND o.deleted_at IS NULL
    WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = r.member_id AND x.is_active;
    IF NOT FOUND THEN
        why := 'who started it is no member of the workspace any more';
    ELSE
        -- As the door of a request says it.
        PERFORM set_config('app.organization_id', organization::text, true), set_config('app.member_id', m.id::text, true), set_config('app.org_role', m.role, true);
        SELECT x.* INTO s FROM recordsets x
        WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = r.recordset_id AND x.trashed_at IS NULL;
        IF s.id IS NULL THEN
            why := 'the recordset is no more';
        ELSIF NOT recordset_may(s.id, s.owner_id, flag) THEN
            why := 'who started it has no right to on the recordset any more';
        END IF;
    END IF;
    IF why IS NOT NULL THEN
        PERFORM record_run_end(organization, run, 'failed', why);
        RETURN;
    END IF;
    RETURN NEXT r;
END
$$;

-- How far it is: never backwards, and 100 when it is completed.
CREATE OR REPLACE FUNCTION record_run_progress(done bigint, total bigint) RETURNS smallint
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN total > 0 THEN least(99, greatest(0, done * 99 / total)) ELSE 0 END::smallint;

-- One that is followed, as its stream tells it (the shape JobProgressEvent).
CREATE OR REPLACE FUNCTION record_run_event(r record_runs) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN jsonb_build_object('job_id', r.id, 'status', r.status, 'progress', r.progress, 'current_step', coalesce(r.step, ''), 'total', r.total_rows, 'processed', r.processed_rows,
                              'succeeded', r.success_count, 'failed', r.error_count, 'error_message', r.error_message, 'timestamp', json_time_us(r.updated_at));
END
$$;

-- Geocoding has a stream.
CREATE OR REPLACE FUNCTION record_run_tell(r record_runs) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF r.kind = 'geocode' THEN
        PERFORM realtime_put('record_run:' || r.id, record_run_event(r), NULL, 'event', 'message', r.status NOT IN ('queued', 'running'));
    END IF;
END
$$;

-- It is over, completed or failed, and whoever started it is told.  False: it was over before.
CREATE OR REPLACE FUNCTION record_run_end(organization uuid, run uuid, status text, message text) RETURNS boolean
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    r    record_runs;
    name text;
    told text;
BEGIN
    UPDATE record_runs x
    SET status = status, progress = CASE WHEN status = 'completed' THEN 100 ELSE least(x.progress, 99) END, step = NULL, error_message = left(message, 1000),
        started_at = coalesce(x.started_at, clock_timestamp()), completed_at = clock_timestamp()
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = run AND x.status IN ('queued', 'running')
    RETURNING x.* INTO r;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM record_run_tell(r);
    told := CASE r.kind WHEN 'import' THEN 'import_' || status WHEN 'export' THEN 'export_' || status WHEN 'geocode' THEN 'geocode_completed' END;
    name := coalesce((SELECT s.name FROM recordsets s WHERE s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id), r.file_name, '');
    IF told IS NOT NULL AND r.member_id IS NOT NULL AND (r.kind <> 'geocode' OR status = 'completed') AND NOT record_run_is_dry(r.options) THEN
        PERFORM notify(organization, told, ARRAY[r.member_id], jsonb_build_object('type', 'import_job', 'id', run, 'link', '/imports/' || run), NULL,
                       jsonb_strip_nulls(jsonb_build_object('name', name, 'job_id', run, 'recordset_id', r.recordset_id, 'file_name', r.file_name, 'success_count', r.success_count,
                                                            'error_count', r.error_count, 'error', r.error_message)), 'record run ' || run);
    END IF;
    RETURN true;
END
$$;

-- May the caller see what is in it, and end it?  Who started it, owners and admins.
CREATE OR REPLACE FUNCTION record_run_is_mine(member uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce(member = app_member(), false) OR coalesce(app_org_role() IN ('owner', 'admin'), false);
END
$$;

-- A run of the workspace, locked for the caller, who may end it.  Raises AS404, AS403.
CREATE OR REPLACE FUNCTION record_run_lock(run uuid) RETURNS record_runs
LANGUAGE plpgsql AS $$
DECLARE
    r record_runs;
BEGIN
    SELECT x.* INTO r FROM record_runs x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = run AND x.kind <> 'geocode'
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Job not found', DETAIL = run::text;
    END IF;
    PERFORM may(record_run_is_mine(r.member_id), 'this job is not yours: it takes an owner or admin');
    RETURN r;
END
$$;

-- It is cancelled at once; what it is just doing is done, and no more.
CREATE OR REPLACE FUNCTION record_run_cancel(run uuid) RETURNS SETOF record_runs
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    r record_runs := record_run_lock(run);
BEGIN
    PERFORM must(r.status IN ('queued', 'running'), 'the job is over: ' || r.status);
    RETURN QUERY UPDATE record_runs x SET status = 'cancelled', step = NULL, completed_at = clock_timestamp()
    WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.id
    RETURNING x.*;
END
$$;

-- All that are under way in the workspace, but for geocoding; which.
CREATE OR REPLACE FUNCTION record_runs_cancel() RETURNS uuid[]
LANGUAGE plpgsql AS $$
DECLARE
    ids uuid[];
BEGIN
    WITH ended AS (
        UPDATE record_runs x SET status = 'cancelled', step = NULL, completed_at = clock_timestamp()
        WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.status IN ('queued', 'running') AND x.kind <> 'geocode'
        RETURNING x.id
    )
    SELECT coalesce(array_agg(e.id ORDER BY e.id), '{}') INTO ids FROM ended e;
    RETURN ids;
END
$$;

-- Out of the history, with its file; its id.
CREATE OR REPLACE FUNCTION record_run_delete(run uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    r record_runs := record_run_lock(run);
BEGIN
    PERFORM must(r.status NOT IN ('queued', 'running'), 'the job is still active: cancel it first');
    DELETE FROM record_runs x WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.id;
    PERFORM stored_object_drop(r.object_id) WHERE r.object_id IS NOT NULL;
    RETURN r.id;
END
$$;

-- The file of a run, of whatever tenant, for who has a link that we signed.  No row: there is none, or no more.
--
-- As the owner, since the link does not name the tenant.
CREATE OR REPLACE FUNCTION record_run_file(run uuid) RETURNS TABLE (tenant_id uuid, object_id uuid, backend text, content_type text, file_name text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 1 SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY SELECT o.tenant_id, o.id, o.backend, o.content_type,
                        CASE WHEN r.kind <> 'export' THEN CASE r.kind WHEN 'import' THEN 'errors-' ELSE 'kept-' END || regexp_replace(coalesce(r.file_name, r.kind), '\.[A-Za-z0-9]*$', '') || '.csv' ELSE r.file_name END
    FROM record_runs r
    JOIN stored_objects o ON o.tenant_id = r.tenant_id AND o.id = r.object_id AND o.state = 'stored'
    WHERE r.id = run AND r.object_id IS NOT NULL AND r.expires_at > now();
END
$$;
REVOKE ALL ON FUNCTION record_run_file(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_run_file(uuid) TO ashlar_api;

-- By the clock, over all tenants: up to most files that are over are given up, and runs whose job has died have failed.  How many files.
--
-- As the owner, who goes from one tenant to the next.
CREATE OR REPLACE FUNCTION record_runs_tend(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := current_setting('app.tenant_id', true);
    r    record;
    n    bigint := 0;
BEGIN
    FOR r IN SELECT x.tenant_id, x.organization_id, x.id, x.object_id FROM record_runs x
             WHERE x.object_id IS NOT NULL AND x.expires_at <= now() ORDER BY x.expires_at LIMIT most LOOP
        PERFORM set_config('app.tenant_id', r.tenant_id::text, true);
        UPDATE record_runs x SET object_id = NULL
        WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.id AND x.object_id IS NOT DISTINCT FROM r.object_id;
        PERFORM stored_object_drop(r.object_id);
        n := n + 1;
    END LOOP;
    FOR r IN SELECT x.tenant_id, x.organization_id, x.id FROM record_runs x
             LEFT JOIN jobs j ON j.tenant_id = x.tenant_id AND j.id = x.job_id
             WHERE x.status IN ('queued', 'running') AND x.job_id IS NOT NULL AND coalesce(j.state, 'failed') IN ('failed', 'cancelled', 'completed') LOOP
        PERFORM set_config('app.tenant_id', r.tenant_id::text, true);
        PERFORM record_run_end(r.organization_id, r.id, 'failed', 'interrupted');
    END LOOP;
    PERFORM set_config('app.tenant_id', coalesce(here, ''), true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION record_runs_tend(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION record_runs_tend(integer) TO ashlar_api;
