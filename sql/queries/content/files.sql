-- Files on the app surface: a user's own.

-- columns: file
SELECT f.id, f.name AS filename, o.content_type, o.size, 'uploaded' AS status, f.created_at
FROM files f
JOIN stored_objects o ON o.tenant_id = f.tenant_id AND o.id = f.object_id;

-- name: file_list :page
-- Newest first; what is awaited is none yet.
SELECT :columns(file)
FROM files f
:joins(file)
WHERE f.tenant_id = @tenant AND f.holder = @user AND f.uploaded_at IS NOT NULL
ORDER BY f.created_at DESC, f.id DESC;

-- name: file_await :row
-- Its size is held for as long as the link is good, and a day more: an upload that has begun may take long.
WITH made AS (
    INSERT INTO files (tenant_id, owner_id, object_id, name)
    SELECT u.tenant_id, u.id,
           stored_object_await(u.default_organization_id, u.id, :backend, :content_type, :size::bigint,
                               now() + (:ttl_s::bigint + 86400) * interval '1 second', :sha256::bytea), :name
    FROM users u
    WHERE u.tenant_id = @tenant AND u.id = @user
    RETURNING *
)
SELECT m.id::text AS file_id, m.object_id::text AS object_id, m.tenant_id::text AS tenant_id,
       'uploads/' || u.public_id || '/' || m.id || '/' || m.name AS key
FROM made m
JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.owner_id;

-- name: file_awaited :row
-- What is to be looked at before it is confirmed.
SELECT o.id::text AS object_id, o.tenant_id::text AS tenant_id, o.backend, o.content_type, o.size, f.uploaded_at IS NOT NULL AS is_uploaded,
       o.declared_sha256::text AS declared_sha256, o.upload_id
FROM files f
JOIN stored_objects o ON o.tenant_id = f.tenant_id AND o.id = f.object_id
WHERE f.tenant_id = @tenant AND f.id = :file_id AND f.owner_id = @user;

-- name: file_in_parts :maybe
-- The upload in parts that it comes by from now on, in the place of the one before; of several that begin it at once the first one's.
-- No row: it is not awaited any more.
WITH kept AS (
    UPDATE stored_objects o SET upload_id = :upload_id
    WHERE o.tenant_id = @tenant AND o.id = :object_id::uuid AND o.state = 'awaited' AND o.upload_id IS NOT DISTINCT FROM :before
    RETURNING o.upload_id
)
SELECT k.upload_id FROM kept k
UNION ALL
SELECT o.upload_id FROM stored_objects o
WHERE o.tenant_id = @tenant AND o.id = :object_id::uuid AND o.state = 'awaited' AND o.upload_id IS NOT NULL
  AND NOT EXISTS (SELECT FROM kept);

-- name: file_confirm :row
SELECT :columns(file)
FROM file_confirm(:file_id::uuid, @user, :sha256::bytea) f
:joins(file);

-- name: file_download :row
-- Where its content is; a download counts when it is asked for.
SELECT o.id::text AS object_id, o.tenant_id::text AS tenant_id, o.backend, o.content_type, o.size, f.name,
       NULL::text AS declared_sha256, NULL::text AS upload_id,
       usage_consume(o.organization_id, o.user_id, '{"file_downloads": 1}') AS is_counted
FROM files f
JOIN stored_objects o ON o.tenant_id = f.tenant_id AND o.id = f.object_id
WHERE f.tenant_id = @tenant AND f.id = :file_id AND f.owner_id = @user AND f.uploaded_at IS NOT NULL;

-- name: file_delete :row
SELECT d.id FROM file_delete(:file_id::uuid, @user) d (id) WHERE d.id IS NOT NULL;
