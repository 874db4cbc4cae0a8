-- Spans in ClickHouse: what PostgreSQL keeps of them, which is how many came, and of which it does not know yet.
--
-- A batch is noted before it is put in, and counted behind that: so whatever is lost between the two, who looks later finds the
-- note, asks ClickHouse how many spans of that batch there are, and counts those.

-- About to put spans in: is anybody to be told of them?  Raises AS404 where there is no such project.
CREATE OR REPLACE FUNCTION batch_begin(project uuid, batch bigint) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant uuid := app_tenant();
BEGIN
    PERFORM FROM trace_projects p WHERE p.tenant_id = tenant AND p.id = project AND p.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Project not found', DETAIL = project::text;
    END IF;
    INSERT INTO trace_batches (tenant_id, project_id, batch) VALUES (tenant, project, batch_begin.batch);
    RETURN trace_tell_is_due(project);
END
$$;
REVOKE ALL ON FUNCTION batch_begin(uuid, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION batch_begin(uuid, bigint) TO ashlar_api;

-- The same, and the class of each of the batch's days (trace_days): a digit a day, 0 where it is not known yet.  days: numbers, from 1970 on, in order.
CREATE OR REPLACE FUNCTION batch_open(project uuid, batch bigint, days integer[], OUT is_due boolean, OUT classes text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    is_due := batch_begin(project, batch_open.batch);
    classes := (SELECT string_agg(coalesce(d.keep, 0)::text, '' ORDER BY x.i)
                FROM unnest(days) WITH ORDINALITY x (day, i)
                LEFT JOIN trace_days d ON d.tenant_id = app_tenant() AND d.project_id = project AND d.day = DATE '1970-01-01' + x.day);
END
$$;
REVOKE ALL ON FUNCTION batch_open(uuid, bigint, integer[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION batch_open(uuid, bigint, integer[]) TO ashlar_api;

-- The classes of such days, of which each has one from now on.  stored: in which class ClickHouse has something of the day, 0: it has nothing.
CREATE OR REPLACE FUNCTION batch_days(project uuid, days integer[], stored smallint[]) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (SELECT array_to_string(trace_day_classes(project, span_class(o.prem_status), ARRAY(SELECT DATE '1970-01-01' + x.day FROM unnest(days) x (day) ORDER BY x.day),
                                                      stored), '')
            FROM trace_projects p
            JOIN organizations o ON o.tenant_id = p.tenant_id AND o.id = p.organization_id
            WHERE p.tenant_id = app_tenant() AND p.id = project);
END
$$;
REVOKE ALL ON FUNCTION batch_days(uuid, integer[], smallint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION batch_days(uuid, integer[], smallint[]) TO ashlar_api;

-- None of them can have been put in.
CREATE OR REPLACE FUNCTION batch_drop(project uuid, batch bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    DELETE FROM trace_batches b WHERE b.tenant_id = app_tenant() AND b.project_id = project AND b.batch = batch_drop.batch;
END
$$;
REVOKE ALL ON FUNCTION batch_drop(uuid, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION batch_drop(uuid, bigint) TO ashlar_api;

-- Count what was put in, on the day when it came, unless somebody has; true: it was counted now.
CREATE OR REPLACE FUNCTION batch_count(project uuid, batch bigint, taken bigint, tokens numeric) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    tenant       uuid := app_tenant();
    organization uuid;
    came         date;
BEGIN
    DELETE FROM trace_batches b
    WHERE b.tenant_id = tenant AND b.project_id = project AND b.batch = batch_count.batch
    RETURNING (b.created_at AT TIME ZONE 'UTC')::date INTO came;
    IF came IS NULL THEN
        RETURN false;
    END IF;
    SELECT p.organization_id INTO organization FROM trace_projects p WHERE p.tenant_id = tenant AND p.id = project;
    INSERT INTO usage_daily AS d (tenant_id, user_id, metric, day, organization_id, category, quantity, count)
    SELECT tenant, usage_id(NULL), u.metric, came, organization, project::text, sum_within(u.n), taken
    FROM (VALUES ('span_tokens', tokens), ('spans', taken::numeric)) u (metric, n)
    WHERE u.n > 0
    ON CONFLICT (tenant_id, user_id, metric, day, organization_id, category) DO UPDATE
    SET quantity = sum_within(d.quantity::numeric + excluded.quantity), count = d.count + excluded.count;
    RETURN true;
END
$$;
REVOKE ALL ON FUNCTION batch_count(uuid, bigint, bigint, numeric) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION batch_count(uuid, bigint, bigint, numeric) TO ashlar_api;

-- The same, and tell who watches the project: traces as trace_tell_put() has them, or NULL.
CREATE OR REPLACE FUNCTION batch_end(project uuid, batch bigint, taken bigint, tokens numeric, trace_count bigint, traces jsonb) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    is_new boolean := batch_count(project, batch_end.batch, taken, tokens);
BEGIN
    IF taken > 0 AND traces IS NOT NULL AND trace_tell_is_due(project) THEN
        PERFORM trace_tell_put(project, trace_count, traces);
    END IF;
    RETURN is_new;
END
$$;
REVOKE ALL ON FUNCTION batch_end(uuid, bigint, bigint, numeric, bigint, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION batch_end(uuid, bigint, bigint, numeric, bigint, jsonb) TO ashlar_api;

-- For the worker, over all tenants: batches of which for so many seconds nobody has said what became of them, the oldest first.
CREATE OR REPLACE FUNCTION batches_left(seconds integer, most integer) RETURNS TABLE (tenant_id uuid, project_id uuid, batch bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
BEGIN
    PERFORM set_config('app.retention', 'traces', true);
    RETURN QUERY SELECT b.tenant_id, b.project_id, b.batch FROM trace_batches b
                 WHERE b.created_at < now() - make_interval(secs => seconds) ORDER BY b.created_at LIMIT most;
    PERFORM set_config('app.retention', '', true);
END
$$;
REVOKE ALL ON FUNCTION batches_left(integer, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION batches_left(integer, integer) TO ashlar_api;

-- For the worker: batch_count() of another tenant's.
CREATE OR REPLACE FUNCTION batch_settle(tenant uuid, project uuid, batch bigint, taken bigint, tokens numeric) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
    is_new boolean;
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    is_new := batch_count(project, batch_settle.batch, taken, tokens);
    PERFORM set_config('app.tenant_id', within, true);
    RETURN is_new;
END
$$;
REVOKE ALL ON FUNCTION batch_settle(uuid, uuid, bigint, bigint, numeric) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION batch_settle(uuid, uuid, bigint, bigint, numeric) TO ashlar_api;

-- For the worker: is this project, of whatever tenant, deleted?
CREATE OR REPLACE FUNCTION trace_project_is_gone(project uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    is_gone boolean;
BEGIN
    PERFORM set_config('app.retention', 'traces', true);
    is_gone := EXISTS (SELECT FROM trace_projects p WHERE p.id = project AND p.deleted_at IS NOT NULL);
    PERFORM set_config('app.retention', '', true);
    RETURN is_gone;
END
$$;
REVOKE ALL ON FUNCTION trace_project_is_gone(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trace_project_is_gone(uuid) TO ashlar_api;

-- The projects whose traces the caller may read, those of the Demo Org too.
CREATE OR REPLACE FUNCTION trace_readable() RETURNS TABLE (project_id uuid, is_free boolean)
LANGUAGE plpgsql STABLE ROWS 10 AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := app_tenant();
BEGIN
    RETURN QUERY
        SELECT p.id, o.prem_status = 'free'
        FROM (SELECT m.organization_id FROM memberships m WHERE m.tenant_id = tenant AND m.user_id = app_user() AND m.is_active
              UNION SELECT demo_org()) m
        JOIN organizations o ON o.tenant_id = tenant AND o.id = m.organization_id AND o.deleted_at IS NULL
        JOIN trace_projects p ON p.tenant_id = tenant AND p.organization_id = o.id AND p.deleted_at IS NULL
        ORDER BY p.id;
END
$$;

-- Of a project's metrics: the range, as project_metrics() has it. most_days: a free plan's.
CREATE OR REPLACE FUNCTION trace_metrics_bounds(project uuid, start_at timestamptz, end_at timestamptz, most_days integer, OUT from_s bigint,
                                                OUT until_s bigint, OUT freeplan_truncated boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    cutoff timestamptz := date_trunc('second', now()) - make_interval(days => most_days);
BEGIN
    freeplan_truncated := false;
    IF (trace_reader(project)).is_free THEN
        freeplan_truncated := start_at IS NULL OR end_at IS NULL OR start_at < cutoff OR end_at < cutoff;
        start_at := greatest(start_at, cutoff);
        end_at := greatest(coalesce(end_at, now()), cutoff);
    END IF;
    SELECT b.from_s, b.until_s INTO from_s, until_s FROM trace_bounds(start_at, end_at) b;
END
$$;

-- As trace_log_find() (sql/functions/traces/trace_files.sql), where somebody else knows which projects have the trace.
CREATE OR REPLACE FUNCTION trace_log_find_in(projects uuid[], name text, OUT is_seen boolean, OUT is_free boolean, OUT object_id text,
                                             OUT backend text, OUT tenant text)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE
    here uuid := app_tenant();
    p    record;
BEGIN
    is_seen := false;
    tenant := here::text;
    FOR p IN SELECT r.project_id, r.is_free FROM trace_readable() r
             JOIN trace_projects x ON x.tenant_id = here AND x.id = r.project_id
             WHERE r.project_id = ANY (projects) ORDER BY x.created_at, x.id LOOP
        is_seen := true;
        SELECT l.object_id::text, s.backend, p.is_free INTO object_id, backend, is_free
        FROM trace_logs l
        JOIN stored_objects s ON s.tenant_id = l.tenant_id AND s.id = l.object_id
        WHERE l.tenant_id = here AND l.project_id = p.project_id AND l.trace_id = name;
        EXIT WHEN FOUND;
    END LOOP;
END
$$;
