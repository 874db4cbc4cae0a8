-- Organizations as the team of their tenant looks after them.  See sql/functions/tenancy/dashboard_organizations.sql for what
-- each change locks and refuses.

-- columns: team_organization
SELECT o.id, o.name, o.slug, o.description, o.logo_url, o.status, o.member_count, o.owner_count, o.created_at, o.updated_at
FROM organizations o;

-- name: dashboard_organization_list :page
-- Newest first.
-- scan: a page of the index that is the list's order, and up to 10,001 of its entries
SELECT :columns(team_organization)
FROM organizations o
WHERE o.tenant_id = @tenant AND o.deleted_at IS NULL
ORDER BY o.created_at DESC, o.id DESC;

-- name: dashboard_organization_search :page
-- total: (SELECT count(*) FROM found)
-- Those whose name begins with :search, or whose slug it is: up to 200.
-- unindexed: 200 rows
WITH found AS MATERIALIZED (
    SELECT id FROM organization_candidates(:search) ORDER BY created_at DESC, id DESC LIMIT 200
)
SELECT :columns(team_organization)
FROM found f, LATERAL (SELECT * FROM organizations WHERE tenant_id = @tenant AND id = f.id OFFSET 0) o -- one by one: no join with all
WHERE o.tenant_id = @tenant AND o.deleted_at IS NULL
ORDER BY o.created_at DESC, o.id DESC;

-- name: dashboard_organization_get :row
SELECT :columns(team_organization), o.updated_at AS _updated_at
FROM organizations o
WHERE o.tenant_id = @tenant AND o.id = :organization_id AND o.deleted_at IS NULL;

-- name: dashboard_organization_known :row
-- No row: there is no such organization.
SELECT o.id FROM organizations o WHERE o.tenant_id = @tenant AND o.id = :organization_id AND o.deleted_at IS NULL;

-- name: dashboard_organization_update :row
WITH changed AS (
    UPDATE organizations
    SET :set(name, description, logo_url)
    WHERE tenant_id = @tenant AND id = :organization_id AND deleted_at IS NULL AND if_match(updated_at, :if_match)
    RETURNING *
)
SELECT :columns(team_organization), o.updated_at AS _updated_at
FROM changed o, audit('organization.update', 'organization', o.id::text, jsonb_build_object(
    'fields', :changed(name, description, logo_url)));

-- columns: team_member
SELECT m.user_id, u.public_id AS sub, u.email, u.full_name AS display_name, m.role, m.is_active, m.joined_at
FROM memberships m
JOIN users u ON u.tenant_id = @tenant AND u.id = m.user_id;

-- name: dashboard_member_list :page
-- total: (SELECT o.member_count FROM organizations o WHERE o.tenant_id = @tenant AND o.id = :organization_id)
-- In the order in which they joined; with :include_inactive those who are deactivated, too, in that of their ids.
SELECT :columns(team_member)
FROM memberships m
:joins(team_member)
WHERE m.tenant_id = @tenant AND m.organization_id = :organization_id
  [:include_inactive| | AND m.is_active]
ORDER BY [:include_inactive| | m.joined_at,] m.user_id;

-- name: dashboard_member_change :row
SELECT :columns(team_member)
FROM dashboard_member_change(:organization_id::uuid, :user_id::uuid, :role, :is_active::boolean) m
:joins(team_member);

-- name: dashboard_member_remove :row
SELECT m.user_id
FROM dashboard_member_remove(:organization_id::uuid, :user_id::uuid) m;

-- columns: team_invitation
SELECT i.id, i.organization_id, i.email, i.role, invitation_status(i.status, i.expires_at) AS status, i.invited_by, i.expires_at, i.created_at
FROM invitations i;

-- name: dashboard_invitation_list :rows
-- Those that are pending, or were until they expired: an organization has at most 100.  Newest first.
SELECT :columns(team_invitation)
FROM invitations i
WHERE i.tenant_id = @tenant AND i.organization_id = :organization_id AND i.status = 'pending'
ORDER BY i.created_at DESC, i.id DESC;

-- name: dashboard_invitation_prepare :row
-- As invitation_prepare, in the name of the member of the team who invites.  No row: there is no such organization.
SELECT (@tenant)::text AS tenant, coalesce(to_user.email, :email) AS email, coalesce(to_user.locale, 'en') AS locale, s.invitation_url,
       jsonb_build_object('organization', o.name, 'role', :role::text, 'invited_by', c.name)::text AS data,
       coalesce(nullif(security_limit('invitation', 'organization:' || o.id, 50, 3600, 0), 0),
                mail_take('team:' || @team, true, limit_account(:email_key, :email))) AS retry_s
FROM organizations o
JOIN tenant_settings s ON s.tenant_id = o.tenant_id
CROSS JOIN team_caller(NULL, NULL) c
LEFT JOIN user_find(:email_key, :email_sent) to_user ON true
WHERE o.tenant_id = @tenant AND o.id = :organization_id AND o.deleted_at IS NULL;

-- name: dashboard_invitation_create :row
WITH made AS (
    SELECT * FROM invitation_create(:organization_id::uuid, :email_key, :email_sent, :email, :role, :token_hash::bytea)
), mail AS (
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT tenant_id, 'ashlar.mail', 'mail', :mail_payload::jsonb FROM made
)
SELECT :columns(team_invitation)
FROM made i;

-- name: dashboard_invitation_prepare_again :row
-- The same for an invitation that is there.  No row: it is not.
SELECT (@tenant)::text AS tenant, i.email, coalesce(to_user.locale, 'en') AS locale, s.invitation_url,
       jsonb_build_object('organization', o.name, 'role', i.role, 'invited_by', c.name)::text AS data,
       coalesce(nullif(security_limit('invitation', 'organization:' || o.id, 50, 3600, 0), 0),
                mail_take('team:' || @team, true, limit_account(i.email_key, i.email))) AS retry_s
FROM invitations i
JOIN organizations o ON o.tenant_id = i.tenant_id AND o.id = i.organization_id AND o.deleted_at IS NULL
JOIN tenant_settings s ON s.tenant_id = i.tenant_id
CROSS JOIN team_caller(NULL, NULL) c
LEFT JOIN LATERAL user_find(i.email_key, i.email) to_user ON true
WHERE i.tenant_id = @tenant AND i.id = :invitation_id AND i.organization_id = :organization_id;

-- name: dashboard_invitation_resend :row
WITH renewed AS (
    SELECT * FROM invitation_renew(:organization_id::uuid, :invitation_id::uuid, :token_hash::bytea)
), mail AS (
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT tenant_id, 'ashlar.mail', 'mail', :mail_payload::jsonb FROM renewed
)
SELECT :columns(team_invitation)
FROM renewed i;

-- name: dashboard_invitation_cancel :row
-- No row: there is none that could still be accepted.
WITH gone AS (
    UPDATE invitations
    SET status = 'cancelled', responded_at = now()
    WHERE tenant_id = @tenant AND id = :invitation_id AND organization_id = :organization_id AND status = 'pending'
    RETURNING id, organization_id, email
)
SELECT gone.id
FROM gone, audit('invitation.cancel', 'invitation', gone.id::text,
                 jsonb_build_object('organization_id', gone.organization_id, 'email', gone.email));
