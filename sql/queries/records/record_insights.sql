-- What was found out about records; see sql/functions/records/record_insights.sql.

-- columns: record_insight
SELECT i.id, i.record_id, i.recordset_id, i.insight_type, i.title, i.description, task_priority(i.priority) AS priority, i.confidence, i.suggested_action, i.source,
       i.dismissed_at IS NOT NULL AS is_dismissed, i.dismissed_at, i.dismiss_reason, i.actioned_at IS NOT NULL AS is_actioned, i.actioned_at, i.action_taken, i.created_at
FROM record_insights i;

-- name: record_insight_list :page
-- The newest first; those that were dismissed where they are asked for.
SELECT :columns(record_insight)
FROM record_insights i
WHERE i.tenant_id = @tenant AND i.organization_id = @workspace AND i.record_id = (SELECT record_here(:record_id::uuid, 1))
  [:include_dismissed| | AND i.dismissed_at IS NULL]
  [AND i.insight_type = :insight_type]
ORDER BY i.created_at DESC, i.id DESC;

-- name: record_insight_action :row
-- Told twice, the first time stays, and there is one task.
WITH was AS MATERIALIZED (
    SELECT i.*, CASE WHEN :create_task::boolean THEN record_insight_task(i) ELSE i.task_id END AS of_task FROM record_insight_lock(:insight_id::uuid) i
), changed AS (
    UPDATE record_insights i
    SET actioned_at = coalesce(i.actioned_at, now()), action_taken = CASE WHEN :has_action_taken THEN :action_taken ELSE i.action_taken END, task_id = was.of_task
    FROM was
    WHERE i.tenant_id = @tenant AND i.organization_id = @workspace AND i.id = was.id
    RETURNING i.*
)
SELECT :columns(record_insight) FROM changed i;

-- name: record_insight_dismiss :row
-- What is dismissed already stays as it is.
WITH was AS MATERIALIZED (
    SELECT * FROM record_insight_lock(:insight_id::uuid)
), changed AS (
    UPDATE record_insights i
    SET dismissed_at = now(), dismiss_reason = :reason
    FROM was
    WHERE i.tenant_id = @tenant AND i.organization_id = @workspace AND i.id = was.id AND was.dismissed_at IS NULL
    RETURNING i.*
)
SELECT :columns(record_insight) FROM (SELECT * FROM changed UNION ALL SELECT * FROM was WHERE was.dismissed_at IS NOT NULL) i;

-- name: record_dashboard :row
-- Two passes over the recordset's interactions, from an index alone, one over its tasks, one over its insights; without those of records that are deleted.
WITH s AS MATERIALIZED (
    SELECT x.id, x.content_id FROM recordsets x
    WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.id = (SELECT recordset_here(:recordset_id::text, 1))
), gone AS MATERIALIZED (
    SELECT r.id FROM records r, s WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.content_id = s.content_id AND r.deleted_at IS NOT NULL
), talk AS MATERIALIZED (
    SELECT i.interaction_type, count(*) AS n, count(*) FILTER (WHERE i.occurred_at > now() - interval '7 days' AND i.occurred_at <= now()) AS n7,
           count(*) FILTER (WHERE i.occurred_at > now() - interval '30 days' AND i.occurred_at <= now()) AS n30
    FROM record_interactions i, s
    WHERE i.tenant_id = @tenant AND i.organization_id = @workspace AND i.content_id = s.content_id AND NOT EXISTS (SELECT FROM gone g WHERE g.id = i.record_id)
    GROUP BY i.interaction_type
), seen AS MATERIALIZED (
    SELECT i.record_id, max(i.occurred_at) FILTER (WHERE i.occurred_at <= now()) AS at
    FROM record_interactions i, s
    WHERE i.tenant_id = @tenant AND i.organization_id = @workspace AND i.content_id = s.content_id AND NOT EXISTS (SELECT FROM gone g WHERE g.id = i.record_id)
    GROUP BY i.record_id
), task AS MATERIALIZED (
    SELECT t.subject_id, t.is_open, t.priority, t.due_at, t.completed_at FROM tasks t, s
    WHERE t.tenant_id = @tenant AND t.organization_id = @workspace AND t.content_id = s.content_id AND NOT EXISTS (SELECT FROM gone g WHERE g.id = t.subject_id)
), todo AS (
    SELECT * FROM task WHERE is_open
), late AS MATERIALIZED (
    SELECT subject_id, count(*) AS n FROM todo WHERE due_at < now() GROUP BY subject_id
), found AS MATERIALIZED (
    SELECT i.insight_type, task_priority(i.priority) AS priority FROM record_insights i, s
    WHERE i.tenant_id = @tenant AND i.organization_id = @workspace AND i.content_id = s.content_id AND i.dismissed_at IS NULL AND i.actioned_at IS NULL
      AND NOT EXISTS (SELECT FROM gone g WHERE g.id = i.record_id)
), neglected AS MATERIALIZED (
    SELECT x.id, coalesce(l.n, 0) AS overdue, k.at
    FROM (SELECT * FROM (SELECT subject_id AS id FROM late ORDER BY n DESC, subject_id LIMIT 10) a
          UNION
          SELECT * FROM (SELECT record_id FROM seen WHERE at <= now() - interval '14 days' ORDER BY at, record_id LIMIT 10) b) x
    LEFT JOIN late l ON l.subject_id = x.id
    LEFT JOIN seen k ON k.record_id = x.id
    ORDER BY coalesce(l.n, 0) DESC, k.at NULLS LAST, x.id LIMIT 10
), day AS (
    SELECT date_trunc('day', now(), 'UTC') AS today
)
SELECT s.id AS recordset_id,
       (SELECT coalesce(sum(c.count), 0)::bigint FROM recordset_counts c
        WHERE c.tenant_id = @tenant AND c.organization_id = @workspace AND c.recordset_id = s.id) AS total_records,
       (SELECT count(*) FROM (SELECT record_id FROM seen UNION SELECT subject_id FROM task) x) AS tracked_records,
       jsonb_build_object('total', (SELECT coalesce(sum(n), 0) FROM talk), 'last_7_days', (SELECT coalesce(sum(n7), 0) FROM talk),
           'last_30_days', (SELECT coalesce(sum(n30), 0) FROM talk),
           'by_type', (SELECT coalesce(jsonb_object_agg(interaction_type, n), '{}') FROM talk)) AS interactions,
       jsonb_build_object('open', (SELECT count(*) FROM todo), 'overdue', (SELECT count(*) FROM todo WHERE due_at < now()),
           'due_today', (SELECT count(*) FROM todo, day WHERE due_at >= today AND due_at < today + interval '1 day'),
           'due_this_week', (SELECT count(*) FROM todo, day WHERE due_at >= today AND due_at < today + interval '7 days'),
           'completed_last_30_days', (SELECT count(*) FROM task WHERE completed_at > now() - interval '30 days'),
           'by_priority', (SELECT coalesce(jsonb_object_agg(task_priority(x.priority), x.n), '{}')
                           FROM (SELECT priority, count(*) AS n FROM todo GROUP BY priority) x)) AS tasks,
       jsonb_build_object('active', (SELECT count(*) FROM found),
           'by_type', (SELECT coalesce(jsonb_object_agg(x.insight_type, x.n), '{}') FROM (SELECT insight_type, count(*) AS n FROM found GROUP BY insight_type) x),
           'by_priority', (SELECT coalesce(jsonb_object_agg(x.priority, x.n), '{}') FROM (SELECT priority, count(*) AS n FROM found GROUP BY priority) x)) AS insights,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('record_id', n.id, 'title', r.title, 'days_since_interaction', extract(day FROM now() - n.at)::integer,
                                                     'overdue_tasks', n.overdue) ORDER BY n.overdue DESC, n.at NULLS LAST, n.id), '[]')
        FROM neglected n JOIN records r ON r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = n.id) AS needs_attention
FROM s;
