-- Who acts as a user: the session says who they are, and the door puts down whatever they change (see
-- enter_impersonated).

-- name: impersonation_start :row
-- What the token is made of; see impersonation_start().
SELECT t.*, 'impersonation' AS _type
FROM impersonation_start(:target, :reason) s, session_claims(s.session_id, s.issued_at) t;

-- name: impersonation_start_of_team :row
SELECT t.*, 'impersonation' AS _type
FROM team_impersonation_start(:user_id::uuid, :reason, :mail_payload::jsonb) s, session_claims(s.session_id, s.issued_at) t;

-- name: impersonation_exchange :row
-- _refreshes: it has a refresh token, too.
SELECT t.*, w.*, x.impersonator::text AS _impersonator, true AS _refreshes
FROM impersonation_exchange(:session::uuid) x
CROSS JOIN LATERAL session_claims(x.session_id, x.issued_at) t
CROSS JOIN LATERAL user_in_workspace(t.id, t._workspace_id::uuid) w;

-- name: impersonation_mail :row
-- What the user's mail says of who acts.
SELECT t.id::text AS tenant, t.name AS tenant_name, c.name AS member
FROM tenants t, team_caller(NULL, NULL) c
WHERE t.id = @tenant;

-- name: impersonation_stop :row
-- No row: the session is the user's own.
SELECT name FROM impersonation_stop(:session::uuid);
