-- Signing up and in, passwords, verified addresses; see sql/functions/{accounts,mailed_tokens,sessions}.sql.
--
-- wait_s is how long something may not be tried yet; see sql/functions/runtime/limits.sql.
-- A statement that counts ends its transaction where a password is hashed behind
-- it: no request waits 150 ms for a counter's row.

-- name: register_begin :row
-- is_allowed: the page that the mailed link is to open is one of the public key's; null without a key.
-- What is refused for its form is not counted.
SELECT CASE WHEN :is_counted::boolean THEN request_take('register', limit_account(:email_key, :email), false) ELSE 0 END AS wait_s,
       s.tenant_id::text AS tenant_id,
       s.email_verification_required AS is_pending, s.verification_url,
       (SELECT :return_origin::text = ANY (k.allowed_origins) FROM api_keys k
        WHERE k.hash = :api_key::bytea) AS is_allowed
FROM tenant_settings s
WHERE s.tenant_id = @tenant;

-- name: register :row
-- What session_claims() returns; no row: the address is taken.
SELECT t.*, w.*
FROM user_register(:email_key, :email_sent, :email, :password_hash, coalesce(:display_name, :name), :locale) u
CROSS JOIN LATERAL session_open(u, 'password', :signin_ttl_s::integer, NULL, false, NULL) s
CROSS JOIN LATERAL session_claims(s.session_id, s.issued_at) t
CROSS JOIN LATERAL user_in_workspace(t.id, t._workspace_id::uuid) w;

-- name: register_pending :exec
SELECT user_register_pending(:email_key, :email_sent, :email, :password_hash, coalesce(:display_name, :name), :locale, :return_to,
                             :token_hash::bytea, :token_code_hash::bytea, :mail::jsonb, :known_mail::jsonb);

-- name: login_begin :row
-- Without a user all but wait_s and tenant_id are null.  password_hash is that of the newest registration where
-- the account has none, so that who has signed up with it learns what is missing.  decoy and signer_sealed: see
-- password_imported().
SELECT guess_wait('login', limit_account(:email_key, :email), address_is_known(u.id)) AS wait_s,
       app_tenant()::text AS tenant_id, u.id::text AS id, u.public_id, u.is_active,
       coalesce(u.password_hash, pending_password(u.id)) AS password_hash, u.password_hash IS NULL AS is_pending,
       u.is_email_verified OR NOT s.email_verification_required AS may_enter, i.decoy, i.signer_sealed
FROM (SELECT) one
LEFT JOIN user_find(:email_key, :email) u ON true
LEFT JOIN tenant_settings s ON s.tenant_id = u.tenant_id
CROSS JOIN LATERAL password_imported(u.password_hash) i;

-- name: login_passed :row
-- The password is right.
SELECT guess_passed('login', limit_account(:email_key, :email), address_is_known(:id::uuid)) AS wait_s;

-- name: login_failed :row
-- is_guess: the password was wrong.
SELECT CASE WHEN :is_guess::boolean
            THEN guess_failed('login', limit_account(:email_key, :email), address_is_known(:id::uuid)) ELSE 0 END AS wait_s,
       audit('session.failed', 'session', NULL,
             jsonb_build_object('method', 'password', 'email', address_name(:email_key, :email), 'reason', :reason::text),
             :public_id::text) AS _audited;

-- name: login_rehash :exec
-- With today's parameters, unless the password was changed in between; :before is null where there was none.
UPDATE users SET password_hash = :password_hash
WHERE tenant_id = @tenant AND id = :id::uuid AND password_hash IS NOT DISTINCT FROM :before;

-- name: auth_me :row
-- member: who the user is in the workspace that was asked about.
SELECT u.id, u.email, u.full_name AS display_name, u.avatar_url, u.is_active, u.created_at, w.*, x.member, u.updated_at AS _updated_at
FROM users u
CROSS JOIN LATERAL user_in_workspace(u.id, @chosen::uuid) w
LEFT JOIN LATERAL user_member(u.id, :workspace_id::uuid) x ON true
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: forgot_begin :row
-- Without such a user all but wait_s and tenant_id are null.
SELECT l.wait_s, app_tenant()::text AS tenant_id, u.id::text AS id, u.email, u.locale, s.password_reset_url AS page
FROM (SELECT) one
LEFT JOIN tenant_settings s ON s.tenant_id = @tenant
LEFT JOIN user_find(:email_key, :email) u ON u.access > 0
CROSS JOIN LATERAL (SELECT request_take('forgot_password', limit_account(:email_key, :email), address_is_known(u.id)) AS wait_s
                    OFFSET 0) l;

-- name: forgot_issue :row
SELECT 'Password reset email sent' AS message,
       mailed_token_issue('reset_password', :id::uuid, :token_hash::bytea, :token_code_hash::bytea,
                          jsonb_build_object('email', :address::text), interval '1 hour', :mail_payload::jsonb, NULL) AS _issued,
       audit('password.forgot', 'user', NULL, jsonb_build_object('email', address_name(:email_key, :email))) AS _audited;

-- name: resend_begin :row
-- A user who is verified already counts as unknown.  page: where the last mail's link led.
SELECT l.wait_s, app_tenant()::text AS tenant_id, u.id::text AS id, u.email, u.locale,
       (SELECT t.data ->> 'return_to' FROM one_time_tokens t
        WHERE t.tenant_id = u.tenant_id AND t.user_id = u.id AND t.kind = 'verify_email' AND t.used_at IS NULL
        ORDER BY t.created_at DESC LIMIT 1) AS return_to,
       s.verification_url AS page
FROM (SELECT) one
LEFT JOIN tenant_settings s ON s.tenant_id = @tenant
LEFT JOIN user_find(:email_key, :email) u ON u.access > 0 AND NOT u.is_email_verified
CROSS JOIN LATERAL (SELECT request_take('resend_verification', limit_account(:email_key, :email), address_is_known(u.id)) AS wait_s
                    OFFSET 0) l;

-- name: resend_issue :row
SELECT 'Verification email sent' AS message,
       mailed_token_issue('verify_email', :id::uuid, :token_hash::bytea, :token_code_hash::bytea,
                          jsonb_build_object('email', :address::text, 'return_to', :return_to::text), interval '24 hours',
                          :mail_payload::jsonb, NULL) AS _issued;

-- name: verify_email :row
-- is_verified is false while wait_s is not 0.
SELECT l.wait_s, l.wait_s = 0 AND user_verify_email(:email_key, :token_tenant::uuid, :token_hash::bytea, :email,
                                                    :token_code_hash::bytea) AS is_verified
FROM (SELECT mailed_code_wait(:email_key, :email) AS wait_s OFFSET 0) l;

-- name: verify_email_counted :row
-- For pages without a key.
SELECT wait_s, is_verified
FROM user_verify_email_counted(:email_key, :token_tenant::uuid, :token_hash::bytea, :email, :token_code_hash::bytea);

-- name: reset_begin :row
-- Looks only: a new password that is refused does not use the token up.  id is null: there is no such token.
SELECT l.wait_s, f.token_id::text AS id, f.address
FROM (SELECT mailed_code_wait(:email_key, :email) AS wait_s OFFSET 0) l
LEFT JOIN LATERAL mailed_token_find(:email_key, 'reset_password', :token_tenant::uuid, :token_hash::bytea, :email,
                                    :token_code_hash::bytea) f ON l.wait_s = 0;

-- name: reset_password :row
SELECT user_reset_password(:id::uuid, :password_hash) AS is_reset;

-- name: change_begin :row
SELECT guess_wait('change_password', 'user:' || u.id, address_is_known(u.id)) AS wait_s, app_tenant()::text AS tenant_id,
       u.email, u.password_hash, i.signer_sealed
FROM users u
CROSS JOIN LATERAL password_imported(u.password_hash) i
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: change_failed :row
SELECT guess_failed('change_password', 'user:' || id, address_is_known(id)) AS wait_s,
       audit('password.change_failed', 'user', public_id) AS _audited
FROM users
WHERE tenant_id = @tenant AND id = @user;

-- name: change_password :row
-- is_changed is null while wait_s is not 0.
SELECT l.wait_s, CASE WHEN l.wait_s = 0 THEN user_change_password(:before, :password_hash, @session::uuid) END AS is_changed
FROM (SELECT guess_passed('change_password', 'user:' || @user, address_is_known(@user)) AS wait_s OFFSET 0) l;
