-- Signing in to the dashboard; see sql/functions/team.sql and tenants.sql.
-- Nobody is signed in yet where these begin: the tenant is the default one
-- until the address, or what a ticket claims, has told another.

-- name: team_register_limit :row
-- In the default tenant, as all limits of those whose tenant is not known.
SELECT security_limit('tenant_register', limit_ip(request_ip()), 3, 3600, 1800) AS retry_after;

-- name: team_login_limit :row
-- Ten tries in a quarter of an hour, from one address and of one account.
SELECT l.retry_after, f.tenant_id::text AS tenant, f.member_id::text AS member
FROM (SELECT greatest(security_limit('tenant_login', limit_ip(request_ip()), 10, 900, 900),
                      security_limit('tenant_login', 'account:' || lower(:email), 10, 900, 900)) AS retry_after) l
LEFT JOIN team_find(:email) f ON true;

-- name: team_forgot_limit :row
SELECT l.retry_after, f.tenant_id::text AS tenant, f.member_id::text AS member
FROM (SELECT security_limit('tenant_forgot_password', limit_ip(request_ip()), 3, 3600, 1800) AS retry_after) l
LEFT JOIN team_find(:email) f ON true;

-- name: team_tenant_create :row
-- From here on the transaction is in the new tenant.
SELECT tenant_id::text AS tenant, member_id::text AS member
FROM tenant_create(:tenant_slug, :tenant_name, :email, :display_name, :password_hash);

-- name: team_tenant_created :row
SELECT t.*
FROM audit('tenant.create', 'tenant', :tenant, jsonb_build_object('name', :tenant_name::text), :member, 'team') noted,
     team_session_open(:member::uuid, :password_hash, NULL) s
LEFT JOIN LATERAL team_session_tokens(s, now()) t ON true;

-- name: team_password :row
-- What a password is to be compared with.  No row: there is nobody, which is not told.
SELECT password_hash
FROM team_members
WHERE tenant_id = :tenant_id AND id = :member::uuid AND deleted_at IS NULL;

-- name: team_login :row
-- _session_id is null when the member or the tenant is not active.
SELECT t.*
FROM team_session_open(:member::uuid, :password_hash, :new_hash) s
LEFT JOIN LATERAL team_session_tokens(s, now()) t ON true;

-- name: team_login_failed :exec
-- In the tenant whose member was meant, else in the default one.
SELECT audit('session.failed', 'team_member', :member, jsonb_build_object('reason', 'password', 'email', lower(:email)),
             :member, CASE WHEN :member::text IS NOT NULL THEN 'team' END);

-- name: team_refresh :row
-- No row: not a session of the team, or it has ended.  _is_reused: it has just ended, for that reason.
SELECT r.is_reused AS _is_reused, t.*
FROM team_session_refresh(:session::uuid, :generation::integer) r
JOIN LATERAL team_session_tokens(r.session_id, r.issued_at) t ON true;

-- name: team_logout :exec
SELECT team_sessions_end(:team_id), audit('session.revoke', 'team_member', :team_id::text, '{"sessions": "all"}');

-- name: team_me :row
SELECT team_user(m) AS "user", tenant_account(t) AS tenant, team_permissions(m.role) AS permissions
FROM team_members m
JOIN tenants t ON t.id = m.tenant_id
WHERE m.tenant_id = :tenant_id AND m.id = :team_id;

-- name: team_forgot :exec
-- Without such a member who may sign in, the rows are the same but lead nowhere.
WITH member AS (
    SELECT id FROM team_members WHERE tenant_id = :tenant_id AND id = :member::uuid AND access > 0
), made AS (
    INSERT INTO one_time_tokens (tenant_id, kind, member_id, hash, expires_at)
    VALUES (:tenant_id, 'team_reset', (SELECT id FROM member), :token_hash::bytea, now() + interval '1 hour')
)
INSERT INTO jobs (tenant_id, queue, kind, payload)
VALUES (:tenant_id, 'ashlar.mail', CASE WHEN EXISTS (SELECT FROM member) THEN 'mail' ELSE 'mail.decoy' END, :mail_payload::jsonb);

-- name: team_ticket_find :row
-- Whose ticket is it?  No row: it is good for nothing.  Looking does not use it.
SELECT m.email
FROM one_time_tokens o
JOIN team_members m ON m.tenant_id = o.tenant_id AND m.id = o.member_id
JOIN tenants t ON t.id = o.tenant_id
WHERE o.tenant_id = :tenant_id AND o.hash = :token_hash::bytea AND o.kind = :kind AND o.used_at IS NULL
  AND o.expires_at > now() AND m.is_active AND m.deleted_at IS NULL AND t.is_active;

-- name: team_reset :exec
SELECT team_ticket_use('team_reset', :token_hash::bytea, :password_hash, NULL);

-- name: team_invitation_accept :row
SELECT t.*
FROM team_ticket_use('team_invitation', :token_hash::bytea, :password_hash, :display_name) who,
     team_session_open(who, :password_hash, NULL) s
LEFT JOIN LATERAL team_session_tokens(s, now()) t ON true;

-- name: team_change_limit :row
SELECT security_limit('tenant_change_password', 'team:' || m.id, 5, 3600, 1800) AS retry_after, m.email, m.password_hash
FROM team_members m
WHERE m.tenant_id = :tenant_id AND m.id = :team_id;

-- name: team_password_change :row
-- All sessions end, the caller's own too.  No row: it has been changed in between.
WITH changed AS (
    UPDATE team_members
    SET password_hash = :new_hash
    WHERE tenant_id = :tenant_id AND id = :team_id AND password_hash = :password_hash
    RETURNING id
)
SELECT team_sessions_end(id) AS _ended, audit('password.change', 'team_member', id::text) AS _noted FROM changed;
