-- What a mail proves: that whoever shows its token, or its code, reads the
-- mail of that address.

-- Put a new token down, void the ones before it, and send it by mail.  who
-- NULL: there is nobody to send it to, and all the same is done, for nobody;
-- instead is then a mail that says so, or NULL: none.
CREATE OR REPLACE FUNCTION mailed_token_issue(kind text, who uuid, hash bytea, code_hash bytea, data jsonb, ttl interval,
                                              mail jsonb, instead jsonb) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE one_time_tokens t SET used_at = now()
    WHERE t.tenant_id = app_tenant() AND t.user_id = who AND t.kind = mailed_token_issue.kind AND t.used_at IS NULL;
    INSERT INTO one_time_tokens (tenant_id, kind, user_id, hash, code_hash, code_expires_at, data, expires_at)
    VALUES (app_tenant(), mailed_token_issue.kind, who, mailed_token_issue.hash, mailed_token_issue.code_hash,
            now() + interval '10 minutes', mailed_token_issue.data, now() + ttl);
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    VALUES (app_tenant(), 'ashlar.mail', CASE WHEN who IS NULL AND instead IS NULL THEN 'mail.decoy' ELSE 'mail' END,
            CASE WHEN who IS NULL THEN coalesce(instead, mail) ELSE mail END);
END
$$;

-- The unused token with this hash, or, without one, the address's newest that
-- still has a code, if it is this one.  tenant is the one that the ticket
-- names: it must be the request's.  No row: there is none, or the user is gone
-- or has another address by now.
--
-- A wrong code counts, and after five the token has none; that is why whoever
-- calls commits also when there is no row.  New mails bring new codes: over
-- all of them an address has twenty tries an hour.
--
-- The row stays locked, so that of two requests the second finds it used.
CREATE OR REPLACE FUNCTION mailed_token_find(kind text, tenant uuid, hash bytea, email text, code_hash bytea,
                                             OUT token_id uuid, OUT user_id uuid, OUT address text) RETURNS SETOF record
LANGUAGE plpgsql AS $$
DECLARE
    t one_time_tokens;
BEGIN
    IF hash IS NOT NULL THEN
        SELECT * INTO t
        FROM one_time_tokens o
        WHERE o.tenant_id = app_tenant() AND o.tenant_id = mailed_token_find.tenant AND o.hash = mailed_token_find.hash
          AND o.kind = mailed_token_find.kind AND o.used_at IS NULL AND o.expires_at > now()
        FOR NO KEY UPDATE;
    ELSIF email IS NOT NULL AND security_limit('code', 'account:' || lower(email), 20, 3600, 0) = 0 THEN
        SELECT o.* INTO t
        FROM users u JOIN one_time_tokens o ON o.tenant_id = u.tenant_id AND o.user_id = u.id
        WHERE u.tenant_id = app_tenant() AND u.email = lower(mailed_token_find.email) AND u.deleted_at IS NULL
          AND o.kind = mailed_token_find.kind AND o.used_at IS NULL AND o.expires_at > now()
          AND o.code_expires_at > now() AND o.tries < 5
        ORDER BY o.created_at DESC
        LIMIT 1
        FOR NO KEY UPDATE OF o;
        IF t.code_hash <> mailed_token_find.code_hash THEN
            UPDATE one_time_tokens o SET tries = o.tries + 1 WHERE o.tenant_id = app_tenant() AND o.id = t.id;
            RETURN;
        END IF;
    END IF;
    RETURN QUERY
    SELECT t.id, u.id, u.email
    FROM users u
    WHERE u.tenant_id = app_tenant() AND u.id = t.user_id AND u.email = t.data ->> 'email' AND u.deleted_at IS NULL;
END
$$;

-- Use a token up: its user, or NULL when another request was faster.
CREATE OR REPLACE FUNCTION mailed_token_use(token_id uuid) RETURNS uuid
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    UPDATE one_time_tokens t SET used_at = now()
    WHERE t.tenant_id = app_tenant() AND t.id = token_id AND t.used_at IS NULL AND t.expires_at > now()
    RETURNING t.user_id;
END;

-- The tenant that a ticket names may be anything: count its bearer's tries
-- where there is such a tenant, and else among the default one's.
CREATE OR REPLACE FUNCTION mailed_token_limit(max integer, window_s integer) RETURNS integer
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM tenants t WHERE t.id = app_tenant()) THEN
        PERFORM set_config('app.tenant_id', '00000000-0000-7000-8000-000000000001', true);
    END IF;
    RETURN security_limit('verify_email_with_token', limit_ip(request_ip()), max, window_s, 0);
END
$$;
