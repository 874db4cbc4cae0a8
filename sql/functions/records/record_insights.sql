-- What was found out about records, and how work with those of a recordset goes.

-- An insight, locked, of a record that the caller may change.  Raises AS404, AS403.
CREATE OR REPLACE FUNCTION record_insight_lock(insight uuid) RETURNS record_insights
LANGUAGE plpgsql AS $$
DECLARE
    i record_insights;
BEGIN
    SELECT x.* INTO i FROM record_insights x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = insight FOR NO KEY UPDATE;
    IF i.id IS NULL OR NOT record_part_may(i.record_id, 2, '{}', 'this needs can_edit on the recordset, or can_edit_own of who made or owns the record') THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Insight not found', DETAIL = insight::text;
    END IF;
    RETURN i;
END
$$;

-- The task that is made of an insight, for the caller: once.
CREATE OR REPLACE FUNCTION record_insight_task(i record_insights) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    made uuid;
BEGIN
    IF i.task_id IS NULL AND record_recordset(i.recordset_id, i.content_id) THEN
        INSERT INTO tasks (tenant_id, organization_id, kind, subject_id, recordset_id, content_id, title, description, type, priority, assignee_id, created_by_id)
        VALUES (i.tenant_id, i.organization_id, 'record', i.record_id, i.recordset_id, i.content_id, i.title, coalesce(i.suggested_action, nullif(i.description, '')), 'follow_up',
                i.priority, app_member(), app_member())
        RETURNING id INTO made;
    END IF;
    RETURN coalesce(i.task_id, made);
END
$$;

-- Records that nobody has looked after, of the content that a recordset holds: those with tasks that are overdue, the most first; those whose last interaction is so many
-- days ago, the longest first; and, if wanted, those without any.  ids: of these alone.  Up to so many of each sort, most in all.
--
-- It reads the recordset's interactions, once, from an index alone.
CREATE OR REPLACE FUNCTION records_neglected(held uuid, days integer, ids uuid[], with_untouched boolean, most integer)
RETURNS TABLE (record_id uuid, title text, last_at timestamptz, days_since integer, overdue integer)
LANGUAGE sql STABLE ROWS 10
BEGIN ATOMIC
    WITH late AS (
        SELECT t.subject_id AS id, count(*)::integer AS n FROM tasks t
        WHERE t.tenant_id = (SELECT app_tenant()) AND t.organization_id = (SELECT app_organization()) AND t.content_id = held AND t.is_open AND t.due_at < now()
          AND (ids IS NULL OR t.subject_id = ANY (ids))
        GROUP BY t.subject_id
    ), seen AS MATERIALIZED (
        SELECT i.record_id AS id, max(i.occurred_at) AS at FROM record_interactions i
        WHERE i.tenant_id = (SELECT app_tenant()) AND i.organization_id = (SELECT app_organization()) AND i.content_id = held AND i.occurred_at <= now()
          AND (ids IS NULL OR i.record_id = ANY (ids))
        GROUP BY i.record_id
    ), wanted AS (
        SELECT l.id FROM (SELECT l.id FROM late l ORDER BY l.n DESC, l.id LIMIT most + 100) l
        UNION
        SELECT s.id FROM (SELECT s.id FROM seen s WHERE s.at <= now() - make_interval(days => days) ORDER BY s.at, s.id LIMIT most + 100) s
        UNION
        SELECT r.id FROM (SELECT r.id FROM records r
                          WHERE r.tenant_id = (SELECT app_tenant()) AND r.organization_id = (SELECT app_organization()) AND r.content_id = held
                            AND r.deleted_at IS NULL AND with_untouched AND (ids IS NULL OR r.id = ANY (ids)) AND NOT EXISTS (SELECT FROM seen s WHERE s.id = r.id)
                          ORDER BY r.created_at DESC, r.id LIMIT most) r
    )
    SELECT r.id, r.title, s.at, extract(day FROM now() - s.at)::integer, coalesce(l.n, 0)
    FROM wanted x
    JOIN records r ON r.tenant_id = (SELECT app_tenant()) AND r.organization_id = (SELECT app_organization()) AND r.id = x.id
                  AND r.content_id = held AND r.deleted_at IS NULL
    LEFT JOIN late l ON l.id = r.id
    LEFT JOIN seen s ON s.id = r.id
    ORDER BY coalesce(l.n, 0) DESC, s.at NULLS LAST, r.created_at DESC, r.id
    LIMIT most;
END;
