-- Permissions by name: which roles have them, what a workspace changes of that,
-- and what an API key is for.

-- What there is to be permitted, and to whom unless their workspace says otherwise.
-- "ashlar migrate" keeps it as handlers/permissions.def has it; nobody else writes it.
--
-- place     whose roles these are: 'tenant' (users.role), 'organization' or 'workspace' (memberships.role)
-- own_name  the permission to do the same with what the caller has made, and own_roles, who has that
CREATE TABLE permissions (
    name       text PRIMARY KEY,
    place      text NOT NULL,
    roles      text[] NOT NULL,
    own_name   text,
    own_roles  text[],
    number     integer NOT NULL,    -- their order
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT permissions_place_known CHECK (place IN ('tenant', 'organization', 'workspace')),
    CONSTRAINT permissions_own CHECK ((own_name IS NULL) = (own_roles IS NULL))
);
CREATE TRIGGER permissions_touch BEFORE UPDATE ON permissions FOR EACH ROW EXECUTE FUNCTION touch();
GRANT SELECT ON permissions TO ashlar_api;

-- What a workspace has set for a role; the owner's is never set.
CREATE TABLE role_permissions (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    role            text NOT NULL,
    permission      text NOT NULL,
    is_granted      boolean NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, role, permission),
    CONSTRAINT role_permissions_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT role_permissions_role_known CHECK (role IN ('admin', 'developer', 'member', 'viewer')),
    CONSTRAINT role_permissions_permission_length CHECK (char_length(permission) BETWEEN 1 AND 100)
);
CREATE TRIGGER role_permissions_touch BEFORE UPDATE ON role_permissions FOR EACH ROW EXECUTE FUNCTION touch();

SELECT isolate('role_permissions');
GRANT SELECT, INSERT, DELETE ON role_permissions TO ashlar_api;
GRANT UPDATE (is_granted) ON role_permissions TO ashlar_api;

-- Who may look at everything in a workspace, and change nothing.
ALTER TABLE memberships
    DROP CONSTRAINT memberships_role_known,
    ADD CONSTRAINT memberships_role_known CHECK (role IN ('owner', 'admin', 'member', 'developer', 'viewer'));
ALTER TABLE invitations
    DROP CONSTRAINT invitations_role_known,
    ADD CONSTRAINT invitations_role_known CHECK (role IN ('admin', 'member', 'developer', 'viewer'));

-- What the key alone may be used for ("tasks:read", …; '*': everything); NULL: everything.
ALTER TABLE api_keys
    ADD scopes text[],
    ADD CONSTRAINT api_keys_scopes_count CHECK (cardinality(scopes) <= 50);
