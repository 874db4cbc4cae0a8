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

-- name: record_comment_update :row
-- Who is mentioned only now is notified.
WITH old AS (
    SELECT c.id, c.mentions FROM comments c
    WHERE c.tenant_id = @tenant AND c.organization_id = @workspace AND c.subject_kind = 'record' AND c.subject_id = (SELECT record_here(:record_id::uuid, 1))
      AND c.id = :comment_id
    FOR NO KEY UPDATE
), changed AS (
    UPDATE comments c
    SET :set(c.content), mentions = CASE WHEN :has_mentions THEN :mentions::uuid[] ELSE c.mentions END
    FROM old o
    WHERE c.tenant_id = @tenant AND c.organization_id = @workspace AND c.subject_kind = 'record' AND c.subject_id = :record_id AND c.id = :comment_id AND c.id = o.id
      AND may(coalesce(c.author_id = @member, false), 'a comment is its author''s to change')
      AND if_match(c.updated_at, :if_match)
      AND valid((SELECT count(*) FROM memberships m WHERE m.tenant_id = @tenant AND m.organization_id = @workspace AND m.id = ANY (:mentions::uuid[]))
                = (SELECT count(DISTINCT x) FROM unnest(:mentions::uuid[]) x), 'mentions', 'mentions: not all of these are members of this workspace')
    RETURNING c.*, ARRAY(SELECT m FROM unnest(c.mentions) m WHERE m <> ALL (o.mentions)) AS added
)
SELECT :columns(record_comment)
FROM changed c :joins(record_comment)
CROSS JOIN record_comment_changed(c.subject_id, c.id, c.added);

-- name: record_comment_delete :row
SELECT d.id FROM record_comment_delete(:record_id::uuid, :comment_id::uuid, :if_match) d (id) WHERE d.id IS NOT NULL;
