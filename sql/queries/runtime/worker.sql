-- What the worker asks: its master for all tenants, its children in a job's.
-- The functions are in sql/functions/ops/jobs.sql.

-- name: job_enter :exec
-- In the door's place, in front of a job's first statement.
SELECT job_enter(:tenant::uuid, :id::uuid, :worker, :attempt::integer);

-- name: job_complete :exec
-- The last statement of a job's transaction.
SELECT job_complete(:id::uuid, :worker, :attempt::integer, :result::jsonb);

-- name: job_complete_all :exec
-- The same for many at once, all or none of them.
SELECT job_complete_all(:ids::uuid[], :worker, :attempts::integer[]);

-- name: jobs_complete :row
-- What the children have done and PostgreSQL had no part in.
SELECT jobs_complete(:worker, :tenants::uuid[], :ids::uuid[], :attempts::integer[]) AS completed;

-- name: job_payload :row
-- Of a job whose payload is too long for the way from the master to its child.
SELECT payload::text AS payload FROM jobs WHERE tenant_id = @tenant AND id = :id::uuid;

-- name: job_worker_begin :row
SELECT id, (extract(epoch FROM at) * 1000000)::bigint AS now_us
FROM job_worker_begin(:host, :pid::integer, :lease_s::integer);

-- name: job_worker_renew :row
SELECT job_worker_renew(:worker, :lease_s::integer) AS alive;

-- name: job_worker_end :exec
SELECT job_worker_end(:worker);

-- name: jobs_claim :rows
-- In the order in which they are to be run; the cursors are microseconds since 1970.
SELECT tenant_id, id, kind, payload, attempt, max_attempts, timeout_s, priority,
       (date_part('epoch', run_at) * 1000000)::bigint AS run_us, wait_ms
FROM jobs_claim(:queue, :worker, :n::integer, :priorities::integer[],
                ARRAY(SELECT timestamptz '1970-01-01 00:00:00+00' + u * interval '1 microsecond' FROM unnest(:run_us::bigint[]) u),
                :ids::uuid[])
ORDER BY priority, run_at, id;

-- name: jobs_claim_traced :rows
-- The same, with what made each.
SELECT tenant_id, id, kind, payload, attempt, max_attempts, timeout_s, priority,
       (date_part('epoch', run_at) * 1000000)::bigint AS run_us, wait_ms, job_trace(tenant_id, id) AS trace
FROM jobs_claim(:queue, :worker, :n::integer, :priorities::integer[],
                ARRAY(SELECT timestamptz '1970-01-01 00:00:00+00' + u * interval '1 microsecond' FROM unnest(:run_us::bigint[]) u),
                :ids::uuid[])
ORDER BY priority, run_at, id;

-- name: jobs_claim_fair :rows
-- One each of tenants that wait behind others'; the last row tells where to go on.
SELECT tenant_id, id, kind, payload, attempt, max_attempts, timeout_s, priority,
       (date_part('epoch', run_at) * 1000000)::bigint AS run_us, wait_ms
FROM jobs_claim_fair(:queue, :worker, :n::integer, :after::uuid, :busy::uuid[])
ORDER BY id IS NULL, priority, run_at, id;

-- name: jobs_claim_fair_traced :rows
-- The same, with what made each.
SELECT tenant_id, id, kind, payload, attempt, max_attempts, timeout_s, priority,
       (date_part('epoch', run_at) * 1000000)::bigint AS run_us, wait_ms, job_trace(tenant_id, id) AS trace
FROM jobs_claim_fair(:queue, :worker, :n::integer, :after::uuid, :busy::uuid[])
ORDER BY id IS NULL, priority, run_at, id;

-- name: jobs_promote :rows
-- What was queued, by queue and priority; and, without a queue, in how many milliseconds the next one is due.
SELECT queue, priority, (extract(epoch FROM run_at) * 1000000)::bigint AS run_us, n,
       (extract(epoch FROM run_at - clock_timestamp()) * 1000)::bigint AS due_ms
FROM jobs_promote(:batch::integer);

-- name: jobs_fail :row
SELECT jobs_fail(:tenant::uuid, :id::uuid, :worker, :attempt::integer, :error, :retry::boolean,
                 make_interval(secs => :retry_after::double precision)) AS state;

-- name: jobs_unknown :row
SELECT jobs_unknown(:tenant::uuid, :id::uuid, :worker, :attempt::integer, :error) AS state;

-- name: jobs_release :row
SELECT jobs_release(:worker, :tenants::uuid[], :ids::uuid[], :attempts::integer[]) AS released;

-- name: jobs_lost :rows
SELECT n FROM jobs_lost(:worker, :tenants::uuid[], :ids::uuid[], :attempts::integer[]) AS n;

-- name: jobs_strays :row
-- Give back what the worker has and does not know of, since the answer to its claim was lost.
SELECT jobs_strays(:worker, :ids::uuid[]) AS released;

-- name: jobs_reap :row
SELECT jobs_reap(:batch::integer) AS reaped;

-- name: job_noop :row
SELECT give_up, retry_after::text AS retry_after FROM job_noop(:payload::jsonb);

-- name: jobs_purge :row
-- At most :batch of each tenant; call again while it deletes that many.
SELECT jobs_purge(:batch::integer) AS deleted;

-- name: memberships_end :row
-- Of all tenants; call again while it finds as many organizations.
SELECT memberships_end(:batch::integer) AS ended;

-- name: job_schedule_ensure :row
-- A schedule of our own, in the default tenant; one that is there stays as it is.
SELECT s.next_run_at
FROM (SELECT set_config('app.tenant_id', '00000000-0000-7000-8000-000000000001', true)) t,
     LATERAL job_schedule_set(:queue, :kind, :cron, :every_ms::bigint, '{}', replace => false) s;
