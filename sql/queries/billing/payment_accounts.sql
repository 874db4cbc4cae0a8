-- A tenant's own account at a provider of payments.  No answer has a key.

-- columns: payment_account
SELECT a.provider, a.is_enabled, a.account AS account_id, a.is_live, a.key_tail AS secret_key_last4, a.webhook_secret_tail AS webhook_secret_last4,
       format('%s/api/v1/public/webhooks/%s/%s', @public_url::text, a.provider, a.tenant_id) AS webhook_url, a.created_at, a.updated_at
FROM payment_accounts a;

-- name: payment_account_list :rows
-- scan: a tenant has one for each provider
SELECT :columns(payment_account)
FROM payment_accounts a
WHERE a.tenant_id = @tenant
ORDER BY a.provider;

-- name: payment_account_begin :row
-- Lets the caller in, and tells which tenant this is about: in test mode it is not the token's.
SELECT t.id::text AS tenant, t.test_of IS NOT NULL AS is_test FROM tenants t WHERE t.id = app_tenant();

-- name: payment_account_put :exec
SELECT payment_account_put(:provider, :is_enabled::boolean, :account, :is_live::boolean, :key_sealed, :key_tail, :has_webhook_secret, :webhook_sealed, :webhook_tail);

-- name: payment_account_get :row
SELECT :columns(payment_account)
FROM payment_accounts a
WHERE a.tenant_id = @tenant AND a.provider = :provider;

-- name: payment_account_delete :row
SELECT a.provider FROM payment_account_delete(:provider) a;

-- name: payment_account_webhook :maybe
-- What the webhooks of a tenant's own account are signed with.
SELECT a.webhook_secret_sealed AS sealed
FROM payment_accounts a
WHERE a.tenant_id = @tenant AND a.provider = :provider AND a.is_enabled;
