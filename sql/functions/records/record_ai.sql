-- What a model is told of records, and what is kept of its answer.

-- A record with what hangs on it, each part as JSON: long texts are cut, and so is each part.
CREATE OR REPLACE FUNCTION record_ai_facts(record uuid) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT concat_ws(E'\n',
            'record: ' || jsonb_build_object('today', to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD'), 'recordset', s.name, 'title', r.title, 'status', r.status,
                                             'tags', to_jsonb(r.tags), 'created', r.created_at::date)::text,
            'values: ' || left((SELECT coalesce(jsonb_object_agg(v.key, CASE WHEN length(v.value #>> '{}') > 1500 THEN to_jsonb(left(v.value #>> '{}', 1500)) ELSE v.value END), '{}')
                                FROM jsonb_each(r.field_values) v)::text, 20000),
            'interactions: ' || left((SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(x))), '[]') FROM (
                SELECT i.occurred_at::date AS on, i.interaction_type AS type, i.direction, i.subject, left(i.content, 1500) AS content, i.outcome, i.sentiment, i.participants
                FROM record_interactions i
                WHERE i.tenant_id = r.tenant_id AND i.organization_id = r.organization_id AND i.record_id = r.id ORDER BY i.occurred_at DESC, i.id LIMIT 30) x)::text, 30000),
            'tasks: ' || left((SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(x))), '[]') FROM (
                SELECT t.title, t.type, t.status, task_priority(t.priority) AS priority, t.due_at::date AS due, t.outcome, left(t.outcome_notes, 500) AS notes
                FROM tasks t
                WHERE t.tenant_id = r.tenant_id AND t.organization_id = r.organization_id AND t.kind = 'record' AND t.subject_id = r.id
                ORDER BY t.is_open DESC, t.created_at DESC, t.id LIMIT 30) x)::text, 15000),
            'insights: ' || left((SELECT coalesce(jsonb_agg(jsonb_strip_nulls(to_jsonb(x))), '[]') FROM (
                SELECT i.insight_type AS type, i.title, left(i.description, 500) AS description, i.dismissed_at IS NOT NULL AS is_dismissed, i.action_taken
                FROM record_insights i
                WHERE i.tenant_id = r.tenant_id AND i.organization_id = r.organization_id AND i.record_id = r.id ORDER BY i.created_at DESC, i.id DESC LIMIT 20) x)::text, 15000))
            FROM records r
            JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id
            WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = record);
END
$$;

-- The records of a recordset that may need somebody, numbered: ids for us, and facts, by their numbers, for the model.
CREATE OR REPLACE FUNCTION record_ai_neglected(recordset uuid, days integer, ids uuid[], most integer, OUT records jsonb, OUT facts text)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT coalesce(jsonb_agg(jsonb_build_object('record_id', x.record_id, 'days', x.days_since) ORDER BY x.nr), '[]'),
           left(coalesce(jsonb_agg(jsonb_strip_nulls(jsonb_build_object('number', x.nr, 'title', x.title, 'days_since_interaction', x.days_since,
               'overdue_tasks', x.overdue, 'values', left(r.field_values::text, 600),
               'last_interaction', (SELECT concat_ws(': ', i.interaction_type, i.subject, left(i.content, 300), i.outcome) FROM record_interactions i
                                    WHERE i.tenant_id = r.tenant_id AND i.organization_id = r.organization_id AND i.record_id = r.id AND i.occurred_at <= now()
                                    ORDER BY i.occurred_at DESC, i.id LIMIT 1),
               'open_tasks', (SELECT jsonb_agg(t.title) FROM (
                                  SELECT y.title FROM tasks y WHERE y.tenant_id = r.tenant_id AND y.organization_id = r.organization_id AND y.kind = 'record'
                                    AND y.subject_id = r.id AND y.is_open ORDER BY y.due_at, y.priority, y.id LIMIT 5) t))) ORDER BY x.nr), '[]')::text, 60000)
    INTO records, facts
    FROM (SELECT n.*, row_number() OVER (ORDER BY n.overdue DESC, n.last_at NULLS LAST, n.record_id) AS nr
          FROM recordsets s
          CROSS JOIN records_neglected(s.content_id, days, ids, true, most) n
          WHERE s.tenant_id = app_tenant() AND s.organization_id = app_organization() AND s.id = recordset) x
    JOIN records r ON r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = x.record_id;
END
$$;

-- Keep what a model has found out about a record, unless that, or its recordset, is gone meanwhile: in a transaction of the tenant alone, behind the
-- one that asked who may.  Those of other types than were wanted, and beyond most, are left out.  Raises AS404.
CREATE OR REPLACE FUNCTION record_insights_add(organization uuid, record uuid, list jsonb, types text[], most integer) RETURNS SETOF record_insights
LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    SELECT x.recordset_id, x.content_id INTO r FROM records x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.id = record AND x.deleted_at IS NULL;
    PERFORM FROM recordsets s
    WHERE s.tenant_id = app_tenant() AND s.organization_id = organization AND s.id = r.recordset_id AND s.content_id = r.content_id AND s.trashed_at IS NULL
    FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Record not found', DETAIL = record::text;
    END IF;
    RETURN QUERY
    INSERT INTO record_insights AS i (tenant_id, organization_id, recordset_id, content_id, record_id, insight_type, title, description, priority, confidence,
                                      suggested_action, source)
    SELECT app_tenant(), organization, r.recordset_id, r.content_id, record, x.insight_type, x.title, x.description, task_rank(x.priority), x.confidence,
           nullif(x.suggested_action, ''), 'ai'
    FROM jsonb_array_elements(list) WITH ORDINALITY e (one, nr),
         jsonb_to_record(e.one) x(insight_type text, title text, description text, priority text, confidence double precision, suggested_action text)
    WHERE types IS NULL OR cardinality(types) = 0 OR x.insight_type = ANY (types)
    ORDER BY e.nr LIMIT most
    RETURNING i.*;
END
$$;
