-- The core: who there is (tenants, users, identities, sessions), the first
-- resource (projects), and what the runtime keeps for itself (key sets,
-- answers to repeated requests).
--
-- Rules of every table that holds a tenant's data:
--   * tenant_id is the first column of the primary key, so that one index
--     serves the look-up, the foreign keys and row-level security;
--   * foreign keys name (tenant_id, id): no row can refer to another tenant's;
--   * isolate() puts it under row-level security, FORCEd, that is, binding the
--     owner too: migrations and the owner's commands set app.tenant_id themselves;
--   * the api's role gets what its queries need, column by column where a
--     column is not its to change.
-- The functions below are those that tables, policies and triggers depend on;
-- all others live in sql/functions and are replaced whenever they change.

-- ---------------------------------------------------------------- the api's role

-- Roles belong to the cluster, not to the database: another database's
-- migration may have made this one already, or may be making it right now.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'ashlar_api') THEN
        CREATE ROLE ashlar_api LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
END
$$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO ashlar_api;

-- ---------------------------------------------------------------- functions of the schema

-- The tenant and the user of this transaction, as enter() set them; NULL
-- before that.  Policies and queries write (SELECT app_tenant()), which is
-- evaluated once per statement and not once per row.
CREATE FUNCTION app_tenant() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.tenant_id', true), '')::uuid;

CREATE FUNCTION app_user() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.user_id', true), '')::uuid;

-- A UUID of version 7 (RFC 9562): 48 bits of milliseconds, then 12 bits of the
-- fraction (its method 3), then 62 random bits.  512/125 is 4096/1000 without
-- overflow: microseconds become milliseconds followed by the fraction in 1/4096.
CREATE FUNCTION uuid_v7() RETURNS uuid
LANGUAGE sql VOLATILE PARALLEL SAFE
RETURN (overlay(lpad(to_hex((date_part('epoch', clock_timestamp()) * 1000000)::bigint * 512 / 125), 15, '0')
                PLACING '7' FROM 13 FOR 0)
        || right(gen_random_uuid()::text, 17))::uuid;

-- Trigger: updated_at grows with every change, also with two in one
-- transaction or under a clock that was set back; ETags are made from it.
CREATE FUNCTION touch() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := greatest(now(), OLD.updated_at + interval '1 microsecond');
    RETURN NEW;
END
$$;

-- Keep the rows of a table with a tenant_id apart, from the owner too.  Each
-- such table calls this where it is made; t/ops/isolation.t finds one that does not.
CREATE FUNCTION isolate(tbl regclass) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', tbl);
    EXECUTE format('CREATE POLICY %I ON %s USING (tenant_id = (SELECT app_tenant()))
                    WITH CHECK (tenant_id = (SELECT app_tenant()))',
                   (SELECT relname FROM pg_class WHERE oid = tbl) || '_isolation', tbl);
END
$$;
REVOKE ALL ON FUNCTION isolate(regclass) FROM PUBLIC;

-- ---------------------------------------------------------------- tenants

CREATE TABLE tenants (
    id         uuid PRIMARY KEY DEFAULT uuid_v7(),
    slug       text NOT NULL,
    name       text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tenants_slug_unique UNIQUE (slug),
    CONSTRAINT tenants_slug_format CHECK (slug ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    CONSTRAINT tenants_name_length CHECK (char_length(name) BETWEEN 1 AND 255)
);
CREATE TRIGGER tenants_touch BEFORE UPDATE ON tenants FOR EACH ROW EXECUTE FUNCTION touch();

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenants_isolation ON tenants
    USING (id = (SELECT app_tenant())) WITH CHECK (id = (SELECT app_tenant()));
-- The owner's commands find a tenant by its slug before they know its id.
CREATE POLICY tenants_directory ON tenants FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT ON tenants TO ashlar_api;

-- Requests without an API key belong to this one.
SELECT set_config('app.tenant_id', '00000000-0000-7000-8000-000000000001', true);
INSERT INTO tenants (id, slug, name) VALUES (app_tenant(), 'default', 'Default');

-- ---------------------------------------------------------------- users

-- public_id is what clients know a user by: the "sub" of the JWT.
--
-- email is in lower case, and NULL when an issuer sent none or one that
-- another user of the tenant has (see user_provision).
--
-- subscription_plan and subscription_status are what the profile shows; billing
-- writes them whenever a subscription changes, so that no profile waits for a join.
--
-- access is the role as a number, 0 for whoever may not enter at all.  Sessions
-- carry a copy, which a foreign key keeps equal, so that enter() reads one row.
--
-- project_count is the total of the project list.  The statements that create
-- and delete projects change it themselves (see sql/queries/projects.sql): a
-- trigger would fire once per row and could not test a limit.
CREATE TABLE users (
    tenant_id           uuid NOT NULL REFERENCES tenants,
    id                  uuid NOT NULL DEFAULT uuid_v7(),
    public_id           text NOT NULL,
    email               text,
    full_name           text,
    avatar_url          text,
    role                text NOT NULL DEFAULT 'user',
    is_active           boolean NOT NULL DEFAULT true,
    access              smallint NOT NULL GENERATED ALWAYS AS (
                            CASE WHEN deleted_at IS NOT NULL OR NOT is_active THEN 0
                                 WHEN role = 'superadmin' THEN 3 WHEN role = 'admin' THEN 2 ELSE 1 END) STORED,
    subscription_plan   text,
    subscription_status text,
    project_count       bigint NOT NULL DEFAULT 0,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    deleted_at          timestamptz,
    CONSTRAINT users_public_id_unique UNIQUE (tenant_id, public_id),
    CONSTRAINT users_of_sessions UNIQUE (tenant_id, id, public_id, access),
    CONSTRAINT users_public_id_length CHECK (char_length(public_id) BETWEEN 1 AND 255),
    CONSTRAINT users_email_format CHECK (email = lower(email) AND email ~ '^[^@\s]+@[^@\s]+$'
                                         AND char_length(email) <= 254),
    CONSTRAINT users_full_name_length CHECK (char_length(full_name) <= 255),
    CONSTRAINT users_avatar_url_length CHECK (char_length(avatar_url) <= 2048),
    CONSTRAINT users_role_known CHECK (role IN ('user', 'admin', 'superadmin')),
    CONSTRAINT users_project_count_range CHECK (project_count >= 0)
) WITH (fillfactor = 80);    -- room for the next version of a row beside it: counters change often (HOT)
CREATE UNIQUE INDEX users_email_unique ON users (tenant_id, email) WHERE deleted_at IS NULL;
CREATE INDEX users_list ON users (tenant_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
-- Last, because of indexes that look equally good on an empty table the planner
-- takes the newest: a connection's plans from before the first user stay good.
ALTER TABLE users ADD PRIMARY KEY (tenant_id, id);
-- Only the columns of the resource touch it: a new project must not change the ETag of the profile.
CREATE TRIGGER users_touch
    BEFORE UPDATE OF public_id, email, full_name, avatar_url, role, is_active,
        subscription_plan, subscription_status, deleted_at ON users
    FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('users');
GRANT SELECT, INSERT ON users TO ashlar_api;
GRANT UPDATE (email, full_name, avatar_url, role, is_active, project_count, deleted_at) ON users TO ashlar_api;

-- How many users the tenant has that are not deleted is counted when an
-- administrator asks, and capped; signing up does not queue for a counter.

-- ---------------------------------------------------------------- identities and sessions

-- A user as another issuer knows it.  The pair (issuer, subject) is the
-- identity; an e-mail address is not: whoever can make some issuer sign an
-- address would own the account.
CREATE TABLE identities (
    tenant_id  uuid NOT NULL,
    issuer     text NOT NULL,
    subject    text NOT NULL,
    user_id    uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, issuer, subject),
    CONSTRAINT identities_user FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    CONSTRAINT identities_issuer_length CHECK (char_length(issuer) BETWEEN 1 AND 512),
    CONSTRAINT identities_subject_length CHECK (char_length(subject) BETWEEN 1 AND 255)
);
CREATE INDEX identities_of_user ON identities (tenant_id, user_id);
CREATE TRIGGER identities_touch BEFORE UPDATE ON identities FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('identities');
GRANT SELECT, INSERT ON identities TO ashlar_api;

-- One signing-in with us; its id is the "sid" of our own tokens.
--
-- subject and access are the user's public_id and access.  When those change,
-- the foreign key changes them here, in the same transaction: who is
-- deactivated is out at the next request, as if enter() had asked users.
CREATE TABLE sessions (
    tenant_id  uuid NOT NULL,
    id         uuid NOT NULL DEFAULT uuid_v7(),
    user_id    uuid NOT NULL,
    subject    text NOT NULL,
    access     smallint NOT NULL,
    expires_at timestamptz NOT NULL,
    revoked_at timestamptz,
    user_agent text,
    ip         inet,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT sessions_user FOREIGN KEY (tenant_id, user_id, subject, access)
        REFERENCES users (tenant_id, id, public_id, access) ON UPDATE CASCADE,
    CONSTRAINT sessions_user_agent_length CHECK (char_length(user_agent) <= 1024)
);
CREATE INDEX sessions_of_user ON sessions (tenant_id, user_id, created_at DESC);
CREATE TRIGGER sessions_touch BEFORE UPDATE ON sessions FOR EACH ROW EXECUTE FUNCTION touch();

-- Whoever inserts a session names the user, and no more.
CREATE FUNCTION session_of_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT public_id, access INTO NEW.subject, NEW.access
    FROM users
    WHERE tenant_id = NEW.tenant_id AND id = NEW.user_id;
    IF NOT FOUND THEN    -- what no user has, for the foreign key to refuse
        NEW.subject := '';
        NEW.access := 0;
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER sessions_of_user_filled BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION session_of_user();

SELECT isolate('sessions');
GRANT SELECT, INSERT ON sessions TO ashlar_api;
GRANT UPDATE (expires_at, revoked_at) ON sessions TO ashlar_api;

-- ---------------------------------------------------------------- projects

CREATE TABLE projects (
    tenant_id   uuid NOT NULL,
    id          uuid NOT NULL DEFAULT uuid_v7(),
    owner_id    uuid NOT NULL,
    name        text NOT NULL,
    description text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT projects_owner FOREIGN KEY (tenant_id, owner_id) REFERENCES users,
    CONSTRAINT projects_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT projects_description_length CHECK (char_length(description) <= 2000)
) WITH (fillfactor = 90);
CREATE INDEX projects_list ON projects (tenant_id, owner_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE TRIGGER projects_touch BEFORE UPDATE ON projects FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('projects');
GRANT SELECT, INSERT ON projects TO ashlar_api;
GRANT UPDATE (name, description, deleted_at) ON projects TO ashlar_api;

-- ---------------------------------------------------------------- repeated requests

-- The answer to a request that carried an Idempotency-Key, kept for a day.
-- headers is the answer's, one "Name: value" line each.
CREATE TABLE idempotency_keys (
    tenant_id  uuid NOT NULL REFERENCES tenants,
    principal  text NOT NULL,
    route      text NOT NULL,
    key        text NOT NULL,
    body_hash  bytea NOT NULL,
    status     integer NOT NULL,
    headers    text NOT NULL DEFAULT '',
    body       text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, principal, route, key),
    CONSTRAINT idempotency_keys_key_length CHECK (char_length(key) BETWEEN 1 AND 255),
    CONSTRAINT idempotency_keys_hash_length CHECK (octet_length(body_hash) = 32)
) WITH (autovacuum_vacuum_scale_factor = 0.05);    -- every row is deleted after a day
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);
CREATE TRIGGER idempotency_keys_touch BEFORE UPDATE ON idempotency_keys FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('idempotency_keys');
-- idempotency_purge() runs as the owner and over all tenants: it may see and
-- delete what is too old to be of use, and nothing else.
CREATE POLICY idempotency_keys_purge_read ON idempotency_keys FOR SELECT TO CURRENT_USER
    USING (created_at < now() - interval '24 hours');
CREATE POLICY idempotency_keys_purge ON idempotency_keys FOR DELETE TO CURRENT_USER
    USING (created_at < now() - interval '24 hours');
GRANT SELECT, INSERT ON idempotency_keys TO ashlar_api;
GRANT UPDATE (body_hash, status, headers, body, created_at) ON idempotency_keys TO ashlar_api;

-- ---------------------------------------------------------------- key sets

-- The public keys of other issuers.  No tenant: issuers are the installation's.
-- A process that has a network stores them here; those that have none read them.
CREATE TABLE jwks (
    issuer     text PRIMARY KEY,
    url        text NOT NULL,
    keys       jsonb NOT NULL DEFAULT '{"keys": []}',    -- RFC 7517
    fetched_at timestamptz,    -- when keys arrived
    tried_at   timestamptz,    -- when they were last asked for, with whatever result
    failure    text,           -- of the last try; NULL: it worked
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER jwks_touch BEFORE UPDATE ON jwks FOR EACH ROW EXECUTE FUNCTION touch();
GRANT SELECT, INSERT, UPDATE ON jwks TO ashlar_api;
