-- Who sends traces and who reads them: the projects of the observability surface, and its users.

-- What the observability surface calls a project: an organization's, and what spans are sent to. The projects of the app surface are
-- other things.
--
--   api_key_hash    SHA-256 of the key's text, by which who sends it is found
--   api_key_sealed  the key itself, which members are shown again (lib/crypto/seal.h, purpose "trace_project")
--   deleted_at      its spans go in batches after that, and then nothing reads it any more
CREATE TABLE trace_projects (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    organization_id uuid NOT NULL,
    name            text NOT NULL,
    environment     text NOT NULL DEFAULT 'development',
    api_key_hash    bytea NOT NULL,
    api_key_sealed  text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT trace_projects_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT trace_projects_key_unique UNIQUE (api_key_hash),
    CONSTRAINT trace_projects_key_length CHECK (octet_length(api_key_hash) = 32),
    CONSTRAINT trace_projects_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT trace_projects_environment_known CHECK (environment IN ('production', 'staging', 'development', 'community'))
);
CREATE INDEX trace_projects_of_organization ON trace_projects (tenant_id, organization_id) WHERE deleted_at IS NULL;
SELECT isolate('trace_projects');
-- The key tells the tenant: whoever shows its hash sees its row.
CREATE POLICY trace_projects_shown ON trace_projects FOR SELECT
    USING (api_key_hash = (SELECT decode(current_setting('app.key_hash', true), 'hex')));
GRANT SELECT, INSERT ON trace_projects TO ashlar_api;
SELECT changeable('trace_projects', 'organization_id');

-- What programs store beside their traces: a log of each, by what the trace is called, and objects, each found by the SHA-256 of what its
-- address ends with. Their content is stored_objects'.
CREATE TABLE trace_logs (
    tenant_id  uuid NOT NULL,
    project_id uuid NOT NULL,
    trace_id   text NOT NULL,
    object_id  uuid NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, project_id, trace_id),
    CONSTRAINT trace_logs_project FOREIGN KEY (tenant_id, project_id) REFERENCES trace_projects,
    CONSTRAINT trace_logs_object FOREIGN KEY (tenant_id, object_id) REFERENCES stored_objects,
    CONSTRAINT trace_logs_trace_id_length CHECK (char_length(trace_id) BETWEEN 1 AND 128)
);
CREATE INDEX trace_logs_of_object ON trace_logs (tenant_id, object_id);
SELECT isolate('trace_logs');
GRANT SELECT, INSERT, DELETE ON trace_logs TO ashlar_api;
SELECT changeable('trace_logs');

CREATE TABLE trace_objects (
    tenant_id  uuid NOT NULL,
    project_id uuid NOT NULL,
    object_id  uuid NOT NULL,
    key_hash   bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, project_id, object_id),
    CONSTRAINT trace_objects_project FOREIGN KEY (tenant_id, project_id) REFERENCES trace_projects,
    CONSTRAINT trace_objects_object FOREIGN KEY (tenant_id, object_id) REFERENCES stored_objects,
    CONSTRAINT trace_objects_key_unique UNIQUE (key_hash),
    CONSTRAINT trace_objects_key_length CHECK (octet_length(key_hash) = 32)
);
CREATE INDEX trace_objects_of_object ON trace_objects (tenant_id, object_id);
SELECT isolate('trace_objects');
-- The address tells the tenant: whoever shows its hash sees its row.
CREATE POLICY trace_objects_shown ON trace_objects FOR SELECT
    USING (key_hash = (SELECT decode(current_setting('app.key_hash', true), 'hex')));
GRANT SELECT, INSERT, DELETE ON trace_objects TO ashlar_api;

-- What the surface knows of a user beside users. Whoever has a row has been there: an organization and a project were made with it.
--
--   email  what they called their own, where who signs them in knows none: shown, and never a reason to let anybody in
CREATE TABLE opsboard_profiles (
    tenant_id          uuid NOT NULL,
    user_id            uuid NOT NULL,
    email              text,
    billing_address    jsonb,
    payment_method     jsonb,
    survey_is_complete boolean NOT NULL DEFAULT false,
    created_at         timestamptz NOT NULL DEFAULT now(),
    updated_at         timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, user_id),
    CONSTRAINT opsboard_profiles_user FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    CONSTRAINT opsboard_profiles_email_length CHECK (char_length(email) BETWEEN 1 AND 254),
    CONSTRAINT opsboard_profiles_billing_address_size CHECK (octet_length(billing_address::text) <= 16384),
    CONSTRAINT opsboard_profiles_payment_method_size CHECK (octet_length(payment_method::text) <= 16384),
    CONSTRAINT opsboard_profiles_objects CHECK (jsonb_typeof(billing_address) = 'object' AND jsonb_typeof(payment_method) = 'object')
);
SELECT isolate('opsboard_profiles');
GRANT SELECT, INSERT ON opsboard_profiles TO ashlar_api;
SELECT changeable('opsboard_profiles');

-- When somebody joined for whom the provider was asked for one more seat: until it knows, none is taken back (seats_deal).
ALTER TABLE memberships ADD seat_asked_at timestamptz;

-- Who is invited to own an organization owns it.
ALTER TABLE invitations
    DROP CONSTRAINT invitations_role_known,
    ADD CONSTRAINT invitations_role_known CHECK (role IN ('owner', 'admin', 'member', 'developer', 'viewer', 'business_user'));
