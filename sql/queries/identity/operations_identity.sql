-- Who calls on the operations surface, and the end of their sessions.

-- name: operations_me :row
SELECT a.number AS id, operations_username(a.username, u.full_name, u.email, u.public_id) AS username, u.email, operations_role(u.role) AS role, u.avatar_url,
       u.created_at, greatest(u.updated_at, a.updated_at) AS updated_at, t.number AS tenant_id, u.last_login_at,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'name', o.name, 'slug', o.slug, 'role', workspace_role(m.role)) ORDER BY lower(o.name), o.id), '[]')
        FROM memberships m JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
        WHERE m.tenant_id = @tenant AND m.user_id = @user AND m.is_active AND o.deleted_at IS NULL) AS organizations,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('id', x.number, 'name', x.name, 'role', m.role) ORDER BY lower(x.name), x.number), '[]')
        FROM tenant_team_members m JOIN tenant_teams x ON x.tenant_id = m.tenant_id AND x.id = m.team_id
        WHERE m.tenant_id = @tenant AND m.user_id = @user) AS teams
FROM users u
JOIN user_accounts a ON a.tenant_id = u.tenant_id AND a.user_id = u.id
JOIN tenants t ON t.id = u.tenant_id
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: operations_logout :row
-- The session of the token; all of the user's when that is asked for.  A token of another issuer has none.
WITH ended AS (
    UPDATE sessions SET revoked_at = now()
    WHERE tenant_id = @tenant AND user_id = @user AND revoked_at IS NULL AND expires_at > now()
      AND (:all_devices::boolean OR id = @session::uuid)
    RETURNING id
)
SELECT true AS success, (SELECT count(*) FROM ended) AS revoked_sessions,
       audit('session.end', 'user', u.public_id, jsonb_build_object('sessions', (SELECT count(*) FROM ended))) AS _audited
FROM users u
WHERE u.tenant_id = @tenant AND u.id = @user;

-- ---------------------------------------------------------------- by an address alone

-- Counted in the default tenant, whose these are until the address has told another: see account_take().

-- name: operations_register_limit :row
SELECT account_take('account_register', NULL, false, 5, 3600) AS wait_s;

-- name: operations_register_check :row
-- In the inviting tenant.
SELECT account_is_invited(:email_key, :email, :invite_hash::bytea) AS is_invited;

-- name: operations_register :row
-- From here on the transaction is in the new account's tenant.
SELECT r.tenant_id::text AS tenant, r.user_id::text AS id, r.session_id::text AS session, r.issued_at::text AS issued, r.is_proved
FROM account_register(:username, :email_key, :email_sent, :email, :password_hash, :invite_hash::bytea, :bonus::bigint, :signin_ttl_s::integer) r;

-- name: operations_registered :row
-- What session_claims() returns, and the account; a mail to prove the address, where no invitation has.
SELECT t.*, 86400 AS _access_s, operations_account(:id::uuid)::text AS account,
       CASE WHEN :token_hash::bytea IS NOT NULL
            THEN mailed_token_issue('verify_email', :id::uuid, :token_hash::bytea, :token_code_hash::bytea,
                                    jsonb_build_object('email', t.email), interval '24 hours', :mail_payload::jsonb, NULL) END AS _mailed
FROM session_claims(:session::uuid, :issued::timestamptz) t;

-- name: operations_login_limit :row
-- And what a password is compared with beside, where the account's tenant has no such: what this one has.
SELECT account_take('account_login', limit_account(:email_key, :email), team_address_is_known(f.tenant_id, f.user_id), 10, 900) AS wait_s,
       f.tenant_id::text AS tenant, f.user_id::text AS id, app_tenant()::text AS tenant_id, i.decoy, i.signer_sealed
FROM (SELECT) one
LEFT JOIN account_find(:email_key, :email) f ON true
CROSS JOIN LATERAL password_imported(NULL) i;

-- name: operations_login_begin :row
-- login_begin by id, and in the account's tenant; without one all but tenant_id and what the tenant has of imports are null.
SELECT app_tenant()::text AS tenant_id, u.id::text AS id, u.public_id, coalesce(u.password_hash, pending_password(u.id)) AS password_hash,
       u.password_hash IS NULL AS is_pending, u.is_active AND (u.is_email_verified OR NOT s.email_verification_required) AS may_enter, i.decoy, i.signer_sealed
FROM (SELECT) one
LEFT JOIN users u ON u.tenant_id = @tenant AND u.id = :id::uuid AND u.deleted_at IS NULL
LEFT JOIN tenant_settings s ON s.tenant_id = u.tenant_id
CROSS JOIN LATERAL password_imported(u.password_hash) i;

-- name: operations_login :row
-- What session_claims() returns is null where a second factor is asked for.
SELECT t.*, 86400 AS _access_s, operations_account(who)::text AS account, account_signed_in(s.session_id, who) AS _noted
FROM password_holds(:id::uuid, :password_hash) who
CROSS JOIN LATERAL session_open(who, 'password', :signin_ttl_s::integer, :mfa_hash::bytea, false, NULL) s
LEFT JOIN LATERAL session_claims(s.session_id, s.issued_at) t ON true;

-- name: operations_forgot_limit :row
SELECT account_take('account_forgot_password', limit_account(:email_key, :email), team_address_is_known(f.tenant_id, f.user_id), 3, 3600) AS wait_s,
       f.tenant_id::text AS tenant, f.user_id::text AS id
FROM (SELECT) one
LEFT JOIN account_find(:email_key, :email) f ON true;

-- name: operations_forgot_begin :row
-- Without such an account all but tenant_id and page are null.
SELECT app_tenant()::text AS tenant_id, u.id::text AS id, u.email, u.locale, s.password_reset_url AS page
FROM (SELECT) one
LEFT JOIN tenant_settings s ON s.tenant_id = @tenant
LEFT JOIN users u ON u.tenant_id = @tenant AND u.id = :id::uuid AND u.access > 0 AND u.deleted_at IS NULL;

-- name: operations_forgot :row
SELECT true AS success,
       mailed_token_issue('reset_password', :id::uuid, :token_hash::bytea, :token_code_hash::bytea,
                          jsonb_build_object('email', :address::text), interval '1 hour', :mail_payload::jsonb, NULL) AS _issued,
       audit('password.forgot', 'user', NULL, jsonb_build_object('email', address_name(:email_key, :email))) AS _audited;
