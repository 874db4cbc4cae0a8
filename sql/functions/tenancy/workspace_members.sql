-- Members of a workspace: who may act on whom, and what needs a lock.
--
-- The organization's row is locked first, then the membership, as everywhere (organizations.sql); the last owner is
-- memberships_tally()'s, whatever the way.

-- How high a role stands.
CREATE OR REPLACE FUNCTION role_rank(role text) RETURNS smallint
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT r.rank FROM roles r WHERE r.name = role_rank.role);
END
$$;

-- The caller's role in the workspace, asked again behind its lock: they may have been demoted while waiting.
-- Raises AS403 for who is no member any more.
CREATE OR REPLACE FUNCTION workspace_lock() RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    role text;
BEGIN
    PERFORM organization_lock(app_organization());
    SELECT m.role INTO role FROM memberships m
    WHERE m.tenant_id = app_tenant() AND m.organization_id = app_organization() AND m.id = app_member() AND m.is_active;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'you are not an active member of this workspace';
    END IF;
    RETURN role;
END
$$;

-- A member, locked.  Raises AS404.
CREATE OR REPLACE FUNCTION workspace_member_lock(member uuid, OUT m memberships)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT x.* INTO m FROM memberships x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = member
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Member not found', DETAIL = member::text;
    END IF;
END
$$;

-- Change what a member is in the workspace, or who is invited to it; NULL: leave it.  profiled: the profile is to be changed
-- behind it.
--
-- Raises AS404, AS403, AS412, AS409 of who is invited and, of the last owner, AS008.
CREATE OR REPLACE FUNCTION member_change(member uuid, role text, is_active boolean, profiled boolean, wanted bigint[],
                                         OUT tenant_id uuid, OUT organization_id uuid, OUT member_id uuid)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    mine text := workspace_lock();
    m    memberships;
    had  memberships;
BEGIN
    IF member_is_invited(member) THEN
        PERFORM workspace_invitation_change(member, role, is_active, wanted);
        RETURN;
    END IF;
    m := workspace_member_lock(member);
    had := m;
    IF m.id <> app_member() AND permission_reach(app_tenant(), app_organization(), mine, 'can_edit_member') IS NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs the permission can_edit_member', DETAIL = 'can_edit_member';
    END IF;
    -- What reads the same is the same: a developer who is to be a member stays one.
    m.role := CASE WHEN member_change.role IS NULL OR workspace_role(m.role) = member_change.role THEN m.role ELSE member_change.role END;
    m.is_active := coalesce(member_change.is_active, m.is_active);
    IF (m.role, m.is_active) <> (had.role, had.is_active) THEN
        IF role_rank(mine) < role_rank('admin') THEN
            RAISE SQLSTATE 'AS403' USING MESSAGE = 'role and standing are for owners and admins to change';
        ELSIF role_rank(had.role) > role_rank(mine) THEN
            RAISE SQLSTATE 'AS403' USING MESSAGE = 'this member has a higher role than yours';
        ELSIF role_rank(m.role) > role_rank(mine) THEN
            RAISE SQLSTATE 'AS403' USING MESSAGE = 'nobody gives a higher role than their own', HINT = 'role';
        END IF;
    END IF;
    PERFORM if_match(greatest(m.updated_at, (SELECT p.updated_at FROM member_profiles p
                                             WHERE p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id)), wanted);
    IF (m.role, m.is_active) <> (had.role, had.is_active) THEN
        IF had.is_active AND NOT m.is_active THEN
            PERFORM member_gone(had);
        END IF;
        UPDATE memberships x SET role = m.role, is_active = m.is_active
        WHERE x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id AND x.id = m.id;
        IF m.role <> had.role THEN
            PERFORM member_audit('member.role', m, jsonb_build_object('from', had.role, 'to', m.role));
        END IF;
        IF m.is_active <> had.is_active THEN
            PERFORM member_audit(CASE WHEN m.is_active THEN 'member.activate' ELSE 'member.deactivate' END, m, jsonb_build_object('role', m.role));
        END IF;
    END IF;
    IF profiled AND m.id <> app_member() THEN
        PERFORM member_audit('member.update', m, '{}');
    END IF;
    PERFORM workspace_tell(m.organization_id, 'members_updated', jsonb_build_object('member_id', m.id));
    tenant_id := m.tenant_id;
    organization_id := m.organization_id;
    member_id := m.id;
END
$$;

-- Take a member out of the workspace, behind the lock of which the caller's role is mine.
--
--   keeps      the membership stays, switched off, so that they can come back
--   ends       the account ends with it: 'never'; 'free', where nothing holds it (account_hold); 'must'
--   may_leave  is it the caller's own to end?
--
-- True: so did the account.  Raises AS404, AS403, AS409 and AS008.
CREATE OR REPLACE FUNCTION workspace_member_drop(member uuid, keeps boolean, ends text, may_leave boolean) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    mine text := workspace_lock();
    m    memberships := workspace_member_lock(member);
    hold text := account_hold(m.user_id, m.organization_id);
    is_own boolean := m.id = app_member();
BEGIN
    IF is_own AND NOT may_leave THEN
        RAISE SQLSTATE 'AS008' USING MESSAGE = 'nobody does this to themself';
    ELSIF role_rank(m.role) > role_rank(mine) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this member has a higher role than yours';
    ELSIF ends = 'must' AND hold = 'workspaces' THEN
        RAISE SQLSTATE 'AS008' USING MESSAGE = 'the account has other workspaces: remove the member from this one';
    ELSIF ends = 'must' AND hold IN ('staff', 'elsewhere') THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the account is in use elsewhere: remove the member from this workspace';
    ELSIF ends = 'must' AND hold IS NOT NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'the account is its user''s own, and not this workspace''s to end: remove the member';
    END IF;
    PERFORM member_gone(m);
    IF is_own THEN    -- who has left did nothing here that could name them
        PERFORM set_config('app.member_id', '', true);
    END IF;
    IF keeps THEN
        UPDATE memberships x SET is_active = false
        WHERE x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id AND x.id = m.id AND x.is_active;
    ELSE
        DELETE FROM memberships x WHERE x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id AND x.id = m.id;
    END IF;
    PERFORM member_audit(CASE WHEN keeps THEN 'member.deactivate' ELSE 'member.remove' END, m,
                         jsonb_build_object('role', m.role, 'left', is_own));
    IF ends <> 'never' AND hold IS NULL THEN
        PERFORM account_end(m.user_id);
    END IF;
    PERFORM workspace_tell(m.organization_id, 'members_updated', jsonb_build_object('member_id', m.id));
    RETURN ends <> 'never' AND hold IS NULL;
END
$$;

-- The account of a member whose password is to be reset, by somebody whose role is as high.  by_mail: its user reads that; else a
-- link is shown to the caller, which is for an account alone that this workspace may give out (account_hold).  It is put down.
-- Raises AS404 and AS403.
CREATE OR REPLACE FUNCTION workspace_account_lock(who uuid, by_mail boolean) RETURNS users
LANGUAGE plpgsql AS $$
DECLARE
    mine text := workspace_lock();
    m    memberships;
    u    users;
BEGIN
    SELECT x.* INTO m FROM memberships x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.user_id = who;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Member not found', DETAIL = who::text;
    ELSIF role_rank(m.role) > role_rank(mine) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this member has a higher role than yours';
    ELSIF NOT by_mail AND account_hold(who, m.organization_id) IS NOT NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'the account is its user''s own: have a mail sent';
    END IF;
    SELECT x.* INTO u FROM users x WHERE x.tenant_id = m.tenant_id AND x.id = who;
    PERFORM member_audit('member.password_reset', m, jsonb_build_object('left', CASE WHEN by_mail THEN 'mailed' ELSE 'shown' END));
    RETURN u;
END
$$;
