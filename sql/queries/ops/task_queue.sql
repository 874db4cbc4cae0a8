-- Tasks: a tenant's queues as workers outside use them.  See sql/functions/ops/queues.sql.

-- columns: task
-- As task_shown() makes it of a job.
SELECT t.id, t.queue_name, t.task_type, t.payload, t.status, t.priority, t.tenant_id, t.attempts, t.max_attempts,
       t.timeout_seconds, t.idempotency_key, t.worker_id, t.claimed_at, t.lease_expires_at, t.run_at, t.created_at,
       t.updated_at
FROM jobs j, task_shown(j) t;

-- columns: task_detail
SELECT :columns(task), t.result, t.failed_reason, t.errors, t.finished_at
FROM jobs j, task_shown(j) t;

-- name: task_submit :row
SELECT :columns(task), s.deduplicated
FROM queue_submit(:tenant_id::bigint, :queue_name, :task_type, :payload::jsonb, :priority::integer,
                  :max_attempts::integer, :timeout_seconds::integer, 0, NULL, NULL, NULL, :idempotency_key, 'queue_name') s,
     task_shown(s.job) t;

-- name: task_claim :rows
-- In the order in which they are to be worked on.
SELECT :columns(task)
FROM task_claim(:tenant_id::bigint, :queue_name, :worker_id, :task_type, :batch_size::integer) c, task_shown(c) t;

-- name: task_get :row
SELECT :columns(task_detail)
FROM task_find(:task_id::uuid) f, task_shown(f) t;

-- name: task_complete :row
SELECT :columns(task_detail)
FROM task_report('complete', :task_id::uuid, :worker_id, :attempt::integer, :result::jsonb, NULL, NULL, NULL) f, task_shown(f) t;

-- name: task_fail :row
SELECT :columns(task_detail)
FROM task_report('fail', :task_id::uuid, :worker_id, :attempt::integer, NULL, :error, :retry::boolean,
                 :retry_after_seconds::integer) f, task_shown(f) t;

-- name: task_heartbeat :row
SELECT :columns(task_detail)
FROM task_report('heartbeat', :task_id::uuid, :worker_id, :attempt::integer, NULL, NULL, NULL, NULL) f, task_shown(f) t;

-- name: task_cancel :row
SELECT :columns(task_detail)
FROM task_end('cancel', :task_id::uuid) f, task_shown(f) t;

-- name: task_retry :row
SELECT :columns(task_detail)
FROM task_end('retry', :task_id::uuid) f, task_shown(f) t;
