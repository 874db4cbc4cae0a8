-- Jobs as administrators see them: all of a tenant's, ours too.
--
-- Queue and kind are looked for among the newest 10,001 that remain, and so many
-- are counted: an index for each would be written three times for every job.

-- name: admin_job_list :page
-- All, newest first.
-- scan: a page of the primary key, which is the list's order
SELECT t.total, j.id, j.queue, j.kind, j.state, j.priority, j.payload, j.attempts, j.max_attempts, j.timeout_s, j.run_at,
       j.started_at, j.finished_at, j.worker, j.result, j.last_error, j.errors, j.schedule_id, j.created_at, j.updated_at
FROM (SELECT count(*) AS total
      FROM (SELECT queue, kind FROM jobs WHERE tenant_id = @tenant ORDER BY id DESC LIMIT 10001) w
      WHERE (:queue::text IS NULL OR w.queue = :queue) AND (:kind::text IS NULL OR w.kind = :kind)) t
LEFT JOIN (
    SELECT s.*
    FROM (SELECT w.job FROM (SELECT j AS job, j.queue, j.kind, j.id FROM jobs j WHERE j.tenant_id = @tenant ORDER BY j.id DESC
                         LIMIT CASE WHEN num_nonnulls(:queue, :kind) = 0 THEN :limit::bigint + :skip::bigint ELSE 10001 END) w
          WHERE (:queue::text IS NULL OR w.queue = :queue) AND (:kind::text IS NULL OR w.kind = :kind)
          ORDER BY w.id DESC
          LIMIT :limit OFFSET :skip) p,
         admin_job_shown(p.job) s
) j ON true
ORDER BY j.id DESC;

-- name: admin_job_list_pending :page
-- Those of a state that has not ended.
SELECT t.total, j.id, j.queue, j.kind, j.state, j.priority, j.payload, j.attempts, j.max_attempts, j.timeout_s, j.run_at,
       j.started_at, j.finished_at, j.worker, j.result, j.last_error, j.errors, j.schedule_id, j.created_at, j.updated_at
FROM (SELECT count(*) AS total
      FROM (SELECT queue, kind FROM jobs WHERE tenant_id = @tenant AND state = :state AND state IN ('scheduled', 'queued', 'running') ORDER BY id DESC LIMIT 10001) w
      WHERE (:queue::text IS NULL OR w.queue = :queue) AND (:kind::text IS NULL OR w.kind = :kind)) t
LEFT JOIN (
    SELECT s.*
    FROM (SELECT w.job FROM (SELECT j AS job, j.queue, j.kind, j.id FROM jobs j WHERE j.tenant_id = @tenant AND j.state = :state AND j.state IN ('scheduled', 'queued', 'running') ORDER BY j.id DESC
                         LIMIT CASE WHEN num_nonnulls(:queue, :kind) = 0 THEN :limit::bigint + :skip::bigint ELSE 10001 END) w
          WHERE (:queue::text IS NULL OR w.queue = :queue) AND (:kind::text IS NULL OR w.kind = :kind)
          ORDER BY w.id DESC
          LIMIT :limit OFFSET :skip) p,
         admin_job_shown(p.job) s
) j ON true
ORDER BY j.id DESC;

-- name: admin_job_list_ended :page
-- Those of a state that is an end, the latest first.
SELECT t.total, j.id, j.queue, j.kind, j.state, j.priority, j.payload, j.attempts, j.max_attempts, j.timeout_s, j.run_at,
       j.started_at, j.finished_at, j.worker, j.result, j.last_error, j.errors, j.schedule_id, j.created_at, j.updated_at
FROM (SELECT count(*) AS total
      FROM (SELECT queue, kind FROM jobs WHERE tenant_id = @tenant AND state = :state AND finished_at IS NOT NULL ORDER BY finished_at DESC LIMIT 10001) w
      WHERE (:queue::text IS NULL OR w.queue = :queue) AND (:kind::text IS NULL OR w.kind = :kind)) t
LEFT JOIN (
    SELECT s.*
    FROM (SELECT w.job FROM (SELECT j AS job, j.queue, j.kind, j.finished_at FROM jobs j WHERE j.tenant_id = @tenant AND j.state = :state AND j.finished_at IS NOT NULL ORDER BY j.finished_at DESC
                         LIMIT CASE WHEN num_nonnulls(:queue, :kind) = 0 THEN :limit::bigint + :skip::bigint ELSE 10001 END) w
          WHERE (:queue::text IS NULL OR w.queue = :queue) AND (:kind::text IS NULL OR w.kind = :kind)
          ORDER BY w.finished_at DESC
          LIMIT :limit OFFSET :skip) p,
         admin_job_shown(p.job) s
) j ON true
ORDER BY j.finished_at DESC;

-- name: admin_job_retry :row
SELECT j.id, j.queue, j.kind, j.state, j.priority, j.payload, j.attempts, j.max_attempts, j.timeout_s, j.run_at,
       j.started_at, j.finished_at, j.worker, j.result, j.last_error, j.errors, j.schedule_id, j.created_at, j.updated_at
FROM admin_job_retry(:job_id::uuid) r, admin_job_shown(r) j;
