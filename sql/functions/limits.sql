-- How often something may be tried, counted here so that all hosts share it.

-- Count one try of what name says, by subject.  0: go ahead; else the seconds
-- until it may be tried again.  More than max in a window refuse, and begin a
-- block of block_s seconds, which tries during it do not prolong; without a
-- block (0) the window has to end.  When a block is over, counting begins anew.
--
-- The row is locked until the transaction ends: whoever computes for long
-- afterwards ends it first.
CREATE OR REPLACE FUNCTION security_limit(name text, subject text, max integer, window_s integer, block_s integer)
RETURNS integer
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    l rate_limits;
BEGIN
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
