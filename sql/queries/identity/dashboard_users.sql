-- Users as the team of their tenant sees and manages them.

-- columns: team_user
SELECT u.id, u.public_id AS sub, u.email, u.full_name AS display_name, u.avatar_url, u.role, u.is_active, u.is_email_verified,
       u.status, u.locale, u.current_plan_id, u.default_organization_id, u.last_login_at, u.created_at, u.updated_at
FROM users u;

-- name: dashboard_user_list :page
-- sort: created_at desc
-- total: user_count(:role, :is_active::boolean)
-- By when they came.  Each standing has its order in the index users_of_standing, and gives as many as the
-- page could need of it; how far pages go is the handler's to say.
-- unindexed: each standing gives no more than the page could need
SELECT :columns(team_user)
FROM user_standings(:role, :is_active::boolean) g (standing),
     LATERAL (SELECT * FROM users
              WHERE tenant_id = @tenant AND standing = g.standing
              ORDER BY created_at :dir, id :dir
              LIMIT :limit::bigint + :skip::bigint) u
ORDER BY :sort, u.id :dir;

-- name: dashboard_user_list_by_email :page
-- sort: email = u.email COLLATE "C"
-- total: user_count(:role, :is_active::boolean)
-- The same by address, in the index users_search_email; those without one come last, or first.
-- unindexed: each standing gives no more than the page could need
SELECT :columns(team_user)
FROM user_standings(:role, :is_active::boolean) g (standing),
     LATERAL (SELECT * FROM users
              WHERE tenant_id = @tenant AND standing = g.standing
              ORDER BY email COLLATE "C" :dir
              LIMIT :limit::bigint + :skip::bigint) u
ORDER BY :sort;

-- name: dashboard_user_search :page
-- sort: created_at desc, email = u.email COLLATE "C"
-- total: (SELECT count(*) FROM found)
-- Those whose address, domain, name or last name begins with :search: up to 200, see user_candidates().
-- unindexed: 200 rows
WITH found AS MATERIALIZED (
    SELECT id
    FROM user_candidates(:search, :role, :is_active::boolean)
    ORDER BY created_at DESC, id DESC
    LIMIT 200
)
SELECT :columns(team_user)
FROM found f, LATERAL (SELECT * FROM users WHERE tenant_id = @tenant AND id = f.id OFFSET 0) u -- one by one: no join with all
WHERE u.tenant_id = @tenant AND u.deleted_at IS NULL
ORDER BY :sort, u.id :dir;

-- name: dashboard_user_get :row
SELECT :columns(team_user),
       (SELECT coalesce(jsonb_agg(jsonb_build_object('id', m.id, 'name', m.name, 'role', m.role) ORDER BY m.joined_at, m.id), '[]')
        FROM (SELECT o.id, o.name, x.role, x.created_at AS joined_at
              FROM memberships x JOIN organizations o ON o.tenant_id = x.tenant_id AND o.id = x.organization_id
              WHERE x.tenant_id = @tenant AND x.user_id = u.id AND x.is_active AND o.deleted_at IS NULL
              LIMIT 100) m) AS organizations,
       (SELECT count(*) FROM sessions s
        WHERE s.tenant_id = @tenant AND s.user_id = u.id AND s.revoked_at IS NULL AND s.expires_at > now()) AS session_count
FROM users u
WHERE u.tenant_id = @tenant AND u.id = :user_id AND u.deleted_at IS NULL;

-- name: dashboard_user_switch :row
SELECT :columns(team_user) FROM user_switch(:user_id::uuid, :active::boolean) u;

-- name: dashboard_user_session_list :rows
-- Those that are good, newest first.
SELECT s.id, s.method, s.user_agent AS device, s.ip, s.last_seen_at, s.created_at, s.expires_at,
       coalesce('team:' || i.member_id, a.public_id) AS impersonator, i.reason
FROM sessions s
LEFT JOIN session_impersonators i ON i.tenant_id = s.tenant_id AND i.session_id = s.id
LEFT JOIN users a ON a.tenant_id = s.tenant_id AND a.id = s.impersonator_id
WHERE s.tenant_id = @tenant AND s.user_id = (SELECT user_known(:user_id::uuid)) AND s.revoked_at IS NULL AND s.expires_at > now()
ORDER BY s.created_at DESC
LIMIT 100;

-- name: dashboard_user_session_revoke :row
-- No row: it is not that user's, or has ended.
WITH ended AS (
    UPDATE sessions SET revoked_at = now()
    WHERE tenant_id = @tenant AND id = :session_id AND user_id = :user_id AND revoked_at IS NULL AND expires_at > now()
    RETURNING id
)
SELECT id, audit('session.revoke', 'session', id::text) AS _audited
FROM ended;

-- name: dashboard_user_session_revoke_all :row
SELECT 'All sessions revoked' AS message,
       audit('session.revoke', 'user', u.public_id, jsonb_build_object('sessions', sessions_end(u.id, NULL))) AS _audited
FROM users u
WHERE u.tenant_id = @tenant AND u.id = :user_id AND u.deleted_at IS NULL;

-- name: dashboard_user_sign_in_method_list :rows
SELECT m.id, m.kind, m.name, m.recovery_codes, m.created_at, m.last_used_at
FROM user_sign_in_methods(:user_id::uuid) m;

-- name: dashboard_user_sign_in_method_remove :row
SELECT user_sign_in_method_remove(:user_id::uuid, :sign_in_method, :mail_payload::jsonb) AS kind;

-- name: dashboard_user_mail :row
-- Whose mail it is: of the tenant, or of its test mode, by what the tenant is called.
SELECT t.id::text AS tenant, t.name FROM tenants t WHERE t.id = @tenant;
