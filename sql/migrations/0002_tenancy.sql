-- Tenants as accounts: their settings, their API keys, the team that runs them,
-- and for each a sibling in which nothing is real.

-- Let the owner, and nobody else, see and delete the rows of a table that are
-- past their use, whatever tenant they are of; purge() does that in batches.
CREATE FUNCTION purgeable(tbl regclass, condition text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    name text := (SELECT relname FROM pg_class WHERE oid = tbl);
BEGIN
    EXECUTE format('CREATE POLICY %I ON %s FOR SELECT TO CURRENT_USER USING (%s)', name || '_purge_read', tbl, condition);
    EXECUTE format('CREATE POLICY %I ON %s FOR DELETE TO CURRENT_USER USING (%s)', name || '_purge', tbl, condition);
END
$$;
REVOKE ALL ON FUNCTION purgeable(regclass, text) FROM PUBLIC;

-- Functions that have other parameters from here on, or are gone.
DROP FUNCTION IF EXISTS enter(uuid, text, text, uuid, text, boolean), enter_refuse(uuid, text, text, uuid, text),
    user_provision(uuid, text, text, text, text), idempotency_purge(integer);

-- ---------------------------------------------------------------- who asks

-- What enter() found out about the caller beside tenant and user: the team
-- user of the dashboard, whether the API key is a secret one, the role in the
-- organization that the path names; NULL and false where that does not apply.
CREATE FUNCTION app_team() RETURNS uuid
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.team_id', true), '')::uuid;

CREATE FUNCTION app_is_secret() RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE
RETURN coalesce(current_setting('app.key', true) = 'secret', false);

CREATE FUNCTION app_org_role() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN nullif(current_setting('app.org_role', true), '');

-- ---------------------------------------------------------------- tenants

-- test_of names the tenant whose test mode this is.  Test data is kept apart by
-- what keeps tenants apart; nothing else needs to know.  The two share a slug.
ALTER TABLE tenants
    ADD is_active boolean NOT NULL DEFAULT true,
    ADD test_of uuid REFERENCES tenants,
    ADD CONSTRAINT tenants_test_of_unique UNIQUE (test_of),
    ADD CONSTRAINT tenants_of_keys UNIQUE (id, is_active),
    DROP CONSTRAINT tenants_slug_unique;
CREATE UNIQUE INDEX tenants_slug_unique ON tenants (slug) WHERE test_of IS NULL;

CREATE POLICY tenants_test ON tenants FOR SELECT USING (test_of = (SELECT app_tenant()));
GRANT UPDATE (name) ON tenants TO ashlar_api;

-- verification_url, password_reset_url and invitation_url are the pages that
-- mailed links open; NULL: our own.  default_plan_id is the plan of whoever has
-- none.  webauthn_rp_id is the domain that passkeys are bound to; NULL: the
-- host of the page that asks.
CREATE TABLE tenant_settings (
    tenant_id                   uuid PRIMARY KEY REFERENCES tenants,
    support_email               text,
    email_from_name             text,
    logo_url                    text,
    brand_color                 text,
    email_verification_required boolean NOT NULL DEFAULT false,
    refresh_token_rotation      boolean NOT NULL DEFAULT true,
    verification_url            text,
    password_reset_url          text,
    invitation_url              text,
    webauthn_rp_id              text,
    default_plan_id             uuid,
    created_at                  timestamptz NOT NULL DEFAULT now(),
    updated_at                  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT tenant_settings_support_email_length CHECK (char_length(support_email) <= 254),
    CONSTRAINT tenant_settings_from_name_length CHECK (char_length(email_from_name) <= 100),
    CONSTRAINT tenant_settings_brand_color_format CHECK (brand_color ~ '^#[0-9a-f]{6}$'),
    CONSTRAINT tenant_settings_url_lengths CHECK (greatest(char_length(logo_url), char_length(verification_url),
        char_length(password_reset_url), char_length(invitation_url)) <= 2048),
    CONSTRAINT tenant_settings_rp_id_length CHECK (char_length(webauthn_rp_id) BETWEEN 1 AND 253)
);
CREATE TRIGGER tenant_settings_touch BEFORE UPDATE ON tenant_settings FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('tenant_settings');
GRANT SELECT, UPDATE ON tenant_settings TO ashlar_api;

-- What each tenant is born with, whoever makes it: settings, and its test mode.
CREATE FUNCTION tenant_complete() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before  text := current_setting('app.tenant_id', true);
    sibling uuid := uuid_v7();
BEGIN
    PERFORM set_config('app.tenant_id', NEW.id::text, true);
    INSERT INTO tenant_settings (tenant_id) VALUES (NEW.id);
    IF NEW.test_of IS NULL THEN
        PERFORM set_config('app.tenant_id', sibling::text, true);
        INSERT INTO tenants (id, slug, name, test_of) VALUES (sibling, NEW.slug, NEW.name, NEW.id);
    END IF;
    PERFORM set_config('app.tenant_id', coalesce(before, ''), true);
    RETURN NULL;
END
$$;
CREATE TRIGGER tenants_complete AFTER INSERT ON tenants FOR EACH ROW EXECUTE FUNCTION tenant_complete();

-- Those that were there before.
DO $$
DECLARE
    t       tenants;
    sibling uuid;
BEGIN
    FOR t IN SELECT * FROM tenants WHERE test_of IS NULL LOOP
        PERFORM set_config('app.tenant_id', t.id::text, true);
        INSERT INTO tenant_settings (tenant_id) VALUES (t.id);
        sibling := CASE t.slug WHEN 'default' THEN '00000000-0000-7000-8000-000000000002' ELSE uuid_v7() END;
        PERFORM set_config('app.tenant_id', sibling::text, true);
        INSERT INTO tenants (id, slug, name, test_of) VALUES (sibling, t.slug, t.name, t.id);
    END LOOP;
END
$$;

-- ---------------------------------------------------------------- plans

-- As much of a plan as settings and users refer to; billing adds the rest.
-- Global plans are everybody's to use, and the default tenant's to change.
CREATE TABLE plans (
    tenant_id  uuid NOT NULL REFERENCES tenants,
    id         uuid NOT NULL DEFAULT uuid_v7(),
    name       text NOT NULL,
    is_active  boolean NOT NULL DEFAULT true,
    is_free    boolean NOT NULL DEFAULT false,
    is_global  boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT plans_id_unique UNIQUE (id),
    CONSTRAINT plans_name_length CHECK (char_length(name) BETWEEN 1 AND 255)
);
CREATE TRIGGER plans_touch BEFORE UPDATE ON plans FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('plans');
CREATE POLICY plans_global ON plans FOR SELECT USING (is_global);
GRANT SELECT ON plans TO ashlar_api;

-- ---------------------------------------------------------------- sign-in providers

-- client_secret_sealed is encrypted by the api (fcgi/seal.h).
CREATE TABLE oauth_providers (
    tenant_id            uuid NOT NULL REFERENCES tenants,
    provider             text NOT NULL,
    is_enabled           boolean NOT NULL DEFAULT false,
    client_id            text,
    client_secret_sealed text,
    redirect_uris        text[] NOT NULL DEFAULT '{}',
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, provider),
    CONSTRAINT oauth_providers_provider_known CHECK (provider IN ('google')),
    CONSTRAINT oauth_providers_enabled_complete CHECK (NOT is_enabled OR (client_id IS NOT NULL
        AND client_secret_sealed IS NOT NULL AND cardinality(redirect_uris) > 0)),
    CONSTRAINT oauth_providers_redirect_uris_count CHECK (cardinality(redirect_uris) <= 50)
);
CREATE TRIGGER oauth_providers_touch BEFORE UPDATE ON oauth_providers FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('oauth_providers');
GRANT SELECT, INSERT, UPDATE ON oauth_providers TO ashlar_api;

-- Issuers whose tokens a tenant trusts, beside those of the configuration.
-- Either secret_sealed (HS256) or jwks_url.
CREATE TABLE tenant_issuers (
    tenant_id     uuid NOT NULL REFERENCES tenants,
    id            uuid NOT NULL DEFAULT uuid_v7(),
    name          text NOT NULL,
    issuer        text NOT NULL,
    jwks_url      text,
    secret_sealed text,
    audience      text,
    email_claim   text NOT NULL DEFAULT 'email',
    role_claim    text,
    max_role      text NOT NULL DEFAULT 'admin',
    is_enabled    boolean NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT tenant_issuers_issuer_unique UNIQUE (tenant_id, issuer),
    CONSTRAINT tenant_issuers_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT tenant_issuers_issuer_length CHECK (char_length(issuer) BETWEEN 1 AND 512),
    CONSTRAINT tenant_issuers_one_key CHECK (num_nonnulls(jwks_url, secret_sealed) = 1),
    CONSTRAINT tenant_issuers_max_role_known CHECK (max_role IN ('user', 'admin', 'superadmin'))
);
CREATE TRIGGER tenant_issuers_touch BEFORE UPDATE ON tenant_issuers FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('tenant_issuers');
GRANT SELECT, INSERT, UPDATE, DELETE ON tenant_issuers TO ashlar_api;

-- ---------------------------------------------------------------- the team

-- The people who run a tenant.  They are no users of its product; their
-- addresses are unique over all tenants, since they sign in by them alone.
-- Who is invited has not joined_at, and no password.  access as with users.
CREATE TABLE team_members (
    tenant_id         uuid NOT NULL REFERENCES tenants,
    id                uuid NOT NULL DEFAULT uuid_v7(),
    email             text NOT NULL,
    display_name      text,
    role              text NOT NULL,
    password_hash     text,
    is_active         boolean NOT NULL DEFAULT true,
    is_email_verified boolean NOT NULL DEFAULT false,
    invited_by        uuid,
    invited_at        timestamptz,
    joined_at         timestamptz,
    last_login_at     timestamptz,
    access            smallint NOT NULL GENERATED ALWAYS AS (
                          CASE WHEN deleted_at IS NOT NULL OR joined_at IS NULL OR NOT is_active THEN 0
                               WHEN role = 'owner' THEN 3 WHEN role = 'admin' THEN 2 ELSE 1 END) STORED,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    deleted_at        timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT team_members_of_sessions UNIQUE (tenant_id, id, access),
    CONSTRAINT team_members_role_known CHECK (role IN ('owner', 'admin', 'member')),
    CONSTRAINT team_members_email_format CHECK (email = lower(email) AND email ~ '^[^@\s]+@[^@\s]+$'
                                                AND char_length(email) <= 254),
    CONSTRAINT team_members_display_name_length CHECK (char_length(display_name) <= 100)
);
CREATE UNIQUE INDEX team_members_email_unique ON team_members (email) WHERE deleted_at IS NULL;
CREATE TRIGGER team_members_touch BEFORE UPDATE ON team_members FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('team_members');
-- Signing in finds the tenant by the address: team_find(), which runs as the owner.
CREATE POLICY team_members_directory ON team_members FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT ON team_members TO ashlar_api;
GRANT UPDATE (display_name, role, password_hash, is_active, is_email_verified, invited_by, invited_at, joined_at,
    last_login_at, deleted_at) ON team_members TO ashlar_api;

-- One signing-in to the dashboard; access is the member's, kept equal as in sessions.
CREATE TABLE team_sessions (
    tenant_id    uuid NOT NULL,
    id           uuid NOT NULL DEFAULT uuid_v7(),
    member_id    uuid NOT NULL,
    access       smallint NOT NULL,
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz,
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    user_agent   text,
    ip           inet,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT team_sessions_member FOREIGN KEY (tenant_id, member_id, access)
        REFERENCES team_members (tenant_id, id, access) ON UPDATE CASCADE,
    CONSTRAINT team_sessions_user_agent_length CHECK (char_length(user_agent) <= 1024)
);
CREATE INDEX team_sessions_of_member ON team_sessions (tenant_id, member_id, created_at DESC);
CREATE INDEX team_sessions_age ON team_sessions (expires_at);
CREATE TRIGGER team_sessions_touch BEFORE UPDATE ON team_sessions FOR EACH ROW EXECUTE FUNCTION touch();

CREATE FUNCTION team_session_of_member() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT access INTO NEW.access FROM team_members WHERE tenant_id = NEW.tenant_id AND id = NEW.member_id;
    RETURN NEW;
END
$$;
CREATE TRIGGER team_sessions_of_member_filled
    BEFORE INSERT ON team_sessions FOR EACH ROW EXECUTE FUNCTION team_session_of_member();

SELECT isolate('team_sessions');
SELECT purgeable('team_sessions', 'expires_at < now() - interval ''30 days''');
GRANT SELECT, INSERT ON team_sessions TO ashlar_api;
GRANT UPDATE (expires_at, revoked_at, last_seen_at) ON team_sessions TO ashlar_api;

-- ---------------------------------------------------------------- API keys

-- Of a secret key only the SHA-256 is kept, and enough of its beginning to
-- recognise it.  A public key stands in web pages: its text is kept, to be shown.
--
-- tenant_active is the tenant's is_active, kept equal by the foreign key, so
-- that enter() reads one row.
CREATE TABLE api_keys (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    name            text NOT NULL,
    type            text NOT NULL,
    prefix          text NOT NULL,
    hash            bytea NOT NULL,
    public_text     text,
    allowed_origins text[] NOT NULL DEFAULT '{}',
    is_active       boolean NOT NULL DEFAULT true,
    tenant_active   boolean NOT NULL DEFAULT true,
    created_by      uuid,
    last_used_at    timestamptz,
    revoked_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT api_keys_tenant FOREIGN KEY (tenant_id, tenant_active)
        REFERENCES tenants (id, is_active) ON UPDATE CASCADE,
    CONSTRAINT api_keys_hash_unique UNIQUE (hash),
    CONSTRAINT api_keys_hash_length CHECK (octet_length(hash) = 32),
    CONSTRAINT api_keys_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT api_keys_type_known CHECK (type IN ('public', 'secret')),
    CONSTRAINT api_keys_secret_unknown CHECK (type = 'public' OR public_text IS NULL),
    CONSTRAINT api_keys_origins CHECK ((type = 'public') = (cardinality(allowed_origins) > 0)),
    CONSTRAINT api_keys_origins_count CHECK (cardinality(allowed_origins) <= 50)
);
CREATE INDEX api_keys_list ON api_keys (tenant_id, created_at DESC, id DESC);
CREATE TRIGGER api_keys_touch
    BEFORE UPDATE OF name, allowed_origins, is_active, revoked_at ON api_keys FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('api_keys');
-- The key tells the tenant: whoever shows its hash sees its row.
CREATE POLICY api_keys_shown ON api_keys FOR SELECT
    USING (hash = (SELECT decode(current_setting('app.key_hash', true), 'hex')));
GRANT SELECT, INSERT ON api_keys TO ashlar_api;
GRANT UPDATE (name, allowed_origins, is_active, last_used_at, revoked_at) ON api_keys TO ashlar_api;
