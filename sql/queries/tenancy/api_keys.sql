-- API keys of the tenant itself: of those of the mode that the caller works in (test or live), which
-- is the tenant that the door has put the transaction into.  Those of its workspaces are in workspace_keys.sql.

-- columns: api_key
-- And the key, where it may be shown.
SELECT k.id, k.name, k.type, k.prefix, k.allowed_origins, k.is_active, k.allows_writes, k.created_by, k.last_used_at, k.revoked_at,
       k.created_at
FROM api_keys k;

-- name: api_key_list :rows
-- Newest first.  Of a secret key there is nothing to show but its prefix.
-- scan: all of a tenant's keys are shown, in the order of the index
SELECT :columns(api_key), k.public_text AS key
FROM api_keys k
WHERE k.tenant_id = @tenant AND k.organization_id IS NULL AND (:include_revoked OR k.revoked_at IS NULL)
ORDER BY k.created_at DESC, k.id DESC
LIMIT :limit OFFSET :skip;

-- name: api_key_create :row
-- The one time that a secret key is answered in full.
WITH made AS (
    INSERT INTO api_keys
    :values(tenant_id = @tenant, name, type, allows_writes, prefix = left(:key_text, 12), hash = :key_hash::bytea,
            public_text = CASE :type WHEN 'public' THEN :key_text END, allowed_origins = :origins::text[], created_by = @team)
    RETURNING *
)
SELECT :columns(api_key), :key_text::text AS key,
       audit('key.create', 'api_key', k.id::text,
             jsonb_build_object('name', k.name, 'type', k.type, 'prefix', k.prefix, 'allows_writes', k.allows_writes,
                                'allowed_origins', CASE k.type WHEN 'public' THEN to_jsonb(k.allowed_origins) END)) AS _noted
FROM made k;

-- name: api_key_update :row
-- Fields that were not sent keep their value.  Of two at once the second waits
-- and looks again: what is revoked stays as it is.
WITH before AS (
    SELECT k.id, to_jsonb(k) AS row
    FROM api_keys k
    WHERE k.tenant_id = @tenant AND k.id = :key_id AND k.organization_id IS NULL
), changed AS (
    UPDATE api_keys k
    SET :set(k.name, k.is_active, k.allows_writes),
        allowed_origins = CASE WHEN :has_allowed_origins THEN :origins::text[]
                               ELSE k.allowed_origins END
    FROM before b
    WHERE k.tenant_id = @tenant AND k.id = b.id AND api_key_open(k.revoked_at)
    RETURNING k.*, changed_fields(b.row, to_jsonb(k)) AS fields
)
SELECT :columns(api_key), k.public_text AS key,
       CASE WHEN fields <> '[]'
            THEN audit('key.update', 'api_key', id::text,
                       jsonb_build_object('prefix', prefix, 'fields', fields, 'is_active', is_active, 'allows_writes', allows_writes)) END AS _noted
FROM changed k;

-- name: api_key_revoke :row
-- Once; revoked again it stays revoked since then.
WITH gone AS (
    UPDATE api_keys
    SET revoked_at = now()
    WHERE tenant_id = @tenant AND id = :key_id AND organization_id IS NULL AND revoked_at IS NULL
    RETURNING id, prefix
)
SELECT k.id,
       (SELECT audit('key.revoke', 'api_key', g.id::text, jsonb_build_object('prefix', g.prefix)) FROM gone g) AS _noted
FROM api_keys k
WHERE k.tenant_id = @tenant AND k.id = :key_id AND k.organization_id IS NULL;

-- name: api_key_used :exec
-- Behind an answer, outside of the request.
SELECT api_key_used(:key::bytea);

-- name: api_key_organization :row
-- The same of a key of an organization: whose it is.
SELECT api_key_organization(:key::bytea) AS organization_id;

-- name: api_key_access :row
-- What the caller's credentials are for, as far as assistants want to know; the door has let them in.
SELECT CASE WHEN k.type = 'public' AND (SELECT app_user()) IS NULL THEN 'public_key'
            WHEN (SELECT app_user()) IS NULL AND k.id IS NULL THEN 'none'
            WHEN (SELECT app_user()) IS NULL THEN 'key'
            WHEN k.type = 'secret' THEN 'key_and_user' ELSE 'user' END AS kind,
       k.scopes, coalesce(k.allows_writes, false) AS allows_writes
FROM (VALUES (1)) one
LEFT JOIN api_keys k ON k.tenant_id = @tenant AND k.hash = decode(current_setting('app.key_hash', true), 'hex');
