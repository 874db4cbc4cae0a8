-- The members of a workspace, where other things refer to them.

-- A member as the answers show one (the shape MemberRef).  No row: NULL, or one
-- who has left.  It is put into the query that joins it:
--     LEFT JOIN member_ref(g.tenant_id, g.organization_id, g.owner_id) owner ON true
CREATE OR REPLACE FUNCTION member_ref(tenant uuid, organization uuid, member uuid) RETURNS TABLE (ref jsonb)
LANGUAGE sql STABLE ROWS 1
BEGIN ATOMIC
    SELECT jsonb_build_object('id', m.id, 'full_name', u.full_name, 'display_name', u.full_name, 'email', u.email,
                              'avatar_url', u.avatar_url, 'role', m.role)
    FROM memberships m
    JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
    WHERE m.tenant_id = member_ref.tenant AND m.organization_id = member_ref.organization AND m.id = member_ref.member;
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
