-- Organizations as the observability surface has them: who is in them, who is invited, and what they may have. Who may do it the door has
-- asked; what is asked again here is what may have changed while waiting for the organization's lock (organization_lock).

-- A role as the surface calls it: members that other surfaces made are developers, and viewers business users.
CREATE OR REPLACE FUNCTION opsboard_role(role text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE role WHEN 'member' THEN 'developer' WHEN 'viewer' THEN 'business_user' ELSE role END;

-- What the caller is there. NULL: no member, or there is no such organization.
CREATE OR REPLACE FUNCTION opsboard_role_in(organization uuid) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT CASE WHEN o.id = demo_org() THEN 'business_user' ELSE opsboard_role(m.role) END
            FROM organizations o
            LEFT JOIN memberships m ON m.tenant_id = o.tenant_id AND m.organization_id = o.id AND m.user_id = app_user() AND m.is_active
            WHERE o.tenant_id = app_tenant() AND o.id = organization AND o.deleted_at IS NULL);
END
$$;

-- What an organization is to who is role there: whom it has, and how many there may be of what. No row: it is not there.
--
--   members, projects  what there may be of a free one; 0: no limit
--   has_dates          with what its subscription is, as its provider showed it last
--
-- The Demo Org is everybody's, and each sees themselves alone there. Volatile, so that it sees what its own statement has made.
CREATE OR REPLACE FUNCTION org_facts(organization uuid, role text, members bigint, projects bigint, has_dates boolean)
RETURNS TABLE (id uuid, name text, prem_status text, subscription_id text, subscription_end_date bigint, subscription_start_date bigint,
               subscription_cancel_at_period_end boolean, current_user_role text, current_member_count bigint, max_member_count bigint,
               current_project_count bigint, max_project_count bigint, paid_member_count bigint)
LANGUAGE plpgsql ROWS 1 AS $$
#variable_conflict use_column
DECLARE
    tenant uuid := app_tenant();
    o      organizations;
    s      subscriptions;
BEGIN
    SELECT x.* INTO o FROM organizations x WHERE x.tenant_id = tenant AND x.id = organization AND x.deleted_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    current_member_count := 1;
    paid_member_count := 0;
    IF organization <> demo_org() THEN
        SELECT count(*), count(*) FILTER (WHERE m.is_paid) INTO current_member_count, paid_member_count
        FROM memberships m
        WHERE m.tenant_id = tenant AND m.organization_id = organization AND m.is_active;
        current_member_count := current_member_count + (SELECT count(*) FROM org_invited(organization));
        SELECT x.* INTO s
        FROM subscriptions x
        WHERE x.tenant_id = tenant AND x.owner_id = organization AND x.is_current AND x.is_seated AND x.ended_at IS NULL AND x.provider_id IS NOT NULL;
    END IF;
    IF has_dates AND o.prem_status <> 'free' AND s.id IS NOT NULL THEN
        subscription_end_date := extract(epoch FROM s.period_end)::bigint;
        subscription_start_date := extract(epoch FROM s.period_start)::bigint;
        subscription_cancel_at_period_end := s.cancel_at_period_end;
    END IF;
    current_project_count := (SELECT count(*) FROM trace_projects p
                              WHERE p.tenant_id = tenant AND p.organization_id = organization AND p.deleted_at IS NULL);
    IF o.prem_status = 'free' THEN
        max_member_count := nullif(members, 0);
        max_project_count := nullif(projects, 0);
    END IF;
    id := o.id;
    name := o.name;
    prem_status := o.prem_status;
    subscription_id := s.provider_id;
    current_user_role := role;
    RETURN NEXT;
END
$$;

-- The same as one object.
CREATE OR REPLACE FUNCTION org_shown(organization uuid, role text, members bigint, projects bigint) RETURNS jsonb
LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT to_jsonb(f) FROM org_facts(organization, role, members, projects, false) f);
END
$$;

-- Who is in it, in the order in which they joined; of the Demo Org the caller alone.
CREATE OR REPLACE FUNCTION org_users(organization uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF organization = demo_org() THEN
        RETURN (SELECT jsonb_build_array(jsonb_build_object('user_id', u.id, 'org_id', organization, 'role', 'business_user', 'user_email', u.email, 'is_paid', false))
                FROM users u WHERE u.tenant_id = app_tenant() AND u.id = app_user());
    END IF;
    RETURN (SELECT coalesce(jsonb_agg(jsonb_build_object('user_id', m.user_id, 'org_id', organization, 'role', opsboard_role(m.role),
                                                         'user_email', u.email, 'is_paid', m.is_paid) ORDER BY m.joined_at, m.user_id), '[]')
            FROM memberships m
            JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
            WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.is_active);
END
$$;

-- ---------------------------------------------------------------- seats

-- Somebody has come or gone: the subscription's seats, where there is one, become those of members who have one. The provider is told by a
-- job, which nobody waits for.
CREATE OR REPLACE FUNCTION org_seats_follow(organization uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM job_add('ashlar', 'billing.do', jsonb_build_object('subscription', s.id, 'kind', 'seats'))
    FROM subscriptions s
    WHERE s.tenant_id = app_tenant() AND s.owner_id = organization AND s.is_current AND s.is_seated AND s.ended_at IS NULL
      AND s.provider_id IS NOT NULL;
END
$$;

CREATE OR REPLACE FUNCTION org_is_paid(organization uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM organizations o
                   JOIN subscriptions s ON s.tenant_id = o.tenant_id AND s.owner_id = o.id AND s.is_current AND s.is_seated AND s.ended_at IS NULL
                   WHERE o.tenant_id = app_tenant() AND o.id = organization AND o.prem_status <> 'free' AND s.provider_id IS NOT NULL);
END
$$;

-- ---------------------------------------------------------------- members

-- The organization's lock, and what the caller is behind it. Raises AS403 unless they are its owner or an admin.
CREATE OR REPLACE FUNCTION org_manager(organization uuid) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    role text;
BEGIN
    PERFORM organization_lock(organization);
    role := opsboard_role_in(organization);
    IF role IS NULL OR role NOT IN ('owner', 'admin') THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs the role owner or admin in the organization';
    END IF;
    RETURN role;
END
$$;

-- Take a member out: not oneself, and an owner only as another one, so that one is always left. Raises AS008 and AS403.
CREATE OR REPLACE FUNCTION org_remove_member(organization uuid, member uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    role text := org_manager(organization);
    m    memberships;
BEGIN
    IF member = app_user() THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'user_id', MESSAGE = 'you cannot remove yourself';
    END IF;
    -- Before the membership, whose change is told on the user's channel: see announcements.sql.
    PERFORM FROM users u WHERE u.tenant_id = app_tenant() AND u.id = member FOR NO KEY UPDATE;
    SELECT x.* INTO m FROM memberships x WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.user_id = member;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'user_id', MESSAGE = 'this user is no member of the organization';
    ELSIF m.role = 'owner' AND role <> 'owner' THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'user_id', MESSAGE = 'an owner can be removed by another owner only';
    END IF;
    PERFORM member_gone(m);
    DELETE FROM memberships x WHERE x.tenant_id = m.tenant_id AND x.organization_id = organization AND x.user_id = member;
    PERFORM member_audit('member.remove', m, jsonb_build_object('role', m.role, 'left', false));
    IF org_is_paid(organization) THEN
        PERFORM audit('member_unlicensed_on_removal', 'user', member::text, jsonb_build_object('organization', organization));
        PERFORM org_seats_follow(organization);
    END IF;
END
$$;

-- Give a member another role: not oneself; and an owner's is given and taken by owners. Raises AS008, AS403 and AS404.
CREATE OR REPLACE FUNCTION org_change_role(organization uuid, member uuid, role text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    mine text := org_manager(organization);
    m    memberships;
BEGIN
    SELECT x.* INTO m
    FROM memberships x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.user_id = member AND x.is_active;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Member not found', DETAIL = member::text;
    ELSIF m.role = 'owner' AND role <> 'owner' AND NOT EXISTS (
        SELECT FROM memberships x JOIN users u ON u.tenant_id = x.tenant_id AND u.id = x.user_id
        WHERE x.tenant_id = m.tenant_id AND x.organization_id = organization AND x.role = 'owner' AND x.is_active AND u.access > 0
          AND x.user_id <> member) THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'role', MESSAGE = 'the last owner cannot be demoted';
    ELSIF member = app_user() THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'user_id', MESSAGE = 'you cannot change your own role';
    ELSIF role = 'owner' AND mine <> 'owner' THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'role', MESSAGE = 'only an owner may make somebody an owner';
    ELSIF m.role = 'owner' AND mine <> 'owner' THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'an owner''s role can be changed by another owner only';
    ELSIF m.role <> role THEN
        PERFORM FROM users u WHERE u.tenant_id = m.tenant_id AND u.id = member FOR NO KEY UPDATE;
        UPDATE memberships x SET role = org_change_role.role
        WHERE x.tenant_id = m.tenant_id AND x.organization_id = organization AND x.user_id = member;
        PERFORM member_audit('member.role', m, jsonb_build_object('from', m.role, 'to', role));
    END IF;
END
$$;

-- ---------------------------------------------------------------- invitations

-- Those that can still be accepted, but for addresses of members.
CREATE OR REPLACE FUNCTION org_invited(organization uuid) RETURNS SETOF invitations
LANGUAGE plpgsql STABLE ROWS 10 AS $$
BEGIN
    RETURN QUERY
        SELECT i.*
        FROM invitations i
        LEFT JOIN LATERAL user_find(i.email_key, i.email) u ON true
        WHERE i.tenant_id = app_tenant() AND i.organization_id = organization AND i.status = 'pending' AND i.expires_at > now()
          AND NOT EXISTS (SELECT FROM memberships m
                          WHERE m.tenant_id = i.tenant_id AND m.organization_id = organization AND m.user_id = u.id AND m.is_active);
END
$$;

-- The caller's own, of an organization or of all: to the address that is verified to be theirs, or that the issuer of their token
-- says is (key, email). What a user calls their own on this surface is not looked at.
CREATE OR REPLACE FUNCTION my_invitations(key text, email text) RETURNS SETOF invitations
LANGUAGE plpgsql STABLE ROWS 3 AS $$
BEGIN
    RETURN QUERY
        SELECT i.*
        FROM invitations i
        JOIN organizations o ON o.tenant_id = i.tenant_id AND o.id = i.organization_id AND o.deleted_at IS NULL
        WHERE i.tenant_id = app_tenant() AND i.expires_at > now()
          AND i.id IN (SELECT x.id
                       FROM users u, invitations_find(u.email_key, u.email) x
                       WHERE u.tenant_id = app_tenant() AND u.id = app_user() AND u.is_email_verified
                       UNION ALL
                       SELECT x.id FROM invitations_find(key, my_invitations.email) x);
END
$$;

-- Invite an address: as invitation_create does it, and besides a free organization has at most so many members with those who are
-- invited; 0: no limit. Raises AS008, AS403, and AS409 with 100 invitations.
CREATE OR REPLACE FUNCTION org_invite(organization uuid, key text, spelling text, email text, role text, token_hash bytea, most bigint) RETURNS invitations
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    mine text := org_manager(organization);
    who  users;
BEGIN
    IF role = 'owner' AND mine <> 'owner' THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'role', MESSAGE = 'only an owner may invite an owner';
    END IF;
    SELECT * INTO who FROM user_find(key, spelling);
    IF EXISTS (SELECT FROM memberships m WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.user_id = who.id) THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'email', MESSAGE = 'this address is already a member''s';
    ELSIF EXISTS (SELECT FROM invitations i
                  WHERE i.tenant_id = app_tenant() AND i.organization_id = organization AND i.status = 'pending' AND i.expires_at > now()
                    AND is_same_address(i.email_key, i.email, coalesce(who.email_key, key), coalesce(who.email, org_invite.email))) THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'email', MESSAGE = 'this address has a pending invitation already';
    ELSIF most > 0 AND (SELECT o.prem_status FROM organizations o WHERE o.tenant_id = app_tenant() AND o.id = organization) = 'free'
          AND (SELECT count(*) FROM memberships m WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.is_active)
              + (SELECT count(*) FROM org_invited(organization)) >= most THEN
        RAISE SQLSTATE 'AS008' USING MESSAGE = format('a free organization has at most %s member%s, with those who are invited', most, CASE WHEN most > 1 THEN 's' ELSE '' END);
    END IF;
    RETURN invitation_create(organization, key, spelling, org_invite.email, org_invite.role, org_invite.token_hash);
END
$$;

-- The caller joins an organization that has invited them; who is in already joins no second time, and has no invitation any more. Raises
-- AS404 and AS409.
CREATE OR REPLACE FUNCTION org_accept_invite(organization uuid, key text, email text, OUT is_new boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    i invitations;
    m memberships;
BEGIN
    PERFORM organization_lock(organization);
    PERFORM FROM users u WHERE u.tenant_id = app_tenant() AND u.id = app_user() FOR NO KEY UPDATE;
    SELECT x.* INTO i FROM my_invitations(key, org_accept_invite.email) x WHERE x.organization_id = organization ORDER BY x.created_at DESC LIMIT 1;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Invitation not found', DETAIL = organization::text;
    END IF;
    SELECT x.* INTO m
    FROM memberships x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.user_id = app_user();
    is_new := NOT FOUND OR NOT m.is_active;
    IF m.id IS NOT NULL AND is_new AND NOT (SELECT d.revives FROM invitation_details d WHERE d.tenant_id = i.tenant_id AND d.invitation_id = i.id) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'your membership of this organization is deactivated';
    END IF;
    IF NOT is_new THEN
        UPDATE invitations x SET status = 'accepted', responded_at = now() WHERE x.tenant_id = i.tenant_id AND x.id = i.id;
        PERFORM audit('invitation.accept', 'invitation', i.id::text, jsonb_build_object('organization_id', organization, 'email', i.email, 'role', i.role));
    ELSE
        PERFORM invitation_settle(i, app_user(), is_paid => true);
        IF org_is_paid(organization) THEN
            PERFORM audit('member_auto_licensed_on_invite_accept', 'user', app_user()::text, jsonb_build_object('organization', organization));
            PERFORM org_seats_follow(organization);
        END IF;
    END IF;
END
$$;

-- Raises AS404.
CREATE OR REPLACE FUNCTION org_revoke_invite(organization uuid, key text, spelling text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    mine text := org_manager(organization);
    i    invitations;
BEGIN
    UPDATE invitations x SET status = 'cancelled', responded_at = now()
    WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.status = 'pending' AND x.expires_at > now()
      AND x.id IN (SELECT f.id FROM invitations_find(key, spelling) f)
    RETURNING x.* INTO i;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Invitation not found', DETAIL = spelling;
    END IF;
    PERFORM audit('invitation.cancel', 'invitation', i.id::text, jsonb_build_object('organization_id', organization, 'email', i.email));
END
$$;

-- ---------------------------------------------------------------- the end

-- End an organization, on every surface: its memberships and invitations go. Raises AS008 while it has projects, or pays for something,
-- and AS403.
CREATE OR REPLACE FUNCTION org_delete(organization uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    m memberships;
    i uuid;
BEGIN
    IF org_manager(organization) <> 'owner' THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs the role owner in the organization';
    ELSIF EXISTS (SELECT FROM trace_projects p WHERE p.tenant_id = app_tenant() AND p.organization_id = organization AND p.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS008' USING MESSAGE = 'the organization still has projects: delete them first';
    ELSIF EXISTS (SELECT FROM subscriptions s
                  WHERE s.tenant_id = app_tenant() AND s.owner_id = organization AND s.ended_at IS NULL AND s.provider_id IS NOT NULL) THEN
        RAISE SQLSTATE 'AS008' USING MESSAGE = 'the organization has a subscription: end it first';
    END IF;
    FOR i IN UPDATE invitations x SET status = 'cancelled', responded_at = now()
             WHERE x.tenant_id = app_tenant() AND x.organization_id = organization AND x.status = 'pending'
             RETURNING x.id LOOP
        PERFORM audit('invitation.cancel', 'invitation', i::text, jsonb_build_object('organization_id', organization));
    END LOOP;
    UPDATE users u SET default_organization_id = NULL
    WHERE u.tenant_id = app_tenant() AND u.default_organization_id = organization
      AND u.id IN (SELECT x.user_id FROM memberships x WHERE x.tenant_id = u.tenant_id AND x.organization_id = organization);
    -- Before its members go: one that is deleted needs no owner (memberships_tally).
    UPDATE organizations o SET deleted_at = now() WHERE o.tenant_id = app_tenant() AND o.id = organization;
    FOR m IN DELETE FROM memberships x WHERE x.tenant_id = app_tenant() AND x.organization_id = organization RETURNING x.* LOOP
        PERFORM member_audit('member.remove', m, jsonb_build_object('role', m.role, 'left', m.user_id = app_user()));
    END LOOP;
    PERFORM audit('organization.delete', 'organization', organization::text);
END
$$;
