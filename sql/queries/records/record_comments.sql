-- Comments on records.

-- columns: record_comment
SELECT c.id, c.subject_id AS record_id, c.content, c.parent_id AS parent_comment_id, to_jsonb(c.mentions) AS mentions, author.ref AS author, c.created_at, c.updated_at
FROM comments c
LEFT JOIN member_ref(c.tenant_id, c.organization_id, c.author_id) author ON true;

-- name: record_comment_list :rows
-- The oldest first.
SELECT :columns(record_comment)
FROM comments c :joins(record_comment)
WHERE c.tenant_id = @tenant AND c.organization_id = @workspace AND c.subject_kind = 'record' AND c.subject_id = (SELECT record_here(:record_id::uuid, 1))
ORDER BY c.created_at, c.id;

-- name: record_comment_create :row
-- Its recordset can neither go nor be emptied meanwhile.
WITH made AS (
    INSERT INTO comments
    :values(tenant_id = @tenant, organization_id = @workspace, subject_kind = 'record', subject_id = r.id, parent_id = :parent_comment_id, content,
            mentions = coalesce(:mentions::uuid[], '{}'), author_id = @member)
    FROM records r
    WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = (SELECT record_here(:record_id::uuid, 1))
      AND record_recordset(r.recordset_id, r.content_id)
      AND valid((SELECT count(*) FROM memberships m WHERE m.tenant_id = @tenant AND m.organization_id = @workspace AND m.id = ANY (:mentions::uuid[]))
                = (SELECT count(DISTINCT x) FROM unnest(:mentions::uuid[]) x), 'mentions', 'mentions: not all of these are members of this workspace')
    RETURNING *
)
SELECT :columns(record_comment)
FROM made c :joins(record_comment)
CROSS JOIN record_commented(c.subject_id, c.id, c.mentions);
