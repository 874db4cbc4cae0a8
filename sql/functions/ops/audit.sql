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
        ELSIF e.hash <> audit_hash(e) THEN
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

-- The details of an event as an administrator reads them.
CREATE OR REPLACE FUNCTION audit_details(e audit_events) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN e.details || jsonb_strip_nulls(jsonb_build_object(
    'actor_type', e.actor_type, 'on_behalf_of', e.on_behalf_of, 'user_agent', e.user_agent, 'request_id', e.request_id));
