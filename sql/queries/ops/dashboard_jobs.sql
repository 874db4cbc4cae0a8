-- Jobs and schedules as a tenant's team sees them; the list is that of administrators (admin_jobs.sql).

-- columns: job
-- As admin_job_shown() makes it of a job.
SELECT s.id, s.queue, s.kind, s.state, s.priority, s.payload, s.attempts, s.max_attempts, s.timeout_s, s.run_at,
       s.started_at, s.finished_at, s.worker, s.result, s.last_error, s.errors, s.schedule_id, s.created_at,
       s.updated_at
FROM jobs j, admin_job_shown(j) s;

-- name: dashboard_job_get :row
SELECT :columns(job)
FROM jobs j, admin_job_shown(j) s
WHERE j.tenant_id = @tenant AND j.id = :job_id;

-- name: dashboard_job_cancel :row
SELECT :columns(job)
FROM admin_job_cancel(:job_id::uuid) r, admin_job_shown(r) s;

-- name: dashboard_schedule_list :page
-- scan: a page of the index that is the list's order
SELECT s.id, s.queue, s.kind, s.cron, s.every_ms, s.payload, s.next_job_id, s.next_run_at, s.created_at, s.updated_at
FROM job_schedules s
WHERE s.tenant_id = @tenant AND s.queue <> 'ashlar' AND s.queue NOT LIKE 'ashlar.%'
  [AND s.queue = :queue]
ORDER BY s.id DESC;

-- name: dashboard_schedule_remove :row
SELECT r.id FROM queue_schedule_remove(:schedule_id::uuid) r;
