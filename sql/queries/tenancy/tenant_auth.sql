-- Signing in to the dashboard; see sql/functions/tenancy/team.sql and tenants.sql.
-- No member is signed in yet where these begin: the tenant is the default one
-- until the address, or what a ticket claims, has told another.

-- name: team_register_limit :row
-- In the default tenant, as all limits of those whose tenant is not known.
SELECT request_take('tenant_register', limit_account(:email_key, :email), false) AS retry_after;

-- name: team_login_limit :row
SELECT guess_wait('tenant_login', limit_account(:email_key, :email), team_address_is_known(f.tenant_id, f.member_id)) AS retry_after,
       f.tenant_id::text AS tenant, f.member_id::text AS member
FROM (SELECT) one
LEFT JOIN team_find(:email_key, :email) f ON true;

-- name: team_forgot_limit :row
SELECT request_take('tenant_forgot_password', limit_account(:email_key, :email),
                    team_address_is_known(f.tenant_id, f.member_id)) AS retry_after,
       f.tenant_id::text AS tenant, f.member_id::text AS member
FROM (SELECT) one
LEFT JOIN team_find(:email_key, :email) f ON true;

-- name: team_tenant_create :row
-- From here on the transaction is in the new tenant.
SELECT tenant_id::text AS tenant, member_id::text AS member
FROM tenant_create(:tenant_slug, :tenant_name, :email_key, :email, :display_name, :password_hash);

-- name: team_tenant_created :row
SELECT t.*
FROM audit('tenant.create', 'tenant', :tenant, jsonb_build_object('name', :tenant_name::text), :member, 'team') noted,
     team_session_open(:member::uuid, :password_hash, NULL) s
LEFT JOIN LATERAL team_session_tokens(s, now()) t ON true;

-- name: team_password :row
-- What a password is to be compared with.  No row: there is no such member, which is not told.
SELECT password_hash
FROM team_members
WHERE tenant_id = @tenant AND id = :member::uuid AND deleted_at IS NULL;

-- name: team_login :row
-- _session_id is null when the member or the tenant is not active, while retry_after is not 0, and when a second factor is
-- asked for, by the challenge of that hash: is_challenged.
SELECT p.retry_after, s.is_challenged, t.*
FROM (SELECT team_guessed(:email_key, :email, :member::uuid, true) AS retry_after OFFSET 0) p
LEFT JOIN LATERAL (SELECT i.session, i.is_challenged
                   FROM team_sign_in(:member::uuid, :password_hash, :new_hash, :challenge_hash::bytea) i
                   WHERE p.retry_after = 0 OFFSET 0) s ON true
LEFT JOIN LATERAL team_session_tokens(s.session, now()) t ON true;

-- name: team_login_failed :row
-- Put down in the tenant whose member was meant, else in the default one.
SELECT team_guessed(:email_key, :email, :member::text::uuid, false) AS retry_after,
       audit('session.failed', 'team_member', :member, jsonb_build_object('reason', 'password', 'email', address_name(:email_key, :email)),
             :member, CASE WHEN :member::text IS NOT NULL THEN 'team' END) AS _audited;

-- name: team_refresh :row
-- No row: not a session of the team, or it has ended.  _is_reused: it has just ended, for that reason.
-- _auth_s: when it was opened.
SELECT r.is_reused AS _is_reused,
       (SELECT floor(extract(epoch FROM s.created_at))::bigint FROM team_sessions s
        WHERE s.tenant_id = @tenant AND s.id = :session::uuid) AS _auth_s, t.*
FROM team_session_refresh(:session::uuid, :generation::integer) r
JOIN LATERAL team_session_tokens(r.session_id, r.issued_at) t ON true;

-- name: team_logout :row
SELECT 'Successfully logged out' AS message, team_sessions_end(@team) AS _ended, audit('session.revoke', 'team_member', @team::text, '{"sessions": "all"}') AS _audited;

-- name: team_me :row
SELECT team_user(m) AS "user", tenant_account(t) AS tenant, team_permissions(m.role) AS permissions
FROM team_members m
JOIN tenants t ON t.id = m.tenant_id
WHERE m.tenant_id = @tenant AND m.id = @team;

-- name: team_forgot :exec
-- Without such a member who may sign in, the rows are the same but lead nowhere.
WITH member AS (
    SELECT id, email FROM team_members WHERE tenant_id = @tenant AND id = :member::uuid AND access > 0
), made AS (
    INSERT INTO one_time_tokens (tenant_id, kind, member_id, hash, expires_at)
    VALUES (@tenant, 'team_reset', (SELECT id FROM member), :token_hash::bytea, now() + interval '1 hour')
)
INSERT INTO jobs (tenant_id, queue, kind, payload)
VALUES (@tenant, 'ashlar.mail', CASE WHEN EXISTS (SELECT FROM member) THEN 'mail' ELSE 'mail.decoy' END,
        :mail_payload::jsonb || coalesce((SELECT jsonb_build_object('to', email) FROM member), '{}'));

-- name: team_ticket_find :row
-- Whose ticket is it?  No row: it is good for nothing.  Looking does not use it.
SELECT m.email
FROM one_time_tokens o
JOIN team_members m ON m.tenant_id = o.tenant_id AND m.id = o.member_id
JOIN tenants t ON t.id = o.tenant_id
WHERE o.tenant_id = @tenant AND o.hash = :token_hash::bytea AND o.kind = :kind AND o.used_at IS NULL
  AND o.expires_at > now() AND m.is_active AND m.deleted_at IS NULL AND t.is_active;

-- name: team_reset :exec
SELECT team_ticket_use('team_reset', :token_hash::bytea, :password_hash, NULL);

-- name: team_invitation_accept :row
SELECT t.*
FROM team_ticket_use('team_invitation', :token_hash::bytea, :password_hash, :display_name) who,
     team_session_open(who, :password_hash, NULL) s
LEFT JOIN LATERAL team_session_tokens(s, now()) t ON true;

-- name: team_change_limit :row
SELECT guess_wait('tenant_change_password', 'team:' || m.id, address_is_known(m.id)) AS retry_after, m.email, m.password_hash
FROM team_members m
WHERE m.tenant_id = @tenant AND m.id = @team;

-- name: team_change_failed :row
SELECT guess_failed('tenant_change_password', 'team:' || @team, address_is_known(@team)) AS retry_after,
       audit('password.change_failed', 'team_member', @team::text) AS _noted;

-- name: team_password_change :row
-- All sessions end, the caller's own too.  is_changed is false when it has been changed in between, and while
-- retry_after is not 0.
SELECT l.retry_after, l.retry_after = 0 AND team_change_password(:password_hash, :new_hash) AS is_changed
FROM (SELECT guess_passed('tenant_change_password', 'team:' || @team, address_is_known(@team)) AS retry_after OFFSET 0) l;
