-- Discovery engines: their schedules, and the runs that their jobs are.

-- A slug made of a name; where it is taken, -2, -3 and so on is added.  Behind a lock of the tenant's, so that two at once do not get the same.
CREATE OR REPLACE FUNCTION discovery_slug(name text) RETURNS text
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    slug  text := coalesce(nullif(rtrim(left(btrim(regexp_replace(lower(name), '[^a-z0-9]+', '-', 'g'), '-'), 60), '-'), ''), 'engine');
    tried text := slug;
    n     integer := 1;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('discovery_slug ' || app_tenant() || ' ' || slug, 0));
    WHILE EXISTS (SELECT FROM discovery_engines e WHERE e.tenant_id = app_tenant() AND e.slug = tried) LOOP
        n := n + 1;
        tried := slug || '-' || n;
    END LOOP;
    RETURN tried;
END
$$;

-- Have an engine's schedule be as the engine says: one where it is on, with its interval, and none where it is off.
CREATE OR REPLACE FUNCTION discovery_schedule(slug text, every_ms bigint, is_enabled boolean, OUT id uuid, OUT next_run_at timestamptz)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    PERFORM job_schedule_remove(s.id) FROM job_schedules s
    WHERE s.tenant_id = app_tenant() AND s.queue = 'discovery' AND s.kind = slug AND NOT (is_enabled AND s.every_ms IS NOT DISTINCT FROM every_ms);
    SELECT s.id, s.next_run_at INTO id, next_run_at FROM job_schedules s
    WHERE s.tenant_id = app_tenant() AND s.queue = 'discovery' AND s.kind = slug AND is_enabled;
    IF is_enabled AND id IS NULL THEN
        SELECT m.schedule_id, m.next_run_at INTO id, next_run_at
        FROM job_schedule_set('discovery', slug, NULL, every_ms, jsonb_build_object('engine', slug, 'trigger', 'schedule'), max_attempts => 3) m;
    END IF;
END
$$;

-- When it last ran, or was to, and what became of it.
CREATE OR REPLACE FUNCTION discovery_last_run(tenant uuid, engine bigint, OUT at text, OUT status text)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
BEGIN
    SELECT to_char(coalesce(x.started_at, x.created_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), x.status INTO at, status
    FROM discovery_runs x WHERE x.tenant_id = tenant AND x.engine_number = engine ORDER BY x.number DESC LIMIT 1;
END
$$;

-- Run it now.  One that waits or runs is that run: also the schedule's job, when its time has come and no worker has.
CREATE OR REPLACE FUNCTION discovery_run(slug text, OUT run discovery_runs, OUT is_old boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    e   discovery_engines;
    job uuid;
BEGIN
    SELECT * INTO e FROM discovery_engines x WHERE x.tenant_id = app_tenant() AND x.slug = slug FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'there is no such engine';
    END IF;
    SELECT * INTO run FROM discovery_runs r
    WHERE r.tenant_id = app_tenant() AND r.engine_number = e.number AND r.status IN ('queued', 'running') ORDER BY r.number DESC LIMIT 1;
    is_old := FOUND;
    IF is_old THEN
        RETURN;
    END IF;
    SELECT j.id INTO job FROM job_schedules s JOIN jobs j ON j.tenant_id = s.tenant_id AND j.id = s.next_job_id
    WHERE s.tenant_id = app_tenant() AND s.queue = 'discovery' AND s.kind = e.slug AND j.state IN ('scheduled', 'queued') AND j.run_at <= now() LIMIT 1;
    is_old := FOUND;
    IF NOT is_old THEN
        job := job_add('discovery', e.slug, jsonb_build_object('engine', e.slug, 'trigger', 'manual'), max_attempts => 3, unique_key => 'engine ' || e.number);
    END IF;
    INSERT INTO discovery_runs AS r (tenant_id, engine_number, job_id, trigger)
    VALUES (app_tenant(), e.number, job, CASE WHEN is_old THEN 'schedule' ELSE 'manual' END)
    RETURNING r.* INTO run;
END
$$;

-- Its schedule, and jobs that wait, go with it; a job that runs ends as it will, and nobody follows it.  Jobs are locked before the engine, as by who
-- takes and ends them.
CREATE OR REPLACE FUNCTION discovery_engine_remove(slug text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_variable
DECLARE
    n bigint;
BEGIN
    PERFORM job_schedule_remove(s.id) FROM job_schedules s WHERE s.tenant_id = app_tenant() AND s.queue = 'discovery' AND s.kind = slug;
    UPDATE jobs j
    SET state = 'cancelled', finished_at = clock_timestamp(), updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    FROM discovery_engines e JOIN discovery_runs r ON r.tenant_id = e.tenant_id AND r.engine_number = e.number AND r.status = 'queued'
    WHERE e.tenant_id = app_tenant() AND e.slug = slug AND j.tenant_id = app_tenant() AND j.id = r.job_id AND j.state IN ('scheduled', 'queued');
    DELETE FROM discovery_engines e WHERE e.tenant_id = app_tenant() AND e.slug = slug RETURNING e.number INTO n;
    IF n IS NULL THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'there is no such engine';
    END IF;
    RETURN n;
END
$$;

-- A number of a job's result, which says what its worker says: of another type, or out of range, it is none.
CREATE OR REPLACE FUNCTION discovery_number(result jsonb, key text, most double precision) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN CASE WHEN jsonb_typeof(result -> key) = 'number' THEN greatest(0, least(most, (result ->> key)::double precision)) ELSE 0 END;
EXCEPTION WHEN numeric_value_out_of_range THEN
    RETURN 0;
END
$$;

-- A job of the queue is in another state: so is its run, which begins with it, and what it came to is added up.  It has no way to fail: whatever a
-- worker reports, its job goes on.
CREATE OR REPLACE FUNCTION discovery_run_follow() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    within text := coalesce(current_setting('app.tenant_id', true), '');
    tenant uuid := NEW.tenant_id;
    e      bigint;
    r      discovery_runs;
    made   bigint := 0;
BEGIN
    PERFORM set_config('app.tenant_id', tenant::text, true);
    SELECT x.number INTO e FROM discovery_engines x WHERE x.tenant_id = tenant AND x.slug = NEW.kind;
    IF FOUND THEN
        INSERT INTO discovery_runs AS x (tenant_id, engine_number, job_id, status, trigger, started_at)
        SELECT tenant, e, NEW.id, 'running', CASE WHEN NEW.schedule_id IS NULL THEN 'manual' ELSE 'schedule' END, NEW.started_at
        WHERE NEW.state = 'running'
        ON CONFLICT (tenant_id, job_id) DO UPDATE SET status = 'running', started_at = EXCLUDED.started_at;
        UPDATE discovery_runs x SET status = 'queued', started_at = NULL
        WHERE x.tenant_id = tenant AND x.job_id = NEW.id AND x.status = 'running' AND NEW.state IN ('scheduled', 'queued');
        UPDATE discovery_runs x
        SET status = CASE NEW.state WHEN 'completed' THEN 'completed' ELSE 'failed' END, finished_at = coalesce(NEW.finished_at, clock_timestamp()),
            duration_ms = greatest(0, extract(epoch FROM coalesce(NEW.finished_at, clock_timestamp()) - x.started_at) * 1000)::bigint,
            error = CASE WHEN NEW.state <> 'completed' THEN left(coalesce(NEW.last_error, NEW.state), 2000) END,
            findings = discovery_number(NEW.result, 'findings', 1000000)::bigint,
            cost = round(discovery_number(NEW.result, 'cost_usd', 1000000) * 1000000)::bigint
        WHERE x.tenant_id = tenant AND x.job_id = NEW.id AND x.status IN ('queued', 'running') AND NEW.state IN ('completed', 'failed', 'cancelled')
        RETURNING x.* INTO r;
        IF r.number IS NOT NULL THEN
            IF r.status = 'completed' AND jsonb_typeof(NEW.result -> 'task_ids') = 'array' THEN
                INSERT INTO discovery_tasks (tenant_id, engine_number, task_number)
                SELECT tenant, e, t.number FROM tasks t
                WHERE t.tenant_id = tenant AND t.number = ANY (ARRAY(SELECT v::bigint FROM jsonb_array_elements_text(NEW.result -> 'task_ids') v
                                                                     WHERE v ~ '^[0-9]{1,18}$' LIMIT 1000))
                ON CONFLICT DO NOTHING;
                GET DIAGNOSTICS made = ROW_COUNT;
                UPDATE discovery_runs x SET tasks_created = made WHERE x.tenant_id = tenant AND x.number = r.number AND made > 0;
            END IF;
            UPDATE discovery_engines x
            SET total_runs = x.total_runs + 1, completed_runs = x.completed_runs + (r.status = 'completed')::integer,
                failed_runs = x.failed_runs + (r.status = 'failed')::integer, findings = x.findings + r.findings, tasks_created = x.tasks_created + made,
                duration_runs = x.duration_runs + (r.duration_ms IS NOT NULL)::integer, duration_ms = x.duration_ms + coalesce(r.duration_ms, 0),
                cost = x.cost + r.cost
            WHERE x.tenant_id = tenant AND x.number = e;
            INSERT INTO discovery_run_days AS d (tenant_id, engine_number, day, runs, wasted, tasks_created, duration_ms, cost)
            VALUES (tenant, e, (r.finished_at AT TIME ZONE 'UTC')::date, 1, (r.status = 'completed' AND made = 0)::integer, made, coalesce(r.duration_ms, 0), r.cost)
            ON CONFLICT (tenant_id, engine_number, day) DO UPDATE
            SET runs = d.runs + 1, wasted = d.wasted + EXCLUDED.wasted, tasks_created = d.tasks_created + EXCLUDED.tasks_created,
                duration_ms = d.duration_ms + EXCLUDED.duration_ms, cost = d.cost + EXCLUDED.cost;
        END IF;
    END IF;
    PERFORM set_config('app.tenant_id', within, true);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION discovery_run_follow() FROM PUBLIC;
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger WHERE tgrelid = 'jobs'::regclass AND tgname = 'jobs_discovery') THEN
        CREATE TRIGGER jobs_discovery AFTER UPDATE OF state ON jobs FOR EACH ROW
            WHEN (NEW.queue = 'discovery' AND NEW.state <> OLD.state) EXECUTE FUNCTION discovery_run_follow();
    END IF;
END
$$;
