-- What a mail proves: that the client that shows its token, or its code, reads the
-- mail of that address.

-- Put a new token down, void the ones before it, and send it by mail.  who
-- NULL: there is nobody to send it to, and all the same is done, for nobody;
-- instead is then a mail that says so, or NULL: none.
--
-- What a client has signed up with waits with its own mail: another one who signs
-- up with the address neither gets at it nor voids it (the five newest are good).
-- A mail that is asked for again takes the place of the newest.
CREATE OR REPLACE FUNCTION mailed_token_issue(kind text, who uuid, hash bytea, code_hash bytea, data jsonb, ttl interval,
                                              mail jsonb, instead jsonb) RETURNS void
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    waiting uuid[] := ARRAY(SELECT t.id FROM one_time_tokens t
                            WHERE t.tenant_id = app_tenant() AND t.user_id = who AND t.kind = kind AND t.used_at IS NULL
                            ORDER BY t.created_at DESC, t.id DESC);
BEGIN
    IF data ? 'registration' THEN
        waiting := waiting[5:];
    ELSIF kind = 'verify_email' THEN
        waiting := waiting[:1];
        data := data || coalesce((SELECT jsonb_build_object('registration', t.data -> 'registration')
                                  FROM one_time_tokens t
                                  WHERE t.tenant_id = app_tenant() AND t.id = waiting[1] AND t.data ? 'registration'), '{}');
    END IF;
    UPDATE one_time_tokens t SET used_at = now(), data = t.data - 'registration'
    WHERE t.tenant_id = app_tenant() AND t.id = ANY (waiting) AND t.used_at IS NULL;
    INSERT INTO one_time_tokens (tenant_id, kind, user_id, hash, code_hash, code_expires_at, data, expires_at)
    VALUES (app_tenant(), kind, who, hash, code_hash, now() + interval '10 minutes',
            CASE WHEN who IS NULL THEN data - 'registration' ELSE data END, now() + ttl);
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    VALUES (app_tenant(), 'ashlar.mail', CASE WHEN who IS NULL AND instead IS NULL THEN 'mail.decoy' ELSE 'mail' END,
            CASE WHEN who IS NULL THEN coalesce(instead, mail) ELSE mail || jsonb_build_object('user', who) END);
END
$$;

-- The same of a token that is shown to who asks for it, to be passed on: no mail goes, and it proves nothing, which its data
-- say.  Returns when it runs out.
CREATE OR REPLACE FUNCTION shown_token_issue(kind text, who uuid, hash bytea, data jsonb, ttl interval) RETURNS timestamptz
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    ends_at timestamptz := now() + ttl;
BEGIN
    UPDATE one_time_tokens t SET used_at = now()
    WHERE t.tenant_id = app_tenant() AND t.user_id = who AND t.kind = kind AND t.used_at IS NULL;
    INSERT INTO one_time_tokens (tenant_id, kind, user_id, hash, data, expires_at)
    VALUES (app_tenant(), kind, who, hash, data || '{"left": "shown"}', ends_at);
    RETURN ends_at;
END
$$;

-- The unused token with this hash, or, without one, the one of the address's
-- (key, and email as it was sent) with this code.  tenant is the one that the ticket
-- names: it must be the request's.  No row: there is none, or the user is gone
-- or has another address by now.
--
-- A wrong code counts as a guess (guess_failed()); that is why whoever calls
-- commits also when there is no row.  It counts for the account, over all of its
-- mails, and not for the token: no client can spoil a code that another one has.
--
-- The row stays locked, so that of two requests the second finds it used.
CREATE OR REPLACE FUNCTION mailed_token_find(key text, kind text, tenant uuid, hash bytea, email text, code_hash bytea,
                                             OUT token_id uuid, OUT user_id uuid, OUT address text) RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
    t       one_time_tokens;
    one     one_time_tokens;
    account text := limit_account(key, email);
    owner   uuid;
    known   boolean;
BEGIN
    IF hash IS NOT NULL THEN
        SELECT * INTO t
        FROM one_time_tokens o
        WHERE o.tenant_id = app_tenant() AND o.tenant_id = mailed_token_find.tenant AND o.hash = mailed_token_find.hash
          AND o.kind = mailed_token_find.kind AND o.used_at IS NULL AND o.expires_at > now()
        FOR NO KEY UPDATE;
    ELSIF email IS NOT NULL AND mailed_code_wait(key, email) = 0 THEN
        owner := (SELECT u.id FROM user_find(key, email) u);
        known := address_is_known(owner);
        FOR one IN
            SELECT o.*
            FROM one_time_tokens o
            WHERE o.tenant_id = app_tenant() AND o.user_id = owner AND o.kind = mailed_token_find.kind AND o.used_at IS NULL AND o.expires_at > now()
              AND o.code_expires_at > now()
            ORDER BY o.created_at DESC
            LIMIT 5
            FOR NO KEY UPDATE
        LOOP
            IF t.id IS NULL AND one.code_hash = mailed_token_find.code_hash THEN
                t := one;
            END IF;
        END LOOP;
        IF t.id IS NULL THEN
            PERFORM guess_failed('mailed_code', account, known);
            RETURN;
        ELSIF guess_passed('mailed_code', account, known) > 0 THEN
            RETURN;
        END IF;
    END IF;
    RETURN QUERY
    SELECT t.id, u.id, u.email
    FROM users u
    WHERE u.tenant_id = app_tenant() AND u.id = t.user_id AND u.email = t.data ->> 'email' AND u.deleted_at IS NULL;
END
$$;

-- May a code of this address be tried, or in how many seconds?  Without an address it is no code.
CREATE OR REPLACE FUNCTION mailed_code_wait(key text, email text) RETURNS integer
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF email IS NULL THEN
        RETURN 0;
    END IF;
    RETURN guess_wait('mailed_code', limit_account(key, email), address_is_known((SELECT u.id FROM user_find(key, email) u)));
END
$$;

-- Use a token up: its user, or NULL when another request was faster.
CREATE OR REPLACE FUNCTION mailed_token_use(token_id uuid) RETURNS uuid
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    UPDATE one_time_tokens t SET used_at = now(), data = t.data - 'registration'
    WHERE t.tenant_id = app_tenant() AND t.id = token_id AND t.used_at IS NULL AND t.expires_at > now()
    RETURNING t.user_id;
END;

-- The tenant that a ticket names may be anything: count its bearer's tries
-- where there is such a tenant, and else among the default one's.
CREATE OR REPLACE FUNCTION mailed_token_enter() RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM tenants t WHERE t.id = app_tenant()) THEN
        PERFORM set_config('app.tenant_id', '00000000-0000-7000-8000-000000000001', true);
    END IF;
END
$$;
