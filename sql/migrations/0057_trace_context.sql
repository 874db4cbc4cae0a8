-- What made a job or a webhook's message, for those who look at traces: the traceparent (W3C) that the request's door was
-- told of (fcgi/auth.c).  A default, so that whoever inserts need not know; NULL where nothing is traced.

ALTER TABLE jobs ADD COLUMN trace_context text DEFAULT nullif(current_setting('app.request', true), '')::jsonb ->> 'trace';
ALTER TABLE webhook_messages ADD COLUMN trace_context text DEFAULT nullif(current_setting('app.request', true), '')::jsonb ->> 'trace';

-- What answers with whole jobs and was compiled with the columns that there were (BEGIN ATOMIC), as it stands in
-- sql/functions/ops/queues.sql: in this transaction, so that no process of the last release finds it broken.
DO $again$
BEGIN
    -- A new database has none yet: its functions come behind the last migration.
    IF to_regprocedure('task_find(uuid)') IS NULL OR to_regprocedure('queue_jobs(text,text,bigint,bigint,boolean)') IS NULL THEN
        RETURN;
    END IF;
    EXECUTE $f$
        CREATE OR REPLACE FUNCTION task_find(id uuid) RETURNS SETOF jobs
        LANGUAGE sql STABLE ROWS 1
        BEGIN ATOMIC
            SELECT j.* FROM jobs j WHERE j.tenant_id = (SELECT app_tenant()) AND j.id = task_find.id AND NOT j.is_internal;
        END
    $f$;
    EXECUTE $f$
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
        END
    $f$;
END
$again$;
