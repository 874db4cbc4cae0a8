-- Interactions with whom a record is about; see sql/functions/records/record_tracking.sql.

-- columns: record_interaction
SELECT i.id, i.record_id, i.interaction_type, i.direction, i.subject, i.content, i.outcome, i.sentiment, i.occurred_at, i.duration_minutes,
       to_jsonb(i.participants) AS participants, i.metadata, maker.ref AS created_by, i.created_at, i.updated_at
FROM record_interactions i
LEFT JOIN member_ref(i.tenant_id, i.organization_id, i.created_by_id) maker ON true;

-- name: record_interaction_list :page
-- The newest first, by when they took place.
SELECT :columns(record_interaction)
FROM record_interactions i :joins(record_interaction)
WHERE i.tenant_id = @tenant AND i.organization_id = @workspace AND i.record_id = (SELECT record_here(:record_id::uuid, 1))
  [AND i.interaction_type = :interaction_type]
ORDER BY i.occurred_at DESC, i.id;

-- name: record_interaction_create :row
-- Its recordset can neither go nor be emptied meanwhile.
WITH made AS (
    INSERT INTO record_interactions
    :values(tenant_id = @tenant, organization_id = @workspace, recordset_id = r.recordset_id, content_id = r.content_id, record_id = r.id, interaction_type,
            direction, subject, content, outcome, sentiment, occurred_at = coalesce(:occurred_at, now()), duration_minutes,
            participants = coalesce(:participants::text[], '{}'), metadata = coalesce(:metadata::jsonb, '{}'), created_by_id = @member)
    FROM records r
    WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT record_to_edit(:record_id::uuid))
      AND record_recordset(r.recordset_id, r.content_id)
    RETURNING *
)
SELECT :columns(record_interaction) FROM made i :joins(record_interaction);

-- name: record_interaction_update :row
WITH changed AS (
    UPDATE record_interactions i
    SET :set(i.interaction_type, i.direction, i.subject, i.content, i.outcome, i.sentiment, i.occurred_at, i.duration_minutes, i.participants, i.metadata)
    WHERE i.tenant_id = @tenant AND i.organization_id = @workspace AND i.id = :interaction_id
      AND record_part_may(i.record_id, 4, ARRAY[i.created_by_id], 'this is for who logged the interaction, and needs can_edit on the recordset else')
      AND if_match(i.updated_at, :if_match)
    RETURNING i.*
)
SELECT :columns(record_interaction) FROM changed i :joins(record_interaction);

-- name: record_interaction_delete :row
DELETE FROM record_interactions i
WHERE i.tenant_id = @tenant AND i.organization_id = @workspace AND i.id = :interaction_id
  AND record_part_may(i.record_id, 4, ARRAY[i.created_by_id], 'this is for who logged the interaction, and needs can_edit on the recordset else')
  AND if_match(i.updated_at, :if_match)
RETURNING 'Interaction deleted' AS message, i.id;

-- name: record_interaction_recent :rows
-- The last ten of a recordset, of records that are there: one after the other in the order of the index.
SELECT :columns(record_interaction)
FROM (SELECT x.* FROM record_interactions x
      WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.content_id = (
                SELECT s.content_id FROM recordsets s
                WHERE s.tenant_id = @tenant AND s.organization_id = @workspace AND s.id = (SELECT recordset_here(:recordset_id::text, 1)))
        AND x.occurred_at <= now()
        AND (SELECT r.deleted_at IS NULL FROM records r WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = x.record_id)
      ORDER BY x.occurred_at DESC, x.id LIMIT 10) i
:joins(record_interaction)
ORDER BY i.occurred_at DESC, i.id;
