-- Invitations as the workspace surface has them; see sql/functions/tenancy/workspace_invitations.sql.  A token is in the answer that
-- shows it, and no hash is in any.

-- name: workspace_invitation_prepare :row
-- What the mail to :email needs; and it is counted, as invitation_prepare has it.
SELECT (@tenant)::text AS tenant, coalesce(to_user.email, :email) AS email, coalesce(to_user.locale, 'en') AS locale, s.invitation_url AS page,
       jsonb_build_object('organization', o.name, 'role', :role::text, 'invited_by', u.full_name, 'message', :message::text)::text AS data,
       coalesce(nullif(security_limit('invitation', 'organization:' || o.id, 50, 3600, 0), 0),
                mail_take('user:' || u.id, u.is_email_verified, limit_account(:email_key, :email))) AS retry_s
FROM organizations o
JOIN tenant_settings s ON s.tenant_id = o.tenant_id
JOIN users u ON u.tenant_id = o.tenant_id AND u.id = @user
LEFT JOIN user_find(:email_key, :email_sent) to_user ON true
WHERE o.tenant_id = @tenant AND o.id = @workspace;

-- name: workspace_invitation_create :row
WITH made AS (
    SELECT * FROM workspace_invite(:email_key, :email_sent, :email, :role, true, jsonb_build_object('message', :message::text, 'ends_at', :ends_at::timestamptz), :token_hash::bytea)
), mail AS (
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT tenant_id, 'ashlar.mail', 'mail', :mail_payload::jsonb FROM made
)
SELECT i.id, NULL::uuid AS user_id, i.organization_id AS workspace_id, i.email, NULL::text AS name, NULL::text AS avatar_url,
       workspace_role(i.role) AS role, 'pending' AS status, false AS has_password,
       (SELECT jsonb_build_object('id', b.id, 'email', b.email, 'name', b.full_name, 'avatar_url', b.avatar_url)
        FROM users b WHERE b.tenant_id = @tenant AND b.id = i.invited_by) AS invited_by,
       i.created_at AS invited_at, i.expires_at AS invitation_expires_at, NULL::timestamptz AS accepted_at
FROM made i;

-- name: workspace_invitation_member :row
-- The same as a member of whom more is said; without a mail where none was prepared.  Behind it workspace_member_or_invited.
WITH made AS (
    SELECT * FROM workspace_invite(:email_key, :email_sent, :email, :role, false,
                                   jsonb_build_object('full_name', :full_name::text, 'title', :title::text, 'department', :department::text,
                                                      'ends_at', :ends_at::timestamptz), :token_hash::bytea)
), mail AS (
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT tenant_id, 'ashlar.mail', 'mail', :mail_payload::jsonb FROM made WHERE :mail_payload::jsonb IS NOT NULL
)
SELECT i.id::text AS id FROM made i;

-- name: workspace_invitation_prepare_again :row
-- The same for the invitation of :member_id or :user_id; raises what workspace_invitation_lock() does.
SELECT (@tenant)::text AS tenant, i.email, coalesce(to_user.locale, 'en') AS locale, s.invitation_url AS page,
       jsonb_build_object('organization', o.name, 'role', i.role, 'invited_by', u.full_name, 'message', d.message)::text AS data,
       coalesce(nullif(security_limit('invitation', 'organization:' || o.id, 50, 3600, 0), 0),
                mail_take('user:' || u.id, u.is_email_verified, limit_account(i.email_key, i.email))) AS retry_s
FROM workspace_invitation_lock(:member_id::uuid, :user_id::uuid) i
JOIN organizations o ON o.tenant_id = @tenant AND o.id = @workspace
JOIN tenant_settings s ON s.tenant_id = @tenant
JOIN users u ON u.tenant_id = @tenant AND u.id = @user
JOIN invitation_details d ON d.tenant_id = @tenant AND d.invitation_id = i.id
LEFT JOIN LATERAL user_find(i.email_key, i.email) to_user ON true;

-- name: workspace_invitation_resend :row
WITH renewed AS (
    SELECT * FROM workspace_invitation_renew(:member_id::uuid, :user_id::uuid, false, :token_hash::bytea)
), mail AS (
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT tenant_id, 'ashlar.mail', 'mail', :mail_payload::jsonb FROM renewed
)
SELECT 'the invitation is on its way' AS message, i.id AS member_id, i.email, i.expires_at, true AS email_sent
FROM renewed i;

-- name: workspace_invitation_page :row
-- Where a link leads that is passed on by hand.
SELECT (@tenant)::text AS tenant, s.invitation_url AS page FROM tenant_settings s WHERE s.tenant_id = @tenant;

-- name: workspace_invitation_show :row
SELECT :invite_url::text AS invite_url, :token::text AS token, i.expires_at, i.id AS member_id,
       (SELECT m.user_id FROM memberships m WHERE m.tenant_id = @tenant AND m.organization_id = @workspace AND m.id = :member_id::uuid) AS user_id
FROM workspace_invitation_renew(:member_id::uuid, :user_id::uuid, true, :token_hash::bytea) i;

-- name: workspace_invitation_cancel :row
SELECT 'the invitation was cancelled' AS message, workspace_invitation_cancel(:member_id::uuid, :user_id::uuid) AS member_id
WHERE workspace_enter(:workspace_id::uuid);

-- name: workspace_invitation_get :row
-- Looks only.
SELECT 'pending' AS status, (w.i).email, d.full_name AS name, workspace_role((w.i).role) AS role,
       jsonb_build_object('id', o.id, 'name', o.name, 'slug', o.slug, 'logo_url', o.logo_url) AS workspace,
       (SELECT jsonb_build_object('id', b.id, 'email', b.email, 'name', b.full_name, 'avatar_url', b.avatar_url)
        FROM users b WHERE b.tenant_id = @tenant AND b.id = (w.i).invited_by) AS invited_by,
       w.needs_password AS requires_password, (w.i).expires_at
FROM workspace_invitation(:token_hash::bytea) w
JOIN tenants t ON t.id = @tenant AND t.is_active
JOIN organizations o ON o.tenant_id = @tenant AND o.id = (w.i).organization_id
JOIN invitation_details d ON d.tenant_id = @tenant AND d.invitation_id = (w.i).id;

-- name: workspace_invitation_find :row
-- What it takes to accept it.
SELECT (w.i).email, w.needs_password
FROM workspace_invitation(:token_hash::bytea) w
JOIN tenants t ON t.id = @tenant AND t.is_active;

-- name: workspace_invitation_accept :row
SELECT 'welcome: sign in to go on' AS message, jsonb_build_object('id', o.id, 'name', o.name, 'slug', o.slug, 'logo_url', o.logo_url) AS workspace,
       m.user_id, m.id AS member_id, i.email, workspace_role(m.role) AS role
FROM workspace_invitation_accept(:token_hash::bytea, :password_hash, :name) m
JOIN organizations o ON o.tenant_id = @tenant AND o.id = m.organization_id
JOIN invitations i ON i.tenant_id = @tenant AND i.token_hash = :token_hash::bytea;
