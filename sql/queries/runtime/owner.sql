-- What the owner's commands ask (backup, key, mails, migrate, restore, seed, tenant, user, token).  Their names
-- begin with "owner_": the api's role may not run them, and need not.

-- name: owner_actor :row
-- Who acts, for what audit() writes down while the connection lasts.
SELECT set_config('app.request', json_build_object('actor', :actor::text, 'actor_type', 'system', 'user_agent', 'ashlar')::text,
                  false) AS noted;

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
INSERT INTO users (tenant_id, public_id, email, email_key, full_name, role, password_hash, is_email_verified)
VALUES (@tenant, 'user_' || replace(uuid_v7()::text, '-', ''), :email, :email_key, :full_name, :role, :password_hash, true)
ON CONFLICT DO NOTHING
RETURNING id, public_id, audit('user.create', 'user', public_id, jsonb_build_object('role', role)) AS _noted;

-- name: owner_user_password :row
-- Everybody who is signed in as the user is out with it.  No row: there is no such user.
SELECT p AS public_id, audit('password.reset', 'user', p)
FROM user_vouch_password(:email_key, :email, :password_hash) p;

-- name: owner_user_set_active :row
-- Who is shut out is out of all sessions with it.  Raises AS409 for the last
-- superadmin.  No row: there is no such user.
SELECT s.public_id
FROM user_find(:email_key, :email) u, user_switch(u.id, :is_active::boolean) s;

-- name: owner_user_list :rows
-- The newest, of all or of a role.
-- scan: of a role an operator looks through all there are
SELECT u.public_id, coalesce(u.email, ''), u.role, CASE WHEN u.is_active THEN 'active' ELSE 'inactive' END AS state,
       CASE WHEN u.is_email_verified THEN 'verified' ELSE 'unverified' END AS proof,
       to_char(u.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS created_at,
       coalesce(to_char(u.last_login_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '') AS last_login_at
FROM users u
WHERE u.tenant_id = @tenant AND u.deleted_at IS NULL AND (:role::text IS NULL OR u.role = :role)
ORDER BY u.created_at DESC, u.id DESC
LIMIT :limit::integer;

-- name: owner_user_find :row
-- By address, of those who may sign in.
SELECT u.id, u.public_id, u.email, u.role, u.tenant_id
FROM user_find(:email_key, :email) u
WHERE u.is_active;

-- name: owner_import_begin :row
-- One import into a tenant at a time.  No subscriber waits for who was there already, somewhere else.
SELECT pg_try_advisory_lock(hash_record_extended(ROW ('user import'::text, @tenant), 0)) AS is_alone, @tenant::text AS tenant_id,
       set_config('app.quiet', 'on', false) AS quiet;

-- name: owner_import_dry :row
SELECT user_import_watch() AS watched;

-- name: owner_import :rows
SELECT n, found FROM user_import(:batch::jsonb, :google_issuer, :is_dry::boolean);

-- name: owner_import_analyze :row
SELECT user_import_analyze() AS analyzed;

-- name: owner_import_seen :row
SELECT user_import_see(:batch::jsonb, :made::integer[]) AS seen;

-- name: owner_import_note :row
-- For a batch, and not for each user: what they were made of is in the export.
SELECT audit('user.import', 'tenant', @tenant::text,
             jsonb_build_object('from', :source::text, 'users', :users::integer, 'lines', :lines::text)) AS noted;

-- name: owner_import_signer :row
-- The same key again is sealed anew, under the key that seals today.
INSERT INTO password_signers AS s (tenant_id, fingerprint, key_sealed)
VALUES (@tenant, :fingerprint::bytea, :key_sealed)
ON CONFLICT (tenant_id, fingerprint) DO UPDATE SET key_sealed = excluded.key_sealed
RETURNING id;

-- name: owner_session_create :row
-- For the user :owner, in whole seconds, as tokens tell time.
INSERT INTO sessions (tenant_id, user_id, expires_at, user_agent)
VALUES (@tenant, :owner, date_trunc('second', now()) + make_interval(secs => :ttl_s::integer), 'ashlar token')
RETURNING id, extract(epoch FROM date_trunc('second', now()))::bigint AS iat, extract(epoch FROM expires_at)::bigint AS exp,
          audit('session.create', 'session', id::text, jsonb_build_object('method', method, 'user_id', user_id)) AS _noted;

-- name: owner_team_find :row
-- The same of the tenant's team.
SELECT m.id, m.id AS subject, m.email, m.role, m.tenant_id
FROM team_members m
WHERE m.tenant_id = @tenant AND m.access > 0
  AND m.id = (SELECT f.member_id FROM team_find(:email_key, :email) f WHERE f.tenant_id = @tenant LIMIT 1);

-- name: owner_team_password :row
-- As owner_user_password, of somebody who has joined the tenant's team.  A second factor is gone with it: who has lost that, and is the
-- only owner, has nobody else to ask.
WITH found AS (
    SELECT f.member_id AS id FROM team_find(:email_key, :email) f WHERE f.tenant_id = @tenant LIMIT 1
), changed AS (
    UPDATE team_members m
    SET password_hash = :password_hash, is_email_verified = true
    FROM found
    WHERE m.tenant_id = @tenant AND m.id = found.id AND m.joined_at IS NOT NULL AND m.deleted_at IS NULL
    RETURNING m.id
)
SELECT c.id, team_sessions_end(c.id) AS _ended,
       audit('password.reset', 'team_member', c.id::text, jsonb_strip_nulls(jsonb_build_object('second_factor', CASE WHEN team_mfa_drop(c.id) THEN 'removed' END))) AS _noted
FROM changed c;

-- name: owner_team_session_create :row
INSERT INTO team_sessions (tenant_id, member_id, expires_at, user_agent)
VALUES (@tenant, :owner, date_trunc('second', now()) + make_interval(secs => :ttl_s::integer), 'ashlar token')
RETURNING id, extract(epoch FROM date_trunc('second', now()))::bigint AS iat, extract(epoch FROM expires_at)::bigint AS exp,
          audit('session.create', 'team_session', id::text, jsonb_build_object('member_id', member_id)) AS _noted;

-- name: owner_mail_list :rows
-- The newest mails that wait, or with :all those that were sent or given up, too; of all tenants or of one with
-- its test mode; the oldest of them first.  n counts from the newest of all.
-- scan: an operator looks
SELECT m.tenant, m.id, m.created_at, m.state, m.n, m.is_test, m.tenant_id, m.payload
FROM (SELECT x.* FROM owner_mails(:slug, :recipient, :address) x WHERE x.state = 'waits' OR :all::boolean ORDER BY x.n LIMIT :limit::integer) m
ORDER BY m.n DESC;

-- name: owner_mail_find :row
-- One of them, by its number or its id.
-- scan: an operator looks
SELECT m.tenant, m.id, m.created_at, m.state, m.n, m.is_test, m.tenant_id, m.payload
FROM owner_mails(:slug, :recipient, :address) m
WHERE :which::text IN (m.n::text, m.id::text);

-- name: owner_tenant_enter_id :row
-- The same for a tenant whose id is known.
SELECT set_config('app.tenant_id', :tenant::uuid::text, false) AS entered;

-- name: owner_mail_brand :row
-- What a mail of this tenant looks like.
SELECT CASE WHEN coalesce(s.email_from_name, '') <> '' THEN s.email_from_name ELSE t.name END AS name,
       s.logo_url, s.brand_color, s.support_email
FROM tenants t
JOIN tenant_settings s ON s.tenant_id = t.id
WHERE t.id = @tenant;

-- name: owner_seed_scale :exec
-- For sql/scale: how many users there are to be, and what they used.
SELECT set_config('seed.users', :users, false), set_config('seed.usage', coalesce(:usage, '0'), false);

-- name: owner_seeded :row
-- No row: sql/sample was never run here.
SELECT id FROM users WHERE tenant_id = @tenant AND public_id = 'user_demo';

-- name: owner_seed_note :row
SELECT audit('seed', 'tenant', @tenant::text, jsonb_build_object('users', :users::text)) AS noted;

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
SELECT coalesce((SELECT seq FROM audit_events WHERE tenant_id = @tenant ORDER BY seq DESC LIMIT 1), 0) AS events;

-- name: owner_tenant_list :rows
-- All of them, but for their test modes.
-- scan: an operator looks at all there are
SELECT t.slug, t.id, CASE WHEN t.is_active THEN 'active' ELSE 'suspended' END AS state, t.name,
       coalesce((SELECT string_agg(m.email, ' ' ORDER BY m.email) FROM team_members m
                 WHERE m.tenant_id = t.id AND m.role = 'owner' AND m.deleted_at IS NULL), '') AS owners
FROM tenants t
WHERE t.test_of IS NULL
ORDER BY t.slug;

-- name: owner_tenant_known :row
SELECT EXISTS (SELECT FROM tenants WHERE slug = :slug AND test_of IS NULL) AS is_known;

-- name: owner_team_of :row
-- In whose team an address is; no row: in none.
SELECT t.slug
FROM team_find(:email_key, :email) m
JOIN tenants t ON t.id = m.tenant_id;

-- name: owner_team_owner :row
-- Invite an owner of this tenant, or make one of a member of its team.
WITH there AS (
    UPDATE team_members
    SET role = 'owner', is_active = true
    WHERE tenant_id = @tenant AND id = (SELECT f.member_id FROM team_find(:email_key, :email) f)
    RETURNING *
), made AS (
    INSERT INTO team_members (tenant_id, email, email_key, role, invited_at)
    SELECT @tenant, :address::text, :email_key, 'owner', now()
    WHERE NOT EXISTS (SELECT FROM there)
    RETURNING *
)
SELECT m.tenant_id, m.id, m.joined_at IS NOT NULL AS has_joined, m.email,
       audit('tenant.owner', 'team_member', m.id::text, jsonb_build_object('email', m.email)) AS _noted
FROM (SELECT * FROM there UNION ALL SELECT * FROM made) m;

-- name: owner_tenant_create :row
-- Its owner is invited; the transaction is in the new tenant from here on.
SELECT tenant_id, member_id, audit('tenant.create', 'tenant', tenant_id::text) AS _noted
FROM tenant_create(:slug, :name, :email_key, :email, NULL, NULL);

-- name: owner_team_invite :exec
INSERT INTO one_time_tokens (tenant_id, kind, member_id, hash, expires_at)
VALUES (app_tenant(), 'team_invitation', :member::uuid, :token_hash::bytea, now() + interval '7 days');

-- name: owner_tenant_set_active :row
SELECT tenant_set_active(:slug, :is_active::boolean) AS tenants;

-- name: owner_key_find :row
-- Is this an active key of this tenant, of this type?
SELECT EXISTS (SELECT FROM api_keys
               WHERE tenant_id = @tenant AND hash = :key_hash::bytea AND type = :type AND is_active AND revoked_at IS NULL) AS is_known;

-- name: owner_key_create :row
WITH made AS (
    INSERT INTO api_keys (tenant_id, name, type, prefix, hash, public_text, allowed_origins, allows_writes)
    VALUES (@tenant, :name, :type, left(:key_text, 12), :key_hash::bytea,
            CASE :type WHEN 'public' THEN :key_text END, :origins::text[], :allows_writes::boolean)
    RETURNING *
)
SELECT id, audit('key.create', 'api_key', id::text,
                 jsonb_build_object('name', name, 'type', type, 'prefix', prefix, 'allows_writes', allows_writes,
                                    'allowed_origins', CASE type WHEN 'public' THEN to_jsonb(allowed_origins) END)) AS _noted
FROM made;

-- name: owner_demo_rekey :row
-- Another key for the Demo Org's project; see sql/functions/traces/sign_up.sql.
SELECT demo_org_rekey(:key_hash::bytea) AS project;

-- name: owner_migrate_note :row
-- In the default tenant's log: that is the installation's.
SELECT set_config('app.tenant_id', '00000000-0000-7000-8000-000000000001', true) AS entered,
       audit('schema.migrate', 'schema', :version::text) AS noted;

-- name: owner_email_keys_left :rows
-- The addresses that have no key yet.
SELECT tenant, slug, kind, id, name, email FROM email_keys_left();

-- name: owner_email_keys_put :rows
SELECT place, holder, holder_slug FROM email_keys_put(:rows::jsonb);

-- name: owner_preflight :row
-- Who is connected to what; NULL tables_of: the database is new.  api_is_more: the api's role can become the owner, or
-- read as backups do.
SELECT current_database() AS database, current_user AS owner, getdatabaseencoding() AS encoding,
       (SELECT pg_get_userbyid(c.relowner) FROM pg_class c WHERE c.oid = to_regclass('schema_migrations')) AS tables_of,
       EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'ashlar_api' AND (r.rolsuper OR r.rolbypassrls)) AS api_bypasses,
       EXISTS (SELECT FROM pg_roles r, pg_roles o
               WHERE r.rolname = 'ashlar_api' AND NOT r.rolsuper AND o.rolname IN (current_user, 'ashlar_backup')
                 AND pg_has_role(r.oid, o.oid, 'MEMBER')) AS api_is_more;

-- name: owner_postgis :row
-- Where PostGIS is, NULL: it is not there; and whether this role may put it there.
SELECT (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'postgis') AS schema,
       EXISTS (SELECT FROM pg_namespace n, aclexplode(n.nspacl) a WHERE n.nspname = 'postgis' AND a.grantee = 0 AND a.privilege_type = 'USAGE') AS is_open,
       EXISTS (SELECT FROM pg_available_extensions x WHERE x.name = 'postgis') AS is_installed,
       (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) AS may_create;

-- name: owner_letters :row
-- Of a database in UTF8: does lower() do what Unicode says, for ASCII and beyond?  The name of its locale is in
-- another column from PostgreSQL 17 on.
SELECT lower('AIZ' || chr(201)) = 'aiz' || chr(233) AS are_known,
       coalesce(to_jsonb(d) ->> 'daticulocale', to_jsonb(d) ->> 'datlocale', d.datctype) AS locale
FROM pg_database d
WHERE d.datname = current_database();

-- name: owner_backup_role :row
-- Can this connection read as ashlar_backup, and who else can?  owner is as SQL writes it.
SELECT quote_ident(current_user) AS owner,
       EXISTS (SELECT FROM pg_roles r WHERE r.rolname = 'ashlar_backup') AS is_there,
       EXISTS (SELECT FROM pg_roles r
               WHERE r.rolname = 'ashlar_backup' AND r.rolbypassrls AND NOT r.rolcanlogin
                 AND pg_has_role(r.oid, 'pg_read_all_data', 'USAGE')
                 AND pg_has_role(current_user, r.oid, 'MEMBER')) AS is_usable,
       coalesce((SELECT string_agg(quote_ident(m.rolname), ', ' ORDER BY m.rolname)
                 FROM pg_auth_members a
                 JOIN pg_roles r ON r.oid = a.roleid
                 JOIN pg_roles m ON m.oid = a.member
                 WHERE r.rolname = 'ashlar_backup' AND m.rolname <> current_user AND NOT m.rolsuper), '') AS others;

-- name: owner_search_role :row
-- Do the candidate functions belong to ashlar_search?  owner is as SQL writes it.
SELECT NOT EXISTS (SELECT FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
                   WHERE p.proname LIKE '%\_candidates' AND p.pronamespace = 'public'::regnamespace
                     AND r.rolname <> 'ashlar_search') AS is_ready,
       quote_ident(current_user) AS owner;

-- name: owner_as_backup :row
SELECT set_config('role', 'ashlar_backup', false) AS role;

-- name: owner_object_count :row
-- What is not the system's own, nor an extension's.
SELECT (SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind NOT IN ('i', 'c')
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')) AS relations,
       (SELECT count(*) FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')) AS functions;

-- name: owner_row_count :rows
-- Every table with the number of its rows; as ashlar_backup, from whom none are hidden.
SELECT c.oid::regclass AS name,
       (xpath('/row/n/text()', query_to_xml(format('SELECT count(*) AS n FROM %s', c.oid::regclass), false, true, '')))[1]::text AS rows
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
ORDER BY 1;

-- name: owner_permissions_put :exec
-- What handlers/permissions.def has; see sql/functions/runtime/enter.sql.
SELECT permissions_put(:permissions::jsonb);
