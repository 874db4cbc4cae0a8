-- Invitations to a workspace: who is asked in, and how they come.
--
-- Who is invited is nobody yet: there is an invitation, whose id the membership will have, and no account is made for it
-- before they accept.  What a token proves is in how it left: a mailed one that its holder reads the mail of the address,
-- one that was shown to who invites nothing at all, so that an administrator gets nobody's account by it.

-- The workspace that the body names, for owners and admins, as a door has it for a path's.  True, or it raises AS404 and
-- AS403.
CREATE OR REPLACE FUNCTION workspace_enter(workspace uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM enter_workspace(app_user(), workspace, 'ORG_MANAGE', '{owner,admin}');
    RETURN true;
END
$$;

-- Nobody gives a higher role than their own.  Raises AS403.
CREATE OR REPLACE FUNCTION role_may_be_given(mine text, given text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF role_rank(given) > role_rank(mine) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'nobody gives a higher role than their own', HINT = 'role';
    END IF;
END
$$;

-- Invite an address, spelled as it was sent; one that has left by being switched off comes back by it.
--
--   is_known  only who has an account: the contract of the row says so
--   details   full_name, title, department, message, ends_at (of the membership); what is not there is not said
--
-- Raises AS403, AS404, AS409, and what invitation_put() does.
CREATE OR REPLACE FUNCTION workspace_invite(key text, spelling text, email text, role text, is_known boolean, details jsonb,
                                            token_hash bytea) RETURNS invitations
LANGUAGE plpgsql AS $$
DECLARE
    tenant  uuid := app_tenant();
    mine    text := workspace_lock();
    invited users;
    is_in   boolean;
    i       invitations;
BEGIN
    PERFORM role_may_be_given(mine, role);
    PERFORM valid(coalesce((details ->> 'ends_at')::timestamptz > now(), true), 'ends_at', 'that time is past: the membership would be over');
    SELECT * INTO invited FROM user_find(key, spelling);
    IF invited.id IS NOT NULL THEN
        key := invited.email_key;
        email := invited.email;
    ELSIF is_known THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = email;
    END IF;
    SELECT m.is_active INTO is_in
    FROM memberships m
    WHERE m.tenant_id = tenant AND m.organization_id = app_organization() AND m.user_id = invited.id;
    IF is_in THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'email', MESSAGE = 'this address is already a member''s';
    END IF;
    i := invitation_put(app_organization(), key, email, role, token_hash);
    UPDATE invitation_details d
    SET full_name = details ->> 'full_name', title = details ->> 'title', department = details ->> 'department', message = details ->> 'message',
        revives = is_in IS NOT NULL, membership_ends_at = (details ->> 'ends_at')::timestamptz
    WHERE d.tenant_id = tenant AND d.invitation_id = i.id;
    PERFORM workspace_tell(i.organization_id, 'members_updated', jsonb_build_object('member_id', i.id));
    RETURN i;
END
$$;

-- The invitation of who is called member (its own id, or that of a membership that was switched off) or who (a user's id), to be
-- acted on: it is locked, behind the workspace's lock.  One that has run out counts.  Raises AS404, AS409 where it was
-- accepted, and AS403 where its role is higher than the caller's.
CREATE OR REPLACE FUNCTION workspace_invitation_lock(member uuid, who uuid) RETURNS invitations
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    mine   text := workspace_lock();
    i      invitations;
    m      memberships;
BEGIN
    SELECT x.* INTO m FROM memberships x
    WHERE x.tenant_id = tenant AND x.organization_id = app_organization() AND CASE WHEN member IS NULL THEN x.user_id = who ELSE x.id = member END;
    IF member IS NOT NULL AND m.id IS NULL THEN
        SELECT x.* INTO i FROM invitations x
        WHERE x.tenant_id = tenant AND x.organization_id = app_organization() AND x.id = member AND x.status = 'pending'
        FOR NO KEY UPDATE;
    ELSE
        SELECT x.* INTO i FROM invitations x
        WHERE x.tenant_id = tenant AND x.organization_id = app_organization() AND x.status = 'pending'
          AND x.id = (SELECT f.id FROM users u, invitations_find(u.email_key, u.email) f
                      WHERE u.tenant_id = tenant AND u.id = coalesce(m.user_id, who) AND u.deleted_at IS NULL AND f.organization_id = app_organization()
                      LIMIT 1)
        FOR NO KEY UPDATE;
    END IF;
    IF m.is_active THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this invitation was accepted already: they are a member';
    ELSIF i.id IS NULL THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Invitation not found', DETAIL = coalesce(member, who)::text;
    ELSIF role_rank(i.role) > role_rank(mine) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this invitation is to a higher role than yours';
    END IF;
    RETURN i;
END
$$;

-- A new token for it, good for another 7 days: the one before is none any more.
--
-- Shown, it proves nothing, and so lets nobody into an account that its user has: raises AS403 where the address has one
-- that is not this workspace's to give out (account_hold), and what workspace_invitation_lock() does.
CREATE OR REPLACE FUNCTION workspace_invitation_renew(member uuid, who uuid, is_shown boolean, token_hash bytea) RETURNS invitations
LANGUAGE plpgsql AS $$
DECLARE
    i invitations := workspace_invitation_lock(member, who);
BEGIN
    IF is_shown AND EXISTS (SELECT FROM user_find(i.email_key, i.email) u WHERE account_hold(u.id, i.organization_id) IS NOT NULL) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this address has an account of its user''s own: send the invitation by mail';
    END IF;
    UPDATE invitations x
    SET token_hash = workspace_invitation_renew.token_hash, expires_at = now() + interval '7 days', status = 'pending'
    WHERE x.tenant_id = i.tenant_id AND x.id = i.id
    RETURNING x.* INTO i;
    PERFORM invitation_left(i.id, workspace_invitation_renew.is_shown);
    PERFORM audit(CASE WHEN is_shown THEN 'invitation.show' ELSE 'invitation.resend' END, 'invitation', i.id::text,
                  jsonb_build_object('organization_id', i.organization_id, 'email', i.email));
    RETURN i;
END
$$;

-- Cancel it.  Its id.
CREATE OR REPLACE FUNCTION workspace_invitation_cancel(member uuid, who uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    i invitations := workspace_invitation_lock(member, who);
BEGIN
    UPDATE invitations x SET status = 'cancelled', responded_at = now() WHERE x.tenant_id = i.tenant_id AND x.id = i.id;
    PERFORM audit('invitation.cancel', 'invitation', i.id::text, jsonb_build_object('organization_id', i.organization_id, 'email', i.email));
    PERFORM workspace_tell(i.organization_id, 'members_updated', jsonb_build_object('member_id', i.id));
    RETURN i.id;
END
$$;

-- Is member one who is invited, and has not answered?
CREATE OR REPLACE FUNCTION member_is_invited(member uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM invitations i
                   WHERE i.tenant_id = app_tenant() AND i.organization_id = app_organization() AND i.id = member AND i.status = 'pending');
END
$$;

-- Change what is said of who is invited; role NULL: it stays.  Behind it the profile is.  Raises AS403, AS409 and AS412.
CREATE OR REPLACE FUNCTION workspace_invitation_change(member uuid, role text, is_active boolean, wanted bigint[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    i    invitations := workspace_invitation_lock(member, NULL);
    mine text;
BEGIN
    SELECT m.role INTO mine FROM memberships m
    WHERE m.tenant_id = i.tenant_id AND m.organization_id = i.organization_id AND m.id = app_member();
    IF permission_reach(i.tenant_id, i.organization_id, mine, 'can_edit_member') IS NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs the permission can_edit_member', DETAIL = 'can_edit_member';
    ELSIF is_active THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'is_active', MESSAGE = 'who is invited is active once they accept';
    END IF;
    IF workspace_role(i.role) <> role THEN
        IF role_rank(mine) < role_rank('admin') THEN
            RAISE SQLSTATE 'AS403' USING MESSAGE = 'role and standing are for owners and admins to change';
        ELSIF role = 'owner' THEN
            RAISE SQLSTATE 'AS403' USING MESSAGE = 'nobody is invited as an owner', HINT = 'role';
        END IF;
        PERFORM role_may_be_given(mine, role);
    ELSE
        role := i.role;
    END IF;
    PERFORM if_match(greatest(i.updated_at, (SELECT d.updated_at FROM invitation_details d WHERE d.tenant_id = i.tenant_id AND d.invitation_id = i.id)), wanted);
    IF role <> i.role THEN
        UPDATE invitations x SET role = workspace_invitation_change.role WHERE x.tenant_id = i.tenant_id AND x.id = i.id;
        PERFORM audit('invitation.role', 'invitation', i.id::text, jsonb_build_object('organization_id', i.organization_id, 'from', i.role, 'to', role));
    END IF;
    PERFORM workspace_tell(i.organization_id, 'members_updated', jsonb_build_object('member_id', i.id));
END
$$;

-- Take somebody out, or cancel their invitation; ends: see workspace_member_drop().  What has come of it.
CREATE OR REPLACE FUNCTION workspace_member_out(member uuid, keeps boolean, ends text, may_leave boolean) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
    IF member_is_invited(member) THEN
        PERFORM workspace_invitation_cancel(member, NULL);
        RETURN 'invitation_deleted';
    END IF;
    RETURN CASE WHEN workspace_member_drop(member, keeps, ends, may_leave) THEN 'user_deleted' ELSE 'member_removed' END;
END
$$;

-- ---------------------------------------------------------------- who is invited

-- The invitation of a token, if it can be accepted; how the token left; and whether who accepts by it alone has to choose
-- a password: there is no account, or one that nobody has proved, or no way into it.  Raises AS404, AS409, AS410.
CREATE OR REPLACE FUNCTION workspace_invitation(hash bytea, OUT i invitations, OUT is_shown boolean, OUT needs_password boolean)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    u users;
BEGIN
    SELECT x.* INTO i FROM invitations x WHERE x.tenant_id = app_tenant() AND x.token_hash = hash;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Invitation not found';
    ELSIF i.status = 'accepted' THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'token', MESSAGE = 'this invitation was accepted already';
    ELSIF i.status <> 'pending' OR i.expires_at <= now()
          OR NOT EXISTS (SELECT FROM organizations o WHERE o.tenant_id = i.tenant_id AND o.id = i.organization_id AND o.deleted_at IS NULL) THEN
        RAISE SQLSTATE 'AS410' USING HINT = 'token', MESSAGE = 'this invitation was withdrawn, or has run out: ask for another one';
    END IF;
    SELECT d.is_shown INTO is_shown FROM invitation_details d WHERE d.tenant_id = i.tenant_id AND d.invitation_id = i.id;
    SELECT x.* INTO u FROM user_find(i.email_key, i.email) x;
    needs_password := CASE
        WHEN u.id IS NULL THEN true
        WHEN is_shown THEN u.password_hash IS NULL
        WHEN NOT u.is_email_verified THEN true
        ELSE u.password_hash IS NULL
             AND NOT EXISTS (SELECT FROM passkeys p WHERE p.tenant_id = u.tenant_id AND p.user_id = u.id)
             AND NOT EXISTS (SELECT FROM identities x WHERE x.tenant_id = u.tenant_id AND x.user_id = u.id)
        END;
END
$$;

-- Accept by a token: as who has signed in, who must have the address, or by the token alone.  Then a mailed one makes the
-- account its holder's, as invitation_register() has it; a shown one makes an account that is the workspace's until its user
-- has proved the address, and lets into no other one.
--
-- Raises AS403, AS008 without a password that it takes, and what workspace_invitation() and invitation_accept() do.
CREATE OR REPLACE FUNCTION workspace_invitation_accept(token_hash bytea, password_hash text, name text) RETURNS memberships
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    x      record;
    i      invitations;
    u      users;
    who    uuid;
BEGIN
    PERFORM organization_lock(y.organization_id) FROM invitations y WHERE y.tenant_id = tenant AND y.token_hash = workspace_invitation_accept.token_hash;
    SELECT w.* INTO x FROM workspace_invitation(workspace_invitation_accept.token_hash) w;
    i := x.i;
    IF app_user() IS NOT NULL THEN
        RETURN workspace_joined(workspace_invitation_accept.token_hash, i.organization_id);
    END IF;
    SELECT y.* INTO u FROM user_find(i.email_key, i.email) y;
    IF u.access = 0 THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'the account with this address is not active';
    ELSIF x.is_shown AND account_hold(u.id, i.organization_id) IS NOT NULL THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this address has an account of its user''s own: sign in to it, and accept';
    ELSIF x.needs_password AND password_hash IS NULL THEN
        RAISE SQLSTATE 'AS008' USING HINT = 'password', MESSAGE = 'choose a password: there is none yet';
    END IF;
    name := coalesce(name, (SELECT d.full_name FROM invitation_details d WHERE d.tenant_id = tenant AND d.invitation_id = i.id));
    IF x.is_shown THEN
        who := account_for_workspace(i.organization_id, u, i.email_key, i.email, CASE WHEN x.needs_password THEN password_hash END, name);
    ELSE
        who := u.id;
        IF u.id IS NULL THEN
            who := account_made(i.email_key, i.email, password_hash, name);
        END IF;
        IF NOT coalesce(u.is_email_verified, false) THEN
            who := address_proved(who, 'invitation', jsonb_strip_nulls(jsonb_build_object('password_hash', password_hash, 'display_name', name)));
        ELSIF x.needs_password THEN
            UPDATE users y SET password_hash = workspace_invitation_accept.password_hash WHERE y.tenant_id = tenant AND y.id = who;
            PERFORM audit('password.reset', 'user', u.public_id, jsonb_build_object('method', 'invitation'), u.public_id, 'user');
        END IF;
    END IF;
    PERFORM act_as(who);
    RETURN workspace_joined(workspace_invitation_accept.token_hash, i.organization_id);
END
$$;

-- The caller accepts; the workspace is the active one of who had none, from the next sign-in on.  (The row of users is changed
-- before the membership: see announcements.sql.)
CREATE OR REPLACE FUNCTION workspace_joined(token_hash bytea, organization uuid) RETURNS memberships
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users u SET default_organization_id = organization
    WHERE u.tenant_id = app_tenant() AND u.id = app_user() AND u.default_organization_id IS NULL;
    RETURN invitation_accept(token_hash);
END
$$;

-- Make the account of an address that had none.  Raises AS409: somebody has just done so.
CREATE OR REPLACE FUNCTION account_made(key text, email text, password_hash text, name text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    made uuid;
BEGIN
    SELECT r INTO made FROM user_register(key, email, email, password_hash, name, 'en') r;
    IF made IS NULL THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this address has just got an account: try again';
    END IF;
    RETURN made;
END
$$;

-- From here on it is this user who acts: what came with the request has shown that it is theirs.
CREATE OR REPLACE FUNCTION act_as(who uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.user_id', who::text, true),
            set_config('app.request', (coalesce(nullif(current_setting('app.request', true), ''), '{}')::jsonb
                       || jsonb_build_object('actor', u.public_id, 'actor_type', 'user'))::text, true)
    FROM users u WHERE u.tenant_id = app_tenant() AND u.id = who;
END
$$;

-- The user of an address, for a workspace that proves nothing: u, or, where there is none, one who is made, and whose maker
-- it is (account_makers).  password_hash NULL: it stays as it is, or there is none.  Their id.
CREATE OR REPLACE FUNCTION account_for_workspace(organization uuid, u users, key text, email text, password_hash text, name text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    made uuid;
BEGIN
    IF u.id IS NOT NULL THEN
        UPDATE users x SET password_hash = account_for_workspace.password_hash
        WHERE x.tenant_id = u.tenant_id AND x.id = u.id AND account_for_workspace.password_hash IS NOT NULL;
        RETURN u.id;
    END IF;
    made := account_made(key, email, password_hash, name);
    INSERT INTO account_makers (tenant_id, user_id, organization_id) VALUES (app_tenant(), made, organization);
    RETURN made;
END
$$;
