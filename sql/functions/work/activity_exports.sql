-- Exports of activity: whose turn it is, what one shows, and how it ends.
--
--   activity_export_start   a member asks for one
--   activity_export_begin   its job runs
--   activity_export_await, activity_export_done, activity_export_failed   how that ends
--   activity_exports_tend   by the clock: files that are over, and exports whose job has died

-- Have the next ones of a workspace made: two of it at once, so that nobody else waits behind them, the oldest first.  Of two who ask
-- for it at once the second one waits, and sees what the first one has done.
CREATE OR REPLACE FUNCTION activity_exports_next(organization uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    e      record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('activity exports ' || organization, 0));
    FOR e IN SELECT x.id FROM activity_exports x
             WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.status = 'queued' AND x.job_id IS NULL
             ORDER BY x.created_at, x.id
             LIMIT 2 - least(2, (SELECT count(*) FROM activity_exports y
                                 WHERE y.tenant_id = tenant AND y.organization_id = organization AND y.status IN ('queued', 'running')
                                   AND y.job_id IS NOT NULL)) LOOP
        UPDATE activity_exports x
        SET job_id = job_add('ashlar', 'activity.export', jsonb_build_object('organization_id', organization, 'export_id', e.id),
                             max_attempts => 5, timeout_s => 3600)
        WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = e.id;
    END LOOP;
END
$$;

-- The caller starts one; its id. Raises AS422 for an end before the beginning.
CREATE OR REPLACE FUNCTION activity_export_start(format text, filters jsonb) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    made uuid;
BEGIN
    PERFORM activity_end(filters ->> 'start_date', filters ->> 'end_date');
    INSERT INTO activity_exports AS x (tenant_id, organization_id, member_id, format, filters)
    VALUES (app_tenant(), app_organization(), app_member(), activity_export_start.format, jsonb_strip_nulls(activity_export_start.filters))
    RETURNING x.id INTO made;
    PERFORM audit('activity.export', 'activity_export', made::text, jsonb_build_object('workspace_id', app_organization(), 'format', format, 'filters', jsonb_strip_nulls(filters)));
    PERFORM activity_exports_next(app_organization());
    RETURN made;
END
$$;

-- It has ended without a file: its member is told why.
CREATE OR REPLACE FUNCTION activity_export_failed(organization uuid, export uuid, message text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    e activity_exports;
BEGIN
    UPDATE activity_exports x SET status = 'failed', error_message = left(message, 500), completed_at = clock_timestamp()
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = export AND x.status IN ('queued', 'running')
    RETURNING x.* INTO e;
    IF FOUND THEN
        PERFORM notify(organization, 'export_failed', ARRAY[e.member_id], jsonb_build_object('type', 'export', 'id', export, 'link', '/activity/exports/' || export),
                       NULL, jsonb_build_object('name', 'The export of activity', 'export_id', export, 'format', e.format, 'error', e.error_message),
                       'activity export ' || export);
        PERFORM activity_exports_next(organization);
    END IF;
END
$$;

-- Its job runs.  No row: there is nothing to do any more, be it that its member has left, or may not do it any more, which is what they were
-- when it was started.  What it shows is said for the whole of it: since when and until when, whose, of which types, what to search
-- for; actors and types NULL: any.  total is how many there are without the search.
CREATE OR REPLACE FUNCTION activity_export_begin(organization uuid, export uuid)
RETURNS TABLE (format text, file_name text, member uuid, actors uuid[], types text[], from_at timestamptz, until_at timestamptz, search text,
               total bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := app_tenant();
    e      activity_exports;
    m      memberships;
    f      jsonb;
BEGIN
    UPDATE activity_exports x
    SET status = 'running', started_at = coalesce(x.started_at, clock_timestamp()), progress = 0,
        file_name = coalesce(x.file_name, format('activity-%s.%s', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD-HH24MISS'), x.format))
    WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = export AND x.status IN ('queued', 'running')
    RETURNING x.* INTO e;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    SELECT x.* INTO m FROM memberships x
    JOIN users u ON u.tenant_id = x.tenant_id AND u.id = x.user_id AND u.access > 0
    JOIN organizations o ON o.tenant_id = x.tenant_id AND o.id = x.organization_id AND o.deleted_at IS NULL
    WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = e.member_id AND x.is_active;
    IF m.id IS NULL OR permission_reach(tenant, organization, m.role, 'can_view_activity') IS NULL
       OR permission_reach(tenant, organization, m.role, 'can_export_activity') IS NULL THEN
        PERFORM activity_export_failed(organization, export, 'you may not export activity any more');
        RETURN;
    END IF;
    -- Who is meant by "mine", and by teams, is said to functions of the feed as the door says it.
    PERFORM set_config('app.organization_id', organization::text, true), set_config('app.member_id', m.id::text, true);
    f := e.filters;
    format := e.format;
    file_name := e.file_name;
    member := m.id;
    types := CASE WHEN f ? 'types' THEN ARRAY(SELECT jsonb_array_elements_text(f -> 'types')) END;
    actors := activity_actors(coalesce(f ->> 'scope', '') = 'mine', CASE WHEN f ? 'user_ids' THEN ARRAY(SELECT jsonb_array_elements_text(f -> 'user_ids')::uuid) END,
                              CASE WHEN f ? 'team_ids' THEN ARRAY(SELECT jsonb_array_elements_text(f -> 'team_ids')::uuid) END);
    from_at := activity_bound(f ->> 'start_date', false);
    -- What comes meanwhile is no part of it.
    until_at := least(activity_bound(f ->> 'end_date', true), e.started_at);
    search := nullif(btrim(f ->> 'search'), '');
    total := activity_total(activity_scopes(organization, m.id), actors, types, from_at, until_at, 9223372036854775807);
    RETURN NEXT;
END
$$;

-- Room for a file of so many bytes, for an hour; its object.  NULL: the export is no more.  Raises AS402.
CREATE OR REPLACE FUNCTION activity_export_await(organization uuid, export uuid, backend text, content_type text, size bigint) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM activity_exports x
                   WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = export AND x.status = 'running') THEN
        RETURN NULL;
    END IF;
    RETURN stored_object_await(organization, NULL, backend, content_type, size, now() + interval '1 hour');
END
$$;

-- Its file is there, in content or in object, and stays for seven days.
CREATE OR REPLACE FUNCTION activity_export_done(organization uuid, export uuid, rows_ bigint, size bigint, content bytea, object uuid, sha256 bytea)
RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    e  activity_exports;
    at timestamptz := clock_timestamp();
BEGIN
    UPDATE activity_exports x
    SET status = 'completed', progress = 100, row_count = rows_, file_size = size, content = activity_export_done.content, object_id = object,
        completed_at = at, expires_at = at + interval '7 days'
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = export AND x.status = 'running'
    RETURNING x.* INTO e;
    IF e.id IS NULL THEN
        PERFORM stored_object_drop(object);
        RETURN;
    ELSIF object IS NOT NULL AND NOT stored_object_keep(object, sha256) THEN
        RAISE 'activity_export_done: the file % is not awaited any more', object;
    END IF;
    PERFORM notify(organization, 'export_completed', ARRAY[e.member_id],
                   jsonb_build_object('type', 'export', 'id', export, 'link', '/activity/exports/' || export), NULL,
                   jsonb_build_object('name', e.file_name, 'export_id', export, 'format', e.format, 'row_count', rows_), 'activity export ' || export);
    PERFORM activity_exports_next(organization);
END
$$;

-- By the clock, over all tenants: up to most files that are over are given up, and exports whose job has died have failed.  How many files.
--
-- As the owner, who goes from one tenant to the next.
CREATE OR REPLACE FUNCTION activity_exports_tend(most integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := current_setting('app.tenant_id', true);
    e    record;
    n    bigint := 0;
BEGIN
    FOR e IN SELECT x.tenant_id, x.organization_id, x.id, x.object_id FROM activity_exports x
             WHERE (x.content IS NOT NULL OR x.object_id IS NOT NULL) AND x.expires_at <= now() ORDER BY x.expires_at LIMIT most LOOP
        PERFORM set_config('app.tenant_id', e.tenant_id::text, true);
        UPDATE activity_exports x SET content = NULL, object_id = NULL
        WHERE x.tenant_id = e.tenant_id AND x.organization_id = e.organization_id AND x.id = e.id AND x.object_id IS NOT DISTINCT FROM e.object_id;
        PERFORM stored_object_drop(e.object_id);
        n := n + 1;
    END LOOP;
    FOR e IN SELECT x.tenant_id, x.organization_id, x.id FROM activity_exports x
             LEFT JOIN jobs j ON j.tenant_id = x.tenant_id AND j.id = x.job_id
             WHERE x.status IN ('queued', 'running') AND x.job_id IS NOT NULL AND coalesce(j.state, 'failed') IN ('failed', 'cancelled', 'completed') LOOP
        PERFORM set_config('app.tenant_id', e.tenant_id::text, true);
        PERFORM activity_export_failed(e.organization_id, e.id, 'it could not be made: start it again');
    END LOOP;
    PERFORM set_config('app.tenant_id', coalesce(here, ''), true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION activity_exports_tend(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION activity_exports_tend(integer) TO ashlar_api;
