-- Organizations of the observability surface (sql/functions/traces/opsboard_orgs.sql). :members and :projects: what a free one may have.

-- columns: org
SELECT f.id, f.name, f.prem_status, f.subscription_id, f.subscription_end_date, f.subscription_start_date, f.subscription_cancel_at_period_end,
       f.current_user_role, f.current_member_count, f.max_member_count, f.current_project_count, f.max_project_count, f.paid_member_count
FROM organizations f;

-- name: opsboard_org_list :rows
-- Those that the caller is in; which the Demo Org is not.
SELECT :columns(org)
FROM memberships m
JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id AND o.deleted_at IS NULL
CROSS JOIN LATERAL org_facts(o.id, opsboard_role(m.role), :members::bigint, :projects::bigint, true) f
WHERE m.tenant_id = @tenant AND m.user_id = @user AND m.is_active
ORDER BY o.created_at, o.id;

-- name: opsboard_org_get :row
SELECT :columns(org), org_users(f.id) AS users
FROM org_facts(:org_id::uuid, opsboard_role(@org_role), :members::bigint, :projects::bigint, false) f;

-- name: opsboard_org_create :row
SELECT :columns(org)
FROM org_make(@user, :name) o
CROSS JOIN LATERAL org_facts(o.id, 'owner', :members::bigint, :projects::bigint, false) f;

-- name: opsboard_org_update :row
WITH changed AS (
    UPDATE organizations
    SET name = :name
    WHERE tenant_id = @tenant AND id = :org_id AND deleted_at IS NULL
    RETURNING id, name
)
SELECT f.id, c.name, f.prem_status, f.subscription_id, f.subscription_end_date, f.subscription_start_date, f.subscription_cancel_at_period_end,
       f.current_user_role, f.current_member_count, f.max_member_count, f.current_project_count, f.max_project_count, f.paid_member_count
FROM changed c
CROSS JOIN LATERAL org_facts(c.id, opsboard_role(@org_role), :members::bigint, :projects::bigint, false) f,
     audit('organization.update', 'organization', c.id::text, jsonb_build_object('fields', '{name}'::text[]));

-- name: opsboard_org_delete :row
SELECT true AS success, 'the organization was deleted' AS message
FROM org_delete(:org_id::uuid);

-- name: opsboard_member_remove :row
SELECT true AS success, 'the member was removed' AS message
FROM org_remove_member(:org_id::uuid, :user_id::uuid);

-- name: opsboard_member_role :row
SELECT true AS success, 'the role was changed' AS message
FROM org_change_role(:org_id::uuid, :user_id::uuid, :role);

-- name: opsboard_invite_prepare :row
-- What the mail to :email needs; and it is counted, as invitation_prepare does.
SELECT (@tenant)::text AS tenant, coalesce(to_user.email, :email) AS email, coalesce(to_user.locale, 'en') AS locale, s.invitation_url,
       jsonb_build_object('organization', o.name, 'role', :role::text, 'invited_by', u.full_name)::text AS data,
       coalesce(nullif(security_limit('invitation', 'organization:' || o.id, 50, 3600, 0), 0),
                mail_take('user:' || u.id, u.is_email_verified, limit_account(:email_key, :email))) AS retry_s
FROM organizations o
JOIN tenant_settings s ON s.tenant_id = o.tenant_id
JOIN users u ON u.tenant_id = o.tenant_id AND u.id = @user
LEFT JOIN user_find(:email_key, :email_sent) to_user ON true
WHERE o.tenant_id = @tenant AND o.id = :org_id;

-- name: opsboard_invite_create :row
WITH made AS (
    SELECT * FROM org_invite(:org_id::uuid, :email_key, :email_sent, :email, :role, :token_hash::bytea, :members::bigint)
), mail AS (
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT tenant_id, 'ashlar.mail', 'mail', :mail_payload::jsonb FROM made
)
SELECT true AS success, 'the invitation is on its way' AS message
FROM made;

-- name: opsboard_invite_list :rows
SELECT i.email AS invitee_email,
       coalesce((SELECT u.email FROM users u WHERE u.tenant_id = @tenant AND u.id = i.invited_by AND u.deleted_at IS NULL), 'Unknown') AS inviter_email,
       opsboard_role(i.role) AS role, i.organization_id AS org_id, o.name AS org_name,
       i.created_at, EXISTS (SELECT FROM user_find(i.email_key, i.email)) AS user_exists
FROM org_invited(:org_id::uuid) i
JOIN organizations o ON o.tenant_id = @tenant AND o.id = :org_id
ORDER BY i.created_at DESC, i.id;

-- name: opsboard_invite_revoke :row
SELECT true AS success, 'the invitation was revoked' AS message
FROM org_revoke_invite(:org_id::uuid, :email_key, :email_sent);

-- name: opsboard_invite_mine :rows
SELECT i.invited_by AS inviter_id, i.email AS invitee_email, i.organization_id AS org_id, opsboard_role(i.role) AS role, o.name AS org_name, i.created_at
FROM my_invitations(:token_key, :token_email) i
JOIN organizations o ON o.tenant_id = i.tenant_id AND o.id = i.organization_id
ORDER BY i.created_at DESC, i.id;

-- name: opsboard_invite_accept :row
SELECT true AS success, CASE WHEN a.is_new THEN 'you are a member of the organization now' ELSE 'you are a member of the organization already' END AS message
FROM org_accept_invite(:org_id::uuid, :token_key, :token_email) a;
