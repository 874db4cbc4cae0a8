-- Who has an address?  See sql/migrations/0015_email_keys.sql.

-- The user of the tenant whom an address belongs to, by its key and its
-- spelling.  Who has no key is found by exactly the spelling that is stored, and
-- comes first: were it the other way round, of two whose keys meet one could
-- never sign in again.
CREATE OR REPLACE FUNCTION user_find(key text, spelling text) RETURNS SETOF users
LANGUAGE sql STABLE ROWS 1 AS $$
    SELECT u.* FROM users u
    WHERE u.tenant_id = (SELECT app_tenant()) AND u.email = lower(spelling) AND u.email_key IS NULL AND u.deleted_at IS NULL
    UNION ALL
    SELECT u.* FROM users u
    WHERE u.tenant_id = (SELECT app_tenant()) AND u.email_key = key AND u.deleted_at IS NULL
    LIMIT 1
$$;

-- An address as a subject of a limit, however it is spelled.
CREATE OR REPLACE FUNCTION limit_account(key text, spelling text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'account:' || coalesce(key, lower(spelling));

-- The key that the row has which the last release's queries mean: they say no
-- more than how an address is spelled.
CREATE OR REPLACE FUNCTION email_key_spelled(spelling text) RETURNS text
LANGUAGE sql STABLE
RETURN coalesce(email_key_ascii(spelling),
                (SELECT u.email_key FROM users u
                 WHERE u.tenant_id = (SELECT app_tenant()) AND u.email = lower(spelling) AND u.deleted_at IS NULL));
