-- Memberships that end at a date.
--
-- From that moment the membership is nobody: a policy hides it (0115_membership_ends.sql).  Soon after it is switched off for good, and the
-- counts, seats, streams and whoever is told follow as of any other: by whoever changes who is in the organization next, or by a job.

-- Switch those off that are over, behind the organization's lock.
CREATE OR REPLACE FUNCTION memberships_over(organization uuid) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid := app_tenant();
    actor  text := coalesce(current_setting('app.member_id', true), '');
    m      memberships;
    n      integer := 0;
BEGIN
    PERFORM set_config('app.member_id', '', true), set_config('app.sees_over', 'on', true);    -- whoever is here now has not done it
    FOR m IN SELECT x.*
             FROM membership_ends e JOIN memberships x ON x.tenant_id = e.tenant_id AND x.organization_id = e.organization_id AND x.id = e.member_id
             WHERE e.tenant_id = tenant AND e.organization_id = organization AND e.ends_at <= now()
             ORDER BY x.id FOR NO KEY UPDATE OF x LOOP
        PERFORM member_gone(m);
        DELETE FROM membership_ends e WHERE e.tenant_id = tenant AND e.organization_id = organization AND e.member_id = m.id;
        UPDATE memberships x SET is_active = false
        WHERE x.tenant_id = tenant AND x.organization_id = organization AND x.id = m.id AND x.is_active;
        PERFORM audit('member.deactivate', 'member', u.public_id, jsonb_build_object('organization_id', organization, 'role', m.role, 'ended', true), 'memberships', 'system')
        FROM users u WHERE u.tenant_id = tenant AND u.id = m.user_id;
        PERFORM workspace_tell(organization, 'members_updated', jsonb_build_object('member_id', m.id));
        n := n + 1;
    END LOOP;
    PERFORM set_config('app.member_id', actor, true), set_config('app.sees_over', '', true);
    RETURN n;
END
$$;

-- Of all tenants, in up to batch organizations; in how many there was something to do.  As the owner, whom a policy lets see what is due.
CREATE OR REPLACE FUNCTION memberships_end(batch integer) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    here text := coalesce(current_setting('app.tenant_id', true), '');
    r    record;
    n    integer := 0;
BEGIN
    FOR r IN SELECT e.tenant_id, e.organization_id FROM membership_ends e WHERE e.ends_at <= now()
             GROUP BY 1, 2 ORDER BY min(e.ends_at), 1, 2 LIMIT batch LOOP
        PERFORM set_config('app.tenant_id', r.tenant_id::text, true);
        PERFORM organization_lock(r.organization_id);
        n := n + 1;
    END LOOP;
    PERFORM set_config('app.tenant_id', here, true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION memberships_end(integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION memberships_end(integer) TO ashlar_api;

-- When a member's time is over; NULL: it has no end.
CREATE OR REPLACE FUNCTION membership_end(tenant uuid, organization uuid, member uuid) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT e.ends_at FROM membership_ends e WHERE e.tenant_id = tenant AND e.organization_id = organization AND e.member_id = member);
END
$$;

-- How many members an organization has, of which counted is what its row says: those that are over and not switched off yet are none.
CREATE OR REPLACE FUNCTION member_count_now(tenant uuid, organization uuid, counted integer) RETURNS integer
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN counted - (SELECT count(*) FROM membership_ends e WHERE e.tenant_id = tenant AND e.organization_id = organization AND e.ends_at <= now());
END
$$;

-- Have a membership end then; NULL: it has no end.  For owners and admins.  Raises AS403, AS404, AS409 and AS422.
CREATE OR REPLACE FUNCTION membership_end_put(member uuid, at timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    mine text := workspace_lock();
    m    memberships := workspace_member_lock(member);
BEGIN
    IF role_rank(mine) < role_rank('admin') THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this is for owners and admins';
    ELSIF role_rank(m.role) > role_rank(mine) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this member has a higher role than yours';
    ELSIF at IS NOT NULL AND m.role = 'owner' THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the membership of an owner has no end';
    ELSIF at IS NOT NULL AND NOT m.is_active THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this member is not active';
    END IF;
    PERFORM valid(coalesce(at > now(), true), 'ends_at', 'that time is past: the membership would be over');
    DELETE FROM membership_ends e WHERE e.tenant_id = m.tenant_id AND e.organization_id = m.organization_id AND e.member_id = m.id;
    IF at IS NOT NULL THEN
        INSERT INTO membership_ends (tenant_id, organization_id, member_id, ends_at) VALUES (m.tenant_id, m.organization_id, m.id, at);
    END IF;
    PERFORM member_audit('member.end', m, jsonb_build_object('ends_at', json_time(at)));
    PERFORM workspace_tell(m.organization_id, 'members_updated', jsonb_build_object('member_id', m.id));
END
$$;
