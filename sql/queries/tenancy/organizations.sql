-- Organizations, as a member sees them: role is the caller's.  That the caller
-- is a member the door has checked where the path names the organization.

-- columns: organization
-- And the role of who asks.
SELECT o.id, o.name, o.slug, o.description, o.logo_url, o.created_at
FROM organizations o;

-- name: organization_list :rows
-- Those that the caller is in.
SELECT :columns(organization), platform_role(m.role) AS role
FROM memberships m
JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
WHERE m.tenant_id = @tenant AND m.user_id = @user AND m.is_active AND o.deleted_at IS NULL
ORDER BY o.created_at, o.id
LIMIT :limit OFFSET :skip;

-- name: organization_create :row
-- It is born with its owner and a default department, and becomes the default
-- organization of who has none.
WITH made AS (
    INSERT INTO organizations :values(tenant_id = @tenant, name, slug, description)
    RETURNING *
), owner AS (
    INSERT INTO memberships (tenant_id, organization_id, user_id, role)
    SELECT tenant_id, id, @user, 'owner' FROM made
), department AS (
    INSERT INTO departments (tenant_id, organization_id, name, is_default)
    SELECT tenant_id, id, 'General', true FROM made
), chosen AS (
    UPDATE users u SET default_organization_id = made.id
    FROM made
    WHERE u.tenant_id = made.tenant_id AND u.id = @user AND u.default_organization_id IS NULL
)
SELECT :columns(organization), 'owner' AS role, o.updated_at AS _updated_at
FROM made o, audit('organization.create', 'organization', o.id::text, jsonb_build_object('name', o.name, 'slug', o.slug));

-- name: organization_get :row
SELECT :columns(organization), platform_role(@org_role) AS role, o.updated_at AS _updated_at
FROM organizations o
WHERE o.tenant_id = @tenant AND o.id = :organization_id AND o.deleted_at IS NULL;

-- name: organization_update :row
WITH changed AS (
    UPDATE organizations
    SET :set(name, description, logo_url)
    WHERE tenant_id = @tenant AND id = :organization_id AND deleted_at IS NULL AND if_match(updated_at, :if_match)
    RETURNING *
)
SELECT :columns(organization), platform_role(@org_role) AS role, o.updated_at AS _updated_at
FROM changed o, audit('organization.update', 'organization', o.id::text, jsonb_build_object(
    'fields', :changed(name, description, logo_url)));

-- name: organization_set_default :row
-- The membership is locked: who takes it away at this moment waits, and then clears the default.
WITH here AS (
    SELECT m.tenant_id, m.user_id, m.organization_id
    FROM memberships m
    WHERE m.tenant_id = @tenant AND m.organization_id = :organization_id AND m.user_id = @user AND m.is_active
    FOR SHARE
)
UPDATE users u
SET default_organization_id = here.organization_id
FROM here
WHERE u.tenant_id = here.tenant_id AND u.id = here.user_id
RETURNING 'this is your default organization now' AS message;
