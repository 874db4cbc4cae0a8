-- Workspaces, and their members where other things refer to them.

-- A member's role as the workspace surface calls it: a developer has what a member has, a business user what
-- a viewer has.  The same as roles.shown_as, which costs a look.
CREATE OR REPLACE FUNCTION workspace_role(role text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE role WHEN 'developer' THEN 'member' WHEN 'business_user' THEN 'viewer' ELSE role END;

-- And as the platform surface shows it, which has no viewers: there one reads as a member.  What the role may stays the role's.
CREATE OR REPLACE FUNCTION platform_role(role text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE role WHEN 'viewer' THEN 'member' WHEN 'business_user' THEN 'member' ELSE role END;

-- The workspace that a user is in where nothing names one: the chosen one, which the token names, else the one that
-- the user chose last.  NULL: there is none, or the membership has ended.
CREATE OR REPLACE FUNCTION active_workspace(who uuid, chosen uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT m.organization_id
            FROM memberships m JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
            WHERE m.tenant_id = app_tenant() AND m.user_id = who AND m.is_active AND o.deleted_at IS NULL
              AND m.organization_id = coalesce(chosen, (SELECT u.default_organization_id FROM users u
                                                        WHERE u.tenant_id = app_tenant() AND u.id = who)));
END
$$;

-- Who owns it: of several the one who has been there longest.
CREATE OR REPLACE FUNCTION workspace_owner(organization uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT m.user_id FROM memberships m
            WHERE m.tenant_id = (SELECT app_tenant()) AND m.organization_id = organization AND m.role = 'owner' AND m.is_active
            ORDER BY m.joined_at, m.user_id LIMIT 1);
END
$$;

-- A slug that is free, made of a name: its words, then -2, -3, …  Of two at once that want the same one the second waits.
CREATE OR REPLACE FUNCTION workspace_slug(name text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    base text := coalesce(nullif(rtrim(left(btrim(regexp_replace(lower(name), '[^a-z0-9]+', '-', 'g'), '-'), 50), '-'), ''), 'workspace');
    free text := base;
    n    integer := 1;
BEGIN
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('workspace_slug'::text, app_tenant(), base), 0));
    WHILE EXISTS (SELECT FROM organizations o WHERE o.tenant_id = app_tenant() AND o.slug = free AND o.deleted_at IS NULL) LOOP
        n := n + 1;
        free := base || '-' || n;
    END LOOP;
    RETURN free;
END
$$;

-- Is it the name of a time zone, as PostgreSQL has them?  The view of all names reads five hundred files; what is asked
-- for is one.  A rule (ABC3) is a time zone to PostgreSQL, and no name.
CREATE OR REPLACE FUNCTION is_timezone(name text) RETURNS boolean
LANGUAGE plpgsql STABLE STRICT AS $$
BEGIN
    IF name !~ '^(UTC|GMT|Etc/GMT[+-]?[0-9]{1,2}|[A-Za-z_]+(/[A-Za-z_]+(-[A-Za-z_]+)*){1,2})$' THEN
        RETURN false;
    END IF;
    PERFORM now() AT TIME ZONE name;
    RETURN true;
EXCEPTION
    WHEN invalid_parameter_value THEN RETURN false;
END
$$;

-- A member as the answers show one (the shape MemberRef).  No row: NULL, or one
-- who has left.  It is put into the query that joins it:
--     LEFT JOIN member_ref(g.tenant_id, g.organization_id, g.owner_id) owner ON true
-- The limit keeps it a look-up for each: without it, all members of the workspace were joined first, and compared with each row.
CREATE OR REPLACE FUNCTION member_ref(tenant uuid, organization uuid, member uuid) RETURNS TABLE (ref jsonb)
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
    SELECT jsonb_build_object('id', m.id, 'full_name', coalesce(p.full_name, u.full_name),
                              'display_name', coalesce(p.display_name, p.full_name, u.full_name), 'email', u.email,
                              'avatar_url', coalesce(p.avatar_url, u.avatar_url), 'role', workspace_role(m.role))
    FROM memberships m
    JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
    JOIN member_profiles p ON p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id
    WHERE m.tenant_id = member_ref.tenant AND m.organization_id = member_ref.organization AND m.id = member_ref.member
    LIMIT 1;
END;

-- Tell everybody who is connected to a workspace that something there is another
-- one now: a workspace_event of the stream.  Clients read it anew, so the same is
-- told once in a transaction, however many rows it has changed.
CREATE OR REPLACE FUNCTION workspace_tell(organization uuid, event_type text, data jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    told text := coalesce(current_setting('app.told', true), '');
    this text := event_type || organization || data || ';';
BEGIN
    IF strpos(told, this) = 0 THEN
        PERFORM set_config('app.told', told || this, true);
        PERFORM realtime_put('workspace:' || organization, jsonb_build_object(
            'event_type', event_type, 'workspace_id', organization, 'actor_id', app_member(), 'data', data,
            'timestamp', json_time_us(now())), NULL, 'event', 'workspace_event', false);
    END IF;
END
$$;

-- Has the workspace such a row, of a table with the key (tenant_id, organization_id,
-- id)?  For the WHERE of a list of what is below it.  True, or it raises AS404.
CREATE OR REPLACE FUNCTION here(tbl text, id uuid, noun text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    found boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE tenant_id = $1 AND organization_id = $2 AND id = $3)', tbl) INTO found
    USING app_tenant(), app_organization(), id;
    IF NOT found THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = noun || ' not found', DETAIL = id::text;
    END IF;
    RETURN true;
END
$$;

-- The session, if there is one, is in this workspace from now on, and the next ones of its user begin there, unless
-- somebody else acts in it.  So are the statements behind this one.  Returns when.
CREATE OR REPLACE FUNCTION workspace_switch(organization uuid, member uuid, session uuid) RETURNS timestamptz
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.organization_id', organization::text, true), set_config('app.member_id', member::text, true);
    UPDATE sessions s SET workspace_id = organization
    WHERE s.tenant_id = app_tenant() AND s.id = session AND s.workspace_id IS DISTINCT FROM organization;
    UPDATE users u SET default_organization_id = organization
    WHERE u.tenant_id = app_tenant() AND u.id = app_user() AND u.default_organization_id IS DISTINCT FROM organization
      AND NOT EXISTS (SELECT FROM sessions s WHERE s.tenant_id = app_tenant() AND s.id = session AND s.impersonator_id IS NOT NULL);
    RETURN now();
END
$$;
