-- What the owner's commands ask (mails, migrate, seed, tenant, user, token).  Their names
-- begin with "owner_": the api's role may not run them, and need not.

-- name: owner_tenant_enter :row
-- Row-level security binds the owner too: be in the tenant with this slug, for
-- the rest of the connection.  No row: there is none.
SELECT id, set_config('app.tenant_id', id::text, false) AS entered
FROM tenants
WHERE slug = :slug AND test_of IS NULL;

-- name: owner_migrate_lock :row
-- One migration at a time; held until the connection ends.
SELECT pg_try_advisory_lock(hashtextextended('ashlar migrate', 0)) AS locked;

-- name: owner_migrate_wait :exec
SELECT pg_advisory_lock(hashtextextended('ashlar migrate', 0));

-- name: owner_migrate_is_new :row
SELECT to_regclass('schema_migrations') IS NULL AS is_new;

-- name: owner_migration_list :rows
SELECT version, name, encode(checksum, 'hex') AS checksum, to_char(applied_at, 'YYYY-MM-DD HH24:MI:SS') AS applied_at
FROM schema_migrations
ORDER BY version;

-- name: owner_migration_record :exec
INSERT INTO schema_migrations (version, name, checksum) VALUES (:version, :name, decode(:checksum, 'hex'));

-- name: owner_function_list :rows
SELECT name, encode(checksum, 'hex') AS checksum
FROM schema_functions
ORDER BY name;

-- name: owner_function_record :exec
INSERT INTO schema_functions (name, checksum) VALUES (:name, decode(:checksum, 'hex'))
ON CONFLICT (name) DO UPDATE SET checksum = excluded.checksum, applied_at = now();

-- name: owner_user_create :row
-- A user of our own: its public id is made here, and the operator vouches for
-- the address.  password_hash NULL: without a password.  No row: the address is taken.
INSERT INTO users (tenant_id, public_id, email, full_name, role, password_hash, is_email_verified)
VALUES (:tenant_id, 'user_' || replace(uuid_v7()::text, '-', ''), lower(:email), :full_name, :role, :password_hash, true)
ON CONFLICT (tenant_id, email) WHERE deleted_at IS NULL DO NOTHING
RETURNING id, public_id, email, role;

-- name: owner_user_password :row
-- Everybody who is signed in as the user is out with it.  No row: there is no such user.
SELECT p AS public_id, audit('password.reset', 'user', p, '{"by": "ashlar user password"}')
FROM user_vouch_password(:email, :password_hash) p;

-- name: owner_user_find :row
-- By address, of those who may sign in.
SELECT u.id, u.public_id, u.email, u.role, u.tenant_id
FROM users u
WHERE u.tenant_id = :tenant_id AND u.email = lower(:email) AND u.is_active AND u.deleted_at IS NULL;

-- name: owner_session_create :row
-- For the user :owner, in whole seconds, as tokens tell time.
INSERT INTO sessions (tenant_id, user_id, expires_at, user_agent)
VALUES (:tenant_id, :owner, date_trunc('second', now()) + make_interval(secs => :ttl_s::integer), 'ashlar token')
RETURNING id, extract(epoch FROM date_trunc('second', now()))::bigint AS iat, extract(epoch FROM expires_at)::bigint AS exp;

-- name: owner_mail_list :rows
-- The newest mails that wait, of all tenants or of one with its test mode; the oldest of them first.
-- scan: an operator looks, at what is short while the worker runs
SELECT m.tenant, m.id, to_char(m.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS created_at,
       m.is_test, m.tenant_id, m.payload
FROM (SELECT t.slug AS tenant, j.id, j.created_at, t.test_of IS NOT NULL AS is_test, j.tenant_id, j.payload
      FROM jobs j JOIN tenants t ON t.id = j.tenant_id
      WHERE j.kind = 'mail' AND j.state IN ('scheduled', 'queued', 'running') AND (:slug::text IS NULL OR t.slug = :slug)
        AND (:recipient::text IS NULL OR lower(j.payload ->> 'to') = lower(:recipient))
      ORDER BY j.created_at DESC, j.id DESC
      LIMIT :limit::integer) m
ORDER BY m.created_at, m.id;

-- name: owner_seed_scale :exec
-- For sql/scale: how many users there are to be.
SELECT set_config('seed.users', :users, false);

-- name: owner_audit_tenant_list :rows
-- Whose chains there are: each tenant, and its test mode; of one slug, or of all.
-- scan: of all it is all of them
SELECT id, slug || CASE WHEN test_of IS NOT NULL THEN ' (test mode)' ELSE '' END AS name
FROM tenants
WHERE :slug::text IS NULL OR slug = :slug
ORDER BY slug, test_of NULLS FIRST;

-- name: owner_audit_verify :rows
-- No row: the chain is unbroken.
SELECT at_seq, problem FROM audit_verify(:tenant::uuid);

-- name: owner_audit_count :row
-- scan: the last row of an index
SELECT coalesce((SELECT seq FROM audit_events WHERE tenant_id = :tenant_id ORDER BY seq DESC LIMIT 1), 0) AS events;

-- name: owner_tenant_list :rows
-- All of them, but for their test modes.
-- scan: an operator looks at all there are
SELECT t.slug, t.id, CASE WHEN t.is_active THEN 'active' ELSE 'suspended' END AS state, t.name,
       coalesce((SELECT string_agg(m.email, ' ' ORDER BY m.email) FROM team_members m
                 WHERE m.tenant_id = t.id AND m.role = 'owner' AND m.deleted_at IS NULL), '') AS owners
FROM tenants t
WHERE t.test_of IS NULL
ORDER BY t.slug;

-- name: owner_team_known :row
SELECT EXISTS (SELECT FROM team_find(:email)) AS is_known;

-- name: owner_tenant_create :row
-- Its owner is invited; the transaction is in the new tenant from here on.
SELECT tenant_id, member_id FROM tenant_create(:slug, :name, :email, NULL, NULL);

-- name: owner_team_invite :row
WITH ticket AS (
    INSERT INTO one_time_tokens (tenant_id, kind, member_id, hash, expires_at)
    VALUES (:tenant_id, 'team_invitation', :member::uuid, :token_hash::bytea, now() + interval '7 days')
)
SELECT audit('tenant.create', 'tenant', :tenant_id::text, '{}', 'ashlar tenant', 'system') AS noted;

-- name: owner_tenant_set_active :row
SELECT tenant_set_active(:slug, :is_active::boolean) AS tenants;
