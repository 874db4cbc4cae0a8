-- Uploads that can be resumed: a file that is awaited, found by its object, which a signed address names.

-- name: tus_await :row
-- Its size is held for as long as the address is good.
WITH made AS (
    INSERT INTO files (tenant_id, owner_id, object_id, name)
    SELECT u.tenant_id, u.id,
           stored_object_await(u.default_organization_id, u.id, :backend, :content_type, :size::bigint,
                               now() + (:ttl_s::bigint + 86400) * interval '1 second', :sha256::bytea), :name
    FROM users u
    WHERE u.tenant_id = @tenant AND u.id = @user
    RETURNING *
)
SELECT m.id::text AS file_id, m.object_id::text AS object_id, m.tenant_id::text AS tenant_id
FROM made m;

-- name: tus_find :row
-- What has come in time, or may still.
SELECT f.id::text AS file_id, o.id::text AS object_id, o.backend, o.content_type, o.size, o.declared_sha256::text AS declared_sha256,
       o.state = 'stored' AS is_stored, coalesce(extract(epoch FROM o.expires_at)::bigint, 0) AS expires_at
FROM stored_objects o
JOIN files f ON f.tenant_id = o.tenant_id AND f.object_id = o.id
WHERE o.tenant_id = @tenant AND o.id = :object_id AND (o.state = 'stored' OR (o.state = 'awaited' AND o.expires_at > now()));

-- name: tus_confirm :row
SELECT c.id
FROM files f, file_confirm(f.id, f.owner_id, :sha256::bytea) c
WHERE f.tenant_id = @tenant AND f.object_id = :object_id;

-- name: tus_end :exec
SELECT file_delete(f.id, f.owner_id)
FROM files f
WHERE f.tenant_id = @tenant AND f.object_id = :object_id AND f.uploaded_at IS NULL;
