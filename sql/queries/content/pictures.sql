-- Pictures of members; see sql/functions/content/pictures.sql.

-- name: picture_await :row
-- Room for what is about to be written.
SELECT picture_await(:member_id::uuid, :backend, :content_type, :size::bigint)::text AS object_id, (@tenant)::text AS tenant;

-- name: picture_give_up :exec
SELECT stored_object_drop(:object::uuid);

-- name: picture_put :exec
-- Behind it picture_shown.
SELECT picture_put(:member_id::uuid, :object::uuid, :sha256::bytea, :key_hash::bytea, :avatar_url::text);

-- name: picture_shown :row
SELECT :avatar_url::text AS avatar_url, :place::text AS path;

-- name: picture_find :row
-- No row: there is none.
SELECT o.id::text AS object_id, o.tenant_id::text AS tenant, o.backend, o.content_type
FROM pictures p
JOIN stored_objects o ON o.tenant_id = p.tenant_id AND o.id = p.object_id AND o.state = 'stored'
WHERE p.tenant_id = @tenant AND p.key_hash = :key_hash::bytea;
