-- Sessions: what signing in ends with (see sql/functions/identity/sessions.sql), and a user's own list of them.

-- name: session_open :row
-- Sign :signin_user in.  What session_claims() returns is spelled out there, once for
-- all who answer with tokens; all of it is null when a second factor is asked for.
SELECT t.*, w.*
FROM password_holds(:signin_user::uuid, :signin_password_hash) who,
     session_open(who, :signin_method, :signin_ttl_s::integer, :signin_mfa_hash::bytea, :signin_has_mfa::boolean,
                  :signin_impersonator::uuid) s
LEFT JOIN LATERAL session_claims(s.session_id, s.issued_at) t ON true
LEFT JOIN LATERAL user_in_workspace(t.id, t._workspace_id::uuid) w ON true;

-- name: session_refresh :row
-- No row: there is nothing to refresh.  _is_reused: the session has just ended, for that reason.
-- _auth_s: when it was opened.
SELECT r.is_reused AS _is_reused,
       (SELECT floor(extract(epoch FROM s.created_at))::bigint FROM sessions s
        WHERE s.tenant_id = @tenant AND s.id = :session::uuid) AS _auth_s, session_impersonator(:session::uuid)::text AS _impersonator,
       true AS _refreshes, t.*, w.*
FROM session_refresh(:session::uuid, :generation::integer, true) r
JOIN LATERAL session_claims(r.session_id, r.issued_at) t ON true
JOIN LATERAL user_in_workspace(t.id, t._workspace_id::uuid) w ON true;

-- name: session_list :rows
-- The caller's that are good, newest first.
SELECT id, method, user_agent AS device, ip, id IS NOT DISTINCT FROM @session::uuid AS is_current, last_seen_at,
       created_at, expires_at
FROM sessions
WHERE tenant_id = @tenant AND user_id = @user AND revoked_at IS NULL AND expires_at > now()
ORDER BY created_at DESC
LIMIT 100;

-- name: session_revoke :row
-- No row: it is not the caller's, or has ended.
WITH ended AS (
    UPDATE sessions SET revoked_at = now()
    WHERE tenant_id = @tenant AND id = :session AND user_id = @user AND revoked_at IS NULL AND expires_at > now()
    RETURNING id
)
SELECT 'Session revoked' AS message, audit('session.revoke', 'session', ended.id::text) AS _audited
FROM ended;

-- name: session_revoke_others :row
SELECT 'All other sessions revoked' AS message,
       audit('session.revoke', 'user', u.public_id,
             jsonb_build_object('sessions', sessions_end(u.id, @session::uuid))) AS _audited
FROM users u
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: logout :row
-- The session of the token; all of the user's when that is asked for.  A token of another issuer has none.
WITH ended AS (
    UPDATE sessions SET revoked_at = now()
    WHERE tenant_id = @tenant AND user_id = @user AND revoked_at IS NULL AND expires_at > now()
      AND (coalesce(:all::boolean, false) OR id = @session::uuid)
    RETURNING id
)
SELECT 'Successfully logged out' AS message,
       audit('session.end', 'user', u.public_id, jsonb_build_object('sessions', (SELECT count(*) FROM ended))) AS _audited
FROM users u
WHERE u.tenant_id = @tenant AND u.id = @user;
