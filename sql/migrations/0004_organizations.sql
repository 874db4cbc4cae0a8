-- Organizations, who is in them, and who is invited.  (The workspace surface
-- calls them workspaces.)

CREATE TABLE organizations (
    tenant_id   uuid NOT NULL REFERENCES tenants,
    id          uuid NOT NULL DEFAULT uuid_v7(),
    name        text NOT NULL,
    slug        text NOT NULL,
    description text,
    logo_url    text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    deleted_at  timestamptz,
    CONSTRAINT organizations_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT organizations_slug_format CHECK (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' AND char_length(slug) <= 63),
    CONSTRAINT organizations_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT organizations_logo_url_length CHECK (char_length(logo_url) <= 2048)
);
CREATE UNIQUE INDEX organizations_slug_unique ON organizations (tenant_id, slug) WHERE deleted_at IS NULL;
CREATE INDEX organizations_list ON organizations (tenant_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
ALTER TABLE organizations ADD PRIMARY KEY (tenant_id, id);
CREATE TRIGGER organizations_touch BEFORE UPDATE ON organizations FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('organizations');
GRANT SELECT, INSERT ON organizations TO ashlar_api;
GRANT UPDATE (name, description, logo_url, deleted_at) ON organizations TO ashlar_api;

ALTER TABLE users ADD CONSTRAINT users_default_organization
    FOREIGN KEY (tenant_id, default_organization_id) REFERENCES organizations;

-- A user in an organization.  enter() reads this row for each request that
-- names an organization.  The creator is owner; there is always one.
CREATE TABLE memberships (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    organization_id uuid NOT NULL,
    user_id         uuid NOT NULL,
    role            text NOT NULL,
    is_active       boolean NOT NULL DEFAULT true,
    joined_at       timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, user_id),
    CONSTRAINT memberships_id_unique UNIQUE (tenant_id, id),
    CONSTRAINT memberships_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT memberships_user FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    CONSTRAINT memberships_role_known CHECK (role IN ('owner', 'admin', 'member', 'developer'))
);
CREATE INDEX memberships_of_user ON memberships (tenant_id, user_id);
CREATE INDEX memberships_list ON memberships (tenant_id, organization_id, joined_at, user_id) WHERE is_active;
CREATE TRIGGER memberships_touch BEFORE UPDATE ON memberships FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('memberships');
GRANT SELECT, INSERT, DELETE ON memberships TO ashlar_api;
GRANT UPDATE (role, is_active, joined_at) ON memberships TO ashlar_api;

CREATE TABLE departments (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    organization_id uuid NOT NULL,
    name            text NOT NULL,
    description     text,
    is_default      boolean NOT NULL DEFAULT false,
    is_active       boolean NOT NULL DEFAULT true,
    settings        jsonb NOT NULL DEFAULT '{}',
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT departments_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT departments_name_unique UNIQUE (tenant_id, organization_id, name),
    CONSTRAINT departments_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT departments_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT departments_settings_is_object CHECK (jsonb_typeof(settings) = 'object')
);
CREATE UNIQUE INDEX departments_default_unique ON departments (tenant_id, organization_id) WHERE is_default;
CREATE TRIGGER departments_touch BEFORE UPDATE ON departments FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('departments');
GRANT SELECT, INSERT ON departments TO ashlar_api;
GRANT UPDATE (name, description, is_default, is_active, settings) ON departments TO ashlar_api;

-- Of an invitation's token only the SHA-256 is kept.  A pending one that is
-- past expires_at reads as expired.
CREATE TABLE invitations (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    organization_id uuid NOT NULL,
    email           text NOT NULL,
    role            text NOT NULL,
    status          text NOT NULL DEFAULT 'pending',
    token_hash      bytea NOT NULL,
    invited_by      uuid,
    expires_at      timestamptz NOT NULL,
    responded_at    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT invitations_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT invitations_invited_by FOREIGN KEY (tenant_id, invited_by) REFERENCES users (tenant_id, id),
    CONSTRAINT invitations_token_unique UNIQUE (tenant_id, token_hash),
    CONSTRAINT invitations_role_known CHECK (role IN ('admin', 'member', 'developer')),
    CONSTRAINT invitations_status_known CHECK (status IN ('pending', 'accepted', 'rejected', 'cancelled', 'expired')),
    CONSTRAINT invitations_email_format CHECK (email = lower(email) AND email ~ '^[^@\s]+@[^@\s]+$'
                                               AND char_length(email) <= 254)
);
CREATE UNIQUE INDEX invitations_pending_unique ON invitations (tenant_id, organization_id, email) WHERE status = 'pending';
CREATE INDEX invitations_pending_of_email ON invitations (tenant_id, email) WHERE status = 'pending';
CREATE TRIGGER invitations_touch BEFORE UPDATE ON invitations FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('invitations');
GRANT SELECT, INSERT ON invitations TO ashlar_api;
GRANT UPDATE (role, status, token_hash, expires_at, responded_at, invited_by) ON invitations TO ashlar_api;
