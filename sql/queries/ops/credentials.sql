-- Secrets of the installation's operator; see sql/functions/ops/credentials.sql.

-- columns: credential
SELECT c.key, c.description, operations_user_number(c.updated_by_id)::bigint AS updated_by, c.created_at, c.updated_at
FROM credentials c;

-- name: credential_list :page
-- scan: a page of the index that is the list's order
SELECT :columns(credential)
FROM credentials c
WHERE c.tenant_id = @tenant
ORDER BY c.key;

-- name: credential_enter :maybe
-- May the caller save one?  For the refusal that comes behind that.
SELECT true AS entered;

-- name: credential_put :row
SELECT :key::text AS key, s.stored_description AS description, operations_user_number(@user)::bigint AS updated_by,
       s.stored_created_at AS created_at, s.stored_updated_at AS updated_at
FROM credential_store(:key::text, :value_sealed::text, :description::text) s,
     credential_note('saved', :key::text, jsonb_build_object('version', s.stored_version, 'rolled_back_to', :version::integer));

-- name: credential_read :maybe
-- It is written down that somebody reads it; where the value does not open, nobody has.
SELECT :columns(credential), v.value_sealed AS _sealed
FROM credentials c
JOIN credential_versions v ON v.tenant_id = c.tenant_id AND v.key = c.key AND v.version = c.version,
     credential_note('read', c.key, jsonb_build_object('version', c.version))
WHERE c.tenant_id = @tenant AND c.key = :credential_key;

-- name: credential_delete :row
WITH gone AS (
    DELETE FROM credentials c WHERE c.tenant_id = @tenant AND c.key = :credential_key RETURNING c.key
)
SELECT g.key AS id, true AS deleted
FROM gone g, credential_note('deleted', g.key);

-- name: credential_version_list :page
-- The latest first, of at most ten.
SELECT v.version, v.version = c.version AS is_current, operations_user_number(v.made_by_id)::bigint AS updated_by, v.created_at
FROM credential_versions v
JOIN credentials c ON c.tenant_id = v.tenant_id AND c.key = v.key
WHERE v.tenant_id = @tenant AND v.key = :credential_key AND v.key = credential_known(:credential_key)
ORDER BY v.version DESC;

-- name: credential_version :maybe
-- What is to be the value again, behind the credential's lock; no row: there is no such credential; null: it has no such version.
SELECT (SELECT v.value_sealed FROM credential_versions v WHERE v.tenant_id = @tenant AND v.key = c.key AND v.version = :version::integer) AS _sealed
FROM credentials c
WHERE c.tenant_id = @tenant AND c.key = :credential_key
FOR NO KEY UPDATE;
