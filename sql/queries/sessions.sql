-- Sessions: what signing in ends with (see sql/functions/sessions.sql), and a user's own list of them.

-- name: session_open :row
-- Sign :signin_user in.  What session_tokens() returns is spelled out there, once for
-- all who answer with tokens; all of it is null when a second factor is asked for.
SELECT t.*
FROM session_open(:signin_user::uuid, :signin_method, :signin_ttl_s::integer, :signin_mfa_hash::bytea,
                  :signin_has_mfa::boolean, :signin_impersonator::uuid) s
LEFT JOIN LATERAL session_tokens(s.session_id, s.issued_at) t ON true;

-- name: session_refresh :row
-- No row: there is nothing to refresh.  _is_reused: the session has just ended, for that reason.
SELECT r.is_reused AS _is_reused, t.*
FROM session_refresh(:session::uuid, :generation::integer) r
JOIN LATERAL session_tokens(r.session_id, r.issued_at) t ON true;
