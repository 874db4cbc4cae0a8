-- Who is new on the observability surface; see sql/functions/traces/sign_up.sql.

-- name: sign_up_tenant :row
-- Whose a request is whose token is another issuer's. NULL: nobody's.
SELECT tenant_of(:tenant::uuid, :key::bytea)::text AS tenant;

-- name: opsboard_sign_up :exec
SELECT opsboard_sign_up(:tenant::uuid, :issuer::text, :subject::text, :session::uuid, :key_hash::bytea, :key_sealed::text);
