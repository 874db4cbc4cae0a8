-- The queue for workers outside: what /api/bull-queue and /api/task-queue do.
--
-- Both are the jobs of a tenant's own queues; ours ("ashlar", "ashlar.mail", …)
-- are neither taken, filled nor seen here.

-- ---------------------------------------------------------------- tenants by number

-- The number of a tenant whose id is known.
CREATE OR REPLACE FUNCTION tenant_number(tenant uuid) RETURNS bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (SELECT t.number FROM tenants t WHERE t.id = tenant);
END
$$;
REVOKE ALL ON FUNCTION tenant_number(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_number(uuid) TO ashlar_api;

-- Which tenant does the caller mean by a number?  Their own; or any, if they are
-- an administrator of the operator's tenant, number 1.  Raises AS403 for everybody
-- else, whether there is such a tenant or not, and AS404.  A suspended tenant is
-- still there; what is a tenant's test mode has a number of its own.
CREATE OR REPLACE FUNCTION tenant_meant(wanted bigint) RETURNS uuid
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    own   bigint := tenant_number(app_tenant());
    meant uuid;
BEGIN
    IF wanted IS NULL OR wanted = own THEN
        RETURN app_tenant();
    ELSIF own <> 1 OR coalesce(current_setting('app.role', true), '') NOT IN ('admin', 'superadmin') THEN
        RAISE SQLSTATE 'AS403' USING HINT = 'tenant_id',
            MESSAGE = 'tenant_id must be the number of your own tenant, unless you are an administrator of tenant 1';
    END IF;
    SELECT t.id INTO meant FROM tenants t WHERE t.number = wanted;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Tenant not found', DETAIL = wanted::text, HINT = 'tenant_id';
    END IF;
    RETURN meant;
END
$$;
REVOKE ALL ON FUNCTION tenant_meant(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_meant(bigint) TO ashlar_api;

-- ---------------------------------------------------------------- submitting

-- May jobs of this queue be submitted and taken from outside?  Raises AS403 and
-- AS422; field is what the client calls the queue's name.
CREATE OR REPLACE FUNCTION queue_check(queue text, field text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF queue = 'ashlar' OR queue LIKE 'ashlar.%' THEN
        RAISE SQLSTATE 'AS403' USING HINT = field, MESSAGE = 'queues whose names begin with "ashlar" are the server''s own';
    ELSIF queue !~ '^[A-Za-z0-9_.-]{1,100}$' OR queue = 'schedules' THEN
        RAISE SQLSTATE 'AS422' USING HINT = field,
            MESSAGE = 'a queue''s name is made of letters, digits and _ . - (and is not "schedules", which is a path)';
    END IF;
END
$$;

-- Add a job to a queue outside, unless there is one with the same name (public) or
-- key there: then that one, deduplicated.  Of two at once with the same, the
-- second waits for the first.  seen_in is what the client calls the queue.
CREATE OR REPLACE FUNCTION queue_submit(tenant_no bigint, queue text, kind text, payload jsonb, priority integer,
                                        max_attempts integer, timeout_s integer, delay_ms bigint, backoff_type text,
                                        backoff_ms bigint, public_id text, idempotency_key text, seen_in text)
RETURNS TABLE (job jobs, deduplicated boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    home  uuid := app_tenant();
    there uuid := tenant_meant(tenant_no);
    _     text;
BEGIN
    PERFORM queue_check(queue_submit.queue, seen_in);
    -- The rows of another tenant are made and read as that one, under its policies.
    IF there <> home THEN
        _ := set_config('app.tenant_id', there::text, true);
    END IF;
    LOOP
        INSERT INTO jobs AS j (tenant_id, queue, kind, payload, priority, max_attempts, timeout_s, run_at, backoff_type,
                               backoff_ms, public_id, idempotency_key)
        VALUES (there, queue_submit.queue, queue_submit.kind, coalesce(queue_submit.payload, '{}'), queue_submit.priority,
                queue_submit.max_attempts, queue_submit.timeout_s,
                now() + coalesce(delay_ms, 0) * interval '1 millisecond', queue_submit.backoff_type,
                queue_submit.backoff_ms, queue_submit.public_id, queue_submit.idempotency_key)
        ON CONFLICT DO NOTHING
        RETURNING j.* INTO job;
        deduplicated := NOT FOUND;
        IF deduplicated AND queue_submit.public_id IS NOT NULL THEN
            SELECT j.* INTO job FROM jobs j
            WHERE j.tenant_id = there AND j.queue = queue_submit.queue AND j.public_id = queue_submit.public_id;
        ELSIF deduplicated THEN
            SELECT j.* INTO job FROM jobs j
            WHERE j.tenant_id = there AND j.queue = queue_submit.queue AND j.idempotency_key = queue_submit.idempotency_key;
        END IF;
        EXIT WHEN FOUND;    -- else it has just been purged: try again
    END LOOP;
    IF there <> home THEN
        _ := set_config('app.tenant_id', home::text, true);
        PERFORM audit('tenant.act', 'tenant', tenant_no::text, jsonb_build_object('job', (job).id, 'queue', queue_submit.queue));
    END IF;
    RETURN NEXT;
END
$$;

-- One delayed job, or a schedule by a cron rule or an interval; exactly one of
-- these must be asked for.  Raises AS422.
CREATE OR REPLACE FUNCTION queue_schedule(queue text, kind text, payload jsonb, delay_ms bigint, repeat text,
                                          every_ms bigint, OUT schedule_id uuid, OUT job_id text,
                                          OUT next_run_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    added record;
BEGIN
    PERFORM queue_check(queue, 'queue');
    IF num_nonnulls(repeat, every_ms) = 2 THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'every', MESSAGE = 'repeat and every exclude each other';
    ELSIF num_nonnulls(delay_ms, repeat, every_ms) = 0 THEN
        RAISE SQLSTATE 'AS422' USING HINT = 'repeat', MESSAGE = 'one of delay, repeat and every says when';
    ELSIF num_nonnulls(repeat, every_ms) = 0 THEN
        SELECT (s.job).* INTO added
        FROM queue_submit(NULL, queue, kind, payload, 0, 1, 300, delay_ms, 'fixed', NULL, NULL, NULL, 'queue') s;
        job_id := added.id;
        next_run_at := added.run_at;
        RETURN;
    END IF;
    SELECT s.schedule_id, s.job_id, s.next_run_at INTO schedule_id, job_id, next_run_at
    FROM job_schedule_set(queue, kind, regexp_replace(btrim(repeat, E' \t'), '[ \t]+', ' ', 'g'), every_ms, payload,
                          delay_ms * interval '1 millisecond', 0, 1, 300) s;
END
$$;

-- ---------------------------------------------------------------- taking

CREATE OR REPLACE FUNCTION queue_is_paused(queue text) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN EXISTS (SELECT FROM job_queues q WHERE q.tenant_id = (SELECT app_tenant()) AND q.name = queue AND q.is_paused);

-- The next n jobs of a queue of this tenant, or of one kind of them, for a worker
-- outside.  First it does what our workers do every second for all queues, for
-- installations that run none: leases that ran out are over, and what has become
-- due is ready.
--
-- Runs as the owner, since the api may not change jobs; hence the tenant is said.
CREATE OR REPLACE FUNCTION queue_take(queue text, worker text, kind text, n integer) RETURNS SETOF jobs
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
    found_rows tid[];
BEGIN
    IF queue_is_paused(queue) THEN
        RETURN;
    END IF;
    PERFORM jobs_expire(100);
    UPDATE jobs j SET state = 'queued', updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.ctid = ANY (ARRAY(
        SELECT s.ctid FROM jobs s
        WHERE s.tenant_id = app_tenant() AND s.queue = queue_take.queue AND s.state = 'scheduled' AND NOT s.is_internal
          AND s.run_at <= clock_timestamp()
        ORDER BY s.run_at
        LIMIT 1000
        FOR UPDATE SKIP LOCKED));
    IF kind IS NULL THEN
        found_rows := ARRAY(
            SELECT r.ctid FROM jobs r
            WHERE r.tenant_id = app_tenant() AND r.queue = queue_take.queue AND r.state = 'queued' AND NOT r.is_internal
            ORDER BY r.priority, r.run_at, r.id
            LIMIT n
            FOR UPDATE SKIP LOCKED);
    ELSE
        found_rows := ARRAY(
            SELECT r.ctid FROM jobs r
            WHERE r.tenant_id = app_tenant() AND r.queue = queue_take.queue AND r.kind = queue_take.kind
              AND r.state = 'queued' AND NOT r.is_internal
            ORDER BY r.priority, r.run_at, r.id
            LIMIT n
            FOR UPDATE SKIP LOCKED);
    END IF;
    RETURN QUERY SELECT * FROM jobs_take(found_rows, worker, true);
END
$$;
REVOKE ALL ON FUNCTION queue_take(text, text, text, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION queue_take(text, text, text, integer) TO ashlar_api;

-- The same for a tenant by its number, with who may.
CREATE OR REPLACE FUNCTION task_claim(tenant_no bigint, queue text, worker text, kind text, n integer) RETURNS SETOF jobs
LANGUAGE plpgsql AS $$
DECLARE
    home  uuid := app_tenant();
    there uuid := tenant_meant(tenant_no);
    taken jobs[];
    _     text;
BEGIN
    PERFORM queue_check(queue, 'queue_name');
    _ := set_config('app.tenant_id', there::text, true);
    taken := ARRAY(SELECT j FROM queue_take(queue, worker, kind, n) j ORDER BY (j).priority, (j).run_at, (j).id);
    _ := set_config('app.tenant_id', home::text, true);
    IF there <> home AND cardinality(taken) > 0 THEN
        PERFORM audit('tenant.act', 'tenant', tenant_no::text,
                      jsonb_build_object('jobs', cardinality(taken), 'queue', queue, 'worker', worker));
    END IF;
    RETURN QUERY SELECT t.* FROM unnest(taken) t;
END
$$;

-- ---------------------------------------------------------------- reporting

-- A job of a queue outside, by its id; no row: there is none, or it is one of ours.
CREATE OR REPLACE FUNCTION task_find(id uuid) RETURNS SETOF jobs
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
    SELECT j.* FROM jobs j WHERE j.tenant_id = (SELECT app_tenant()) AND j.id = task_find.id AND NOT j.is_internal;
END;

-- What a worker says of a job that it has claimed.  Each is fenced: the job must be
-- running, for this worker, and in this attempt (the worker's newest when attempt is
-- NULL).  Raises AS409 when the lease is lost; no row: there is no such job.
-- An attempt that has ended is usage: of the user whose job it is, else of the tenant, by queue.
CREATE OR REPLACE FUNCTION task_report(what text, id uuid, worker text, attempt integer, result jsonb, error text,
                                       retry boolean, retry_after_s integer) RETURNS SETOF jobs
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    j jobs;
BEGIN
    SELECT * INTO j FROM task_find(id);
    IF NOT FOUND THEN
        RETURN;
    ELSIF j.lease_until <= clock_timestamp() THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the lease of this attempt has run out';
    END IF;
    attempt := coalesce(attempt, j.attempts);
    CASE what
    WHEN 'complete' THEN PERFORM job_complete(id, worker, attempt, result);
    WHEN 'fail' THEN PERFORM job_fail(id, worker, attempt, error, retry, make_interval(secs => retry_after_s));
    WHEN 'heartbeat' THEN PERFORM job_heartbeat(id, worker, attempt);
    END CASE;
    IF what <> 'heartbeat' THEN
        PERFORM usage_note(NULL, j.created_by, '{"background_jobs": 1}', j.queue);
    END IF;
    RETURN QUERY SELECT * FROM task_find(id);
END
$$;

-- It is not to run (any more); or, a dead letter, it is to run again.
CREATE OR REPLACE FUNCTION task_end(what text, id uuid) RETURNS SETOF jobs
LANGUAGE plpgsql ROWS 1 AS $$
BEGIN
    PERFORM FROM task_find(id);
    IF NOT FOUND THEN
        RETURN;
    ELSIF what = 'cancel' THEN
        PERFORM job_cancel(id);
    ELSE
        PERFORM job_retry(id);
    END IF;
    RETURN QUERY SELECT * FROM task_find(id);
END
$$;

-- ---------------------------------------------------------------- showing

-- The status that is shown: what waits in a paused queue is paused.
CREATE OR REPLACE FUNCTION queue_status(shown text, is_paused boolean) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN is_paused AND shown IN ('waiting', 'prioritized', 'delayed') THEN 'paused' ELSE shown END;

-- A job as /api/task-queue shows it.
CREATE OR REPLACE FUNCTION task_shown(j jobs)
RETURNS TABLE (id text, queue_name text, task_type text, payload jsonb, status text, priority integer, tenant_id bigint,
               attempts integer, max_attempts integer, timeout_seconds integer, idempotency_key text, worker_id text,
               claimed_at timestamptz, lease_expires_at timestamptz, run_at timestamptz, created_at timestamptz,
               updated_at timestamptz, result jsonb, failed_reason text, errors jsonb, finished_at timestamptz)
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
    SELECT j.id::text, j.queue, j.kind, j.payload, queue_status(j.shown, queue_is_paused(j.queue)), j.priority,
           tenant_number(j.tenant_id), j.attempts, j.max_attempts, j.timeout_s, j.idempotency_key,
           CASE WHEN j.state NOT IN ('scheduled', 'queued') THEN j.worker END,
           CASE WHEN j.state NOT IN ('scheduled', 'queued') THEN j.started_at END,
           j.lease_until, j.run_at, j.created_at, j.updated_at, j.result,
           CASE WHEN j.state <> 'completed' THEN j.last_error END, j.errors, j.finished_at;
END;

-- And as /api/bull-queue does.
CREATE OR REPLACE FUNCTION queue_job_shown(j jobs, is_paused boolean)
RETURNS TABLE (id text, queue text, name text, data jsonb, status text, priority integer, delay bigint, attempts integer,
               attempts_made integer, backoff jsonb, schedule_id uuid, result jsonb, failed_reason text,
               run_at timestamptz, created_at timestamptz, started_at timestamptz, finished_at timestamptz)
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
    SELECT coalesce(j.public_id, j.id::text), j.queue, j.kind, j.payload, queue_status(j.shown, is_paused), j.priority,
           greatest(0, (extract(epoch FROM j.run_at - j.created_at) * 1000)::bigint), j.max_attempts, j.attempts,
           CASE WHEN j.backoff_ms IS NOT NULL THEN jsonb_build_object('type', j.backoff_type, 'delay', j.backoff_ms) END,
           j.schedule_id, j.result, CASE WHEN j.state <> 'completed' THEN j.last_error END, j.run_at, j.created_at,
           j.started_at, j.finished_at;
END;

-- What a status of lists and counts stands for in the column shown; NULL: all.
-- In a paused queue nothing waits: it is paused.
CREATE OR REPLACE FUNCTION queue_shown(status text, is_paused boolean) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 3
BEGIN ATOMIC
    SELECT s FROM unnest('{waiting,prioritized,delayed,active,completed,failed,cancelled}'::text[]) s
    WHERE status IS NULL OR queue_status(s, is_paused) = status;
END;

-- The jobs of a queue from one place in the list to another, newest first.  Each
-- status has its order in the index jobs_shown, and gives as many as could be needed.
CREATE OR REPLACE FUNCTION queue_jobs(queue text, status text, skip bigint, take bigint, is_paused boolean) RETURNS SETOF jobs
LANGUAGE sql STABLE ROWS 50
BEGIN ATOMIC
    SELECT x.*
    FROM queue_shown(status, is_paused) s,
         LATERAL (
             SELECT * FROM jobs j
             WHERE j.tenant_id = (SELECT app_tenant()) AND j.queue = queue_jobs.queue AND j.shown = s AND NOT j.is_internal
             ORDER BY j.id DESC
             LIMIT skip + take
         ) x
    ORDER BY x.id DESC
    LIMIT take OFFSET skip;
END;

-- How many jobs a queue has of what is shown as this, up to 10,001: an index has
-- them, and a number that takes a second to find is none that a client waits for.
CREATE OR REPLACE FUNCTION queue_count(queue text, shown text) RETURNS bigint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT count(*) FROM (SELECT FROM jobs j
            WHERE j.tenant_id = (SELECT app_tenant()) AND j.queue = queue_count.queue AND j.shown = queue_count.shown
              AND NOT j.is_internal LIMIT 10001) c);
END
$$;

-- The tenant's queues by name, up to 1,000: those that have jobs, found by going from
-- one name to the next in the index, and those that are paused.  one: this,
-- whether it is there or not.
CREATE OR REPLACE FUNCTION queue_names(one text) RETURNS TABLE (name text, is_paused boolean)
LANGUAGE plpgsql STABLE SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    last text := '';
BEGIN
    is_paused := false;
    IF one IS NOT NULL THEN
        name := one;
        is_paused := queue_is_paused(one);
        RETURN NEXT;
        RETURN;
    END IF;
    FOR i IN 1 .. 1000 LOOP
        SELECT least((SELECT j.queue FROM jobs j
                      WHERE j.tenant_id = app_tenant() AND j.queue > last AND NOT j.is_internal
                      ORDER BY j.queue LIMIT 1),
                     (SELECT q.name FROM job_queues q
                      WHERE q.tenant_id = app_tenant() AND q.is_paused AND q.name > last
                      ORDER BY q.name LIMIT 1)) INTO name;
        EXIT WHEN name IS NULL;
        is_paused := queue_is_paused(name);
        RETURN NEXT;
        last := name;
    END LOOP;
END
$$;

-- Counts per queue, and over these queues.
CREATE OR REPLACE FUNCTION queue_stats(one text, OUT queues jsonb, OUT totals jsonb)
LANGUAGE sql STABLE
BEGIN ATOMIC
    WITH counted AS (
        SELECT q.name, q.is_paused, queue_status(s, q.is_paused) AS status, sum(queue_count(q.name, s)) AS n
        FROM queue_names(one) q, queue_shown(NULL, false) s
        GROUP BY 1, 2, 3
    ), complete AS (
        SELECT q.name, q.is_paused, s.status, coalesce(sum(c.n), 0) AS n
        FROM (SELECT DISTINCT name, is_paused FROM counted) q
        CROSS JOIN unnest('{waiting,active,completed,failed,delayed,paused,prioritized,cancelled}'::text[]) s (status)
        LEFT JOIN counted c ON c.name = q.name AND c.status = s.status
        GROUP BY 1, 2, 3
    )
    SELECT coalesce((SELECT jsonb_agg(jsonb_build_object('queue', p.name, 'is_paused', p.is_paused) || p.counts ORDER BY p.name)
                     FROM (SELECT name, is_paused, jsonb_object_agg(status, n) AS counts FROM complete GROUP BY 1, 2) p), '[]'),
           (SELECT jsonb_object_agg(t.status, t.n)
            FROM (SELECT s.status, coalesce(sum(c.n), 0) AS n
                  FROM unnest('{waiting,active,completed,failed,delayed,paused,prioritized,cancelled}'::text[]) s (status)
                  LEFT JOIN complete c ON c.status = s.status GROUP BY 1) t);
END;

-- Nothing is taken of a paused queue; what runs goes on.
CREATE OR REPLACE FUNCTION queue_pause(queue text, paused boolean) RETURNS SETOF job_queues
LANGUAGE plpgsql ROWS 1 AS $$
BEGIN
    PERFORM queue_check(queue, 'queue');
    PERFORM audit(CASE WHEN paused THEN 'queue.pause' ELSE 'queue.resume' END, 'queue', queue)
    WHERE queue_is_paused(queue) <> paused;
    RETURN QUERY
    INSERT INTO job_queues AS q (tenant_id, name, is_paused) VALUES (app_tenant(), queue, paused)
    ON CONFLICT (tenant_id, name) DO UPDATE SET is_paused = excluded.is_paused
    RETURNING q.*;
END
$$;

-- End a schedule of a queue outside, with its job to come.
CREATE OR REPLACE FUNCTION queue_schedule_remove(schedule uuid, OUT id uuid) RETURNS SETOF uuid
LANGUAGE plpgsql ROWS 1 AS $$
BEGIN
    SELECT s.id INTO id
    FROM job_schedules s
    WHERE s.tenant_id = app_tenant() AND s.id = schedule AND s.queue <> 'ashlar' AND s.queue NOT LIKE 'ashlar.%';
    IF FOUND AND job_schedule_remove(id) THEN
        PERFORM audit('queue.schedule_delete', 'job_schedule', id::text);
        RETURN NEXT;
    END IF;
END
$$;

-- ---------------------------------------------------------------- leases

-- Jobs outside whose lease has run out wait again, with their back-off, while
-- attempts are left.  For all tenants: any process that claims does it, a worker of ours
-- (jobs_reap) or a claim.  Call again while it returns batch.
CREATE OR REPLACE FUNCTION jobs_expire(batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    at timestamptz := clock_timestamp();
    n  bigint;
BEGIN
    UPDATE jobs j
    SET state = CASE WHEN j.attempts < j.max_attempts THEN 'scheduled' ELSE 'failed' END,
        run_at = CASE WHEN j.attempts < j.max_attempts
                      THEN at + job_delay(j.backoff_type, j.backoff_ms, j.attempts) ELSE j.run_at END,
        finished_at = CASE WHEN j.attempts < j.max_attempts THEN NULL ELSE at END,
        last_error = 'lease expired', errors = job_errors(j.errors, j.attempts, json_time(at), 'lease expired'),
        lease_until = NULL,
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.ctid = ANY (ARRAY(
              SELECT o.ctid FROM jobs o
              WHERE o.state = 'running' AND NOT o.is_internal AND o.lease_until < clock_timestamp()
              ORDER BY o.lease_until
              LIMIT batch
              FOR UPDATE SKIP LOCKED));
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION jobs_expire(integer) FROM PUBLIC;

-- ---------------------------------------------------------------- administrators

-- A dead letter, ours too, goes back into its queue.
CREATE OR REPLACE FUNCTION admin_job_retry(id uuid) RETURNS SETOF jobs
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    j jobs;
BEGIN
    PERFORM job_retry(id);
    SELECT * INTO j FROM jobs x WHERE x.tenant_id = app_tenant() AND x.id = admin_job_retry.id;
    PERFORM audit('job.retry', 'job', id::text, jsonb_build_object('queue', j.queue, 'kind', j.kind));
    RETURN NEXT j;
END
$$;

-- A job that has not ended never will be done.  Of ours only mails that wait: what others have begun to do is
-- not theirs to leave half done.  Raises AS409, and what job_cancel() does.
CREATE OR REPLACE FUNCTION admin_job_cancel(id uuid) RETURNS SETOF jobs
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    j jobs;
BEGIN
    SELECT * INTO j FROM jobs x WHERE x.tenant_id = app_tenant() AND x.id = admin_job_cancel.id;
    IF j.is_internal AND NOT (j.kind = 'mail' AND j.state IN ('scheduled', 'queued')) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'of the server''s own jobs only mails that wait can be cancelled';
    END IF;
    PERFORM job_cancel(id);
    SELECT * INTO j FROM jobs x WHERE x.tenant_id = app_tenant() AND x.id = admin_job_cancel.id;
    PERFORM audit('job.cancel', 'job', id::text, jsonb_build_object('queue', j.queue, 'kind', j.kind));
    RETURN NEXT j;
END
$$;

-- A job as administrators see it.  What a job of ours carries may be secret (the
-- links of mails), and says nothing that its kind does not.
CREATE OR REPLACE FUNCTION admin_job_shown(j jobs)
RETURNS TABLE (id uuid, queue text, kind text, state text, priority integer, payload jsonb, attempts integer,
               max_attempts integer, timeout_s integer, run_at timestamptz, started_at timestamptz,
               finished_at timestamptz, worker text, result jsonb, last_error text, errors jsonb, schedule_id uuid,
               created_at timestamptz, updated_at timestamptz)
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
    SELECT j.id, j.queue, j.kind, j.state, j.priority, CASE WHEN j.is_internal THEN '{}' ELSE j.payload END, j.attempts,
           j.max_attempts, j.timeout_s, j.run_at, j.started_at, j.finished_at, j.worker,
           CASE WHEN NOT j.is_internal THEN j.result END, j.last_error, j.errors, j.schedule_id, j.created_at,
           j.updated_at;
END;
