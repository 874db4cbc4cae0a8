-- A member's forgotten password, as owners and admins have it reset; see workspace_account_lock().

-- name: member_password_prepare :row
-- What the mail needs; and it is counted.  email is null of who has no address, is_active false of who may not sign in: none goes.
SELECT u.id::text AS id, (@tenant)::text AS tenant, u.email, u.access > 0 AS is_active, u.locale, s.password_reset_url AS page,
       CASE WHEN u.email IS NOT NULL AND u.access > 0
            THEN mail_take('user:' || c.id, c.is_email_verified, limit_account(u.email_key, u.email)) ELSE 0 END AS retry_s
FROM workspace_account_lock(:user_id::uuid, true) u
JOIN tenant_settings s ON s.tenant_id = @tenant
JOIN users c ON c.tenant_id = @tenant AND c.id = @user;

-- name: member_password_mail :row
-- No mail where none was prepared.
SELECT CASE WHEN :mail_payload::jsonb IS NULL THEN 'this account cannot be reached by mail' ELSE 'a mail to reset the password is on its way' END AS message,
       :address::text AS email, :mail_payload::jsonb IS NOT NULL AS email_sent,
       CASE WHEN :mail_payload::jsonb IS NOT NULL
            THEN mailed_token_issue('reset_password', :id::uuid, :token_hash::bytea, :token_code_hash::bytea,
                                    jsonb_build_object('email', :address::text), interval '1 hour', :mail_payload::jsonb, NULL)::text END AS _issued;

-- name: member_password_page :row
SELECT (@tenant)::text AS tenant, s.password_reset_url AS page FROM tenant_settings s WHERE s.tenant_id = @tenant;

-- name: member_password_show :row
SELECT :reset_url::text AS reset_url, :token::text AS token,
       shown_token_issue('reset_password', u.id, :token_hash::bytea, jsonb_build_object('email', u.email, 'organization_id', @workspace),
                         interval '24 hours') AS expires_at,
       u.email
FROM workspace_account_lock(:user_id::uuid, false) u;
