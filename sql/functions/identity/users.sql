-- Computed fields of a user.

-- Does the user pay?  Of subscriptions that bill, those that are running or on trial.
CREATE OR REPLACE FUNCTION user_is_premium(plan text, status text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(plan <> 'free' AND status IN ('active', 'trialing'), false);

-- Whole days from a time until now.
CREATE OR REPLACE FUNCTION days_since(at timestamptz) RETURNS integer
LANGUAGE sql STABLE PARALLEL SAFE
RETURN greatest(0, floor(date_part('epoch', now() - at) / 86400))::integer;

-- A user as the platform surface shows one.  settings are null unless they are
-- asked for; who has none has {}.  Volatile: it sees what the same statement
-- has just written.
CREATE OR REPLACE FUNCTION platform_user(u users, with_settings boolean)
RETURNS TABLE (id uuid, email text, display_name text, avatar_url text, locale text, is_active boolean, tenant_id uuid,
               sub text, is_email_verified boolean, status text, current_plan_id uuid, default_organization_id uuid,
               created_at timestamptz, updated_at timestamptz, settings jsonb)
LANGUAGE sql VOLATILE ROWS 1
BEGIN ATOMIC
    SELECT u.id, u.email, u.full_name, u.avatar_url, u.locale, u.is_active, u.tenant_id, u.public_id,
           u.is_email_verified, u.status, u.current_plan_id, u.default_organization_id, u.created_at, u.updated_at,
           CASE WHEN with_settings THEN jsonb_build_object(
               'user_id', u.id, 'settings', coalesce(s.settings, '{}'),
               'created_at', json_time(coalesce(s.created_at, u.created_at)),
               'updated_at', json_time(coalesce(s.updated_at, u.created_at))) END
    FROM (SELECT) one
    LEFT JOIN user_settings s ON with_settings AND s.tenant_id = u.tenant_id AND s.user_id = u.id;
END;

-- Make a user, as a tenant's own server asks for it.  There is no password:
-- the user chooses one through forgot-password.  Raises AS403 for another tenant.
CREATE OR REPLACE FUNCTION user_create(tenant uuid, sub text, key text, email text, display_name text, avatar_url text,
                                       locale text, is_email_verified boolean, status text, is_active boolean) RETURNS SETOF users
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    u users;
BEGIN
    IF tenant <> app_tenant() THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'tenant_id must be the tenant of the API key', HINT = 'tenant_id';
    END IF;
    INSERT INTO users (tenant_id, public_id, email, email_key, full_name, avatar_url, locale, is_email_verified, status,
                       is_active)
    VALUES (app_tenant(), sub, user_create.email, key, display_name, user_create.avatar_url, user_create.locale,
            user_create.is_email_verified, user_create.status, user_create.is_active)
    RETURNING * INTO u;
    PERFORM audit('user.create', 'user', u.public_id);
    RETURN NEXT u;
END
$$;

-- Change a user's profile; what was not sent (has_…) stays.
CREATE OR REPLACE FUNCTION user_change(who uuid, wanted bigint[], has_name boolean, name text, has_avatar boolean,
                                       avatar text, has_locale boolean, locale text) RETURNS SETOF users
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    u users;
BEGIN
    UPDATE users x
    SET full_name = CASE WHEN has_name THEN name ELSE x.full_name END,
        avatar_url = CASE WHEN has_avatar THEN avatar ELSE x.avatar_url END,
        locale = CASE WHEN has_locale THEN user_change.locale ELSE x.locale END
    WHERE x.tenant_id = app_tenant() AND x.id = who AND x.deleted_at IS NULL AND if_match(x.updated_at, wanted)
    RETURNING * INTO u;
    IF FOUND THEN
        RETURN NEXT u;
    END IF;
END
$$;

-- Put these keys into a user's settings; the others stay.
CREATE OR REPLACE FUNCTION user_settings_put(who uuid, changed jsonb) RETURNS SETOF users
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    u users;
BEGIN
    SELECT * INTO u FROM users x WHERE x.tenant_id = app_tenant() AND x.id = who AND x.deleted_at IS NULL;
    IF FOUND THEN
        INSERT INTO user_settings AS s (tenant_id, user_id, settings) VALUES (u.tenant_id, u.id, coalesce(changed, '{}'))
        ON CONFLICT (tenant_id, user_id) DO UPDATE SET settings = s.settings || excluded.settings;
        RETURN NEXT u;
    END IF;
END
$$;

-- Let a user in again, or keep them out: a trigger (end_sessions) then ends all
-- their sessions.  Nothing is put down when nothing changes.  No row: there is no
-- such user, or who is null.
CREATE OR REPLACE FUNCTION user_switch(who uuid, active boolean) RETURNS SETOF users
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    u users;
BEGIN
    SELECT * INTO u FROM users x WHERE x.tenant_id = app_tenant() AND x.id = who AND x.deleted_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF u.is_active <> active THEN
        IF u.role = 'superadmin' AND NOT active THEN
            PERFORM superadmin_stays(u.id);
        END IF;
        UPDATE users x SET is_active = active WHERE x.tenant_id = u.tenant_id AND x.id = u.id RETURNING * INTO u;
        PERFORM audit(CASE WHEN active THEN 'user.activate' ELSE 'user.deactivate' END, 'user', u.public_id);
    END IF;
    RETURN NEXT u;
END
$$;

-- This one is about to be no active superadmin any more: another must be left.
-- Raises AS409.  Of two who take it from each other, the second waits here and
-- then finds no user.
CREATE OR REPLACE FUNCTION superadmin_stays(who uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hash_record_extended(ROW ('superadmins'::text, app_tenant()), 0));
    PERFORM FROM users u
    WHERE u.tenant_id = app_tenant() AND u.role = 'superadmin' AND u.is_active AND u.deleted_at IS NULL AND u.id <> who;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'this is the last active superadmin: make another one first';
    END IF;
END
$$;

-- What an administrator changes about a user, by public id; NULL: leave it.
--
-- A caller who is no superadmin may neither make an administrator nor change one;
-- no caller changes their own role or locks themself out.  Raises AS403 and AS409;
-- no row: there is no such user.
CREATE OR REPLACE FUNCTION admin_user_change(target text, new_role text, active boolean, wanted bigint[])
RETURNS SETOF users
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    u    users;
    mine text := (SELECT x.role FROM users x WHERE x.tenant_id = app_tenant() AND x.id = app_user());
BEGIN
    SELECT * INTO u
    FROM users x
    WHERE x.tenant_id = app_tenant() AND x.public_id = target AND x.deleted_at IS NULL AND if_match(x.updated_at, wanted)
    FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    new_role := nullif(new_role, u.role);
    IF new_role IS NOT NULL OR active <> u.is_active THEN
        IF u.id = app_user() THEN
            RAISE SQLSTATE 'AS403' USING MESSAGE = 'nobody changes their own role, or deactivates themself';
        ELSIF mine <> 'superadmin' AND (access_of(u.role) > 1 OR access_of(new_role) > 1) THEN
            RAISE SQLSTATE 'AS403' USING MESSAGE = 'only a superadmin may make an administrator, or change one';
        END IF;
    END IF;
    IF new_role IS NOT NULL THEN
        IF u.role = 'superadmin' AND u.is_active THEN
            PERFORM superadmin_stays(u.id);
        END IF;
        PERFORM audit('user.role', 'user', u.public_id, jsonb_build_object('from', u.role, 'to', new_role));
        UPDATE users x SET role = new_role WHERE x.tenant_id = u.tenant_id AND x.id = u.id RETURNING * INTO u;
    END IF;
    IF active <> u.is_active THEN
        SELECT * INTO u FROM user_switch(u.id, active);
    END IF;
    RETURN NEXT u;
END
$$;

-- The standings of users (see there) of a role, or who are active or not; NULL: any.
CREATE OR REPLACE FUNCTION user_standings(role text, is_active boolean) RETURNS SETOF text
LANGUAGE sql IMMUTABLE PARALLEL SAFE ROWS 4
BEGIN ATOMIC
    SELECT r || s.standing
    FROM unnest('{user,admin,superadmin,editor,builder,agent,viewer,demo,member}'::text[]) r,
         (VALUES (true, '/active'), (false, '/inactive')) s (is_active, standing)
    WHERE (user_standings.role IS NULL OR r = user_standings.role)
      AND (user_standings.is_active IS NULL OR s.is_active = user_standings.is_active);
END;

-- How many there are in some of the counters of users; NULL: any.
--
-- In PL/pgSQL, as user_candidates() is: a function in SQL that the planner cannot put
-- into its caller is planned anew whenever it is called, which cost more than the page.
CREATE OR REPLACE FUNCTION user_count(role text, is_active boolean) RETURNS bigint
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
BEGIN
    RETURN (SELECT coalesce(sum(c.n), 0)::bigint
            FROM tenant_counters c
            WHERE c.tenant_id = (SELECT app_tenant()) AND c.name = 'users'
              AND (user_count.role IS NULL OR split_part(c.key, '/', 1) = user_count.role)
              AND (user_count.is_active IS NULL
                   OR split_part(c.key, '/', 2) = CASE WHEN user_count.is_active THEN 'active' ELSE 'inactive' END));
END
$$;

-- The users whose address, domain, name or last name begins with search, in any
-- case; of each of the four, and of each standing, up to 200, so that it takes
-- no longer when there are more.  role and is_active may be NULL.
CREATE OR REPLACE FUNCTION user_candidates(search text, role text, is_active boolean) RETURNS TABLE (id uuid, created_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp ROWS 100 AS $$
#variable_conflict use_column
DECLARE
    from_here text := lower(search) COLLATE "C";
    to_there  text := from_here || chr(1114111);
BEGIN
    RETURN QUERY
    SELECT DISTINCT u.id, u.created_at
    FROM user_standings(user_candidates.role, user_candidates.is_active) g (standing),
         LATERAL (
             (SELECT x.id, x.created_at FROM users x
              WHERE x.tenant_id = (SELECT app_tenant()) AND x.standing = g.standing
                AND x.email COLLATE "C" >= from_here AND x.email COLLATE "C" < to_there
              ORDER BY x.email COLLATE "C" LIMIT 200)
             UNION ALL
             (SELECT x.id, x.created_at FROM users x
              WHERE x.tenant_id = (SELECT app_tenant()) AND x.standing = g.standing
                AND x.search_domain >= from_here AND x.search_domain < to_there
              ORDER BY x.search_domain LIMIT 200)
             UNION ALL
             (SELECT x.id, x.created_at FROM users x
              WHERE x.tenant_id = (SELECT app_tenant()) AND x.standing = g.standing
                AND x.search_name >= from_here AND x.search_name < to_there
              ORDER BY x.search_name LIMIT 200)
             UNION ALL
             (SELECT x.id, x.created_at FROM users x
              WHERE x.tenant_id = (SELECT app_tenant()) AND x.standing = g.standing
                AND x.search_last >= from_here AND x.search_last < to_there
              ORDER BY x.search_last LIMIT 200)
         ) u;
END
$$;
REVOKE ALL ON FUNCTION user_candidates(text, text, boolean) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION user_candidates(text, text, boolean) TO ashlar_api;
