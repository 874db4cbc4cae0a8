-- Accounts that were made for somebody; see sql/functions/identity/activation.sql.  The tenant is the one that the token names.

-- name: activation_get :row
-- Looks only.
SELECT true AS valid, jsonb_build_object('id', (a.u).id, 'email', (a.u).email, 'name', (a.u).full_name, 'avatar_url', (a.u).avatar_url) AS "user",
       jsonb_build_object('id', (a.o).id, 'name', (a.o).name, 'slug', (a.o).slug, 'logo_url', (a.o).logo_url) AS workspace,
       (a.u).password_hash IS NOT NULL AS has_password, (a.t).expires_at
FROM activation_open(:token_hash::bytea, :workspace_id::uuid) a;

-- name: activation_find :row
-- Whose is it?
SELECT (a.u).email, jsonb_build_object('id', (a.o).id, 'name', (a.o).name, 'slug', (a.o).slug, 'logo_url', (a.o).logo_url)::text AS workspace
FROM activation_open(:token_hash::bytea, :workspace_id::uuid) a;

-- name: activation_use :row
SELECT activation_use(:token_hash::bytea, :workspace_id::uuid, :password_hash, :name)::text AS id;

-- name: activation_resend_begin :row
-- id is null where there is nobody who waits for it, and all the same is done.
SELECT l.wait_s, app_tenant()::text AS tenant_id, CASE WHEN a.user_id IS NOT NULL THEN u.id::text END AS id, u.email, coalesce(u.locale, 'en') AS locale,
       coalesce(a.organization_id, uuid_v7())::text AS workspace, jsonb_build_object('organization', coalesce(o.name, 'x'))::text AS data
FROM (SELECT) one
LEFT JOIN user_find(:email_key, :email) u ON u.access > 0 AND u.password_hash IS NULL AND NOT u.is_email_verified
LEFT JOIN account_makers a ON a.tenant_id = u.tenant_id AND a.user_id = u.id AND (:workspace_id::uuid IS NULL OR a.organization_id = :workspace_id)
LEFT JOIN organizations o ON o.tenant_id = a.tenant_id AND o.id = a.organization_id
CROSS JOIN LATERAL (SELECT request_take('resend_activation', limit_account(:email_key, :email), address_is_known(u.id)) AS wait_s
                    OFFSET 0) l;

-- name: activation_resend :row
SELECT 'if there is an account that waits for it, a mail is on its way' AS message, true AS success,
       mailed_token_issue('activation', :id::uuid, :token_hash::bytea, NULL,
                          jsonb_build_object('email', :address::text, 'organization_id', :workspace::text), interval '7 days', :mail_payload::jsonb, NULL) AS _issued;

-- name: provision_prepare :row
-- The id that the workspace will have, for the mail's link; and the mail is counted.
SELECT (@tenant)::text AS tenant, uuid_v7()::text AS workspace_id, jsonb_build_object('organization', :workspace_name::text)::text AS data,
       CASE WHEN to_user.id IS NULL AND :send_activation_email::boolean
            THEN mail_take('user:' || u.id, u.is_email_verified, limit_account(:email_key, :email)) ELSE 0 END AS retry_s
FROM users u
LEFT JOIN user_find(:email_key, :email_sent) to_user ON true
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: workspace_provision :row
-- Behind it workspace_provisioned, with the workspace.
SELECT p.owner_id::text AS owner_id, p.member_id::text AS member_id, p.is_new
FROM workspace_provision(:workspace_id::uuid, :workspace_name, :slug, :email_key, :email_sent, :email, :owner_name, :tier,
                         :token_hash::bytea, :mail_payload::jsonb) p;

-- name: workspace_provisioned :row
SELECT jsonb_build_object('id', u.id, 'email', u.email, 'name', u.full_name, 'avatar_url', u.avatar_url)::text AS owner, :is_new::boolean AS user_created,
       :made_member::text AS member_id, :is_new::boolean AND :send_activation_email::boolean AS activation_email_sent,
       CASE WHEN :is_new::boolean AND NOT :send_activation_email::boolean THEN :activation_url::text END AS activation_url
FROM users u
WHERE u.tenant_id = @tenant AND u.id = :owner_id::uuid;
