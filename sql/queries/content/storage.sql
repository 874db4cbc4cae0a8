-- Stored objects: what asks for one by itself.

-- name: stored_object_awaited :row
-- Behind a signed link: may its content still come?
SELECT o.size
FROM stored_objects o
WHERE o.tenant_id = @tenant AND o.id = :object_id AND o.state = 'awaited' AND o.expires_at > now();

-- name: stored_object_gone :maybe
SELECT o.id::text AS object_id, o.tenant_id::text AS tenant_id, o.backend, o.upload_id
FROM stored_objects o
WHERE o.tenant_id = @tenant AND o.id = :object_id AND o.state = 'gone';

-- name: stored_object_forget :exec
SELECT stored_object_forget(:object_id::uuid);

-- name: storage_expire :row
SELECT storage_expire(:most::integer) AS expired;

-- name: storage_known :rows
SELECT k::text AS id FROM unnest(storage_known(:ids::uuid[], :states::text[])) k;

-- name: storage_next :rows
SELECT k::text AS id FROM unnest(storage_next(:behind::uuid, 1000, :backend)) k;
