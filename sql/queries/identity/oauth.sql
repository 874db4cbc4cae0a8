-- Signing in through another service; see sql/functions/identity/oauth.sql.

-- name: oauth_providers_list :rows
-- scan: a tenant has at most one row for each provider that there is.
SELECT o.provider, CASE o.provider WHEN 'google' THEN 'Google' END AS name
FROM oauth_providers o
WHERE o.tenant_id = @tenant AND o.is_enabled
ORDER BY o.provider;

-- name: oauth_client :row
-- What the tenant is at the provider, and whether it gets tokens at this page.
-- No row: it was never set up.
SELECT o.tenant_id::text AS tenant, o.is_enabled AND t.is_active AS is_enabled, o.client_id, o.client_secret_sealed,
       :redirect_uri::text = ANY (o.redirect_uris) AS is_allowed
FROM oauth_providers o
JOIN tenants t ON t.id = o.tenant_id
WHERE o.tenant_id = @tenant AND o.provider = :provider;

-- name: oauth_sign_in :row
SELECT s.user_id::text AS user_id, s.refusal
FROM oauth_sign_in(:provider, :issuer, :subject, :email_key, :email, :is_verified::boolean, :full_name, :avatar_url) s;
