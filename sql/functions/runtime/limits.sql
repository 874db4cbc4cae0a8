-- How often something may be tried, counted here so that all hosts share it.
-- Each tenant counts its own.
--
-- What a client may hit by guessing (a password, a code) counts when it was
-- wrong: guess_wait(), guess_failed(), guess_passed().  What costs something
-- each time (a mail, an account) counts each time: request_take().  Both count by
-- address, and by account from this address: nobody can use up what somebody
-- else has.  What is left is guessing from many addresses at once, and for that
-- an account has a brake, which does not meet users who signed in from where they
-- are before (known_addresses).
--
-- A row is locked until the transaction ends: a handler that computes for long
-- afterwards ends it first.  Rows are locked in one order: by address, by account
-- and address, by account.

-- SECURITY_LIMITS=off, which production refuses.
CREATE OR REPLACE FUNCTION limits_are_off() RETURNS boolean
LANGUAGE sql STABLE
RETURN coalesce(nullif(current_setting('app.request', true), '')::jsonb ->> 'limits' = 'off', false);

-- Count one try of what name says, by subject.  0: go ahead; else the seconds
-- until it may be tried again.  More than max in a window refuse, and begin a
-- block of block_s seconds, which tries during it do not prolong; without a
-- block (0) the window has to end.  When a block is over, counting begins anew.
CREATE OR REPLACE FUNCTION security_limit(name text, subject text, max integer, window_s integer, block_s integer)
RETURNS integer
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    l rate_limits;
BEGIN
    IF limits_are_off() THEN
        RETURN 0;
    END IF;
    INSERT INTO rate_limits AS r (tenant_id, name, subject, tries, window_ends)
    VALUES (app_tenant(), security_limit.name, security_limit.subject, 1, now() + make_interval(secs => window_s))
    ON CONFLICT (tenant_id, name, subject) DO UPDATE SET
        tries = CASE WHEN r.blocked_until > now() THEN r.tries
                     WHEN r.blocked_until IS NOT NULL OR r.window_ends <= now() THEN 1
                     ELSE least(r.tries, security_limit.max) + 1 END,
        window_ends = CASE WHEN r.blocked_until IS NOT NULL AND r.blocked_until <= now() OR r.window_ends <= now()
                           THEN excluded.window_ends ELSE r.window_ends END,
        blocked_until = CASE WHEN r.blocked_until > now() THEN r.blocked_until
                             WHEN r.blocked_until IS NULL AND r.window_ends > now() AND r.tries >= security_limit.max
                                  AND block_s > 0
                             THEN now() + make_interval(secs => block_s) END
    RETURNING * INTO l;
    IF l.blocked_until > now() THEN
        RETURN ceil(extract(epoch FROM l.blocked_until - now()));
    ELSIF l.tries > security_limit.max THEN
        RETURN greatest(1, ceil(extract(epoch FROM l.window_ends - now())));
    END IF;
    RETURN 0;
END
$$;

-- An address as a subject: of IPv6 the /64, which is what one customer has.
CREATE OR REPLACE FUNCTION limit_ip(ip inet) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN 'ip:' || CASE family(ip) WHEN 6 THEN network(set_masklen(ip, 64))::text ELSE host(ip) END;

CREATE OR REPLACE FUNCTION limit_network(ip inet) RETURNS cidr
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN network(set_masklen(ip, CASE family(ip) WHEN 6 THEN 64 ELSE 32 END));

-- ---------------------------------------------------------------- where from

-- Has the account signed in from where this request is from?  NULL: of nobody is that known.
CREATE OR REPLACE FUNCTION address_is_known(account uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN EXISTS (SELECT FROM known_addresses k
                   WHERE k.tenant_id = app_tenant() AND k.account_id = account AND k.address = limit_network(request_ip()));
END
$$;

-- It has now.  Of more than twenty addresses those go from which it is longest ago.
CREATE OR REPLACE FUNCTION address_note(account uuid) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    IF request_ip() IS NULL THEN
        RETURN;
    END IF;
    INSERT INTO known_addresses (tenant_id, account_id, address)
    VALUES (app_tenant(), account, limit_network(request_ip()))
    ON CONFLICT (tenant_id, account_id, address) DO UPDATE SET signed_in_at = now()
        WHERE known_addresses.signed_in_at < now() - interval '1 day';
    IF FOUND THEN
        DELETE FROM known_addresses k
        WHERE k.tenant_id = app_tenant() AND k.account_id = account
          AND k.address IN (SELECT o.address FROM known_addresses o
                            WHERE o.tenant_id = app_tenant() AND o.account_id = account
                            ORDER BY o.signed_in_at DESC, o.address OFFSET 20);
    END IF;
END
$$;

-- ---------------------------------------------------------------- guesses

-- Count one failure by subject, and return 0; the max-th in a window begins a
-- block of block_s seconds (0: until the window ends).  While there is a block
-- nothing is counted, and what is left of it is returned.
--
-- A brake has no end of that kind: the window begins anew with each failure, and
-- each from the max-th on begins a block twice as long as the one before, up to
-- half an hour.  So in any hour there are hardly more than max; and who keeps at
-- it has two an hour.
CREATE OR REPLACE FUNCTION limit_failed(name text, subject text, max integer, window_s integer, block_s integer,
                                        is_brake boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    l rate_limits;
BEGIN
    INSERT INTO rate_limits AS r (tenant_id, name, subject, tries, window_ends)
    VALUES (app_tenant(), limit_failed.name, limit_failed.subject, 0, now() + make_interval(secs => window_s))
    ON CONFLICT ON CONSTRAINT rate_limits_pkey DO NOTHING;
    SELECT * INTO STRICT l
    FROM rate_limits r
    WHERE r.tenant_id = app_tenant() AND r.name = limit_failed.name AND r.subject = limit_failed.subject
    FOR NO KEY UPDATE;
    IF l.blocked_until > now() THEN
        RETURN ceil(extract(epoch FROM l.blocked_until - now()));
    END IF;
    IF l.window_ends <= now() OR l.blocked_until IS NOT NULL AND NOT is_brake THEN
        l.tries := 0;
    END IF;
    IF l.tries = 0 OR is_brake THEN
        l.window_ends := now() + make_interval(secs => window_s);
    END IF;
    l.tries := l.tries + 1;
    l.blocked_until := CASE
        WHEN l.tries < max THEN NULL
        WHEN is_brake THEN now() + make_interval(secs => least(1800, block_s * 2 ^ least(l.tries - max, 10)))
        WHEN block_s = 0 THEN l.window_ends
        ELSE now() + make_interval(secs => block_s) END;
    UPDATE rate_limits r SET tries = l.tries, window_ends = l.window_ends, blocked_until = l.blocked_until
    WHERE r.tenant_id = app_tenant() AND r.name = limit_failed.name AND r.subject = limit_failed.subject;
    RETURN 0;
END
$$;

-- The seconds until a block of one of these subjects is over; 0: there is none.
CREATE OR REPLACE FUNCTION limit_wait(name text, VARIADIC subjects text[]) RETURNS integer
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF limits_are_off() THEN
        RETURN 0;
    END IF;
    RETURN coalesce((SELECT ceil(extract(epoch FROM max(r.blocked_until) - now()))
                     FROM rate_limits r
                     WHERE r.tenant_id = app_tenant() AND r.name = limit_wait.name AND r.subject = ANY (subjects)
                       AND r.blocked_until > now()), 0);
END
$$;

-- May the caller guess at what name says (login, mfa_code, …) of this account?
-- 0, or the seconds until then.  account names it as the guesser does, so that
-- one that does not exist is counted as one that does; is_known: its
-- address_is_known().  Looks only.
CREATE OR REPLACE FUNCTION guess_wait(name text, account text, is_known boolean) RETURNS integer
LANGUAGE plpgsql STABLE AS $$
DECLARE
    here text := limit_ip(request_ip());
BEGIN
    RETURN limit_wait(name, here, account || ' ' || here, CASE WHEN NOT is_known THEN account END);
END
$$;

-- It was wrong.  0: counted; else the seconds for which no caller is told any more
-- whether a guess was right, this one included: of guesses that are made at once
-- no more are answered than of those one after another.
CREATE OR REPLACE FUNCTION guess_failed(name text, account text, is_known boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    here text := limit_ip(request_ip());
    wait integer;
BEGIN
    IF limits_are_off() THEN
        RETURN 0;
    END IF;
    wait := limit_failed(name, here, 50, 900, 900, false);
    wait := greatest(wait, CASE WHEN name LIKE '%change_password'
        THEN limit_failed(name, account || ' ' || here, 5, 3600, 1800, false)
        ELSE limit_failed(name, account || ' ' || here, 10, 900, 900, false) END);
    IF NOT is_known THEN
        wait := greatest(wait, limit_failed(name, account, 30, 3600, 60, true));
    END IF;
    RETURN wait;
END
$$;

-- It was right: what was wrong from this address is forgiven.  0, or, when that
-- was one guess too many, the seconds as above.
CREATE OR REPLACE FUNCTION guess_passed(name text, account text, is_known boolean) RETURNS integer
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE rate_limits r SET tries = 0
    WHERE r.tenant_id = app_tenant() AND r.name = guess_passed.name
      AND r.subject = account || ' ' || limit_ip(request_ip()) AND r.tries > 0
      AND (r.blocked_until IS NULL OR r.blocked_until <= now());
    RETURN guess_wait(name, account, is_known);
END
$$;

-- ---------------------------------------------------------------- requests that cost something

-- Count one request that makes an account or sends a mail, for whom account says.
-- 0: go ahead; else the seconds until then.  From an address 3 an hour for one
-- account, and 20 for all; from addresses that the account does not know, 10 an
-- hour, then the brake.
CREATE OR REPLACE FUNCTION request_take(name text, account text, is_known boolean) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    here text := limit_ip(request_ip());
    wait integer := security_limit(name, here, 20, 3600, 1800);
BEGIN
    IF wait = 0 THEN
        wait := security_limit(name, account || ' ' || here, 3, 3600, 1800);
    END IF;
    IF wait = 0 AND NOT is_known AND NOT limits_are_off() THEN
        wait := limit_failed(name, account, 10, 3600, 60, true);
    END IF;
    RETURN wait;
END
$$;

-- ---------------------------------------------------------------- mails to third parties

-- Count one mail that a user has sent to another person: an invitation, a receipt
-- for a form.  0: send it; else the seconds until it may be sent.  Every such mail
-- goes through here; one that is asked for at a sign-in is counted by request_take().
--
--   sender       'user:…', 'team:…', 'organization:…'; of somebody without an
--                account limit_ip()
--   is_verified  has shown that they read mail themself.  Who has not is refused where
--                the tenant asks for that (AS403), and has a tenth elsewhere; NULL:
--                there is no user who could have, and it is a tenth
--   recipient    limit_account()
--   counted_in   the tenant whose mails to the recipient these are
--
-- A sender has 50 an hour, a recipient gets 30 a day, and of those 10 from one
-- sender (3 where it is a tenth).  What those cause who are not verified is counted
-- apart, so that they cannot use up what the others have.
CREATE OR REPLACE FUNCTION mail_take(sender text, is_verified boolean, recipient text,
                                     counted_in uuid DEFAULT app_tenant()) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    here    text    := current_setting('app.tenant_id');
    is_good boolean := coalesce(is_verified, false);
    subject text    := CASE WHEN is_good THEN recipient ELSE recipient || ' unverified' END;
    wait    integer;
BEGIN
    IF NOT is_verified AND (SELECT s.email_verification_required FROM tenant_settings s WHERE s.tenant_id = app_tenant()) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this sends a mail to somebody else: verify your own e-mail address first';
    END IF;
    wait := security_limit('mail_from', sender, CASE WHEN is_good THEN 50 ELSE 5 END, 3600, 0);
    IF wait = 0 THEN
        wait := security_limit('mail_from_to', sender || ' ' || recipient, CASE WHEN is_good THEN 10 ELSE 3 END, 86400, 0);
    END IF;
    IF wait = 0 THEN
        PERFORM set_config('app.tenant_id', counted_in::text, true);
        wait := security_limit('mail_to', subject, CASE WHEN is_good THEN 30 ELSE 3 END, 86400, 0);
        PERFORM set_config('app.tenant_id', here, true);
    END IF;
    RETURN wait;
END
$$;
