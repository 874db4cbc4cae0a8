-- Users as the operations surface has them: by a number, over all tenants for who operates the installation.

-- What it calls the role: there is one administrator, and who has only signed up is a member.
CREATE OR REPLACE FUNCTION operations_role(role text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE role WHEN 'superadmin' THEN 'admin' WHEN 'user' THEN 'member' ELSE role END;

-- A user is never without a name to go by.
CREATE OR REPLACE FUNCTION operations_username(username text, full_name text, email text, public_id text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(username, nullif(full_name, ''), nullif(split_part(email, '@', 1), ''), public_id);

-- Does the caller operate the installation: an administrator of the default tenant?  A key never does, also not an organization's that
-- one of them has made.
CREATE OR REPLACE FUNCTION app_operates() RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN app_tenant() = '00000000-0000-7000-8000-000000000001' AND coalesce(current_setting('app.key', true), '') <> 'organization'
       AND EXISTS (SELECT FROM users u WHERE u.tenant_id = app_tenant() AND u.id = app_user() AND u.access >= 2);
END
$$;

-- The users that the caller may see, by number: of all tenants for who operates the installation, else of their own.
-- one: only that one.
CREATE OR REPLACE FUNCTION operations_users(one bigint, most integer)
RETURNS TABLE (tenant_id uuid, user_id uuid, number bigint, username text, email text, role text, avatar_url text,
               created_at timestamptz, updated_at timestamptz)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp ROWS 100 AS $$
DECLARE
    operates boolean := app_operates();
BEGIN
    IF NOT operates AND one IS NULL THEN
        RETURN QUERY
        SELECT u.tenant_id, u.id, a.number, operations_username(a.username, u.full_name, u.email, u.public_id), u.email,
               operations_role(u.role), u.avatar_url, u.created_at, greatest(u.updated_at, a.updated_at)
        FROM user_accounts a JOIN users u ON u.tenant_id = a.tenant_id AND u.id = a.user_id
        WHERE a.tenant_id = app_tenant() AND u.deleted_at IS NULL
        ORDER BY a.number LIMIT most;
        RETURN;
    END IF;
    PERFORM set_config('app.operated', CASE WHEN operates THEN 'on' ELSE '' END, true);
    RETURN QUERY
    SELECT u.tenant_id, u.id, a.number, operations_username(a.username, u.full_name, u.email, u.public_id), u.email,
           operations_role(u.role), u.avatar_url, u.created_at, greatest(u.updated_at, a.updated_at)
    FROM user_accounts a JOIN users u ON u.tenant_id = a.tenant_id AND u.id = a.user_id
    WHERE (one IS NULL OR a.number = one) AND (operates OR a.tenant_id = app_tenant()) AND u.deleted_at IS NULL
    ORDER BY a.number LIMIT most;
    PERFORM set_config('app.operated', '', true);
END
$$;
REVOKE ALL ON FUNCTION operations_users(bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION operations_users(bigint, integer) TO ashlar_api;

-- How many those are.
CREATE OR REPLACE FUNCTION operations_user_count() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    operates boolean := app_operates();
    n        bigint;
BEGIN
    IF NOT operates THEN
        RETURN user_count(NULL, NULL);
    END IF;
    PERFORM set_config('app.operated', 'on', true);
    SELECT coalesce(sum(c.n), 0) INTO n FROM tenant_counters c WHERE c.name = 'users';
    PERFORM set_config('app.operated', '', true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION operations_user_count() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION operations_user_count() TO ashlar_api;

-- Change a user; NULL: leave it.  Returns the number.  Of another tenant's it is put down there.
--
-- Only a superadmin makes an administrator or changes one, nobody changes their own role, and the last superadmin stays one, as
-- admin_user_change() has it.  Another address is not proved yet: what was mailed to the one before is good for nothing any more.
-- Raises AS403, AS404 and AS409, and the violations of users' and user_accounts' unique keys.
CREATE OR REPLACE FUNCTION operations_user_change(one bigint, new_username text, key text, new_email text, new_role text,
                                                  wanted bigint[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    here  uuid := app_tenant();
    chief boolean := EXISTS (SELECT FROM users x WHERE x.tenant_id = here AND x.id = app_user() AND x.access >= 3);
    seen  record;
    u     users;
BEGIN
    SELECT * INTO seen FROM operations_users(one, 1);
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = one::text;
    END IF;
    PERFORM set_config('app.tenant_id', seen.tenant_id::text, true);
    IF new_email IS NOT NULL THEN
        PERFORM lock_addresses((SELECT address_name(x.email_key, x.email) FROM users x WHERE x.tenant_id = seen.tenant_id AND x.id = seen.user_id),
                               address_name(key, new_email));
    END IF;
    SELECT * INTO u FROM users x WHERE x.tenant_id = seen.tenant_id AND x.id = seen.user_id AND x.deleted_at IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'User not found', DETAIL = one::text;
    END IF;
    PERFORM if_match(greatest(u.updated_at, a.updated_at), wanted)
    FROM user_accounts a WHERE a.tenant_id = u.tenant_id AND a.user_id = u.id;
    IF u.access > 1 AND NOT chief AND u.id <> app_user() THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'only a superadmin may change an administrator';
    END IF;
    IF new_role IS NOT NULL AND new_role <> operations_role(u.role) THEN
        IF u.id = app_user() THEN
            RAISE SQLSTATE 'AS403' USING MESSAGE = 'nobody changes their own role';
        ELSIF new_role = 'admin' AND NOT chief THEN
            RAISE SQLSTATE 'AS403' USING MESSAGE = 'only a superadmin may make an administrator';
        ELSIF u.role = 'superadmin' AND u.is_active THEN
            PERFORM superadmin_stays(u.id);
        END IF;
        PERFORM audit('user.role', 'user', u.public_id, jsonb_build_object('from', u.role, 'to', new_role));
        UPDATE users x SET role = new_role WHERE x.tenant_id = u.tenant_id AND x.id = u.id;
    END IF;
    IF new_email IS NOT NULL AND NOT is_same_address(u.email_key, u.email, key, new_email) THEN
        UPDATE users x SET email = new_email, email_key = key, is_email_verified = false WHERE x.tenant_id = u.tenant_id AND x.id = u.id;
        UPDATE one_time_tokens x SET used_at = now(), data = x.data - 'registration'
        WHERE x.tenant_id = u.tenant_id AND x.user_id = u.id AND x.used_at IS NULL;
        PERFORM audit('user.update', 'user', u.public_id, jsonb_build_object('fields', ARRAY ['email']));
    END IF;
    IF new_username IS NOT NULL THEN
        UPDATE user_accounts x SET username = new_username
        WHERE x.tenant_id = u.tenant_id AND x.user_id = u.id AND x.username IS DISTINCT FROM new_username;
        IF FOUND THEN
            PERFORM audit('user.update', 'user', u.public_id, jsonb_build_object('fields', ARRAY ['username']));
        END IF;
    END IF;
    PERFORM set_config('app.tenant_id', here::text, true);
    RETURN one;
END
$$;
