-- Workspaces that people join by the domain of their address.

-- A domain that a workspace says is its own.  Until it has shown that in DNS it is only claimed, which keeps nobody else from anything.
--
-- domain       in lower case, as A-labels
-- token        what the TXT record at _ashlar.<domain> has behind "ashlar-verify="
-- role         which those have who join by it
-- verified_at  since when it is this workspace's; NULL: it is not, or not any more
-- lapsed_at    when it was not any more: its record had been gone for days
-- outcome      of the last look: found; missing; unanswered, where nobody could say
-- seen_at      when the record was there
-- due_at       when it is looked for again
CREATE TABLE workspace_domains (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    domain          text NOT NULL,
    token           text NOT NULL DEFAULT replace(gen_random_uuid()::text, '-', ''),
    role            text NOT NULL DEFAULT 'member',
    joining_enabled boolean NOT NULL DEFAULT false,
    verified_at     timestamptz,
    lapsed_at       timestamptz,
    outcome         text,
    checked_at      timestamptz,
    seen_at         timestamptz,
    due_at          timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT workspace_domains_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT workspace_domains_domain_unique UNIQUE (tenant_id, organization_id, domain),
    CONSTRAINT workspace_domains_domain_form CHECK (domain ~ '^[a-z0-9-]+(\.[a-z0-9-]+)+$' AND char_length(domain) <= 245),
    CONSTRAINT workspace_domains_role_known CHECK (role IN ('member', 'viewer')),
    CONSTRAINT workspace_domains_outcome_known CHECK (outcome IN ('found', 'missing', 'unanswered')),
    CONSTRAINT workspace_domains_joined_is_verified CHECK (NOT joining_enabled OR verified_at IS NOT NULL),
    CONSTRAINT workspace_domains_verified_was_seen CHECK (verified_at IS NULL OR seen_at IS NOT NULL)
);
-- Who has an address of it joins one workspace, not whichever.
CREATE UNIQUE INDEX workspace_domains_verified_unique ON workspace_domains (tenant_id, domain) WHERE verified_at IS NOT NULL;
CREATE INDEX workspace_domains_due ON workspace_domains (due_at) WHERE verified_at IS NOT NULL;
SELECT isolate('workspace_domains', 'role', 'joining_enabled', 'verified_at', 'lapsed_at');
-- Whoever looks for records again looks for those of all tenants that are due.
CREATE POLICY workspace_domains_due_read ON workspace_domains FOR SELECT TO CURRENT_USER USING (verified_at IS NOT NULL AND due_at <= now());
GRANT SELECT, INSERT, DELETE ON workspace_domains TO ashlar_api;
SELECT changeable('workspace_domains', 'organization_id', 'domain', 'token');

-- Who was taken out of a workspace by somebody else: they come back by being invited, and not by their address.
--
-- address_hash  of the address that they had, by which another account of theirs is known
CREATE TABLE membership_removals (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    address_hash    bytea,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, user_id),
    CONSTRAINT membership_removals_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations ON DELETE CASCADE,
    CONSTRAINT membership_removals_user FOREIGN KEY (tenant_id, user_id) REFERENCES users ON DELETE CASCADE
);
CREATE INDEX membership_removals_of_address ON membership_removals (tenant_id, organization_id, address_hash);
CREATE INDEX membership_removals_of_user ON membership_removals (tenant_id, user_id);
SELECT isolate('membership_removals');
GRANT SELECT, INSERT, DELETE ON membership_removals TO ashlar_api;
SELECT changeable('membership_removals');
