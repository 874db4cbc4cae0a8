-- Issuers that a tenant trusts.  At most ten of a tenant: see issuer_create().

-- columns: issuer
SELECT i.id, i.name, i.issuer, i.jwks_url, i.secret_sealed IS NOT NULL AS has_secret, i.audience, i.email_claim,
       i.role_claim, i.max_role, i.is_enabled, k.fetched_at AS keys_fetched_at, k.failure AS keys_failure,
       i.created_at, i.updated_at
FROM tenant_issuers i
LEFT JOIN jwks k ON k.issuer = 'url:' || i.jwks_url;

-- name: issuer_tenant :row
-- Lets the caller in, and tells which tenant this is about: in test mode it is not the token's.
SELECT app_tenant()::text AS tenant;

-- name: issuer_list :rows
-- scan: all of a tenant's, which are ten at most
SELECT :columns(issuer)
FROM tenant_issuers i
:joins(issuer)
WHERE i.tenant_id = @tenant
ORDER BY i.id
LIMIT 10;

-- name: issuer_create :row
SELECT :columns(issuer)
FROM issuer_create(:name::text, :issuer::text, :jwks_url::text, :secret_sealed::text, :audience::text,
                   :email_claim::text, :role_claim::text, :max_role::text, :is_enabled::boolean) i
:joins(issuer);

-- name: issuer_update :row
-- What is NULL and was not sent stays; a new key takes the place of one of the other kind.
SELECT :columns(issuer)
FROM issuer_update(:issuer_id::uuid, :name::text, :issuer::text, :jwks_url::text, :secret_sealed::text,
                   :has_audience::boolean, :audience::text, :email_claim::text, :has_role_claim::boolean,
                   :role_claim::text, :max_role::text, :is_enabled::boolean) i
:joins(issuer);

-- name: issuer_delete :row
-- No row: there is none with this id.
WITH gone AS (
    DELETE FROM tenant_issuers
    WHERE tenant_id = @tenant AND id = :issuer_id
    RETURNING id, issuer
)
SELECT id, audit('issuer.delete', 'issuer', id::text, jsonb_build_object('issuer', issuer))::text AS audited
FROM gone;
