-- The text of files that agents know: read by the job "file.text" (worker/knowledge.c).

-- name: knowledge_object :row
-- No row: nobody wants its text any more.
SELECT o.tenant_id::text AS tenant_id, o.id::text AS object_id, o.backend, o.content_type, o.size
FROM file_texts t
JOIN stored_objects o ON o.tenant_id = t.tenant_id AND o.id = t.object_id AND o.state = 'stored'
WHERE t.tenant_id = @tenant AND t.object_id = :object_id;

-- name: knowledge_keep :exec
SELECT knowledge_keep(:object_id::uuid, :content, :problem);
