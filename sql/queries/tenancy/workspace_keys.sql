-- Keys of a workspace: rows of api_keys of the type workspace.  Those of the type organization are in operations_keys.sql.

-- columns: workspace_key
-- The key itself is nowhere: of it there is a SHA-256.
SELECT k.id, k.name, k.description, k.prefix AS key_prefix, k.scopes, k.allowed_ranges::text[] AS allowed_ranges, k.is_active,
       k.revoked_at IS NOT NULL AS is_revoked, k.revoked_at, k.revoked_by AS revoked_by_id, k.revoke_reason, k.expires_at, k.last_used_at,
       k.usage_count, k.rotated_from AS rotated_from_id, k.made_by AS created_by_id, k.created_at, k.updated_at
FROM api_keys k;

-- name: workspace_key_list :rows
SELECT :columns(workspace_key)
FROM api_keys k
WHERE k.tenant_id = @tenant AND k.organization_id = @workspace AND k.type = 'workspace'
  [AND k.is_active = :is_active]
  [AND (k.revoked_at IS NOT NULL) = :is_revoked]
ORDER BY k.created_at DESC, k.id DESC
LIMIT :limit OFFSET :skip;

-- name: workspace_key_count :row
SELECT count(*) AS count
FROM api_keys k
WHERE k.tenant_id = @tenant AND k.organization_id = @workspace AND k.type = 'workspace'
  AND (:is_active::boolean IS NULL OR k.is_active = :is_active)
  AND (:is_revoked::boolean IS NULL OR (k.revoked_at IS NOT NULL) = :is_revoked);

-- name: workspace_key_get :row
SELECT :columns(workspace_key)
FROM api_keys k
WHERE k.tenant_id = @tenant AND k.organization_id = @workspace AND k.type = 'workspace' AND k.id = :api_key_id;

-- name: workspace_key_self :row
-- The key that the caller has: the door has let it in.
SELECT k.id, k.name, k.prefix AS key_prefix, k.organization_id AS workspace_id, k.scopes, k.expires_at
FROM api_keys k
WHERE k.tenant_id = @tenant AND k.organization_id = @workspace
  AND k.id = (SELECT s.key_id FROM api_key_secrets s WHERE s.hash = decode(current_setting('app.key_hash', true), 'hex'));

-- name: workspace_key_create :row
-- The one time that the key is answered in full.
WITH made AS (
    INSERT INTO api_keys
    :values(tenant_id = @tenant, organization_id = @workspace, type = 'workspace', name, description, prefix = left(:key_text, 13),
            hash = :key_hash::bytea, scopes = workspace_key_scopes(coalesce(:scopes::text[], '{data:read}')),
            allowed_ranges = coalesce(:ranges::cidr[], '{}'), expires_at, made_by = @member)
    WHERE valid(coalesce(:expires_at > now(), true), 'expires_at', 'that time is past: the key would be of no use')
    RETURNING *
)
SELECT :columns(workspace_key), :key_text::text AS key,
       workspace_key_audit('key.create', k.id, k.name, k.prefix, jsonb_build_object('scopes', k.scopes, 'allowed_ranges', k.allowed_ranges::text[], 'expires_at', k.expires_at)) AS _noted
FROM made k;

-- name: workspace_key_update :row
-- What was not sent keeps its value.
WITH before AS (
    SELECT k.id, to_jsonb(k) AS row
    FROM api_keys k
    WHERE k.tenant_id = @tenant AND k.organization_id = @workspace AND k.type = 'workspace' AND k.id = :api_key_id
), changed AS (
    UPDATE api_keys k
    SET :set(k.name, k.description, k.is_active),
        scopes = CASE WHEN :has_scopes THEN workspace_key_scopes(:scopes::text[]) ELSE k.scopes END,
        allowed_ranges = coalesce(:ranges::cidr[], k.allowed_ranges)
    FROM before b
    WHERE k.tenant_id = @tenant AND k.organization_id = @workspace AND k.type = 'workspace' AND k.id = b.id AND if_match(k.updated_at, :if_match) AND api_key_open(k.revoked_at)
    RETURNING k.*, changed_fields(b.row, to_jsonb(k) - '{usage_count,last_used_at}'::text[]) AS fields
)
SELECT :columns(workspace_key),
       CASE WHEN k.fields <> '[]'
            THEN workspace_key_audit('key.update', k.id, k.name, k.prefix,
                                     jsonb_build_object('fields', k.fields, 'is_active', k.is_active, 'scopes', k.scopes)) END AS _noted
FROM changed k;

-- name: workspace_key_toggle :row
WITH changed AS (
    UPDATE api_keys k SET is_active = NOT k.is_active
    WHERE k.tenant_id = @tenant AND k.organization_id = @workspace AND k.type = 'workspace' AND k.id = :api_key_id AND api_key_open(k.revoked_at)
    RETURNING *
)
SELECT :columns(workspace_key),
       workspace_key_audit('key.update', k.id, k.name, k.prefix, jsonb_build_object('fields', '["is_active"]'::jsonb, 'is_active', k.is_active)) AS _noted
FROM changed k;

-- name: workspace_key_revoke :row
WITH changed AS (
    UPDATE api_keys k SET revoked_at = now(), revoked_by = @member, revoke_reason = :reason
    WHERE k.tenant_id = @tenant AND k.organization_id = @workspace AND k.type = 'workspace' AND k.id = :api_key_id AND api_key_open(k.revoked_at)
    RETURNING *
)
SELECT :columns(workspace_key), workspace_key_audit('key.revoke', k.id, k.name, k.prefix, jsonb_build_object('reason', k.revoke_reason)) AS _noted
FROM changed k;

-- name: workspace_key_rotate :row
SELECT made(workspace_key_rotate(:api_key_id, left(:key_text, 13), :key_hash::bytea, :grace_seconds::integer)) AS id;

-- name: workspace_key_rotated :row
-- Behind it: the new one, in full this one time.
SELECT :columns(workspace_key), :key_text::text AS key
FROM api_keys k
WHERE k.tenant_id = @tenant AND k.organization_id = @workspace AND k.type = 'workspace' AND k.id = @made;

-- name: workspace_key_delete :row
WITH gone AS (
    DELETE FROM api_keys k
    WHERE k.tenant_id = @tenant AND k.organization_id = @workspace AND k.type = 'workspace' AND k.id = :api_key_id
    RETURNING *
)
SELECT :columns(workspace_key), workspace_key_audit('key.delete', k.id, k.name, k.prefix, '{}') AS _noted
FROM gone k;
