-- How a request gets in: who asks, and may they?

-- Runs in front of the first statement of every request, in the same round
-- trip; when it refuses, the server skips that statement.  The settings it
-- makes end with the transaction.
--
-- A caller with a session has a token of ours; one with an issuer and a
-- subject but no session has a token of somebody else's; one with neither is
-- anonymous.  The signature was checked before; this is about what may have
-- changed since: the session, the user, its role.
--
-- What is asked for in the one query is what lets the caller in; only when it
-- finds nobody does enter_refuse() look for the reason.  A session is one row,
-- which knows what enter() wants to know of its user (see sessions): joining
-- users cost 13 µs of 79 that PostgreSQL spends on a page.
--
-- Raises AS401, AS403, and AS001 for a valid token whose subject is new here.
CREATE OR REPLACE FUNCTION enter(tenant uuid, issuer text, subject text, session uuid,
                                 min_role text, read_only boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    entered text := set_config('app.tenant_id', tenant::text, true);
BEGIN
    IF read_only THEN
        entered := set_config('transaction_read_only', 'on', true);
    END IF;
    IF session IS NOT NULL THEN
        SELECT set_config('app.user_id', s.user_id::text, true) INTO entered
        FROM sessions s
        WHERE s.tenant_id = tenant AND s.id = session AND s.revoked_at IS NULL AND s.expires_at > now()
          AND s.subject = enter.subject AND s.access >= access_of(min_role);
    ELSIF subject IS NOT NULL THEN
        SELECT set_config('app.user_id', u.id::text, true) INTO entered
        FROM identities i JOIN users u ON u.tenant_id = i.tenant_id AND u.id = i.user_id
        WHERE i.tenant_id = tenant AND i.issuer = enter.issuer AND i.subject = enter.subject
          AND u.access >= access_of(min_role);
    ELSIF min_role IS NOT NULL THEN
        entered := NULL;
    END IF;
    IF entered IS NULL THEN
        PERFORM enter_refuse(tenant, issuer, subject, session, min_role);
    END IF;
END
$$;

-- Why was nobody let in?  Always raises.
CREATE OR REPLACE FUNCTION enter_refuse(tenant uuid, issuer text, subject text, session uuid, min_role text)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    who users;
BEGIN
    IF session IS NOT NULL THEN
        SELECT u.* INTO who
        FROM sessions s JOIN users u ON u.tenant_id = s.tenant_id AND u.id = s.user_id
        WHERE s.tenant_id = tenant AND s.id = session AND s.revoked_at IS NULL AND s.expires_at > now()
          AND s.subject = enter_refuse.subject;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS401' USING MESSAGE = 'the session has ended; sign in again';
        END IF;
    ELSIF subject IS NOT NULL THEN
        SELECT u.* INTO who
        FROM identities i JOIN users u ON u.tenant_id = i.tenant_id AND u.id = i.user_id
        WHERE i.tenant_id = tenant AND i.issuer = enter_refuse.issuer AND i.subject = enter_refuse.subject;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS001' USING MESSAGE = 'a new user';
        END IF;
    ELSE
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'a valid bearer token is required';
    END IF;

    IF who.access = 0 THEN
        RAISE SQLSTATE 'AS401' USING MESSAGE = 'this account is not active';
    END IF;
    RAISE SQLSTATE 'AS403' USING MESSAGE = format('this needs the role %s', min_role);
END
$$;

-- The least users.access that has the role.
CREATE OR REPLACE FUNCTION access_of(role text) RETURNS integer
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE role WHEN 'superadmin' THEN 3 WHEN 'admin' THEN 2 ELSE 1 END;
