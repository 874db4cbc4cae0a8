-- The audit log: one row for each change that matters to security.

-- Put down what is done by this request; who does it, from where and under
-- which request id is what the door knows; details.via is the server that called
-- for an end user at that address (X-Client-IP).  For a caller who is not signed in yet,
-- actor names the one who is meant.  Stands in the statement that makes the
-- change, so that there is no change without a row and no row without a change.
-- audit_chain() numbers and seals the row.
CREATE OR REPLACE FUNCTION audit(action text, resource_type text, resource_id text, details jsonb DEFAULT '{}',
                                 actor text DEFAULT NULL, actor_type text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    r jsonb := nullif(current_setting('app.request', true), '')::jsonb;
BEGIN
    INSERT INTO audit_events (tenant_id, actor_id, actor_type, on_behalf_of, action, resource_type, resource_id, details,
                              ip_address, user_agent, request_id)
    VALUES (app_tenant(), coalesce(actor, r ->> 'actor', 'anonymous'),
            coalesce(audit.actor_type, CASE WHEN actor IS NOT NULL THEN 'user' END, r ->> 'actor_type', 'system'),
            r ->> 'on_behalf_of', action, resource_type, resource_id, jsonb_strip_nulls(coalesce(details, '{}') || jsonb_build_object('via', r ->> 'via')),
            (r ->> 'ip')::inet, r ->> 'user_agent', r ->> 'request_id');
END
$$;

-- Is an entry what was put down?  Of one whose details, or whose address and browser, were emptied, the rest of it.
CREATE OR REPLACE FUNCTION audit_holds(e audit_events) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN e.hash = audit_hash(e)
       AND (e.version = 1
            OR CASE WHEN e.details_salt IS NULL THEN e.details = '{}' ELSE e.details_digest = audit_digest(e.details_salt, e.details) END
           AND CASE WHEN e.origin_salt IS NULL THEN e.ip_address IS NULL AND e.user_agent IS NULL
                    ELSE e.origin_digest = audit_digest(e.origin_salt, jsonb_build_array(host(e.ip_address), e.user_agent)) END);
END
$$;

-- Empty what the log of this tenant says of a user: the details of what they did and of what was done with them, and from where
-- and with which browser they did it.  That it happened stays, and when, under an id that means nobody any more.  How many entries;
-- those of version 1 keep what they say, since their chain has it in it.
--
-- As the owner: the api changes no entry.
CREATE OR REPLACE FUNCTION audit_forget(who text) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant uuid := app_tenant();
    n      bigint;
BEGIN
    UPDATE audit_events e SET ip_address = NULL, user_agent = NULL, origin_salt = NULL
    WHERE e.tenant_id = tenant AND e.version > 1
      AND (e.actor_id = who OR e.on_behalf_of = who OR e.actor_type = 'anonymous' AND e.resource_id = who AND e.resource_type = 'user');
    UPDATE audit_events e SET details = '{}', details_salt = NULL
    WHERE e.tenant_id = tenant AND e.version > 1
      AND (e.actor_id = who OR e.on_behalf_of = who OR e.resource_id = who AND e.resource_type IN ('user', 'member'));
    GET DIAGNOSTICS n = ROW_COUNT;
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION audit_forget(text) FROM PUBLIC;

-- The same of what was done with these things, such as invitations that went to somebody.
CREATE OR REPLACE FUNCTION audit_forget_of(kind text, ids text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE audit_events e SET details = '{}', details_salt = NULL
    WHERE cardinality(ids) > 0 AND e.tenant_id = app_tenant() AND e.version > 1 AND e.resource_type = kind AND e.resource_id = ANY (ids);
END
$$;
REVOKE ALL ON FUNCTION audit_forget_of(text, text[]) FROM PUBLIC;

-- The same of what names one of these addresses; of who was not signed in, also from where it was.
CREATE OR REPLACE FUNCTION audit_forget_addresses(addresses text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    UPDATE audit_events e
    SET details = '{}', details_salt = NULL,
        ip_address = CASE WHEN e.actor_type <> 'anonymous' THEN e.ip_address END,
        user_agent = CASE WHEN e.actor_type <> 'anonymous' THEN e.user_agent END,
        origin_salt = CASE WHEN e.actor_type <> 'anonymous' THEN e.origin_salt END
    WHERE e.tenant_id = app_tenant() AND e.details ? 'email' AND lower(e.details ->> 'email') = ANY (addresses) AND e.version > 1;
END
$$;
REVOKE ALL ON FUNCTION audit_forget_addresses(text[]) FROM PUBLIC;

-- Check a tenant's chain from its first row to its head, as the owner: the
-- first thing that is wrong, or no row.  Rows at the end that are gone show
-- because the head remembers how many there were.
CREATE OR REPLACE FUNCTION audit_verify(tenant uuid)
RETURNS TABLE (at_seq bigint, problem text)
LANGUAGE plpgsql AS $$
DECLARE
    e        audit_events;
    head     audit_heads;
    expected bigint := 0;
    before   bytea := '';
    _        text := set_config('app.tenant_id', tenant::text, true);
BEGIN
    FOR e IN SELECT * FROM audit_events a WHERE a.tenant_id = tenant ORDER BY a.seq LOOP
        expected := expected + 1;
        IF e.seq <> expected THEN
            RETURN QUERY SELECT expected, format('row %s is missing', expected);
            RETURN;
        ELSIF e.prev_hash <> before THEN
            RETURN QUERY SELECT e.seq, format('row %s does not follow the row before it', e.seq);
            RETURN;
        ELSIF NOT audit_holds(e) THEN
            RETURN QUERY SELECT e.seq, format('row %s was changed', e.seq);
            RETURN;
        END IF;
        before := e.hash;
    END LOOP;
    SELECT * INTO head FROM audit_heads h WHERE h.tenant_id = tenant;
    IF coalesce(head.seq, 0) > expected THEN
        RETURN QUERY SELECT expected + 1, format('row %s and what follows are missing', expected + 1);
    ELSIF coalesce(head.hash, '') <> before THEN
        RETURN QUERY SELECT expected, format('row %s is not the one that the chain ended with', expected);
    END IF;
END
$$;
REVOKE ALL ON FUNCTION audit_verify(uuid) FROM PUBLIC;

-- Check a part of this tenant's chain, of n rows behind the row after, in one snapshot; a part that is whole up to
-- the chain's end is compared with its head, too.  next_seq is what to go on after, NULL at the end and where something
-- is wrong; hash is the last row's, by which the log as it stands now can be known again.
--
-- As the owner, since the heads are not the api's to read; its policies hold here as well.
CREATE OR REPLACE FUNCTION audit_verify_part(after bigint, n integer, OUT event_count bigint, OUT checked bigint, OUT is_unbroken boolean,
                                             OUT problem_seq bigint, OUT problem text, OUT next_seq bigint, OUT hash text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    tenant   uuid   := app_tenant();
    e        audit_events;
    head     audit_heads;
    expected bigint := after;
    before   bytea  := '';
BEGIN
    SELECT * INTO head FROM audit_heads h WHERE h.tenant_id = tenant;
    event_count := coalesce(head.seq, 0);
    checked := 0;
    IF after > 0 THEN
        SELECT a.hash INTO before FROM audit_events a WHERE a.tenant_id = tenant AND a.seq = after;
        IF NOT FOUND THEN
            problem_seq := after;
            problem := format('row %s is missing', after);
        END IF;
    END IF;
    FOR e IN SELECT * FROM audit_events a WHERE problem IS NULL AND a.tenant_id = tenant AND a.seq > after ORDER BY a.seq LIMIT n LOOP
        expected := expected + 1;
        problem_seq := e.seq;
        IF e.seq <> expected THEN
            problem_seq := expected;
            problem := format('row %s is missing', expected);
        ELSIF e.prev_hash <> before THEN
            problem := format('row %s does not follow the row before it', e.seq);
        ELSIF NOT audit_holds(e) THEN
            problem := format('row %s was changed', e.seq);
        END IF;
        EXIT WHEN problem IS NOT NULL;
        checked := checked + 1;
        before := e.hash;
    END LOOP;
    IF problem IS NULL AND checked < n THEN
        IF event_count > expected THEN
            problem_seq := expected + 1;
            problem := format('row %s and what follows are missing', expected + 1);
        ELSIF coalesce(head.hash, '') <> before THEN
            problem_seq := expected;
            problem := format('row %s is not the one that the chain ended with', expected);
        END IF;
    ELSIF problem IS NULL THEN
        next_seq := expected;
    END IF;
    is_unbroken := problem IS NULL;
    problem_seq := CASE WHEN problem IS NOT NULL THEN problem_seq END;
    hash := encode(nullif(before, ''), 'hex');
END
$$;
REVOKE ALL ON FUNCTION audit_verify_part(bigint, integer) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_verify_part(bigint, integer) TO ashlar_api;

-- The details of an event as an administrator reads them.
CREATE OR REPLACE FUNCTION audit_details(e audit_events) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN e.details || jsonb_strip_nulls(jsonb_build_object(
    'actor_type', e.actor_type, 'on_behalf_of', e.on_behalf_of, 'user_agent', e.user_agent, 'request_id', e.request_id));
