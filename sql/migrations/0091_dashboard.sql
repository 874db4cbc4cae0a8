-- What the team of a tenant has in the console: its organizations found, and a second factor of its own.

-- The search for organizations (organization_candidates): by how a name begins, in any case.
CREATE INDEX organizations_search ON organizations (tenant_id, (lower(name) COLLATE "C")) WHERE deleted_at IS NULL;

-- ---------------------------------------------------------------- second factors of the team

-- As totp_factors and recovery_codes, of members of the team.
CREATE TABLE team_totp_factors (
    tenant_id     uuid NOT NULL,
    member_id     uuid NOT NULL,
    secret_sealed text NOT NULL,
    last_step     bigint NOT NULL DEFAULT 0,
    confirmed_at  timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, member_id),
    CONSTRAINT team_totp_factors_member FOREIGN KEY (tenant_id, member_id) REFERENCES team_members
);

SELECT isolate('team_totp_factors');
GRANT SELECT, INSERT, UPDATE, DELETE ON team_totp_factors TO ashlar_api;

CREATE TABLE team_recovery_codes (
    tenant_id  uuid NOT NULL,
    member_id  uuid NOT NULL,
    hash       bytea NOT NULL,
    used_at    timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, member_id, hash),
    CONSTRAINT team_recovery_codes_member FOREIGN KEY (tenant_id, member_id) REFERENCES team_members,
    CONSTRAINT team_recovery_codes_hash_length CHECK (octet_length(hash) = 32)
);

SELECT isolate('team_recovery_codes');
GRANT SELECT, INSERT, DELETE ON team_recovery_codes TO ashlar_api;
GRANT UPDATE (used_at) ON team_recovery_codes TO ashlar_api;

-- Between a member's password and the code.
ALTER TABLE one_time_tokens
    DROP CONSTRAINT one_time_tokens_kind_known,
    ADD CONSTRAINT one_time_tokens_kind_known CHECK (kind IN ('verify_email', 'reset_password', 'mfa', 'team_reset', 'team_invitation', 'activation', 'team_mfa'));
