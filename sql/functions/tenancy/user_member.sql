-- A user as a member of a workspace, as answers show one; NULL: no workspace was asked about.  Raises AS403.
CREATE OR REPLACE FUNCTION user_member(who uuid, workspace uuid) RETURNS TABLE (member jsonb)
LANGUAGE plpgsql STABLE ROWS 1 AS $$
BEGIN
    member := (
        SELECT jsonb_build_object(
            'id', m.id, 'user_id', m.user_id, 'workspace_id', m.organization_id, 'email', u.email, 'full_name', coalesce(p.full_name, u.full_name),
            'display_name', coalesce(p.display_name, p.full_name, u.full_name), 'avatar_url', coalesce(p.avatar_url, u.avatar_url),
            'role', workspace_role(m.role), 'title', p.title, 'department', p.department, 'phone', p.phone, 'bio', p.bio,
            'timezone', coalesce(p.timezone, o.timezone), 'is_active', m.is_active,
            'ends_at', json_time(membership_end(m.tenant_id, m.organization_id, m.id)), 'onboarding_completed', p.onboarding_completed,
            'onboarding_step', p.onboarding_step, 'tours', p.tours,
            'team_ids', (SELECT coalesce(jsonb_agg(x.team_id ORDER BY x.team_id), '[]') FROM workspace_team_members x
                         WHERE x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id AND x.member_id = m.id),
            'joined_at', json_time(m.joined_at), 'last_active_at', json_time(u.last_login_at), 'created_at', json_time(m.created_at),
            'updated_at', json_time(greatest(m.updated_at, p.updated_at)))
        FROM memberships m
        JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
        JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id AND o.deleted_at IS NULL
        JOIN member_profiles p ON p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id
        WHERE m.tenant_id = app_tenant() AND m.organization_id = workspace AND m.user_id = who AND m.is_active);
    IF member IS NULL AND workspace IS NOT NULL THEN
        RAISE SQLSTATE 'AS403' USING HINT = 'workspace_id', MESSAGE = 'you are not an active member of this workspace';
    END IF;
    RETURN NEXT;
END
$$;
