-- Invitations to organizations.  Neither a token nor its hash is in any answer.

-- columns: invitation
SELECT i.id, i.organization_id, o.name AS organization_name, i.email, platform_role(i.role) AS role, i.status, i.invited_by, i.expires_at,
       i.created_at
FROM invitations i
JOIN organizations o ON o.tenant_id = @tenant AND o.id = i.organization_id;

-- name: invitation_prepare :row
-- What the mail to :email needs; and it is counted: 50 an hour for each organization, and mail_take().
SELECT (@tenant)::text AS tenant, coalesce(to_user.email, :email) AS email, coalesce(to_user.locale, 'en') AS locale, s.invitation_url,
       jsonb_build_object('organization', o.name, 'role', :role::text, 'invited_by', u.full_name)::text AS data,
       coalesce(nullif(security_limit('invitation', 'organization:' || o.id, 50, 3600, 0), 0),
                mail_take('user:' || u.id, u.is_email_verified, limit_account(:email_key, :email))) AS retry_s
FROM organizations o
JOIN tenant_settings s ON s.tenant_id = o.tenant_id
JOIN users u ON u.tenant_id = o.tenant_id AND u.id = @user
LEFT JOIN user_find(:email_key, :email_sent) to_user ON true
WHERE o.tenant_id = @tenant AND o.id = :organization_id;

-- name: invitation_create :row
WITH made AS (
    SELECT * FROM invitation_create(:organization_id::uuid, :email_key, :email_sent, :email, :role, :token_hash::bytea)
), mail AS (
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT tenant_id, 'ashlar.mail', 'mail', :mail_payload::jsonb FROM made
)
SELECT :columns(invitation)
FROM made i
:joins(invitation);

-- name: invitation_prepare_again :row
-- The same for an invitation that is there.  No row: it is not.
SELECT (@tenant)::text AS tenant, i.email, coalesce(to_user.locale, 'en') AS locale, s.invitation_url,
       jsonb_build_object('organization', o.name, 'role', i.role, 'invited_by', u.full_name)::text AS data,
       coalesce(nullif(security_limit('invitation', 'organization:' || o.id, 50, 3600, 0), 0),
                mail_take('user:' || u.id, u.is_email_verified, limit_account(i.email_key, i.email))) AS retry_s
FROM invitations i
JOIN organizations o ON o.tenant_id = i.tenant_id AND o.id = i.organization_id
JOIN tenant_settings s ON s.tenant_id = i.tenant_id
JOIN users u ON u.tenant_id = i.tenant_id AND u.id = @user
LEFT JOIN LATERAL user_find(i.email_key, i.email) to_user ON true
WHERE i.tenant_id = @tenant AND i.id = :invitation_id AND i.organization_id = :organization_id;

-- name: invitation_resend :row
WITH renewed AS (
    SELECT * FROM invitation_renew(:organization_id::uuid, :invitation_id::uuid, :token_hash::bytea)
), mail AS (
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT tenant_id, 'ashlar.mail', 'mail', :mail_payload::jsonb FROM renewed
)
SELECT :columns(invitation)
FROM renewed i
:joins(invitation);

-- name: invitation_cancel :row
-- No row: there is none that could still be accepted.
WITH gone AS (
    UPDATE invitations
    SET status = 'cancelled', responded_at = now()
    WHERE tenant_id = @tenant AND id = :invitation_id AND organization_id = :organization_id AND status = 'pending'
    RETURNING id, organization_id, email
)
SELECT 'the invitation was cancelled' AS message
FROM gone, audit('invitation.cancel', 'invitation', gone.id::text,
                 jsonb_build_object('organization_id', gone.organization_id, 'email', gone.email));

-- name: invitation_accept :row
SELECT o.id, o.name, o.slug, o.description, o.logo_url, platform_role(m.role) AS role, o.created_at, o.updated_at AS _updated_at
FROM invitation_accept(:token_hash::bytea) m
JOIN organizations o ON o.tenant_id = @tenant AND o.id = m.organization_id;

-- name: invitation_reject :row
SELECT 'the invitation was rejected' AS message
FROM invitation_reject(:token_hash::bytea);

-- name: invitation_list_pending :rows
-- Those for an address, over the tenant's organizations, newest first.
SELECT :columns(invitation)
FROM invitations_find(:email_key, :email) i
CROSS JOIN LATERAL (SELECT x.name, x.deleted_at FROM organizations x WHERE x.tenant_id = @tenant AND x.id = i.organization_id OFFSET 0) o -- one by one
WHERE i.expires_at > now() AND o.deleted_at IS NULL
ORDER BY i.created_at DESC, i.id DESC
LIMIT :limit OFFSET :skip;

-- name: invitation_get :row
SELECT i.id, i.organization_id, o.name AS organization_name, i.email, platform_role(i.role) AS role,
       invitation_status(i.status, i.expires_at) AS status, i.invited_by, i.expires_at, i.created_at
FROM invitations i
JOIN organizations o ON o.tenant_id = i.tenant_id AND o.id = i.organization_id
WHERE i.tenant_id = @tenant AND i.token_hash = :invitation_token_hash::bytea AND o.deleted_at IS NULL;
