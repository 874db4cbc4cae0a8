-- Files of records; see sql/functions/records/record_attachments.sql.

-- columns: attachment
-- _object and _tenant are what the address is made of.
SELECT a.id, a.record_id, a.file_name, o.content_type, o.size AS size_bytes, '' AS url, who.ref AS uploaded_by, a.created_at,
       o.id::text AS _object, o.tenant_id::text AS _tenant, o.backend AS _backend
FROM record_attachments a
JOIN stored_objects o ON o.tenant_id = a.tenant_id AND o.id = a.object_id
LEFT JOIN member_ref(a.tenant_id, a.organization_id, a.uploaded_by_id) who ON true;

-- name: record_attachment_list :rows
-- The newest first.
SELECT :columns(attachment)
FROM record_attachments a :joins(attachment)
WHERE a.tenant_id = @tenant AND a.organization_id = @workspace AND a.record_id = (SELECT record_here(:record_id::uuid, 1))
ORDER BY a.created_at DESC, a.id DESC;

-- name: record_attachment_made :rows
SELECT :columns(attachment)
FROM record_attachments a :joins(attachment)
WHERE a.tenant_id = @tenant AND a.organization_id = @workspace AND a.record_id = :record_id AND a.id = @made;

-- name: record_attachment_await :row
-- Room for what is about to be written.
SELECT record_attachment_await(:record_id::uuid, :backend, :content_type, :size::bigint)::text AS object_id, (@tenant)::text AS tenant;

-- name: record_attachment_give_up :exec
SELECT stored_object_drop(:object::uuid);

-- name: record_attachment_put :row
SELECT record_attachment_put(:record_id::uuid, :object::uuid, :sha256::bytea, :name) AS _id;

-- name: record_attachment_delete :row
SELECT d.id FROM record_attachment_delete(:record_id::uuid, :attachment_id::uuid) d (id) WHERE d.id IS NOT NULL;
