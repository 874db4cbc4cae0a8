-- What the runtime itself asks; no endpoint names these.

-- name: key_page :exec
-- One row: the page is of an origin that the public key allows.
SELECT true AS is_page WHERE key_has_page(:key::bytea, :origin::text);

-- name: transaction_timeout :exec
-- Where a connection's options do not reach the server: behind PgBouncer.
SELECT set_config('statement_timeout', :timeout_ms, true);

-- name: user_provision :exec
-- After the door raised AS001; role is the one that the issuer's settings allow, NULL: none.
SELECT user_provision(:tenant::uuid, :key::bytea, :issuer::text, :subject::text, :email::text, :email_key::text, :role::text);

-- name: ready_check :row
-- The readiness probe, as an anonymous caller: the default tenant is there from
-- the first migration on.
SELECT EXISTS (SELECT FROM tenants WHERE id = @tenant) AS ready;

-- name: ready_room :row
-- See sql/functions/runtime/ready.sql.
SELECT ready_room() AS has_room;

-- name: idempotency_begin :exec
-- Before the request's own statements; see sql/functions/runtime/idempotency.sql for what it raises.
SELECT idempotency_begin(:principal, :route, :key, :body_hash::bytea);

-- name: idempotency_get :row
-- The stored answer; no row: it was purged in between, and the request may be run again.
SELECT status, headers, body
FROM idempotency_keys
WHERE tenant_id = @tenant AND principal = :principal AND route = :route AND key = :key
  AND created_at > now() - interval '24 hours';

-- name: idempotency_store :exec
-- In the transaction of the request whose answer it is, behind its statements.
-- A row that is there is a day old, or idempotency_begin had found it.
INSERT INTO idempotency_keys (tenant_id, principal, route, key, body_hash, status, headers, body)
VALUES (@tenant, :principal, :route, :key, :body_hash, :status, :headers, :body)
ON CONFLICT (tenant_id, principal, route, key) DO UPDATE
SET body_hash = excluded.body_hash, status = excluded.status, headers = excluded.headers,
    body = excluded.body, created_at = excluded.created_at;

-- name: wake_notify :exec
-- What was marked since the last time; see lib/db/wake.h.
SELECT pg_notify(c, '') FROM unnest(:channels::text[]) c;

-- name: purge :row
-- Of all tenants and tables, at most :batch rows of each; call again while it deletes that many.
SELECT purge(:batch::integer) AS deleted;

-- name: issuer_find :row
-- For a token of an issuer that is not configured; see sql/functions/tenancy/issuers.sql.
SELECT tenant_id::text, id::text, version, issuer, jwks_url, secret_sealed, audience, email_claim, role_claim, max_role
FROM issuer_find(:tenant::uuid, :key::bytea, :name::text);
