-- Queues as their users see them: what is shown, counted, paused and taken by workers outside.

-- ---------------------------------------------------------------- jobs outside

-- What the queue's lists and counts call a job (BullMQ's words); NULL for jobs of
-- ours.  A column and not an expression of an index: where a policy has to be
-- asked first, PostgreSQL looks only for what cannot leak through an error.
ALTER TABLE jobs ADD COLUMN shown text GENERATED ALWAYS AS (
    CASE WHEN queue = 'ashlar' OR queue LIKE 'ashlar.%' THEN NULL
         WHEN state = 'queued' THEN CASE WHEN priority > 0 THEN 'prioritized' ELSE 'waiting' END
         WHEN state = 'scheduled' THEN 'delayed'
         WHEN state = 'running' THEN 'active'
         ELSE state END) STORED;
DROP INDEX jobs_outside;
CREATE INDEX jobs_shown ON jobs (tenant_id, queue, shown, id) WHERE NOT is_internal;
-- What a claim moves on first, and what a claim of one kind takes.
CREATE INDEX jobs_due_outside ON jobs (tenant_id, queue, run_at) WHERE state = 'scheduled' AND NOT is_internal;
CREATE INDEX jobs_ready_of_kind ON jobs (tenant_id, queue, kind, priority, run_at, id)
    WHERE state = 'queued' AND NOT is_internal;

-- ---------------------------------------------------------------- queues

-- A queue is there when it has jobs; a row is made when it is paused.
CREATE TABLE job_queues (
    tenant_id  uuid NOT NULL REFERENCES tenants,
    name       text NOT NULL,
    is_paused  boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name),
    CONSTRAINT job_queues_name_format CHECK (name ~ '^[A-Za-z0-9_.-]{1,100}$')
);
CREATE INDEX job_queues_paused ON job_queues (tenant_id, is_paused, name);
CREATE TRIGGER job_queues_touch BEFORE UPDATE ON job_queues FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('job_queues');
GRANT SELECT, INSERT ON job_queues TO ashlar_api;
GRANT UPDATE (is_paused) ON job_queues TO ashlar_api;

-- Schedules as they are listed, newest first.
CREATE INDEX job_schedules_of_queue ON job_schedules (tenant_id, queue, id);
