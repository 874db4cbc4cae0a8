-- Organizations as the workspace surface shows them.

-- columns: workspace
-- And owner_id, member_count, role and is_current.
SELECT o.id, o.name, o.slug, o.description, o.industry, o.website, o.logo_url, o.timezone, o.status, s.tier AS subscription_tier,
       s.status AS subscription_status, o.settings, o.created_at, o.updated_at
FROM organizations o
LEFT JOIN subscriptions s ON s.tenant_id = o.tenant_id AND s.owner_id = o.id AND s.is_current;

-- name: workspace_list :row
-- Of its children, the workspaces, the caller is an active member; which one is the active one.
SELECT (SELECT count(*) FROM memberships m JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
        WHERE m.tenant_id = @tenant AND m.user_id = @user AND m.is_active AND o.deleted_at IS NULL) AS total,
       active_workspace(@user, @chosen::uuid) AS current_workspace_id;

-- name: workspace_list_of_user :rows
-- By name, whatever its case.  Which is the active one is asked for once, not of each.
SELECT :columns(workspace), workspace_owner(o.id) AS owner_id, member_count_now(o.tenant_id, o.id, o.member_count) AS member_count, workspace_role(m.role) AS role,
       coalesce(o.id = (SELECT active_workspace(@user, @chosen::uuid)), false) AS is_current
FROM memberships m
JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
:joins(workspace)
WHERE m.tenant_id = @tenant AND m.user_id = @user AND m.is_active AND o.deleted_at IS NULL
ORDER BY lower(o.name), o.id;

-- name: workspace_get :row
-- For its members, and for who administers the tenant.
SELECT :columns(workspace), workspace_owner(o.id) AS owner_id, member_count_now(o.tenant_id, o.id, o.member_count) AS member_count, workspace_role(m.role) AS role,
       coalesce(o.id = active_workspace(@user, @chosen::uuid), false) AS is_current
FROM organizations o
:joins(workspace)
LEFT JOIN memberships m ON m.tenant_id = o.tenant_id AND m.organization_id = o.id AND m.user_id = @user AND m.is_active
JOIN users u ON u.tenant_id = o.tenant_id AND u.id = @user
WHERE o.tenant_id = @tenant AND o.id = :workspace_id AND o.deleted_at IS NULL
  AND may(m.role IS NOT NULL OR u.access > 1, 'you are not an active member of this workspace');

-- name: workspace_create :row
-- It is born with its owner and a default department, and becomes the active one of who has none.
WITH made AS (
    INSERT INTO organizations
    :values(tenant_id = @tenant, name, slug = coalesce(:slug, workspace_slug(:name)), description, industry, website, logo_url,
            timezone = coalesce(:timezone, 'UTC'))
    WHERE valid(coalesce(is_timezone(:timezone::text), true), 'timezone', 'timezone must be the name of a time zone, such as Europe/Berlin')
    RETURNING *
), owner AS (
    INSERT INTO memberships (tenant_id, organization_id, user_id, role)
    SELECT tenant_id, id, @user, 'owner' FROM made
), department AS (
    INSERT INTO departments (tenant_id, organization_id, name, is_default)
    SELECT tenant_id, id, 'General', true FROM made
), active AS (
    SELECT active_workspace(@user, @chosen::uuid) AS id
), chosen AS (
    UPDATE users u SET default_organization_id = made.id
    FROM made, active
    WHERE u.tenant_id = made.tenant_id AND u.id = @user AND active.id IS NULL
)
SELECT :columns(workspace), @user AS owner_id, 1 AS member_count, 'owner' AS role, a.id IS NULL AS is_current
FROM made o
:joins(workspace)
CROSS JOIN active a
CROSS JOIN audit('organization.create', 'organization', o.id::text, jsonb_build_object('name', o.name, 'slug', o.slug));

-- name: workspace_update :row
WITH changed AS (
    UPDATE organizations o
    SET :set(o.name, o.description, o.industry, o.website, o.logo_url, o.timezone),
        settings = o.settings || coalesce(:settings::jsonb, '{}')
    WHERE o.tenant_id = @tenant AND o.id = @workspace AND o.deleted_at IS NULL
      AND valid(coalesce(is_timezone(:timezone::text), true), 'timezone', 'timezone must be the name of a time zone, such as Europe/Berlin')
      AND if_match(o.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(workspace), workspace_owner(o.id) AS owner_id, member_count_now(o.tenant_id, o.id, o.member_count) AS member_count, workspace_role(@org_role) AS role,
       coalesce(o.id = active_workspace(@user, @chosen::uuid), false) AS is_current
FROM changed o
:joins(workspace)
CROSS JOIN audit('organization.update', 'organization', o.id::text, jsonb_build_object(
    'fields', :changed(name, description, industry, website, logo_url, timezone, settings)))
CROSS JOIN workspace_tell(o.id, 'workspace_updated', jsonb_build_object('workspace_id', o.id));

-- name: workspace_switch :row
-- The session is in it from now on, and the next ones of the user begin there; an impersonator chooses for the session
-- alone.  What the tokens are made of, as session_claims() has it.  _session_id is null of a token that is no session of ours.
WITH here AS (
    SELECT m.id AS member_id, m.organization_id
    FROM organizations o
    LEFT JOIN memberships m ON m.tenant_id = o.tenant_id AND m.organization_id = o.id AND m.user_id = @user AND m.is_active
    WHERE o.tenant_id = @tenant AND o.id = :workspace_id AND o.deleted_at IS NULL
      AND may(m.id IS NOT NULL, 'you are not an active member of this workspace')
), switched AS (
    SELECT workspace_switch(h.organization_id, h.member_id, @session::uuid) AS at FROM here h
)
SELECT t.*, floor(extract(epoch FROM s.created_at))::bigint AS _auth_s
FROM switched x
LEFT JOIN sessions s ON s.tenant_id = @tenant AND s.id = @session::uuid
LEFT JOIN LATERAL session_claims(s.id, x.at) t ON true;
