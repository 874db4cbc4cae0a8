-- Leaving a workspace, and handing it on.

-- The caller leaves it.  Who has left before has left: twice is harmless.  Raises AS404 of one in which they never were, and AS008 of the last owner.
CREATE OR REPLACE FUNCTION workspace_leave(workspace uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    m      memberships;
BEGIN
    PERFORM organization_lock(workspace);
    SELECT x.* INTO m
    FROM memberships x JOIN organizations o ON o.tenant_id = x.tenant_id AND o.id = x.organization_id AND o.deleted_at IS NULL
    WHERE x.tenant_id = tenant AND x.organization_id = workspace AND x.user_id = app_user() AND x.is_active;
    IF NOT FOUND THEN
        IF EXISTS (SELECT FROM users u JOIN audit_events a ON a.tenant_id = u.tenant_id AND a.actor_id = u.public_id AND a.action = 'member.remove'
                   WHERE u.tenant_id = tenant AND u.id = app_user() AND a.resource_id = u.public_id
                     AND a.details ->> 'organization_id' = workspace::text AND a.details ->> 'left' = 'true') THEN
            RETURN;
        END IF;
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Workspace not found', DETAIL = workspace::text;
    END IF;
    PERFORM set_config('app.organization_id', workspace::text, true), set_config('app.member_id', m.id::text, true);
    PERFORM workspace_member_drop(m.id, false, 'never', true);
END
$$;

-- ---------------------------------------------------------------- ownership

-- A mail about it, to a member, in the name of another one.
CREATE OR REPLACE FUNCTION ownership_mail(template text, recipient uuid, other uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT u.tenant_id, 'ashlar.mail', 'mail', jsonb_build_object('template', template, 'to', u.email, 'user', u.id, 'locale', u.locale, 'data',
               jsonb_build_object('workspace', o.name, 'other', coalesce(p.full_name, x.full_name, x.email, '-')))
    FROM memberships m
    JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id AND u.access > 0 AND u.email IS NOT NULL
    JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
    JOIN memberships y ON y.tenant_id = m.tenant_id AND y.organization_id = m.organization_id AND y.id = other
    JOIN users x ON x.tenant_id = y.tenant_id AND x.id = y.user_id
    JOIN member_profiles p ON p.tenant_id = y.tenant_id AND p.organization_id = y.organization_id AND p.member_id = y.id
    WHERE m.tenant_id = app_tenant() AND m.organization_id = app_organization() AND m.id = recipient;
END
$$;

-- The caller, an owner, offers the workspace to a member, who has 7 days.  Of an hour's offers 10 are mailed.  Raises AS403, AS404, AS409 and AS422.
CREATE OR REPLACE FUNCTION ownership_offer(heir uuid) RETURNS ownership_offers
LANGUAGE plpgsql AS $$
DECLARE
    mine text := workspace_lock();
    m    memberships := workspace_member_lock(heir);
    made ownership_offers;
BEGIN
    IF mine <> 'owner' THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this is for an owner';
    ELSIF request_is_impersonated() THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'who acts as a user gives nothing of theirs away';
    ELSIF m.role = 'owner' THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'member_id', MESSAGE = 'this member is an owner';
    ELSIF NOT m.is_active OR NOT EXISTS (SELECT FROM users u WHERE u.tenant_id = m.tenant_id AND u.id = m.user_id AND u.access > 0) THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'member_id', MESSAGE = 'this member is not active';
    END IF;
    DELETE FROM ownership_offers x WHERE x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id;
    INSERT INTO ownership_offers (tenant_id, organization_id, from_member_id, to_member_id, expires_at)
    VALUES (m.tenant_id, m.organization_id, app_member(), m.id, now() + interval '7 days')
    RETURNING * INTO made;
    PERFORM member_audit('ownership.offer', m, '{}');
    IF security_limit('ownership', 'organization:' || m.organization_id, 10, 3600, 0) = 0 THEN
        PERFORM ownership_mail('ownership_offered', m.id, app_member());
    END IF;
    RETURN made;
END
$$;

-- The offer that stands, behind the workspace's lock.  Raises AS404.
CREATE OR REPLACE FUNCTION ownership_lock() RETURNS ownership_offers
LANGUAGE plpgsql AS $$
DECLARE
    mine text := workspace_lock();
    o    ownership_offers;
BEGIN
    SELECT x.* INTO o FROM ownership_offers x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.expires_at > now()
      AND (mine = 'owner' OR x.to_member_id = app_member());
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Offer not found';
    END IF;
    RETURN o;
END
$$;

-- The caller accepts it: they own the workspace, and who offered it is an admin.  One statement changes both, so that there is an owner
-- all the time.  Raises AS403, AS404, and AS409 where who offered it owns it no more.
CREATE OR REPLACE FUNCTION ownership_accept() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    o     ownership_offers := ownership_lock();
    giver memberships := workspace_member_lock(o.from_member_id);
    heir  memberships := workspace_member_lock(o.to_member_id);
BEGIN
    IF heir.id <> app_member() OR request_is_impersonated() THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this is for who it is offered to';
    ELSIF giver.role <> 'owner' OR NOT giver.is_active THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'who offered it owns it no more';
    END IF;
    DELETE FROM ownership_offers x WHERE x.tenant_id = o.tenant_id AND x.organization_id = o.organization_id;
    UPDATE memberships m SET role = CASE m.id WHEN heir.id THEN 'owner' ELSE 'admin' END
    WHERE m.tenant_id = o.tenant_id AND m.organization_id = o.organization_id AND m.id IN (giver.id, heir.id);
    PERFORM member_audit('ownership.accept', giver, '{}');
    PERFORM member_audit('member.role', giver, jsonb_build_object('from', giver.role, 'to', 'admin'));
    PERFORM member_audit('member.role', heir, jsonb_build_object('from', heir.role, 'to', 'owner'));
    PERFORM ownership_mail('ownership_accepted', giver.id, heir.id);
    PERFORM set_config('app.org_role', 'owner', true);
    PERFORM workspace_tell(o.organization_id, 'members_updated', jsonb_build_object('member_id', m)) FROM unnest(ARRAY[giver.id, heir.id]) m;
END
$$;

-- An owner takes it back, or who it is offered to does not want it.  Raises AS404.
CREATE OR REPLACE FUNCTION ownership_drop() RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    o ownership_offers := ownership_lock();
BEGIN
    DELETE FROM ownership_offers x WHERE x.tenant_id = o.tenant_id AND x.organization_id = o.organization_id;
    PERFORM member_audit(CASE WHEN o.to_member_id = app_member() THEN 'ownership.decline' ELSE 'ownership.cancel' END, m, '{}')
    FROM memberships m WHERE m.tenant_id = o.tenant_id AND m.organization_id = o.organization_id AND m.id = o.to_member_id;
END
$$;

-- ---------------------------------------------------------------- many invitations

-- Invite many, each by itself: one that cannot be does no harm to the others.  people: [{"email", "key", "sent", "role", "full_name", "title", "department",
-- "ends_at", "hash", "mail"}], mail null where none is sent.  Of each what came of it, in their order:
--
--   outcome  invited; member; pending: there was one already; limited: the mails of this hour are sent, or the organization has its 100; refused
--   id       of the invitation
--   message  why not
CREATE OR REPLACE FUNCTION workspace_invite_many(people jsonb, message text) RETURNS TABLE (nr integer, outcome text, id uuid, expires_at timestamptz, reason text)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    tenant   uuid := app_tenant();
    mine     text := workspace_lock();
    who      users;
    p        record;
    i        invitations;
    why      text;
    which    text;
BEGIN
    SELECT u.* INTO who FROM users u WHERE u.tenant_id = tenant AND u.id = app_user();
    FOR p IN SELECT x.value AS v, x.ordinality::integer AS n FROM jsonb_array_elements(people) WITH ORDINALITY x ORDER BY x.ordinality LOOP
        nr := p.n;
        outcome := 'invited';
        id := NULL;
        expires_at := NULL;
        reason := NULL;
        BEGIN
            i := workspace_invite(p.v ->> 'key', p.v ->> 'sent', p.v ->> 'email', p.v ->> 'role', false,
                                  jsonb_strip_nulls(jsonb_build_object('full_name', p.v -> 'full_name', 'title', p.v -> 'title', 'department', p.v -> 'department', 'message', message, 'ends_at', p.v -> 'ends_at')),
                                  (p.v ->> 'hash')::bytea);
            IF p.v ->> 'mail' IS NOT NULL THEN
                IF security_limit('invitation', 'organization:' || app_organization(), 50, 3600, 0) > 0
                   OR mail_take('user:' || who.id, who.is_email_verified, limit_account(p.v ->> 'key', p.v ->> 'email')) > 0 THEN
                    RAISE SQLSTATE 'AS402' USING MESSAGE = 'too many mails were sent: invite this one later';
                END IF;
                INSERT INTO jobs (tenant_id, queue, kind, payload) VALUES (tenant, 'ashlar.mail', 'mail', (p.v ->> 'mail')::jsonb);
            END IF;
            id := i.id;
            expires_at := i.expires_at;
        EXCEPTION
            WHEN unique_violation THEN
                outcome := 'pending';
                reason := 'this address has a pending invitation already';
            WHEN SQLSTATE 'AS402' THEN
                GET STACKED DIAGNOSTICS why = MESSAGE_TEXT;
                outcome := 'limited';
                reason := why;
            WHEN SQLSTATE 'AS409' THEN
                GET STACKED DIAGNOSTICS why = MESSAGE_TEXT, which = PG_EXCEPTION_HINT;
                outcome := CASE which WHEN 'email' THEN 'member' ELSE 'limited' END;
                reason := why;
            WHEN SQLSTATE 'AS403' OR SQLSTATE 'AS422' THEN
                GET STACKED DIAGNOSTICS why = MESSAGE_TEXT;
                outcome := 'refused';
                reason := why;
        END;
        RETURN NEXT;
    END LOOP;
END
$$;
