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
