-- Keys of organizations on the operations surface; see sql/functions/tenancy/operations_keys.sql.

-- columns: operations_key
SELECT k.id, k.organization_id, k.name, k.description, k.prefix || '********' || s.last_four AS masked_key, k.scopes,
       k.allowed_ranges::text[] AS allowed_networks, k.is_active, k.expires_at, k.last_used_at, k.usage_count,
       operations_user_number(k.creator_id) AS created_by, k.created_at, k.updated_at, k.revoked_at, k.rotated_at,
       (SELECT p.expires_at FROM api_key_secrets p
        WHERE p.tenant_id = k.tenant_id AND p.key_id = k.id AND p.place = 2 AND p.expires_at > now()) AS previous_key_expires_at
FROM api_keys k
JOIN api_key_secrets s ON s.tenant_id = k.tenant_id AND s.key_id = k.id AND s.place = 1;

-- name: operations_key_list :page
-- unindexed: those of one organization, of whatever type, and at most a thousand
SELECT :columns(operations_key)
FROM operations_org_role(:organization_id::uuid, 'owner', 'admin', 'member', 'developer') mine
CROSS JOIN LATERAL (SELECT * FROM api_keys x
                    WHERE x.tenant_id = @tenant AND x.organization_id = :organization_id AND x.type = 'organization' AND x.deleted_at IS NULL
                      AND mine IS NOT NULL
                    OFFSET 0) k
:joins(operations_key)
ORDER BY k.created_at DESC, k.id DESC;

-- name: operations_key_get :row
SELECT :columns(operations_key), k.updated_at AS _updated_at
FROM operations_org_role(:organization_id::uuid, 'owner', 'admin', 'member', 'developer') mine
CROSS JOIN LATERAL (SELECT * FROM api_keys x
                    WHERE x.tenant_id = @tenant AND x.organization_id = :organization_id AND x.id = :key_id AND x.type = 'organization'
                      AND x.deleted_at IS NULL AND mine IS NOT NULL
                    OFFSET 0) k
:joins(operations_key);

-- name: operations_key_create :row
SELECT made(operations_key_create(:organization_id::uuid, :name, :description, coalesce(:scopes::text[], '{tasks:read,agents:read,templates:read}'),
                                  :ranges::cidr[], :expires_at::timestamptz, left(:key_text, 12), right(:key_text, 4), :key_hash::bytea)) AS id;

-- name: operations_key_renew :row
SELECT made(operations_key_renew(:organization_id::uuid, :key_id::uuid, :grace::integer, left(:key_text, 12), right(:key_text, 4), :key_hash::bytea,
                                 :action::text)) AS id;

-- name: operations_key_shown :row
-- Behind those: the one time that it is answered in full.
SELECT :columns(operations_key), :key_text::text AS key
FROM api_keys k
:joins(operations_key)
WHERE k.tenant_id = @tenant AND k.id = @made;

-- name: operations_key_update :row
WITH before AS (
    SELECT k.id, to_jsonb(k) AS row
    FROM operations_key_lock(:organization_id::uuid, :key_id::uuid) key
    JOIN api_keys k ON k.tenant_id = @tenant AND k.id = key
), changed AS (
    UPDATE api_keys k
    SET :set(k.name, k.description, k.is_active),
        scopes = CASE WHEN :has_scopes THEN workspace_key_scopes(:scopes::text[]) ELSE k.scopes END,
        allowed_ranges = coalesce(:ranges::cidr[], k.allowed_ranges)
    FROM before b
    WHERE k.tenant_id = @tenant AND k.id = b.id AND if_match(k.updated_at, :if_match)
      AND valid(:has_name::boolean OR :has_description::boolean OR :has_scopes::boolean OR :has_is_active::boolean OR :has_allowed_networks::boolean,
                'name', 'send name, description, scopes, is_active or allowed_networks')
      AND api_key_open(k.revoked_at)
    RETURNING k.*, changed_fields(b.row, to_jsonb(k) - '{usage_count,last_used_at}'::text[]) AS fields
)
SELECT :columns(operations_key), k.updated_at AS _updated_at,
       CASE WHEN k.fields <> '[]'
            THEN operations_key_note('key.update', k.id, jsonb_build_object('fields', k.fields, 'is_active', k.is_active, 'scopes', k.scopes)) END AS _noted
FROM changed k
:joins(operations_key);

-- name: operations_key_revoke :row
SELECT made(operations_key_revoke(:organization_id::uuid, :key_id::uuid)) AS id;

-- name: operations_key_revoked :row
SELECT :columns(operations_key)
FROM api_keys k
:joins(operations_key)
WHERE k.tenant_id = @tenant AND k.id = @made;

-- name: operations_key_delete :row
SELECT operations_key_delete(:organization_id::uuid, :key_id::uuid) AS id, true AS deleted;

-- name: operations_key_use_list :page
-- The latest hundred; the total is that of those that are kept.
-- total: (SELECT coalesce(sum(d.count), 0)::bigint FROM api_key_use_days d WHERE d.tenant_id = @tenant AND d.key_id = :key_id AND d.day >= api_key_uses_since())
-- unindexed: a hundred
SELECT u.number AS id, u.key_id AS api_key_id, u.method, u.path, u.status AS status_code, u.latency_ms, host(u.ip) AS ip, u.user_agent, u.created_at
FROM operations_key_seen(:organization_id::uuid, :key_id::uuid) seen
CROSS JOIN LATERAL (SELECT * FROM api_key_uses x
                    WHERE x.tenant_id = @tenant AND x.key_id = seen AND x.created_at >= api_key_uses_since()::timestamp AT TIME ZONE 'UTC'
                    ORDER BY x.number DESC LIMIT 100) u
ORDER BY u.number DESC;

-- name: api_key_uses_note :row
-- What the housekeeper asks: see sql/functions/tenancy/key_uses.sql.
SELECT api_key_uses_note(:uses::jsonb) AS noted;
