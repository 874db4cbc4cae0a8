-- Who has an address?  See sql/migrations/0015_email_keys.sql.  Whoever asks has
-- its key, which lib/base/email.h makes, and how it was spelled.
--
-- Who has no key is found by exactly the spelling that is stored, and comes
-- first: were it the other way round, of two whose keys meet one could never
-- sign in again.  That spelling is in lower case, as addresses were before there
-- were keys.  It finds whoever has it, at last, also by another key: who asks may
-- have none, and the rules for keys are as old as the library that has them.

-- The user of the tenant whom an address belongs to.
CREATE OR REPLACE FUNCTION user_find(key text, spelling text) RETURNS SETOF users
LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT u.* FROM users u
    WHERE u.tenant_id = (SELECT app_tenant()) AND u.email IN (spelling, lower(spelling)) AND u.email_key IS NULL
      AND u.deleted_at IS NULL
    UNION ALL
    SELECT u.* FROM users u
    WHERE u.tenant_id = (SELECT app_tenant()) AND u.email_key = key AND u.deleted_at IS NULL
    UNION ALL
    SELECT u.* FROM users u
    WHERE u.tenant_id = (SELECT app_tenant()) AND u.email IN (spelling, lower(spelling)) AND u.deleted_at IS NULL
    LIMIT 1
$$;

-- The member of a team, in whatever tenant: for those who are not signed in yet,
-- whom policies would show to no caller.
CREATE OR REPLACE FUNCTION team_find(key text, spelling text, OUT tenant_id uuid, OUT member_id uuid) RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN QUERY
    SELECT m.tenant_id, m.id FROM team_members m
    WHERE m.email IN (team_find.spelling, lower(team_find.spelling)) AND m.email_key IS NULL AND m.deleted_at IS NULL
    UNION ALL
    SELECT m.tenant_id, m.id FROM team_members m
    WHERE m.email_key = team_find.key AND m.deleted_at IS NULL
    UNION ALL
    SELECT m.tenant_id, m.id FROM team_members m
    WHERE m.email IN (team_find.spelling, lower(team_find.spelling)) AND m.deleted_at IS NULL
    LIMIT 1;
END
$$;
REVOKE ALL ON FUNCTION team_find(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION team_find(text, text) TO ashlar_api;

-- The pending invitations of an address, over the tenant's organizations.
CREATE OR REPLACE FUNCTION invitations_find(key text, spelling text) RETURNS SETOF invitations
LANGUAGE sql STABLE ROWS 3 AS $$
    SELECT i.* FROM invitations i
    WHERE i.tenant_id = (SELECT app_tenant()) AND i.email IN (spelling, lower(spelling)) AND i.email_key IS NULL
      AND i.status = 'pending'
    UNION ALL
    SELECT i.* FROM invitations i
    WHERE i.tenant_id = (SELECT app_tenant()) AND i.email_key = key AND i.status = 'pending'
$$;

-- Are two addresses one?
CREATE OR REPLACE FUNCTION is_same_address(key text, email text, other_key text, other_email text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(key = other_key, false) OR coalesce(email = other_email, false);

-- What an address is counted, locked and put down by, however it is spelled.
CREATE OR REPLACE FUNCTION address_name(key text, spelling text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN coalesce(key, lower(spelling));

-- The same as a subject of a limit.
CREATE OR REPLACE FUNCTION limit_account(key text, spelling text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'account:' || address_name(key, spelling);

-- How an address is kept: as it was read, where it has a key, else in lower case,
-- as addresses were before there were keys.
CREATE OR REPLACE FUNCTION address_kept(key text, email text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN key IS NULL THEN lower(email) ELSE email END;
