-- Administrators who act as a user: the session says who they are, and the door
-- puts down whatever they change (see enter_impersonated).

-- name: impersonation_start :row
-- What the token is made of; see impersonation_start().
SELECT t.*
FROM impersonation_start(:target, :reason) s, session_tokens(s.session_id, s.issued_at) t;

-- name: impersonation_stop :row
-- No row: the session is the user's own.
SELECT name FROM impersonation_stop(:session::uuid);
