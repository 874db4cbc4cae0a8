-- The queue that jobs became: times to run at, leases, schedules, keys.
--
--   scheduled -> queued -> running -> completed | failed | cancelled
--        ^__________________|          failed: the dead letters
--
-- A job is "queued" when it may run, and "scheduled" while run_at is to come:
-- so the index of what is ready holds only what is ready, and a claim never
-- steps over a million rows whose time has not come.  Moving them on is a
-- statement of its own (jobs_promote).
--
-- attempts counts the claims.  Together with worker it is a fence: whoever
-- reports about an attempt that is no longer the running one is refused, so a
-- worker that was thought dead cannot finish a job that another one has begun.
--
-- priority: lower ones first, as in BullMQ.

-- ---------------------------------------------------------------- jobs

-- Our workers work for all tenants, in functions that run as the owner (sql/functions/jobs.sql).
DROP POLICY jobs_directory ON jobs;
CREATE POLICY jobs_directory ON jobs TO CURRENT_USER USING (true) WITH CHECK (true);

ALTER TABLE jobs
    ALTER COLUMN queue SET DEFAULT 'ashlar',
    ALTER COLUMN priority TYPE integer,
    ADD COLUMN timeout_s integer NOT NULL DEFAULT 300,
    ADD COLUMN backoff_type text,       -- NULL: the worker's own, see job_delay()
    ADD COLUMN backoff_ms bigint,
    ADD COLUMN public_id text,          -- what whoever submitted it calls it
    ADD COLUMN idempotency_key text,
    ADD COLUMN unique_key text,         -- at most one unfinished job has it
    ADD COLUMN schedule_id uuid,        -- made by this schedule
    ADD COLUMN worker text,             -- who has it, or had it last
    ADD COLUMN lease_until timestamptz, -- of a worker outside; ours have theirs in job_workers
    ADD COLUMN started_at timestamptz,
    ADD COLUMN result jsonb,
    ADD COLUMN errors jsonb NOT NULL DEFAULT '[]'; -- [{"attempt", "at", "error"}], the last ones

UPDATE jobs SET queue = CASE WHEN kind LIKE 'mail%' THEN 'ashlar.mail' ELSE 'ashlar' END WHERE queue = 'default';

ALTER TABLE jobs
    -- Ours; everybody else's queues have other names (queue and kind of a job outside are free text).
    ADD COLUMN is_internal boolean NOT NULL GENERATED ALWAYS AS (queue = 'ashlar' OR queue LIKE 'ashlar.%') STORED,
    DROP CONSTRAINT jobs_state_known,
    ADD CONSTRAINT jobs_state_known
        CHECK (state IN ('scheduled', 'queued', 'running', 'completed', 'failed', 'cancelled'));
-- No further constraints of shape: what a request sends its field table judges,
-- and PostgreSQL parses and checks each of them again in every statement that
-- moves a job.  Eight of them were a quarter of what completing one costs.

-- What a worker of ours takes next, of all tenants; its scans begin behind what
-- it took last (see jobs_claim), since under a snapshot that is held open the
-- entries of taken jobs stay.
DROP INDEX jobs_due;
CREATE INDEX jobs_ready ON jobs (queue, priority, run_at, id) WHERE state = 'queued' AND is_internal;
-- What somebody else's worker takes next: one tenant's.
CREATE INDEX jobs_ready_outside ON jobs (tenant_id, queue, priority, run_at, id) WHERE state = 'queued' AND NOT is_internal;
CREATE INDEX jobs_scheduled ON jobs (run_at) WHERE state = 'scheduled';
-- What has not ended: the administrators' list, which also counts it (of what has
-- there is jobs_finished), and where to look for what a dead worker had.
DROP INDEX jobs_queued;
CREATE INDEX jobs_pending ON jobs (state, tenant_id, id) WHERE state IN ('scheduled', 'queued', 'running');
CREATE INDEX jobs_leased ON jobs (lease_until) WHERE state = 'running' AND NOT is_internal;
-- Lists and counts of the jobs outside; those of ours pay nothing for it.
CREATE INDEX jobs_outside ON jobs (tenant_id, queue, state, id) WHERE NOT is_internal;

CREATE UNIQUE INDEX jobs_public_id_unique ON jobs (tenant_id, queue, public_id) WHERE public_id IS NOT NULL;
CREATE UNIQUE INDEX jobs_idempotency_key_unique ON jobs (tenant_id, queue, idempotency_key)
    WHERE idempotency_key IS NOT NULL;
CREATE UNIQUE INDEX jobs_unique_key_unique ON jobs (tenant_id, queue, unique_key)
    WHERE unique_key IS NOT NULL AND state IN ('scheduled', 'queued', 'running');

-- Whatever changes a job sets updated_at itself: a trigger that fires before an
-- update has the row fetched and locked once more, and that is a third of it.
DROP TRIGGER jobs_touch ON jobs;

-- Each job is written three times and deleted once: vacuum often, in small
-- portions, without pausing (a default pause would let it fall behind).
ALTER TABLE jobs SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 10000,
                      autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_vacuum_cost_delay = 0,
                      autovacuum_analyze_scale_factor = 0.05, autovacuum_analyze_threshold = 10000);

CREATE FUNCTION job_schedule_later() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.state := 'scheduled';
    RETURN NEW;
END
$$;
CREATE TRIGGER jobs_later BEFORE INSERT ON jobs FOR EACH ROW
    WHEN (NEW.state = 'queued' AND NEW.run_at > now()) EXECUTE FUNCTION job_schedule_later();

-- Tell the process that commits that there is something for others to do; see
-- fcgi/wake.h.  A notice costs a few microseconds, NOTIFY a lock that all
-- commits wait for.  What there is to do is the trigger's argument.
CREATE FUNCTION wake() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    RAISE NOTICE USING ERRCODE = 'AS900', MESSAGE = TG_ARGV[0];
    RETURN NULL;
END
$$;
CREATE TRIGGER jobs_wake AFTER INSERT ON jobs FOR EACH STATEMENT EXECUTE FUNCTION wake('jobs');

-- ---------------------------------------------------------------- schedules

-- What makes a job again and again: by a cron expression or at an interval.
-- One schedule per queue, kind and rule.  There is always one job of it to
-- come, next_job_id; taking that one makes the next (job_schedule_advance).
CREATE TABLE job_schedules (
    tenant_id    uuid NOT NULL REFERENCES tenants,
    id           uuid NOT NULL DEFAULT uuid_v7(),
    queue        text NOT NULL,
    kind         text NOT NULL,
    cron         text,
    every_ms     bigint,
    rule         text NOT NULL GENERATED ALWAYS AS (coalesce('cron ' || cron, 'every ' || every_ms)) STORED,
    payload      jsonb NOT NULL DEFAULT '{}',
    priority     integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL DEFAULT 10,
    timeout_s    integer NOT NULL DEFAULT 300,
    next_job_id  uuid,
    next_run_at  timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT job_schedules_rule_unique UNIQUE (tenant_id, queue, kind, rule),
    CONSTRAINT job_schedules_one_rule CHECK (num_nonnulls(cron, every_ms) = 1),
    CONSTRAINT job_schedules_every_range CHECK (every_ms BETWEEN 1000 AND 31536000000)
);
CREATE TRIGGER job_schedules_touch BEFORE UPDATE ON job_schedules FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('job_schedules');
CREATE POLICY job_schedules_directory ON job_schedules TO CURRENT_USER USING (true) WITH CHECK (true);
GRANT SELECT ON job_schedules TO ashlar_api;

-- ---------------------------------------------------------------- worker processes

-- Our worker processes, each with a lease over all the jobs it has.  One that
-- does not renew it is dead: its jobs go back (jobs_reap).
CREATE TABLE job_workers (
    id          text PRIMARY KEY DEFAULT gen_random_uuid()::text,
    host        text NOT NULL,
    pid         integer NOT NULL,
    lease_until timestamptz NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
CREATE TRIGGER job_workers_touch BEFORE UPDATE ON job_workers FOR EACH ROW EXECUTE FUNCTION touch();
