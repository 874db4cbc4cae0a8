-- Members and invitations of organizations: what needs a lock, or a reason why not.
--
-- A transaction that changes who is in an organization, or is invited, first locks the
-- organization's row and reads then: of two at once the second one sees what
-- the first one did.  So two owners cannot both leave, no user is invited who is
-- just joining, and an invitation is accepted once.

CREATE OR REPLACE FUNCTION organization_lock(organization uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM organizations o WHERE o.tenant_id = app_tenant() AND o.id = organization FOR NO KEY UPDATE;
    IF EXISTS (SELECT FROM membership_ends e WHERE e.tenant_id = app_tenant() AND e.organization_id = organization AND e.ends_at <= now()) THEN
        PERFORM memberships_over(organization);    -- whose time is over is nobody's reason to be refused
    END IF;
END
$$;

-- ---------------------------------------------------------------- members

-- The membership that the caller is about to change, behind the lock.  Anyone
-- may change their own (whether that change is theirs to make is the route's to
-- say); of others, owners and admins: asked again here, since the caller may
-- have been demoted while waiting.  Raises AS403, AS404.
CREATE OR REPLACE FUNCTION member_lock(organization uuid, member uuid) RETURNS memberships
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    m      memberships;
BEGIN
    PERFORM organization_lock(organization);
    SELECT x.* INTO m FROM memberships x
    WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.user_id = member;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Member not found', DETAIL = member::text;
    ELSIF member <> app_user() AND NOT EXISTS (
        SELECT FROM memberships c
        WHERE c.tenant_id = tenant AND c.organization_id = organization AND c.user_id = app_user()
          AND c.is_active AND c.role IN ('owner', 'admin')) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs the role owner or admin in the organization';
    END IF;
    RETURN m;
END
$$;

-- What is put down about a member: the resource is the user, by the public id.
CREATE OR REPLACE FUNCTION member_audit(action text, m memberships, details jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit(action, 'member', u.public_id, jsonb_build_object('organization_id', m.organization_id) || details)
    FROM users u WHERE u.tenant_id = m.tenant_id AND u.id = m.user_id;
END
$$;

-- Give a member another role.  Raises AS409 for an owner and for who is deactivated.
CREATE OR REPLACE FUNCTION member_change_role(organization uuid, member uuid, role text) RETURNS memberships
LANGUAGE plpgsql AS $$
DECLARE
    m memberships := member_lock(organization, member);
BEGIN
    IF m.role = 'owner' THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'an owner''s role cannot be changed';
    ELSIF NOT m.is_active THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this member is deactivated: remove them, and invite them again';
    ELSIF platform_role(m.role) <> member_change_role.role THEN    -- what reads the same is the same: a viewer who is to be a member stays one
        UPDATE memberships x SET role = member_change_role.role
        WHERE x.tenant_id = m.tenant_id AND x.organization_id = organization AND x.user_id = member;
        PERFORM member_audit('member.role', m, jsonb_build_object('from', m.role, 'to', member_change_role.role));
        m.role := member_change_role.role;
    END IF;
    RETURN m;
END
$$;

-- What goes with a membership: it is not the user's default organization any more, and
-- an invitation from before is no way back in.  Before the membership itself,
-- whose change is told on the user's channel: the row of users is locked first
-- (see announcements.sql).
CREATE OR REPLACE FUNCTION member_gone(m memberships) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    invited invitations;
BEGIN
    UPDATE users u SET default_organization_id = NULL
    WHERE u.tenant_id = m.tenant_id AND u.id = m.user_id AND u.default_organization_id = m.organization_id;
    UPDATE invitations i SET status = 'cancelled', responded_at = now()
    FROM users u
    WHERE u.tenant_id = m.tenant_id AND u.id = m.user_id
      AND i.tenant_id = m.tenant_id AND i.organization_id = m.organization_id
      AND is_same_address(i.email_key, i.email, u.email_key, u.email) AND i.status = 'pending'
    RETURNING i.* INTO invited;
    IF FOUND THEN
        PERFORM audit('invitation.cancel', 'invitation', invited.id::text,
                      jsonb_build_object('organization_id', m.organization_id, 'email', invited.email));
    END IF;
END
$$;

-- Take a member out.  An owner goes by themself only, and only while another one
-- stays who can act: whose account is active.  Raises AS409.
CREATE OR REPLACE FUNCTION member_remove(organization uuid, member uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    m memberships := member_lock(organization, member);
BEGIN
    IF m.role = 'owner' AND member <> app_user() THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'an owner cannot be removed';
    ELSIF m.role = 'owner' AND NOT EXISTS (
        SELECT FROM memberships x JOIN users u ON u.tenant_id = x.tenant_id AND u.id = x.user_id
        WHERE x.tenant_id = m.tenant_id AND x.organization_id = organization AND x.role = 'owner' AND x.is_active
          AND x.user_id <> member AND u.access > 0) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the last owner cannot leave the organization';
    END IF;
    PERFORM member_gone(m);
    DELETE FROM memberships x
    WHERE x.tenant_id = m.tenant_id AND x.organization_id = organization AND x.user_id = member;
    PERFORM member_audit('member.remove', m, jsonb_build_object('role', m.role, 'left', member = app_user()));
END
$$;

-- Suspend a member.  Twice is harmless.  Raises AS409 for an owner.
CREATE OR REPLACE FUNCTION member_deactivate(organization uuid, member uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    m memberships := member_lock(organization, member);
BEGIN
    IF m.role = 'owner' THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'an owner cannot be deactivated';
    ELSIF m.is_active THEN
        PERFORM member_gone(m);
        UPDATE memberships x SET is_active = false
        WHERE x.tenant_id = m.tenant_id AND x.organization_id = organization AND x.user_id = member;
        PERFORM member_audit('member.deactivate', m, jsonb_build_object('role', m.role));
    END IF;
END
$$;

-- ---------------------------------------------------------------- invitations

-- A pending invitation that is past its time reads as expired.
CREATE OR REPLACE FUNCTION invitation_status(status text, expires_at timestamptz) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN status = 'pending' AND expires_at <= now() THEN 'expired' ELSE status END;

-- Put an invitation down, behind the organization's lock: at most 100 of an organization are pending, one of them for an
-- address.  Raises AS409, and the unique violations invitations_pending_unique and invitations_pending_key_unique.
CREATE OR REPLACE FUNCTION invitation_put(organization uuid, key text, email text, role text, token_hash bytea) RETURNS invitations
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    made   invitations;
BEGIN
    UPDATE invitations i SET status = 'expired'
    WHERE i.tenant_id = tenant AND i.organization_id = organization AND i.status = 'pending' AND i.expires_at <= now()
      AND is_same_address(i.email_key, i.email, key, invitation_put.email);
    IF (SELECT count(*) FROM invitations i
        WHERE i.tenant_id = tenant AND i.organization_id = organization AND i.status = 'pending' AND i.expires_at > now()) >= 100 THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the organization has 100 pending invitations: cancel some first';
    END IF;
    INSERT INTO invitations (tenant_id, organization_id, email, email_key, role, token_hash, invited_by, expires_at)
    VALUES (tenant, organization, invitation_put.email, key, invitation_put.role, invitation_put.token_hash, app_user(),
            now() + interval '7 days')
    RETURNING * INTO made;
    PERFORM audit('invitation.create', 'invitation', made.id::text,
                  jsonb_build_object('organization_id', organization, 'email', made.email, 'role', made.role));
    RETURN made;
END
$$;

-- Invite an address, spelled as it was sent.  Who has an account is invited as that has the address.  Raises AS409, and
-- what invitation_put() does.
CREATE OR REPLACE FUNCTION invitation_create(organization uuid, key text, spelling text, email text, role text,
                                             token_hash bytea) RETURNS invitations
LANGUAGE plpgsql AS $$
DECLARE
    invited users;
    is_in   boolean;
BEGIN
    PERFORM organization_lock(organization);
    SELECT * INTO invited FROM user_find(key, spelling);
    IF FOUND THEN
        key := invited.email_key;
        email := invited.email;
    END IF;
    SELECT m.is_active INTO is_in
    FROM memberships m
    WHERE m.tenant_id = app_tenant() AND m.organization_id = organization AND m.user_id = invited.id;
    IF is_in THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'email', MESSAGE = 'this address is already a member''s';
    ELSIF NOT is_in THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'email',
            MESSAGE = 'this address is a deactivated member''s: remove the member, and invite again';
    END IF;
    RETURN invitation_put(organization, key, email, role, token_hash);
END
$$;

-- Give a pending invitation a new token and another 7 days.  Raises AS404, AS409.
CREATE OR REPLACE FUNCTION invitation_renew(organization uuid, invitation uuid, token_hash bytea) RETURNS invitations
LANGUAGE plpgsql AS $$
DECLARE
    i invitations;
BEGIN
    UPDATE invitations x
    SET token_hash = invitation_renew.token_hash, expires_at = now() + interval '7 days'
    WHERE x.tenant_id = app_tenant() AND x.id = invitation AND x.organization_id = organization
      AND x.status = 'pending' AND x.expires_at > now()
    RETURNING * INTO i;
    IF NOT FOUND THEN
        SELECT x.* INTO i FROM invitations x
        WHERE x.tenant_id = app_tenant() AND x.id = invitation AND x.organization_id = organization;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS404' USING MESSAGE = 'Invitation not found', DETAIL = invitation::text;
        END IF;
        RAISE SQLSTATE 'AS409' USING
            MESSAGE = format('this invitation is not pending but %s: invite again', invitation_status(i.status, i.expires_at));
    END IF;
    PERFORM invitation_left(i.id, is_shown => false);
    PERFORM audit('invitation.resend', 'invitation', i.id::text,
                  jsonb_build_object('organization_id', organization, 'email', i.email));
    RETURN i;
END
$$;

-- How the token that is good now has left: by mail, or shown to who invites.
CREATE OR REPLACE FUNCTION invitation_left(invitation uuid, is_shown boolean) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE invitation_details d SET is_shown = invitation_left.is_shown
    WHERE d.tenant_id = app_tenant() AND d.invitation_id = invitation AND d.is_shown <> invitation_left.is_shown;
END
$$;

-- An invitation is accepted: what it said of its member is their profile.  Returns the membership, which has the invitation's id, or, of who comes back, its own.
-- Behind the organization's lock.
CREATE OR REPLACE FUNCTION invitation_settle(i invitations, who uuid, is_paid boolean DEFAULT false) RETURNS memberships
LANGUAGE plpgsql AS $$
DECLARE
    d invitation_details;
    m memberships;
BEGIN
    SELECT x.* INTO d FROM invitation_details x WHERE x.tenant_id = i.tenant_id AND x.invitation_id = i.id;
    UPDATE invitations x SET status = 'accepted', responded_at = now() WHERE x.tenant_id = i.tenant_id AND x.id = i.id;
    IF d.revives THEN
        UPDATE memberships x SET is_active = true, role = i.role, is_paid = x.is_paid OR invitation_settle.is_paid
        WHERE x.tenant_id = i.tenant_id AND x.organization_id = i.organization_id AND x.user_id = who AND NOT x.is_active
        RETURNING * INTO m;
    END IF;
    IF m.id IS NULL THEN
        INSERT INTO memberships (tenant_id, id, organization_id, user_id, role, is_paid, seat_asked_at)
        VALUES (i.tenant_id, i.id, i.organization_id, who, i.role, invitation_settle.is_paid, CASE WHEN invitation_settle.is_paid THEN now() END)
        RETURNING * INTO m;
    END IF;
    UPDATE member_profiles p
    SET full_name = coalesce(d.full_name, p.full_name), display_name = coalesce(d.display_name, p.display_name), title = coalesce(d.title, p.title),
        department = coalesce(d.department, p.department), phone = coalesce(d.phone, p.phone), bio = coalesce(d.bio, p.bio),
        timezone = coalesce(d.timezone, p.timezone), invited_by = i.invited_by, invited_at = i.created_at, accepted_at = now()
    WHERE p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id;
    IF d.membership_ends_at <= now() THEN
        RAISE SQLSTATE 'AS410' USING HINT = 'token', MESSAGE = 'the time that this invitation was for is over';
    ELSIF d.membership_ends_at IS NOT NULL THEN
        INSERT INTO membership_ends (tenant_id, organization_id, member_id, ends_at) VALUES (m.tenant_id, m.organization_id, m.id, d.membership_ends_at);
    END IF;
    PERFORM audit('invitation.accept', 'invitation', i.id::text,
                  jsonb_build_object('organization_id', i.organization_id, 'email', i.email, 'role', i.role));
    PERFORM workspace_tell(i.organization_id, 'members_updated', jsonb_build_object('member_id', m.id));
    RETURN m;
END
$$;

-- The caller takes a place in an organization.  Of two who accept at once the
-- second finds the token used.  Raises AS400 for a token that is good for
-- nothing, AS403 for another address than the invited one, AS409 for who is in
-- already: then nothing is used up.
--
-- A caller who shows the token reads the mail of its address, so that the account in
-- which it is shown has proved it.  An impersonator has not, nor has who holds a token that was
-- shown to who invites (invitation_details.is_shown).
CREATE OR REPLACE FUNCTION invitation_accept(token_hash bytea) RETURNS memberships
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    i      invitations;
    who    users;
    d      invitation_details;
    m      memberships;
    opened sessions;
BEGIN
    SELECT x.* INTO i FROM invitations x WHERE x.tenant_id = tenant AND x.token_hash = invitation_accept.token_hash;
    PERFORM organization_lock(i.organization_id);
    SELECT x.* INTO i
    FROM invitations x JOIN organizations o ON o.tenant_id = x.tenant_id AND o.id = x.organization_id
    WHERE x.tenant_id = tenant AND x.token_hash = invitation_accept.token_hash
      AND x.status = 'pending' AND x.expires_at > now() AND o.deleted_at IS NULL
    FOR UPDATE OF x;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS400' USING HINT = 'token', MESSAGE = 'the invitation is invalid, used or expired';
    END IF;

    SELECT x.* INTO d FROM invitation_details x WHERE x.tenant_id = tenant AND x.invitation_id = i.id;
    SELECT u.* INTO who FROM users u WHERE u.tenant_id = tenant AND u.id = app_user();
    IF NOT is_same_address(who.email_key, who.email, i.email_key, i.email) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this invitation is for another e-mail address';
    ELSIF NOT d.is_shown AND NOT who.is_email_verified AND NOT (SELECT r.is_known FROM request_session() r) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'verify your e-mail address, then accept the invitation';
    END IF;
    SELECT x.* INTO m FROM memberships x
    WHERE x.tenant_id = tenant AND x.organization_id = i.organization_id AND x.user_id = who.id;
    IF FOUND AND (m.is_active OR NOT d.revives) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = CASE WHEN m.is_active THEN 'you are a member of this organization already'
            ELSE 'your membership of this organization is deactivated' END;
    END IF;

    -- Before the membership, which is told on the user's channel: see announcements.sql.
    IF NOT d.is_shown THEN
        SELECT s.* INTO opened FROM sessions s
        WHERE s.tenant_id = tenant AND s.id = (SELECT r.session FROM request_session() r);
        PERFORM address_proved(who.id, 'invitation', is_inside => true, keeps_password => coalesce(opened.method = 'password', false),
                               kept => opened);
    END IF;
    RETURN invitation_settle(i, who.id);
END
$$;

-- The holder of the token does not want it.  Raises AS400.
CREATE OR REPLACE FUNCTION invitation_reject(token_hash bytea) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    i invitations;
BEGIN
    UPDATE invitations x SET status = 'rejected', responded_at = now()
    WHERE x.tenant_id = app_tenant() AND x.token_hash = invitation_reject.token_hash
      AND x.status = 'pending' AND x.expires_at > now()
    RETURNING * INTO i;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS400' USING HINT = 'token', MESSAGE = 'the invitation is invalid, used or expired';
    END IF;
    PERFORM audit('invitation.reject', 'invitation', i.id::text,
                  jsonb_build_object('organization_id', i.organization_id, 'email', i.email));
END
$$;

-- ---------------------------------------------------------------- departments

-- A department, for a member of its organization.  No row: there is none.
-- Raises AS404 for a member whom the tenant does not have, AS403 for one who is
-- not in the organization, and for an impersonator.
CREATE OR REPLACE FUNCTION department_of_member(department uuid, member uuid) RETURNS SETOF departments
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant uuid := app_tenant();
    d      departments;
BEGIN
    IF app_user() <> member THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'user_id is not the token''s user';
    END IF;
    SELECT x.* INTO d
    FROM departments x JOIN organizations o ON o.tenant_id = x.tenant_id AND o.id = x.organization_id
    WHERE x.tenant_id = tenant AND x.id = department AND o.deleted_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    ELSIF NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = tenant AND u.id = member AND u.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = member::text;
    ELSIF NOT EXISTS (SELECT FROM memberships m JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
                      WHERE m.tenant_id = tenant AND m.organization_id = d.organization_id AND m.user_id = member
                        AND m.is_active AND u.access > 0) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'the user is not a member of the department''s organization';
    END IF;
    RETURN NEXT d;
END
$$;
