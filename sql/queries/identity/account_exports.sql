-- What a person is given of theirs (sql/functions/identity/account_exports.sql).

-- columns: account_export
SELECT x.id, x.status, x.file_size, CASE WHEN x.object_id IS NOT NULL AND x.expires_at > now() THEN :download_url::text END AS download_url,
       CASE WHEN x.object_id IS NOT NULL AND x.expires_at > now() THEN least(now() + interval '10 minutes', x.expires_at) END AS link_expires_at,
       x.error_message, x.created_at, x.completed_at, x.expires_at
FROM account_exports x;

-- name: account_export_start :row
SELECT s.id, 'queued' AS status, '/api/v1/auth/me/export' AS status_url
FROM (SELECT account_export_start() AS id) s;

-- name: account_export_file :maybe
-- The newest of the caller's, with what a link to its file takes.
SELECT o.tenant_id::text AS tenant_id, o.id::text AS object_id, o.backend, o.content_type,
       'account-' || to_char(x.completed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') || '.zip' AS file_name,
       least(600, ceil(extract(epoch FROM x.expires_at - now())))::bigint AS ttl_s
FROM account_exports x
LEFT JOIN stored_objects o ON o.tenant_id = x.tenant_id AND o.id = x.object_id AND x.expires_at > now()
WHERE x.tenant_id = @tenant AND x.user_id = @user
ORDER BY x.created_at DESC LIMIT 1;

-- name: account_export_get :row
SELECT :columns(account_export)
FROM account_exports x
WHERE x.tenant_id = @tenant AND x.user_id = @user
ORDER BY x.created_at DESC LIMIT 1;

-- name: account_export_rows :rows
SELECT r.name, r.line FROM account_export_rows(:export::uuid) r;

-- name: account_export_files :rows
SELECT f.path, f.object_id::text AS object_id, (@tenant)::text AS tenant_id, f.backend, f.content_type, f.size FROM account_export_files(:export::uuid) f;

-- name: account_export_await :row
SELECT account_export_await(:export::uuid, :backend, :size::bigint)::text AS object_id, (@tenant)::text AS tenant_id;

-- name: account_export_done :exec
SELECT account_export_done(:export::uuid, :size::bigint, :object::uuid, :sha256::bytea);

-- name: account_export_failed :exec
SELECT account_export_failed(:export::uuid, :message);
