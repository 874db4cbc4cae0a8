-- What models are told of records, and what they answered; see sql/functions/records/record_ai.sql.

-- name: record_ai_read :row
SELECT @workspace::text AS organization, record_ai_facts(record_here(:record_id::uuid, 1)) AS facts;

-- name: record_ai_read_to_edit :row
SELECT @workspace::text AS organization, record_ai_facts(record_to_edit(:record_id::uuid)) AS facts;

-- name: record_ai_read_neglected :row
SELECT @workspace::text AS organization, n.records::text AS records, n.facts
FROM record_ai_neglected(recordset_here(:recordset_id::text, 1), :days_without_contact::integer, :record_ids::uuid[], :most::integer) n;

-- name: record_analysis :row
SELECT :record_id::uuid AS record_id, :summary AS summary, :health_score::integer AS health_score, :engagement_level AS engagement_level,
       to_jsonb(:key_findings::text[]) AS key_findings, to_jsonb(:opportunities::text[]) AS opportunities, to_jsonb(:risks::text[]) AS risks,
       :recommended_actions::jsonb AS recommended_actions, :model AS model, now() AS generated_at;

-- name: record_message :row
SELECT :record_id::uuid AS record_id, :channel AS channel, CASE WHEN :channel = 'email' THEN nullif(:subject, '') END AS subject, :body AS body,
       to_jsonb(:suggestions::text[]) AS suggestions, now() AS generated_at;

-- name: record_insights_made :row
WITH made AS MATERIALIZED (
    SELECT * FROM record_insights_add(:organization::uuid, :record_id::uuid, :insights::jsonb, :insight_types::text[], :max_insights::integer)
)
SELECT :record_id::uuid AS record_id,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('id', i.id, 'record_id', i.record_id, 'recordset_id', i.recordset_id, 'insight_type', i.insight_type, 'title', i.title,
            'description', i.description, 'priority', task_priority(i.priority), 'confidence', i.confidence, 'suggested_action', i.suggested_action, 'source', i.source,
            'is_dismissed', false, 'dismissed_at', NULL, 'dismiss_reason', NULL, 'is_actioned', false, 'actioned_at', NULL, 'action_taken', NULL,
            'created_at', json_time_us(i.created_at)) ORDER BY i.id), '[]') FROM made i) AS insights,
       (SELECT count(*)::integer FROM made) AS generated_count;

-- name: record_follow_ups :row
-- By the numbers that the model was told; a number that there is not, or again, is left out.
SELECT :recordset_id::uuid AS recordset_id,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('record_id', x.record_id, 'title', x.title, 'reason', x.reason, 'priority', x.priority,
            'suggested_action', x.suggested_action, 'days_since_interaction', x.days) ORDER BY x.nr), '[]')
        FROM (SELECT *
              FROM (SELECT DISTINCT ON (a.number) e.nr, a.title, a.reason, a.priority, a.suggested_action, k.one ->> 'record_id' AS record_id,
                           (k.one ->> 'days')::integer AS days
                    FROM jsonb_array_elements(:suggestions::jsonb) WITH ORDINALITY e (one, nr),
                         jsonb_to_record(e.one) a(number integer, title text, reason text, priority text, suggested_action text),
                         jsonb_array_elements(:records::jsonb) WITH ORDINALITY k (one, nr)
                    WHERE k.nr = a.number ORDER BY a.number, e.nr) d
              ORDER BY d.nr LIMIT :limit::integer) x) AS suggestions,
       now() AS generated_at;
