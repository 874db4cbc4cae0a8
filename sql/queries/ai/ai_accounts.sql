-- A tenant's own accounts at providers of language models.  No answer has a key.

-- columns: ai_account
SELECT a.provider, a.is_enabled, a.base_url, a.key_tail AS api_key_last4, a.created_at, a.updated_at
FROM ai_accounts a;

-- name: ai_account_list :rows
-- scan: a tenant has one for each provider
SELECT :columns(ai_account)
FROM ai_accounts a
WHERE a.tenant_id = @tenant
ORDER BY a.provider;

-- name: ai_account_begin :row
-- Lets the caller in, and tells which tenant this is about: in test mode it is not the token's.
SELECT t.id::text AS tenant FROM tenants t WHERE t.id = app_tenant();

-- name: ai_account_put :exec
SELECT ai_account_put(:provider, :is_enabled::boolean, :has_base_url, :base_url, :key_sealed, :key_tail);

-- name: ai_account_get :row
SELECT :columns(ai_account)
FROM ai_accounts a
WHERE a.tenant_id = @tenant AND a.provider = :provider;

-- name: ai_account_delete :row
DELETE FROM ai_accounts a
WHERE a.tenant_id = @tenant AND a.provider = :provider
RETURNING a.provider;

-- name: ai_account_own :rows
-- What the tenant's calls are asked with.
-- scan: a tenant has one for each provider
SELECT a.tenant_id::text AS tenant, a.provider, a.base_url, a.key_sealed
FROM ai_accounts a
WHERE a.tenant_id = @tenant AND a.is_enabled;
