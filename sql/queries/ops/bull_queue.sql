-- The same queues in BullMQ's words.  See sql/functions/ops/queues.sql.

-- columns: queue_job
-- As queue_job_shown() makes it of a job.
SELECT q.id, q.queue, q.name, q.data, q.status, q.priority, q.delay, q.attempts, q.attempts_made, q.backoff,
       q.schedule_id, q.result, q.failed_reason, q.run_at, q.created_at, q.started_at, q.finished_at
FROM jobs j, queue_job_shown(j, false) q;

-- name: queue_submit :row
-- Without a back-off the next attempt waits for nothing.
SELECT :columns(queue_job), s.deduplicated
FROM queue_submit(NULL, :queue, :name, :data::jsonb, :priority::integer, :attempts::integer, 300, :delay::bigint,
                  coalesce(:backoff::jsonb ->> 'type', 'fixed'), (:backoff::jsonb ->> 'delay')::bigint, :job_id, NULL, 'queue') s,
     queue_job_shown(s.job, queue_is_paused(:queue)) q;

-- name: queue_schedule :row
SELECT s.schedule_id, s.job_id, :queue::text AS queue, :name::text AS name, :delay::bigint AS delay, :repeat::text AS repeat,
       :every::bigint AS every, s.next_run_at
FROM queue_schedule(:queue, :name, :data::jsonb, :delay::bigint, :repeat, :every::bigint) s;

-- name: queue_stats :row
SELECT s.queues, s.totals
FROM queue_stats(:queue) s;

-- name: queue_job_list :page
-- Of each status up to 10,001 are counted.
-- unindexed: what queue_jobs() gives is a page
SELECT t.total, :columns(queue_job)
FROM (SELECT p.is_paused, (SELECT coalesce(sum(queue_count(:queue, s)), 0)::bigint FROM queue_shown(:status, p.is_paused) s) AS total
      FROM (SELECT queue_is_paused(:queue) AS is_paused) p) t
LEFT JOIN LATERAL (
    SELECT q.*, j.id AS at
    FROM queue_jobs(:queue, :status, :skip::bigint, :limit::bigint, t.is_paused) j, queue_job_shown(j, t.is_paused) q
) q ON true
ORDER BY q.at DESC;

-- name: queue_pause :row
SELECT true AS success, p.name AS queue, p.is_paused
FROM queue_pause(:queue, true) p;

-- name: queue_resume :row
SELECT true AS success, p.name AS queue, p.is_paused
FROM queue_pause(:queue, false) p;

-- name: queue_schedule_list :page
-- All, or those of one queue, newest first.
-- scan: a page of the index that is the list's order
SELECT s.id AS schedule_id, s.queue, s.kind AS name, s.payload AS data, s.cron AS repeat, s.every_ms AS every,
       s.next_job_id::text AS job_id, s.next_run_at, s.created_at, s.updated_at
FROM job_schedules s
WHERE s.tenant_id = @tenant AND s.queue <> 'ashlar' AND s.queue NOT LIKE 'ashlar.%'
  [AND s.queue = :queue]
ORDER BY s.id DESC;

-- name: queue_schedule_remove :row
SELECT r.id, true AS deleted
FROM queue_schedule_remove(:schedule_id::uuid) r;
