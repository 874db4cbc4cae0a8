-- Signing in: what proves who somebody is, and what limits guessing.

-- ---------------------------------------------------------------- users

-- display_name on the platform surface is full_name, sub is public_id.
-- status is free text of the tenant's; what decides is is_active.
ALTER TABLE users
    ADD password_hash text,
    ADD locale text NOT NULL DEFAULT 'en',
    ADD is_email_verified boolean NOT NULL DEFAULT false,
    ADD status text NOT NULL DEFAULT 'active',
    ADD current_plan_id uuid,
    ADD default_organization_id uuid,
    ADD last_login_at timestamptz,
    ADD CONSTRAINT users_locale_length CHECK (char_length(locale) BETWEEN 1 AND 35),
    ADD CONSTRAINT users_status_length CHECK (char_length(status) BETWEEN 1 AND 50);

DROP TRIGGER users_touch ON users;
CREATE TRIGGER users_touch
    BEFORE UPDATE OF public_id, email, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
        deleted_at, locale, is_email_verified, status, current_plan_id, default_organization_id ON users
    FOR EACH ROW EXECUTE FUNCTION touch();
GRANT UPDATE (password_hash, locale, is_email_verified, status, current_plan_id, default_organization_id, last_login_at)
    ON users TO ashlar_api;

-- What a product keeps about a user's preferences; no key has a meaning here.
CREATE TABLE user_settings (
    tenant_id  uuid NOT NULL,
    user_id    uuid NOT NULL,
    settings   jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT user_settings_user FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    CONSTRAINT user_settings_is_object CHECK (jsonb_typeof(settings) = 'object'),
    CONSTRAINT user_settings_size CHECK (octet_length(settings::text) <= 16384)
);
CREATE TRIGGER user_settings_touch BEFORE UPDATE ON user_settings FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('user_settings');
GRANT SELECT, INSERT ON user_settings TO ashlar_api;
GRANT UPDATE (settings) ON user_settings TO ashlar_api;

-- ---------------------------------------------------------------- sessions

-- generation counts the refresh tokens that were given out; with rotated_at it
-- tells the newest, the one before (good for 30 s more), and those that must
-- not appear any more.  A session with an impersonator has no refresh token.
ALTER TABLE sessions
    ADD method text NOT NULL DEFAULT 'token',
    ADD generation integer NOT NULL DEFAULT 0,
    ADD rotated_at timestamptz,
    ADD last_seen_at timestamptz NOT NULL DEFAULT now(),
    ADD has_mfa boolean NOT NULL DEFAULT false,
    ADD impersonator_id uuid,
    ADD CONSTRAINT sessions_impersonator FOREIGN KEY (tenant_id, impersonator_id) REFERENCES users (tenant_id, id),
    ADD CONSTRAINT sessions_method_known
        CHECK (method IN ('token', 'password', 'google', 'passkey', 'impersonation'));
CREATE INDEX sessions_of_impersonator ON sessions (tenant_id, impersonator_id) WHERE impersonator_id IS NOT NULL;
CREATE INDEX sessions_age ON sessions (expires_at);
GRANT UPDATE (generation, rotated_at, last_seen_at) ON sessions TO ashlar_api;
SELECT purgeable('sessions', 'expires_at < now() - interval ''30 days''');

-- ---------------------------------------------------------------- one-time tokens

-- What a mail carries, as a link (hash of its token) and as six digits
-- (code_hash, keyed; at most five tries in ten minutes).  A row without user
-- and member is a decoy: an unknown address costs the same as a known one.
CREATE TABLE one_time_tokens (
    tenant_id       uuid NOT NULL REFERENCES tenants,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    kind            text NOT NULL,
    user_id         uuid,
    member_id       uuid,
    hash            bytea NOT NULL,
    code_hash       bytea,
    code_expires_at timestamptz,
    tries           integer NOT NULL DEFAULT 0,
    data            jsonb NOT NULL DEFAULT '{}',
    expires_at      timestamptz NOT NULL,
    used_at         timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT one_time_tokens_hash_unique UNIQUE (tenant_id, hash),
    CONSTRAINT one_time_tokens_user FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    CONSTRAINT one_time_tokens_member FOREIGN KEY (tenant_id, member_id) REFERENCES team_members,
    CONSTRAINT one_time_tokens_kind_known CHECK (kind IN ('verify_email', 'reset_password', 'mfa', 'team_reset', 'team_invitation')),
    CONSTRAINT one_time_tokens_hash_length CHECK (octet_length(hash) = 32)
);
CREATE INDEX one_time_tokens_of_user ON one_time_tokens (tenant_id, user_id, kind) WHERE used_at IS NULL;
CREATE INDEX one_time_tokens_of_member ON one_time_tokens (tenant_id, member_id, kind) WHERE used_at IS NULL;
CREATE INDEX one_time_tokens_age ON one_time_tokens (expires_at);
CREATE TRIGGER one_time_tokens_touch BEFORE UPDATE ON one_time_tokens FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('one_time_tokens');
SELECT purgeable('one_time_tokens', 'expires_at < now() - interval ''1 day''');
GRANT SELECT, INSERT ON one_time_tokens TO ashlar_api;
GRANT UPDATE (used_at, tries, data, expires_at) ON one_time_tokens TO ashlar_api;

-- ---------------------------------------------------------------- limits

-- How often something was tried; see security_limit().  Not worth the log: a
-- crash forgives, a restart does not.
CREATE UNLOGGED TABLE rate_limits (
    tenant_id     uuid NOT NULL,
    name          text NOT NULL,
    subject       text NOT NULL,
    tries         integer NOT NULL,
    window_ends   timestamptz NOT NULL,
    blocked_until timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, name, subject)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX rate_limits_age ON rate_limits (updated_at);
CREATE TRIGGER rate_limits_touch BEFORE UPDATE ON rate_limits FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('rate_limits');
SELECT purgeable('rate_limits', 'updated_at < now() - interval ''1 day''');
GRANT SELECT, INSERT, UPDATE ON rate_limits TO ashlar_api;

-- ---------------------------------------------------------------- second factors

-- The secret is encrypted by the api (fcgi/seal.h).  last_step is the time step
-- of the last code that was taken: none is taken twice.
CREATE TABLE totp_factors (
    tenant_id     uuid NOT NULL,
    user_id       uuid NOT NULL,
    secret_sealed text NOT NULL,
    last_step     bigint NOT NULL DEFAULT 0,
    confirmed_at  timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT totp_factors_user FOREIGN KEY (tenant_id, user_id) REFERENCES users
);
CREATE TRIGGER totp_factors_touch BEFORE UPDATE ON totp_factors FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('totp_factors');
GRANT SELECT, INSERT, UPDATE, DELETE ON totp_factors TO ashlar_api;

CREATE TABLE recovery_codes (
    tenant_id  uuid NOT NULL,
    user_id    uuid NOT NULL,
    hash       bytea NOT NULL,
    used_at    timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id, hash),
    CONSTRAINT recovery_codes_user FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    CONSTRAINT recovery_codes_hash_length CHECK (octet_length(hash) = 32)
);
CREATE TRIGGER recovery_codes_touch BEFORE UPDATE ON recovery_codes FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('recovery_codes');
GRANT SELECT, INSERT, DELETE ON recovery_codes TO ashlar_api;
GRANT UPDATE (used_at) ON recovery_codes TO ashlar_api;

-- ---------------------------------------------------------------- passkeys

-- A WebAuthn credential.  public_key is the COSE key as the authenticator sent
-- it; rp_id is the domain that it is bound to.
CREATE TABLE passkeys (
    tenant_id          uuid NOT NULL,
    id                 uuid NOT NULL DEFAULT uuid_v7(),
    user_id            uuid NOT NULL,
    name               text NOT NULL,
    credential_id      bytea NOT NULL,
    public_key         bytea NOT NULL,
    rp_id              text NOT NULL,
    sign_count         bigint NOT NULL DEFAULT 0,
    transports         text[] NOT NULL DEFAULT '{}',
    aaguid             uuid,
    is_backup_eligible boolean NOT NULL DEFAULT false,
    is_backed_up       boolean NOT NULL DEFAULT false,
    last_used_at       timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT passkeys_user FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    CONSTRAINT passkeys_credential_unique UNIQUE (tenant_id, credential_id),
    CONSTRAINT passkeys_credential_length CHECK (octet_length(credential_id) BETWEEN 1 AND 1023),
    CONSTRAINT passkeys_name_length CHECK (char_length(name) BETWEEN 1 AND 100)
);
CREATE INDEX passkeys_of_user ON passkeys (tenant_id, user_id, created_at);
CREATE TRIGGER passkeys_touch BEFORE UPDATE OF name ON passkeys FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('passkeys');
GRANT SELECT, INSERT, DELETE ON passkeys TO ashlar_api;
GRANT UPDATE (name, sign_count, is_backed_up, last_used_at) ON passkeys TO ashlar_api;

-- What an authenticator is to sign; good once, for five minutes.
CREATE TABLE webauthn_challenges (
    tenant_id  uuid NOT NULL REFERENCES tenants,
    id         uuid NOT NULL DEFAULT uuid_v7(),
    kind       text NOT NULL,
    user_id    uuid,
    challenge  bytea NOT NULL,
    rp_id      text NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at    timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT webauthn_challenges_unique UNIQUE (tenant_id, challenge),
    CONSTRAINT webauthn_challenges_user FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    CONSTRAINT webauthn_challenges_kind_known CHECK (kind IN ('registration', 'authentication'))
);
CREATE INDEX webauthn_challenges_age ON webauthn_challenges (expires_at);
CREATE TRIGGER webauthn_challenges_touch BEFORE UPDATE ON webauthn_challenges FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('webauthn_challenges');
SELECT purgeable('webauthn_challenges', 'expires_at < now() - interval ''1 hour''');
GRANT SELECT, INSERT ON webauthn_challenges TO ashlar_api;
GRANT UPDATE (used_at) ON webauthn_challenges TO ashlar_api;
