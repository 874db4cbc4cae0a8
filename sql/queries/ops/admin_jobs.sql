-- Jobs as administrators see them: all of a tenant's, ours too.
--
-- Queue and kind are looked for among the newest 10,001 that remain, and so many
-- are counted: an index for each would be written three times for every job.

-- columns: job
-- As admin_job_shown() makes it of a job.
SELECT s.id, s.queue, s.kind, s.state, s.priority, s.payload, s.attempts, s.max_attempts, s.timeout_s, s.run_at,
       s.started_at, s.finished_at, s.worker, s.result, s.last_error, s.errors, s.schedule_id, s.created_at,
       s.updated_at
FROM jobs j, admin_job_shown(j) s;

-- name: admin_job_list :page
-- count: FROM (SELECT j.queue, j.kind
-- count:       FROM jobs j
-- count:       WHERE j.tenant_id = @tenant
-- count:         [:state=scheduled/queued/running| AND j.state = :state AND j.state IN ('scheduled', 'queued', 'running')]
-- count:         [:state=completed/failed/cancelled| AND j.state = :state AND j.finished_at IS NOT NULL]
-- count:       ORDER BY [:state=completed/failed/cancelled| j.finished_at | j.id] DESC LIMIT 10001) j
-- count: WHERE true [AND j.queue = :queue] [AND j.kind = :kind]
-- Newest first; those whose state is an end have their order in another index, the
-- latest first.
-- scan: a page of the primary key, which is the list's order
SELECT :columns(job)
FROM (SELECT j AS job, j.queue, j.kind, j.id, j.finished_at
      FROM jobs j
      WHERE j.tenant_id = @tenant
        [:state=scheduled/queued/running| AND j.state = :state AND j.state IN ('scheduled', 'queued', 'running')]
        [:state=completed/failed/cancelled| AND j.state = :state AND j.finished_at IS NOT NULL]
      ORDER BY [:state=completed/failed/cancelled| j.finished_at | j.id] DESC LIMIT 10001) j,
     admin_job_shown(j.job) s
WHERE true [AND j.queue = :queue] [AND j.kind = :kind]
ORDER BY [:state=completed/failed/cancelled| j.finished_at | j.id] DESC;

-- name: admin_job_retry :row
SELECT :columns(job)
FROM admin_job_retry(:job_id::uuid) r, admin_job_shown(r) s;
