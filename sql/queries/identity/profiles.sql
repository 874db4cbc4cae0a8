-- Users as they see themselves and each other; see sql/functions/identity/profiles.sql and email_changes.sql.

-- columns: profile
SELECT u.id, u.email, CASE WHEN s.is_own THEN u.full_name ELSE coalesce(p.full_name, u.full_name) END AS display_name,
       CASE WHEN s.is_own THEN u.avatar_url ELSE coalesce(p.avatar_url, u.avatar_url) END AS avatar_url, u.is_active, u.created_at,
       CASE WHEN s.is_own THEN u.full_name ELSE coalesce(p.full_name, u.full_name) END AS name, p.title, p.phone, p.bio,
       u.is_email_verified AS email_verified, u.role IN ('admin', 'superadmin') AS is_staff, u.role = 'superadmin' AS is_superuser,
       s.organization AS active_workspace_id, workspace_role(m.role) AS role, u.last_login_at, u.updated_at, u.updated_at AS _updated_at
FROM account_seen s
JOIN users u ON u.tenant_id = @tenant AND u.id = s.account
LEFT JOIN memberships m ON m.tenant_id = @tenant AND m.organization_id = s.organization AND m.id = s.member
LEFT JOIN member_profiles p ON p.tenant_id = @tenant AND p.organization_id = s.organization AND p.member_id = s.member;

-- name: profile_get :row
-- Of another, what they are in the workspace through which the caller sees them.
SELECT :columns(profile)
FROM account_seen(:user_id::uuid, NULL, @chosen::uuid, true) s
:joins(profile);

-- name: profile_changed :row
-- The same behind a change: in the workspace in which that was.
SELECT :columns(profile)
FROM account_seen(:target::uuid, :seen_in::uuid, @chosen::uuid, true) s
:joins(profile);

-- name: profile_own :row
SELECT (@user)::text AS id;

-- name: email_change_begin :row
-- What the mails need; and the change is counted, which ends the transaction.  is_same: there is nothing to change.
SELECT coalesce(nullif(security_limit('email_change', 'user:' || @user, 10, 86400, 0), 0),
                request_take('email_change', limit_account(:email_key, :email), address_is_known(@user))) AS wait_s,
       (@tenant)::text AS tenant, u.email, u.locale, is_same_address(u.email_key, u.email, :email_key, :email) AS is_same,
       u.is_email_verified, s.verification_url AS page, o.id::text AS maker, jsonb_build_object('organization', o.name)::text AS made_for
FROM (SELECT) one
LEFT JOIN users u ON u.tenant_id = @tenant AND u.id = :target::uuid AND u.deleted_at IS NULL
LEFT JOIN tenant_settings s ON s.tenant_id = @tenant
LEFT JOIN account_makers a ON a.tenant_id = u.tenant_id AND a.user_id = u.id AND u.password_hash IS NULL AND NOT u.is_email_verified AND u.id <> @user
LEFT JOIN organizations o ON o.tenant_id = a.tenant_id AND o.id = a.organization_id;

-- name: profile_change :exec
SELECT profile_change(:target::uuid, :seen_in::uuid, @chosen::uuid, :if_match::bigint[], :role::text, :changed(name, display_name, title, phone, bio, avatar_url),
                      jsonb_build_object('name', :name::text, 'display_name', :display_name::text, 'title', :title::text, 'phone', :phone::text, 'bio', :bio::text,
                                         'avatar_url', :avatar_url::text),
                      CASE WHEN :mail_payload::jsonb IS NOT NULL THEN jsonb_build_object('key', :email_key::text, 'spelling', :email_sent::text, 'email', :email::text,
                          'hash', :token_hash::text, 'code_hash', :token_code_hash::text, 'mail', :mail_payload::jsonb, 'back_hash', :back_hash::text,
                          'notice', :notice::jsonb) END);

-- name: email_verify_mine :row
-- is_verified is false while wait_s is not 0.
SELECT l.wait_s, l.wait_s = 0 AND user_verify_email(:email_key, :token_tenant::uuid, :token_hash::bytea, :email,
                                                    :token_code_hash::bytea) AS is_verified
FROM (SELECT mailed_code_wait(:email_key, :email) AS wait_s OFFSET 0) l;

-- name: email_back_find :row
-- Looks only.  No row: the token is none.
SELECT t.data ->> 'email' AS email
FROM one_time_tokens t
WHERE t.tenant_id = @tenant AND t.hash = :token_hash::bytea AND t.kind = 'email_change' AND t.used_at IS NULL AND t.expires_at > now();

-- name: email_take_back :row
SELECT 'the address is yours again' AS message, email_take_back(:token_hash::bytea, :password_hash) AS _taken;

-- name: account_picture_await :row
SELECT account_picture_await(:target::uuid, @chosen::uuid, :backend, :content_type, :size::bigint)::text AS object_id, (@tenant)::text AS tenant;

-- name: account_picture_put :exec
-- Behind it picture_shown.
SELECT account_picture_put(:target::uuid, @chosen::uuid, :object::uuid, :sha256::bytea, :key_hash::bytea, :avatar_url::text);
