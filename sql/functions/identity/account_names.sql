-- Accounts that are known by an address alone, whatever their tenant: see sql/migrations/0189_account_names.sql.  As team_find(), these run as the
-- owner, whom policies let look into every tenant, and give away no more than ids.

-- The account that goes by an address.  No row: none does, or its tenant is suspended.
CREATE OR REPLACE FUNCTION account_find(key text, spelling text, OUT tenant_id uuid, OUT user_id uuid) RETURNS SETOF record
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp ROWS 1 AS $$
BEGIN
    RETURN QUERY
    SELECT n.tenant_id, n.user_id
    FROM account_names n JOIN tenants t ON t.id = n.tenant_id
    WHERE n.kind = 'email' AND n.name IN (account_find.key, lower(account_find.spelling)) AND t.is_active
    ORDER BY n.name IS DISTINCT FROM account_find.key
    LIMIT 1;
END
$$;
REVOKE ALL ON FUNCTION account_find(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION account_find(text, text) TO ashlar_api;

-- Have a user of this tenant go by their address from here on.  False: another account does.
CREATE OR REPLACE FUNCTION account_name_begin(who uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    RETURN (SELECT account_name_claim(u.tenant_id, u.id, 'email', n.name, account_address_is_proved(u, n.name))
            FROM users u CROSS JOIN LATERAL (SELECT coalesce(u.email_key, lower(u.email)) AS name) n
            WHERE u.tenant_id = app_tenant() AND u.id = who AND u.deleted_at IS NULL);
END
$$;
REVOKE ALL ON FUNCTION account_name_begin(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION account_name_begin(uuid) TO ashlar_api;

-- Sign somebody up, in a tenant of their own, or, with the token of an invitation, in that one's, where the transaction is already; and in.
-- From here on it is that user's.  is_proved: who has shown the token reads the mail of the address.
--
-- Raises AS409 with the field whose name is another account's, AS422 for an invitation that is none of this address.
CREATE OR REPLACE FUNCTION account_register(username text, key text, spelling text, email text, password_hash text, invite bytea, bonus bigint, ttl_s integer,
                                            OUT tenant_id uuid, OUT user_id uuid, OUT session_id uuid, OUT issued_at timestamptz, OUT is_proved boolean)
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
BEGIN
    IF invite IS NULL THEN
        -- Called as this one is, which its mails then are from, and not as the person.
        PERFORM tenant_make('account-' || left(replace(gen_random_uuid()::text, '-', ''), 20), (SELECT t.name FROM tenants t WHERE t.id = app_tenant()));
    END IF;
    tenant_id := app_tenant();
    user_id := (SELECT r FROM user_register(key, spelling, email, password_hash, NULL, 'en') r);
    IF user_id IS NULL OR NOT account_name_begin(user_id) AND invite IS NULL THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'email', MESSAGE = 'this address has an account: sign in';
    END IF;
    UPDATE user_accounts a SET username = username, terms_accepted_at = now(), privacy_accepted_at = now()
    WHERE a.tenant_id = tenant_id AND a.user_id = user_id;
    SELECT s.session_id, s.issued_at INTO session_id, issued_at FROM session_open(user_id, 'password', ttl_s, NULL, false, NULL) s;
    PERFORM act_as(user_id);
    PERFORM set_config('app.request', (current_setting('app.request')::jsonb || jsonb_build_object('session', session_id))::text, true);
    IF invite IS NULL THEN
        PERFORM audit('tenant.create', 'tenant', tenant_id::text, '{"method": "register"}');
    ELSE
        BEGIN
            PERFORM operations_invite_accept(invite);
        EXCEPTION WHEN SQLSTATE 'AS403' OR SQLSTATE 'AS404' THEN
            RAISE SQLSTATE 'AS422' USING HINT = 'invite_code', MESSAGE = 'invite_code must be that of a pending invitation of this address';
        END;
        -- An address that was only claimed has become this account's by that.
        IF NOT account_name_begin(user_id) THEN
            RAISE SQLSTATE 'AS409' USING HINT = 'email', MESSAGE = 'this address has an account: sign in';
        END IF;
    END IF;
    is_proved := (SELECT u.is_email_verified FROM users u WHERE u.tenant_id = tenant_id AND u.id = user_id);
    IF bonus > 0 THEN
        PERFORM wallet_credit(user_id, 'tokens', 'signup_bonus', bonus, 'sign-up', NULL, '{}');
    END IF;
END
$$;

-- Is there a pending invitation with this token, of an organization or a team of this tenant, for this address?
CREATE OR REPLACE FUNCTION account_is_invited(key text, email text, token_hash bytea) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM invitations i JOIN organizations o ON o.tenant_id = i.tenant_id AND o.id = i.organization_id
                   WHERE i.tenant_id = app_tenant() AND i.token_hash = account_is_invited.token_hash AND i.status = 'pending' AND i.expires_at > now()
                     AND o.deleted_at IS NULL AND is_same_address(i.email_key, i.email, key, address_kept(key, account_is_invited.email)))
        OR EXISTS (SELECT FROM tenant_team_invitations i
                   WHERE i.tenant_id = app_tenant() AND i.token_hash = account_is_invited.token_hash AND i.status = 'pending' AND i.expires_at > now()
                     AND is_same_address(i.email_key, i.email, key, address_kept(key, account_is_invited.email)));
END
$$;

-- ---------------------------------------------------------------- how often

-- What is tried by an address alone is counted in one place, the default tenant, for known and unknown ones alike: counted in the account's own, the
-- refusals would tell which there are.  Each try counts, from where it comes and for whom; but who has signed in from there before is kept out by
-- nobody else's.  0, or the seconds until the next.
CREATE OR REPLACE FUNCTION account_take(name text, account text, is_known boolean, most integer, window_s integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    wait integer := security_limit(name, limit_ip(request_ip()), most, window_s, 0);
BEGIN
    IF wait = 0 AND account IS NOT NULL AND NOT is_known THEN
        wait := security_limit(name, account, most, window_s, 0);
    END IF;
    RETURN wait;
END
$$;

-- ---------------------------------------------------------------- answers

-- A user as who signs in is shown themself (User).  Volatile: it sees what the same transaction's statement has just written.
CREATE OR REPLACE FUNCTION operations_account(who uuid) RETURNS json
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RETURN (SELECT row_to_json(x)
            FROM (SELECT a.number AS id, operations_username(a.username, u.full_name, u.email, u.public_id) AS username, u.email, operations_role(u.role) AS role,
                         u.avatar_url, json_time(u.created_at) AS created_at, json_time(greatest(u.updated_at, a.updated_at)) AS updated_at
                  FROM users u JOIN user_accounts a ON a.tenant_id = u.tenant_id AND a.user_id = u.id
                  WHERE u.tenant_id = app_tenant() AND u.id = who) x);
END
$$;

-- user.login in the activity log, of a session that was opened; NULL: none was.
CREATE OR REPLACE FUNCTION account_signed_in(session uuid, who uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF session IS NOT NULL THEN
        PERFORM activity_log_put('user.login', 'user', operations_user_number(who), '{}', who);
    END IF;
END
$$;
