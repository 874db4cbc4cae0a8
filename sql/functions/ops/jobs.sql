-- Jobs: what adds them, claims them, and reports about them.
--
-- Functions named job_… work in the tenant of the transaction, for requests
-- and for the children of a worker; those named jobs_… work for all tenants,
-- for the worker's master, and run as the owner, whom policies let do so.
--
-- Rows are first found and then changed by their place (ctid).  What is asked of
-- them besides is asked with IS NOT DISTINCT FROM, which no index can answer:
-- with "=" PostgreSQL may prefer to walk an index of all that runs, and compare
-- each of its entries with each of the places.

-- ---------------------------------------------------------------- adding

-- Add a job in the tenant of this transaction and return its id.  With a
-- unique_key that an unfinished job of the queue has, that one is returned and
-- none is added.
CREATE OR REPLACE FUNCTION job_add(queue text, kind text, payload jsonb, run_at timestamptz DEFAULT now(),
                                   priority integer DEFAULT 0, max_attempts integer DEFAULT 10,
                                   timeout_s integer DEFAULT 300, unique_key text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    added uuid;
BEGIN
    LOOP
        INSERT INTO jobs AS j (tenant_id, queue, kind, payload, run_at, priority, max_attempts, timeout_s, unique_key)
        VALUES (app_tenant(), job_add.queue, job_add.kind, coalesce(job_add.payload, '{}'),
                coalesce(job_add.run_at, now()), job_add.priority, job_add.max_attempts, job_add.timeout_s,
                job_add.unique_key)
        ON CONFLICT (tenant_id, queue, unique_key)
            WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'queued', 'running') DO NOTHING
        RETURNING j.id INTO added;
        EXIT WHEN added IS NOT NULL;
        SELECT j.id INTO added
        FROM jobs j
        WHERE j.tenant_id = app_tenant() AND j.queue = job_add.queue AND j.unique_key = job_add.unique_key
          AND j.state IN ('scheduled', 'queued', 'running');
        EXIT WHEN added IS NOT NULL; -- else it has just ended: try again
    END LOOP;
    RETURN added;
END
$$;

-- How long to wait before the next attempt.  "fixed" and "exponential" are
-- BullMQ's.  Ours, for a job that asked for none: 5 s, 15 s, 45 s, … up to six
-- hours, a fifth more or less, so that what failed together does not come back
-- together; ten attempts take half a day.
CREATE OR REPLACE FUNCTION job_delay(backoff_type text, backoff_ms bigint, attempt integer) RETURNS interval
LANGUAGE sql VOLATILE
RETURN make_interval(secs => least(86400, CASE backoff_type
    WHEN 'fixed' THEN coalesce(backoff_ms, 0) / 1000.0
    WHEN 'exponential' THEN coalesce(backoff_ms, 0) / 1000.0 * 2.0 ^ (attempt - 1)
    ELSE least(21600, coalesce(backoff_ms, 5000) / 1000.0 * 3.0 ^ (attempt - 1)) * (0.8 + 0.4 * random()) END));

-- ---------------------------------------------------------------- reporting

-- Why was a report of a worker refused?  Always raises.
CREATE OR REPLACE FUNCTION job_refuse(id uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM jobs j WHERE j.tenant_id = app_tenant() AND j.id = job_refuse.id) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Job not found', DETAIL = job_refuse.id::text;
    END IF;
    RAISE SQLSTATE 'AS409' USING MESSAGE = 'this attempt of the job is not this worker''s, or is over';
END
$$;

-- The child of a worker goes into the job's tenant, if the attempt is still its.
CREATE OR REPLACE FUNCTION job_enter(tenant uuid, id uuid, worker text, attempt integer) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    entered text := set_config('app.tenant_id', tenant::text, true);
    trace   text;
BEGIN
    SELECT t.trace_context INTO trace
    FROM jobs j
    LEFT JOIN job_traces t ON t.tenant_id = j.tenant_id AND t.job_id = j.id
    WHERE j.tenant_id = tenant AND j.id = job_enter.id AND j.state = 'running' AND j.worker = job_enter.worker
      AND j.attempts = attempt;
    IF NOT FOUND THEN
        PERFORM job_refuse(job_enter.id);
    END IF;
    -- What it makes is a part of the trace that it is a part of.
    entered := set_config('app.request', '{"actor": "worker", "actor_type": "system", "request_id": "' || job_enter.id
                          || coalesce('", "trace": "' || trace, '') || '"}', true);
END
$$;

CREATE OR REPLACE FUNCTION job_complete(id uuid, worker text, attempt integer, result jsonb DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE jobs j
    SET state = 'completed', result = job_complete.result, finished_at = clock_timestamp(), lease_until = NULL,
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.tenant_id = app_tenant() AND j.id = job_complete.id AND j.state = 'running'
      AND j.worker = job_complete.worker AND j.attempts = attempt;
    IF NOT FOUND THEN
        PERFORM job_refuse(job_complete.id);
    END IF;
END
$$;

-- Many at once, of any tenants: how many of them still were the worker's, and
-- are completed.  One look-up by key for each, whatever the statistics say:
-- joined to the table, what runs was compared with all of them.
CREATE OR REPLACE FUNCTION jobs_complete(worker text, tenants uuid[], ids uuid[], attempts integer[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    n bigint;
BEGIN
    UPDATE jobs j
    SET state = 'completed', finished_at = clock_timestamp(), lease_until = NULL,
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.ctid = ANY (ARRAY(
        SELECT (SELECT r.ctid FROM jobs r WHERE r.tenant_id = x.tenant AND r.id = x.id AND r.attempts = x.attempt)
        FROM unnest(tenants, ids, jobs_complete.attempts) AS x (tenant, id, attempt)))
      AND (j.state, j.worker) IS NOT DISTINCT FROM ('running', jobs_complete.worker);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;

-- The same in a job's own transaction, for those of its tenant: all of them or none.
CREATE OR REPLACE FUNCTION job_complete_all(ids uuid[], worker text, attempts integer[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    IF jobs_complete(worker, array_fill(app_tenant(), ARRAY[cardinality(ids)]), ids, attempts) <> cardinality(ids) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'an attempt of these jobs is not this worker''s, or is over';
    END IF;
END
$$;

-- What becomes of a job whose attempt has failed, in any tenant: its new
-- state, or NULL when the attempt was not the worker's any more.
--
-- retry false: it is not to be tried again.  retry_after NULL: after the delay
-- that the job asks for.
CREATE OR REPLACE FUNCTION jobs_fail(tenant uuid, id uuid, worker text, attempt integer, error text, retry boolean,
                                     retry_after interval) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    at        timestamptz := clock_timestamp();
    new_state text;
BEGIN
    UPDATE jobs j
    SET state = CASE WHEN retry AND j.attempts < j.max_attempts THEN 'scheduled' ELSE 'failed' END,
        run_at = CASE WHEN retry AND j.attempts < j.max_attempts
                      THEN at + coalesce(retry_after, job_delay(j.backoff_type, j.backoff_ms, j.attempts))
                      ELSE j.run_at END,
        finished_at = CASE WHEN retry AND j.attempts < j.max_attempts THEN NULL ELSE at END,
        last_error = left(error, 2000), errors = job_errors(j.errors, j.attempts, json_time(at), error), lease_until = NULL,
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.tenant_id = tenant AND j.id = jobs_fail.id AND j.state = 'running' AND j.worker = jobs_fail.worker
      AND j.attempts = attempt
    RETURNING j.state INTO new_state;
    RETURN new_state;
END
$$;

-- A job whose kind the worker does not know, as while a new release comes host by host: it goes back, as if it had not
-- been tried, for one that does; 24 times, which takes an hour and a half, and then it has failed.  Its new state, or
-- NULL when the attempt was not the worker's any more.
CREATE OR REPLACE FUNCTION jobs_unknown(tenant uuid, id uuid, worker text, attempt integer, error text) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    at        timestamptz := clock_timestamp();
    new_state text;
BEGIN
    UPDATE jobs j
    SET state = CASE WHEN u.n < 24 THEN 'scheduled' ELSE 'failed' END,
        attempts = j.attempts - (u.n < 24)::integer,
        run_at = CASE WHEN u.n < 24 THEN at + make_interval(secs => least(300, 5 * 2.0 ^ u.n)) ELSE j.run_at END,
        finished_at = CASE WHEN u.n < 24 THEN NULL ELSE at END,
        last_error = left(error, 2000), errors = job_errors(j.errors, j.attempts, json_time(at), error), lease_until = NULL,
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    FROM (SELECT r.ctid AS place, (SELECT count(*)::integer FROM jsonb_array_elements(r.errors) e WHERE e ->> 'error' = left(jobs_unknown.error, 2000)) AS n
          FROM jobs r WHERE r.tenant_id = tenant AND r.id = jobs_unknown.id AND r.attempts = attempt FOR UPDATE) u
    WHERE j.ctid = u.place AND (j.state, j.worker) IS NOT DISTINCT FROM ('running', jobs_unknown.worker)
    RETURNING j.state INTO new_state;
    RETURN new_state;
END
$$;

-- The history with one more error, at a time as json_time() writes it; the last
-- 25 are kept, which is all of them.
CREATE OR REPLACE FUNCTION job_errors(errors jsonb, attempt integer, at text, error text) RETURNS jsonb
LANGUAGE sql STABLE
RETURN CASE WHEN jsonb_array_length(errors) < 25 THEN errors ELSE errors - 0 END
       || jsonb_build_object('attempt', attempt, 'at', at, 'error', left(error, 2000));

CREATE OR REPLACE FUNCTION job_fail(id uuid, worker text, attempt integer, error text, retry boolean DEFAULT true,
                                    retry_after interval DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    state text := jobs_fail(app_tenant(), id, worker, attempt, error, retry, retry_after);
BEGIN
    IF state IS NULL THEN
        PERFORM job_refuse(id);
    END IF;
    RETURN state;
END
$$;

-- A worker outside goes on; returns until when the job is its.
CREATE OR REPLACE FUNCTION job_heartbeat(id uuid, worker text, attempt integer) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    until timestamptz;
BEGIN
    UPDATE jobs j
    SET lease_until = now() + make_interval(secs => j.timeout_s),
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.tenant_id = app_tenant() AND j.id = job_heartbeat.id AND j.state = 'running'
      AND j.worker = job_heartbeat.worker AND j.attempts = attempt AND NOT j.is_internal
    RETURNING j.lease_until INTO until;
    IF NOT FOUND THEN
        PERFORM job_refuse(job_heartbeat.id);
    END IF;
    RETURN until;
END
$$;

-- A job that has not ended never will.  What a running attempt does is rolled
-- back, since it can no longer complete; the worker ends it soon.
CREATE OR REPLACE FUNCTION job_cancel(id uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE jobs j
    SET state = 'cancelled', finished_at = clock_timestamp(), lease_until = NULL,
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.tenant_id = app_tenant() AND j.id = job_cancel.id AND j.state IN ('scheduled', 'queued', 'running');
    IF FOUND THEN
        RETURN;
    ELSIF EXISTS (SELECT FROM jobs j WHERE j.tenant_id = app_tenant() AND j.id = job_cancel.id) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the job has ended';
    END IF;
    RAISE SQLSTATE 'AS404' USING MESSAGE = 'Job not found', DETAIL = job_cancel.id::text;
END
$$;

-- A dead letter goes back into its queue, with all its attempts; its errors stay.
CREATE OR REPLACE FUNCTION job_retry(id uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE jobs j
    SET state = 'queued', run_at = now(), attempts = 0, worker = NULL, started_at = NULL, finished_at = NULL,
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.tenant_id = app_tenant() AND j.id = job_retry.id AND j.state = 'failed';
    IF FOUND THEN
        RAISE NOTICE USING ERRCODE = 'AS900', MESSAGE = 'jobs';
        RETURN;
    ELSIF EXISTS (SELECT FROM jobs j WHERE j.tenant_id = app_tenant() AND j.id = job_retry.id) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the job has not failed';
    END IF;
    RAISE SQLSTATE 'AS404' USING MESSAGE = 'Job not found', DETAIL = job_retry.id::text;
END
$$;

-- ---------------------------------------------------------------- claiming

-- Give these rows of jobs, which the caller has locked, to a worker; leased: it
-- is one outside, whose lease is the job's time-out.  A job of a schedule makes
-- the next one.  For the claim of requests; jobs_claim says the same again, in
-- the statement that finds them.
CREATE OR REPLACE FUNCTION jobs_take(rows tid[], worker text, leased boolean) RETURNS SETOF jobs
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    j jobs;
BEGIN
    FOR j IN
        UPDATE jobs t
        SET state = 'running', attempts = t.attempts + 1, worker = jobs_take.worker, started_at = clock_timestamp(),
            lease_until = CASE WHEN leased THEN clock_timestamp() + make_interval(secs => t.timeout_s) END,
            updated_at = greatest(now(), t.updated_at + interval '1 microsecond')
        WHERE t.ctid = ANY (rows) AND (t.tenant_id, t.state, t.is_internal) IS NOT DISTINCT FROM (app_tenant(), 'queued', false)
        RETURNING t.*
    LOOP
        IF j.schedule_id IS NOT NULL THEN
            PERFORM job_schedule_advance(j.tenant_id, j.schedule_id, j.id);
        END IF;
        RETURN NEXT j;
    END LOOP;
END
$$;

-- The next n jobs of a queue of ours, for a worker whose lease is good.
--
-- Behind the arrays: for some priorities, lowest first, where the last claim
-- ended.  What was taken leaves dead entries in the index, and while somebody
-- holds a snapshot open nothing removes them: a scan from the start would step
-- over all of them each time.  Each range begins where its priority's entries
-- are still alive and ends where the next one begins; priorities in between
-- that no worker took anything of have no dead entries.  What has come late, and
-- so lies behind its cursor, is found by a claim with empty arrays, from the
-- start: that is the sweep, which the worker affords now and then.
--
-- Whatever the statistics say, the ready index in its order is the plan: a sort
-- of what waits, or a bitmap of it, is the death of a queue that has grown.
CREATE OR REPLACE FUNCTION jobs_claim(queue text, worker text, n integer, priorities integer[], run_ats timestamptz[],
                                      ids uuid[])
RETURNS TABLE (tenant_id uuid, id uuid, kind text, payload text, attempt integer, max_attempts integer,
               timeout_s integer, priority integer, run_at timestamptz, wait_ms double precision,
               next_run_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
DECLARE
    k     integer := cardinality(priorities);
    taken integer;
BEGIN
    PERFORM FROM job_workers w WHERE w.id = jobs_claim.worker AND w.lease_until > now() FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the worker''s lease has run out';
    END IF;
    FOR i IN 0 .. k LOOP
        CONTINUE WHEN i = 0 AND k > 0 AND priorities[1] = 0; -- there is nothing in front of 0
        RETURN QUERY
        UPDATE jobs j
        SET state = 'running', attempts = j.attempts + 1, worker = jobs_claim.worker, started_at = clock_timestamp(),
            updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
        WHERE j.ctid = ANY (ARRAY(
            SELECT r.ctid
            FROM jobs r
            WHERE r.state = 'queued' AND r.is_internal AND r.queue = jobs_claim.queue
              AND (r.priority, r.run_at, r.id) > (coalesce(priorities[i], -1), coalesce(run_ats[i], '-infinity'),
                                                  coalesce(ids[i], '00000000-0000-0000-0000-000000000000'))
              AND (r.priority, r.run_at, r.id) < (coalesce(priorities[i + 1], 2147483647), '-infinity',
                                                  '00000000-0000-0000-0000-000000000000')
            ORDER BY r.priority, r.run_at, r.id
            LIMIT n
            FOR UPDATE SKIP LOCKED))
        RETURNING j.tenant_id, j.id, j.kind, j.payload::text, j.attempts, j.max_attempts, j.timeout_s, j.priority,
                  j.run_at, date_part('epoch', clock_timestamp() - greatest(j.run_at, j.created_at)) * 1000,
                  CASE WHEN j.schedule_id IS NOT NULL THEN job_schedule_advance(j.tenant_id, j.schedule_id, j.id) END;
        GET DIAGNOSTICS taken = ROW_COUNT;
        n := n - taken;
        EXIT WHEN n <= 0;
    END LOOP;
END
$$;

-- While a queue of ours is longer than what is claimed at once: one job of each
-- of the next tenants behind after, but for those that the claims are busy with
-- already, so that a million jobs of one tenant do not stand before another's
-- one.  The last row has no id; it tells the tenant to go on behind, or none at
-- the end of the round.
--
-- A claim looks at so many tenants, each by one entry of an index that holds
-- only theirs: what it costs does not grow with any backlog.
CREATE OR REPLACE FUNCTION jobs_claim_fair(queue text, worker text, n integer, after uuid, busy uuid[])
RETURNS TABLE (tenant_id uuid, id uuid, kind text, payload text, attempt integer, max_attempts integer,
               timeout_s integer, priority integer, run_at timestamptz, wait_ms double precision,
               next_run_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off AS $$
DECLARE
    at_once CONSTANT integer := 256;
    next_up uuid[];
    places  tid[];
    last    uuid;
BEGIN
    PERFORM FROM job_workers w WHERE w.id = jobs_claim_fair.worker AND w.lease_until > now() FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the worker''s lease has run out';
    END IF;
    next_up := ARRAY(SELECT t.id FROM tenants t WHERE t.id > after ORDER BY t.id LIMIT at_once);
    SELECT array_agg(x.place), (array_agg(x.id))[count(*)] INTO places, last
    FROM (SELECT t.id, f.place
          FROM unnest(next_up) WITH ORDINALITY t (id, turn)
          CROSS JOIN LATERAL (
              SELECT r.ctid AS place
              FROM jobs r
              WHERE r.state = 'queued' AND r.is_internal AND r.tenant_id = t.id AND r.queue = jobs_claim_fair.queue
              ORDER BY r.id
              LIMIT 1
              FOR UPDATE SKIP LOCKED) f
          WHERE t.id <> ALL (busy)
          ORDER BY t.turn
          LIMIT n) x;
    RETURN QUERY
    UPDATE jobs j
    SET state = 'running', attempts = j.attempts + 1, worker = jobs_claim_fair.worker, started_at = clock_timestamp(),
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.ctid = ANY (places)
    RETURNING j.tenant_id, j.id, j.kind, j.payload::text, j.attempts, j.max_attempts, j.timeout_s, j.priority,
              j.run_at, date_part('epoch', clock_timestamp() - greatest(j.run_at, j.created_at)) * 1000,
              CASE WHEN j.schedule_id IS NOT NULL THEN job_schedule_advance(j.tenant_id, j.schedule_id, j.id) END;
    tenant_id := CASE WHEN cardinality(places) >= n THEN last WHEN cardinality(next_up) = at_once THEN next_up[at_once] END;
    RETURN NEXT;
END
$$;

-- Our master asks every now and then for what has become due: scheduled jobs,
-- of all queues, are queued.  Returns what it did per queue of ours and
-- priority, with the earliest run_at, since the next claim must look that far
-- back; and a row without a queue that tells when the next one is due.
CREATE OR REPLACE FUNCTION jobs_promote(batch integer) RETURNS TABLE (queue text, priority integer, run_at timestamptz, n bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    WITH due AS (
        UPDATE jobs j SET state = 'queued', updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
        WHERE j.ctid = ANY (ARRAY(
            SELECT s.ctid FROM jobs s
            WHERE s.state = 'scheduled' AND s.run_at <= clock_timestamp()
            ORDER BY s.run_at
            LIMIT batch
            FOR UPDATE SKIP LOCKED))
        RETURNING j.queue, j.priority, j.run_at, j.is_internal)
    SELECT d.queue, d.priority, min(d.run_at), count(*) FROM due d WHERE d.is_internal GROUP BY d.queue, d.priority;
    RETURN QUERY
    SELECT NULL::text, NULL::integer, (SELECT s.run_at FROM jobs s WHERE s.state = 'scheduled' ORDER BY s.run_at LIMIT 1), 0::bigint;
END
$$;

-- Give back what was claimed and not begun: as if it had not been claimed.
CREATE OR REPLACE FUNCTION jobs_release(worker text, tenants uuid[], ids uuid[], attempts integer[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    n bigint;
BEGIN
    UPDATE jobs j
    SET state = 'queued', attempts = j.attempts - 1, worker = NULL, started_at = NULL,
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.ctid = ANY (ARRAY(
        SELECT (SELECT r.ctid FROM jobs r WHERE r.tenant_id = x.tenant AND r.id = x.id AND r.attempts = x.attempt)
        FROM unnest(tenants, ids, jobs_release.attempts) AS x (tenant, id, attempt)))
      AND (j.state, j.worker) IS NOT DISTINCT FROM ('running', jobs_release.worker);
    GET DIAGNOSTICS n = ROW_COUNT;
    IF n > 0 THEN
        RAISE NOTICE USING ERRCODE = 'AS900', MESSAGE = 'jobs';
    END IF;
    RETURN n;
END
$$;

-- Which of these attempts are the worker's no more, being cancelled or taken
-- back: their places in the arrays, from 1.
CREATE OR REPLACE FUNCTION jobs_lost(worker text, tenants uuid[], ids uuid[], attempts integer[]) RETURNS SETOF bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
BEGIN ATOMIC
    SELECT x.n
    FROM unnest(tenants, ids, jobs_lost.attempts) WITH ORDINALITY AS x (tenant, id, attempt, n)
    LEFT JOIN jobs j ON j.tenant_id = x.tenant AND j.id = x.id
    WHERE (j.state = 'running' AND j.worker = jobs_lost.worker AND j.attempts = x.attempt) IS NOT TRUE;
END;

-- The worker has these jobs.  If more are said to be its, the answer to a claim
-- was lost on the way: they go back.  Not while a claim is on its way.
CREATE OR REPLACE FUNCTION jobs_strays(worker text, ids uuid[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off AS $$
DECLARE
    n bigint;
BEGIN
    UPDATE jobs j
    SET state = 'queued', attempts = j.attempts - 1, worker = NULL, started_at = NULL,
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.state = 'running' AND j.is_internal AND j.worker = jobs_strays.worker AND j.id <> ALL (jobs_strays.ids);
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;

-- ---------------------------------------------------------------- leases

-- A worker process begins; its id, and the time by PostgreSQL's clock.
CREATE OR REPLACE FUNCTION job_worker_begin(host text, pid integer, lease_s integer, OUT id text, OUT at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO job_workers AS w (host, pid, lease_until)
    VALUES (host, pid, clock_timestamp() + make_interval(secs => lease_s))
    RETURNING w.id, clock_timestamp() INTO id, at;
END
$$;

-- It is alive; false: its lease had run out, and its jobs are no longer its.
CREATE OR REPLACE FUNCTION job_worker_renew(id text, lease_s integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE job_workers w SET lease_until = clock_timestamp() + make_interval(secs => lease_s)
    WHERE w.id = job_worker_renew.id AND w.lease_until > clock_timestamp();
    RETURN FOUND;
END
$$;

-- It ends; what it still has, if anything, is free at once.
CREATE OR REPLACE FUNCTION job_worker_end(id text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE job_workers w SET lease_until = '-infinity' WHERE w.id = job_worker_end.id;
    PERFORM jobs_reap(1000);
END
$$;

-- Jobs whose worker is dead, or whose lease outside has run out, go back into
-- their queues while attempts are left.  A worker's row goes with the last of
-- its jobs.  Call again while it returns batch.
CREATE OR REPLACE FUNCTION jobs_reap(batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    dead  job_workers;
    n     bigint;
    total bigint := 0;
BEGIN
    FOR dead IN SELECT * FROM job_workers w WHERE w.lease_until < clock_timestamp() FOR UPDATE SKIP LOCKED LOOP
        n := jobs_give_back(ARRAY(SELECT j.ctid FROM jobs j
                                  WHERE j.state = 'running' AND j.is_internal AND j.worker = dead.id LIMIT batch),
                            format('the worker %s on %s died', dead.pid, dead.host));
        IF n < batch THEN
            DELETE FROM job_workers w WHERE w.id = dead.id;
        END IF;
        total := total + n;
    END LOOP;
    total := total + jobs_expire(batch);
    IF total > 0 THEN
        RAISE NOTICE USING ERRCODE = 'AS900', MESSAGE = 'jobs';
    END IF;
    RETURN total;
END
$$;

CREATE OR REPLACE FUNCTION jobs_give_back(rows tid[], error text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    at timestamptz := clock_timestamp();
    n  bigint;
BEGIN
    UPDATE jobs j
    SET state = CASE WHEN j.attempts < j.max_attempts THEN 'queued' ELSE 'failed' END,
        finished_at = CASE WHEN j.attempts < j.max_attempts THEN NULL ELSE at END,
        last_error = error, errors = job_errors(j.errors, j.attempts, json_time(at), error), lease_until = NULL,
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.ctid = ANY (rows) AND j.state IS NOT DISTINCT FROM 'running';
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;

-- ---------------------------------------------------------------- schedules

-- Make or change a schedule of this tenant: a cron expression or an interval.
-- The one with the same queue, kind and rule is replaced, its job to come too;
-- replace false: what is there stays as it is.  delay holds the first one back.
CREATE OR REPLACE FUNCTION job_schedule_set(queue text, kind text, cron text, every_ms bigint, payload jsonb,
                                            delay interval DEFAULT NULL, priority integer DEFAULT 0,
                                            max_attempts integer DEFAULT 10, timeout_s integer DEFAULT 300,
                                            replace boolean DEFAULT true,
                                            OUT schedule_id uuid, OUT job_id uuid, OUT next_run_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
#variable_conflict use_column
DECLARE
    s     job_schedules;
    first timestamptz := CASE WHEN job_schedule_set.cron IS NOT NULL
        THEN cron_next(job_schedule_set.cron, now() + coalesce(delay, interval '0'))
        ELSE now() + coalesce(delay, job_schedule_set.every_ms * interval '1 millisecond') END;
BEGIN
    -- The row's lock: of two at once the second sees what the first has made.
    INSERT INTO job_schedules AS o (tenant_id, queue, kind, cron, every_ms, payload, priority, max_attempts, timeout_s)
    VALUES (app_tenant(), job_schedule_set.queue, job_schedule_set.kind, job_schedule_set.cron,
            job_schedule_set.every_ms, coalesce(job_schedule_set.payload, '{}'), job_schedule_set.priority,
            job_schedule_set.max_attempts, job_schedule_set.timeout_s)
    ON CONFLICT ON CONSTRAINT job_schedules_rule_unique DO UPDATE
    SET payload = excluded.payload, priority = excluded.priority, max_attempts = excluded.max_attempts,
        timeout_s = excluded.timeout_s
    RETURNING o.* INTO s;
    schedule_id := s.id;
    -- A claim locks the job first and the schedule then (job_schedule_advance): the job is
    -- locked here only to be changed, or workers that start together deadlock with claims.
    IF replace THEN
        PERFORM FROM jobs j WHERE j.tenant_id = s.tenant_id AND j.id = s.next_job_id FOR UPDATE;
    END IF;
    SELECT j.id, j.run_at INTO job_id, next_run_at
    FROM jobs j
    WHERE j.tenant_id = s.tenant_id AND j.id = s.next_job_id AND j.state IN ('scheduled', 'queued');
    IF NOT FOUND THEN
        job_id := job_schedule_job(s, first);
        next_run_at := first;
    ELSIF replace THEN
        next_run_at := first;
        UPDATE jobs j
        SET payload = s.payload, run_at = first, state = CASE WHEN first > now() THEN 'scheduled' ELSE 'queued' END,
            priority = s.priority, max_attempts = s.max_attempts, timeout_s = s.timeout_s,
            updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
        WHERE j.tenant_id = s.tenant_id AND j.id = job_id;
        UPDATE job_schedules o SET next_run_at = first WHERE o.tenant_id = s.tenant_id AND o.id = s.id;
    END IF;
END
$$;

-- The next job of a schedule whose row is locked.
CREATE OR REPLACE FUNCTION job_schedule_job(s job_schedules, at timestamptz) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    added uuid;
BEGIN
    IF at IS NOT NULL THEN
        INSERT INTO jobs AS j (tenant_id, queue, kind, payload, run_at, priority, max_attempts, timeout_s, schedule_id)
        VALUES (s.tenant_id, s.queue, s.kind, s.payload, at, s.priority, s.max_attempts, s.timeout_s, s.id)
        RETURNING j.id INTO added;
    END IF;
    UPDATE job_schedules o SET next_job_id = added, next_run_at = at WHERE o.tenant_id = s.tenant_id AND o.id = s.id;
    RETURN added;
END
$$;

-- In the statement that claims a schedule's job: make the next one, once, and
-- return when it runs.  The time is reckoned from now, so that after a downtime
-- there is one and not one per tick that was missed; an interval keeps its
-- beat.  A retried job is not the newest of its schedule and makes none.
CREATE OR REPLACE FUNCTION job_schedule_advance(tenant uuid, schedule uuid, job uuid) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    s    job_schedules;
    at   timestamptz;
    beat interval;
BEGIN
    SELECT * INTO s FROM job_schedules o
    WHERE o.tenant_id = tenant AND o.id = schedule AND o.next_job_id = job FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF s.cron IS NOT NULL THEN
        at := cron_next(s.cron, clock_timestamp());
    ELSE
        beat := s.every_ms * interval '1 millisecond';
        at := s.next_run_at + beat * (floor(greatest(0, extract(epoch FROM clock_timestamp() - s.next_run_at) * 1000
                                                        / s.every_ms)) + 1)::double precision;
    END IF;
    PERFORM job_schedule_job(s, at);
    RETURN at;
EXCEPTION WHEN OTHERS THEN
    -- One schedule that cannot go on must not stop all claims.
    RAISE WARNING 'schedule %: %', schedule, SQLERRM;
    RETURN NULL;
END
$$;

-- End a schedule of this tenant, with its job to come; false: there is none.
CREATE OR REPLACE FUNCTION job_schedule_remove(id uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    job uuid;
BEGIN
    DELETE FROM job_schedules s WHERE s.tenant_id = app_tenant() AND s.id = job_schedule_remove.id
    RETURNING s.next_job_id INTO job;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    UPDATE jobs j
    SET state = 'cancelled', finished_at = clock_timestamp(),
        updated_at = greatest(now(), j.updated_at + interval '1 microsecond')
    WHERE j.tenant_id = app_tenant() AND j.id = job AND j.state IN ('scheduled', 'queued');
    RETURN true;
END
$$;

-- What a job of the kind "noop.sql" does: nothing.  Tests and benchmarks put
-- another function in its place.  give_up and retry_after: as job_give_up() and
-- job_retry_after() of worker/job.h.
CREATE OR REPLACE FUNCTION job_noop(payload jsonb, OUT give_up text, OUT retry_after double precision)
LANGUAGE plpgsql AS $$
BEGIN
END
$$;

-- ---------------------------------------------------------------- retention

-- Delete up to batch jobs of each tenant that ended long ago: completed and
-- cancelled ones after a week, dead letters after 30 days.  Returns the most
-- that a tenant had.
CREATE OR REPLACE FUNCTION jobs_purge(batch integer) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE
    most bigint := 0;
    n    bigint;
    old  record;
BEGIN
    FOR old IN
        SELECT t.id, k.state, k.age
        FROM tenants t
        CROSS JOIN (VALUES ('completed', interval '7 days'), ('cancelled', interval '7 days'),
                           ('failed', interval '30 days')) AS k (state, age)
        WHERE EXISTS (SELECT FROM jobs j WHERE j.tenant_id = t.id AND j.state = k.state AND j.finished_at < now() - k.age)
    LOOP
        DELETE FROM jobs j
        WHERE j.ctid = ANY (ARRAY(
            SELECT o.ctid FROM jobs o
            WHERE o.tenant_id = old.id AND o.state = old.state AND o.finished_at < now() - old.age
            ORDER BY o.finished_at
            LIMIT batch
            FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS n = ROW_COUNT;
        most := greatest(most, n);
    END LOOP;
    RETURN most;
END
$$;

-- ---------------------------------------------------------------- who may

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT p.oid FROM pg_proc p
             WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace AND p.proname ~ '^jobs?_'
               AND p.proname <> 'job_schedule_advance'
    LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO ashlar_api', f);
    END LOOP;
END
$$;
REVOKE ALL ON FUNCTION jobs_give_back(tid[], text), job_schedule_job(job_schedules, timestamptz),
    job_schedule_advance(uuid, uuid, uuid) FROM PUBLIC;
