-- Organizations on the operations surface; see sql/functions/tenancy/operations_organizations.sql.

-- columns: operations_organization
-- And the role of who asks.
SELECT o.id, t.number AS tenant_id, o.name, o.slug, o.logo_url AS avatar_url, operations_user_number(workspace_owner(o.id)) AS owner_id,
       member_count_now(o.tenant_id, o.id, o.member_count) AS member_count, o.created_at, o.updated_at
FROM organizations o
JOIN tenants t ON t.id = o.tenant_id;

-- columns: operations_member
SELECT a.number::text AS user_id, operations_username(a.username, u.full_name, u.email, u.public_id) AS username, u.email,
       u.avatar_url, workspace_role(m.role) AS role, m.joined_at
FROM memberships m
JOIN users u ON u.tenant_id = @tenant AND u.id = m.user_id
JOIN user_accounts a ON a.tenant_id = @tenant AND a.user_id = m.user_id;

-- columns: operations_invite
SELECT i.id, i.organization_id, i.email, workspace_role(i.role) AS role, invitation_status(i.status, i.expires_at) AS status,
       operations_user_number(i.invited_by) AS invited_by, i.expires_at, i.created_at
FROM invitations i;

-- name: operations_org_list :page
-- count: FROM memberships m JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id WHERE m.tenant_id = @tenant AND m.user_id = @user AND m.is_active AND o.deleted_at IS NULL
-- unindexed: those of one user
SELECT :columns(operations_organization), workspace_role(m.role) AS role
FROM memberships m
JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
JOIN tenants t ON t.id = o.tenant_id
WHERE m.tenant_id = @tenant AND m.user_id = @user AND m.is_active AND o.deleted_at IS NULL
ORDER BY lower(o.name), o.id;

-- name: operations_org_create :row
-- It is born with its owner and a default department, and becomes the default one of who has none.
WITH made AS (
    INSERT INTO organizations
    :values(tenant_id = @tenant, name, slug = coalesce(:slug, operations_slug(:name)))
    WHERE may(@user IS NOT NULL, 'an organization needs an owner, and a key of a tenant is nobody')
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
SELECT o.id, t.number AS tenant_id, o.name, o.slug, o.logo_url AS avatar_url, operations_user_number(@user) AS owner_id, 1 AS member_count,
       o.created_at, o.updated_at, 'owner' AS role
FROM made o
JOIN tenants t ON t.id = o.tenant_id,
     audit('organization.create', 'organization', o.id::text, jsonb_build_object('name', o.name, 'slug', o.slug));

-- name: operations_org_get :row
SELECT :columns(operations_organization), workspace_role(m.role) AS role, o.updated_at AS _updated_at
FROM organizations o
:joins(operations_organization)
JOIN memberships m ON m.tenant_id = o.tenant_id AND m.organization_id = o.id AND m.user_id = @user AND m.is_active
WHERE o.tenant_id = @tenant AND o.id = :organization_id AND o.deleted_at IS NULL;

-- name: operations_org_update :row
WITH changed AS (
    UPDATE organizations o
    SET :set(o.name, o.slug, o.logo_url = avatar_url)
    WHERE o.tenant_id = @tenant AND o.id = :organization_id AND o.deleted_at IS NULL
      AND operations_org_role(o.id, 'owner', 'admin') IS NOT NULL
      AND valid(:has_name::boolean OR :has_slug::boolean OR :has_avatar_url::boolean, 'name', 'send name, slug or avatar_url')
      AND if_match(o.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(operations_organization), workspace_role(m.role) AS role, o.updated_at AS _updated_at
FROM changed o
:joins(operations_organization)
JOIN memberships m ON m.tenant_id = @tenant AND m.organization_id = o.id AND m.user_id = @user
CROSS JOIN audit('organization.update', 'organization', o.id::text, jsonb_build_object('fields', :changed(name, slug, avatar_url)))
CROSS JOIN workspace_tell(o.id, 'workspace_updated', jsonb_build_object('workspace_id', o.id));

-- name: operations_org_delete :row
SELECT :organization_id::uuid AS id, true AS deleted
FROM operations_org_delete(:organization_id::uuid);

-- name: operations_member_list :page
-- total: (SELECT member_count_now(o.tenant_id, o.id, o.member_count) FROM organizations o WHERE o.tenant_id = @tenant AND o.id = :organization_id)
-- unindexed: owners first, and the thousand who have been there longest
SELECT :columns(operations_member)
FROM operations_org_role(:organization_id::uuid) mine
CROSS JOIN LATERAL (SELECT * FROM memberships x
                    WHERE x.tenant_id = @tenant AND x.organization_id = :organization_id AND x.is_active AND mine IS NOT NULL
                    ORDER BY x.joined_at, x.user_id LIMIT 1000) m
:joins(operations_member)
ORDER BY m.role = 'owner' DESC, m.joined_at, m.user_id;

-- name: operations_member_add :row
SELECT :columns(operations_member)
FROM operations_member_add(:organization_id::uuid, :user_id::bigint, :role) m
:joins(operations_member);

-- name: operations_member_update :row
SELECT :columns(operations_member)
FROM operations_member_change(:organization_id::uuid, :user_number::bigint, :role) m
:joins(operations_member);

-- name: operations_member_remove :row
SELECT (:user_number::bigint)::text AS id, true AS deleted
FROM operations_member_remove(:organization_id::uuid, :user_number::bigint);

-- name: operations_invite_list :page
-- Pending ones, newest first: at most 100.
-- unindexed: at most 100
SELECT :columns(operations_invite)
FROM operations_org_role(:organization_id::uuid, 'owner', 'admin') mine
CROSS JOIN LATERAL (SELECT * FROM invitations x
                    WHERE x.tenant_id = @tenant AND x.organization_id = :organization_id AND x.status = 'pending' AND x.expires_at > now()
                      AND mine IS NOT NULL
                    OFFSET 0) i
ORDER BY i.created_at DESC, i.id DESC;

-- name: operations_org_manager :row
-- Before a mail is prepared: raises for who may not invite.
SELECT operations_org_role(:organization_id::uuid, 'owner', 'admin') AS role;

-- name: operations_invite_create :row
WITH made AS (
    SELECT * FROM invitation_create(:organization_id::uuid, :email_key, :email_sent, :email, :role, :token_hash::bytea)
), mail AS (
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT tenant_id, 'ashlar.mail', 'mail', :mail_payload::jsonb FROM made
)
SELECT :columns(operations_invite)
FROM made i;

-- name: operations_invite_accept :row
SELECT a.kind, a.organization, a.team, a.role, a.joined_at
FROM operations_invite_accept(:invitation_token_hash::bytea) a;
