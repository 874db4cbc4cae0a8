-- An administrator of one workspace never gets somebody's account: what is asked before a way into one is shown, or it is ended.
--
-- Why the workspace may not; NULL: it may, since it has made the account, and nobody has shown since whose it is.
--
--   staff      it administers the tenant
--   workspaces it has other workspaces
--   elsewhere  it has projects, files or subscriptions of its own
--   proved     its user has shown that they read its mail, or come from another issuer
--   others     another way than this workspace's has made it
CREATE OR REPLACE FUNCTION account_hold(who uuid, organization uuid) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant uuid := app_tenant();
BEGIN
    RETURN (SELECT CASE
        WHEN u.access > 1 THEN 'staff'
        WHEN EXISTS (SELECT FROM memberships m JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
                     WHERE m.tenant_id = tenant AND m.user_id = u.id AND m.organization_id <> organization AND o.deleted_at IS NULL)
            THEN 'workspaces'
        WHEN EXISTS (SELECT FROM projects p WHERE p.tenant_id = tenant AND p.owner_id = u.id AND p.deleted_at IS NULL)
          OR EXISTS (SELECT FROM files f WHERE f.tenant_id = tenant AND f.owner_id = u.id)
          OR EXISTS (SELECT FROM subscriptions s WHERE s.tenant_id = tenant AND s.owner_id = u.id AND s.ended_at IS NULL)
            THEN 'elsewhere'
        WHEN u.is_email_verified OR EXISTS (SELECT FROM identities i WHERE i.tenant_id = tenant AND i.user_id = u.id)
            THEN 'proved'
        WHEN NOT EXISTS (SELECT FROM account_makers a WHERE a.tenant_id = tenant AND a.user_id = u.id AND a.organization_id = organization)
            THEN 'others'
        END
        FROM users u WHERE u.tenant_id = tenant AND u.id = who);
END
$$;

-- End an account for good: nothing of the person stays in it, and its sessions end with it (users' triggers).
CREATE OR REPLACE FUNCTION account_end(who uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    UPDATE one_time_tokens t SET used_at = now() WHERE t.tenant_id = app_tenant() AND t.user_id = who AND t.used_at IS NULL;
    UPDATE users u
    SET deleted_at = now(), is_active = false, email = NULL, is_email_verified = false, full_name = NULL, avatar_url = NULL, password_hash = NULL
    WHERE u.tenant_id = app_tenant() AND u.id = who AND u.deleted_at IS NULL
    RETURNING u.public_id INTO name;
    IF FOUND THEN
        PERFORM audit('user.delete', 'user', name, jsonb_build_object('organization_id', app_organization()));
    END IF;
END
$$;
