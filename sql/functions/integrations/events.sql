-- Events: what has happened is told to its subscribers, in the
-- transaction in which it happens.

-- A message's id: "msg_" and 27 characters of base62.  62 does not divide 256,
-- so the first eight letters come a little more often: of 160 bits that leaves 159.
CREATE OR REPLACE FUNCTION message_id() RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    bytes bytea := sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
BEGIN
    RETURN 'msg_' || (SELECT string_agg(substr('0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz',
                                               1 + get_byte(bytes, i) % 62, 1), '' ORDER BY i)
                      FROM generate_series(0, 26) i);
END
$$;

-- JSON without the spaces that PostgreSQL puts behind colons and commas.
CREATE OR REPLACE FUNCTION json_minify(data jsonb) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN regexp_replace(data::text, '("(?:[^"\\]|\\.)*")|([:,]) ', '\1\2', 'g');

-- Is there a subscriber?  For callers that would have to work for an event's data.
CREATE OR REPLACE FUNCTION event_wanted(type text, organization uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant uuid := app_tenant();
BEGIN
    RETURN EXISTS (SELECT FROM webhook_endpoints e
                   WHERE e.tenant_id = tenant AND e.owner_id IN (tenant, organization)
                     AND e.is_active AND e.deleted_at IS NULL AND e.events && ARRAY[event_wanted.type, '*'])
           OR tenant_is_heard('events');
END
$$;

-- Tell of something that has happened in an organization, or, without one, to
-- the tenant itself: one message, and a delivery for each active endpoint of
-- the organization and of the tenant that asked for it.  Stands in the
-- transaction of the change, so that there is no change without its message
-- and no message without its change.  Who listens to the tenant hears of it, too.  Where
-- there is neither it is two looks into an index.
--
-- type is one of handlers/events.c; data is the object as the API shows it.  A
-- body of more than 256 KiB carries its id alone.
--
-- IN takes a NULL organization for nobody's; a coalesce() there is no condition of an index.
CREATE OR REPLACE FUNCTION event_emit(type text, organization uuid, data jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    tenant  uuid := app_tenant();
    heard   boolean := tenant_is_heard('events');
    targets uuid[];
    message text;
    head    text;
    body    text;
BEGIN
    SELECT array_agg(e.id) INTO targets
    FROM webhook_endpoints e
    WHERE e.tenant_id = tenant AND e.owner_id IN (tenant, organization)
      AND e.is_active AND e.deleted_at IS NULL AND e.events && ARRAY[event_emit.type, '*'];
    IF targets IS NULL AND NOT heard THEN
        RETURN;
    END IF;
    message := message_id();
    head := '{"type":' || to_json(event_emit.type) || ',"timestamp":"'
        || to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        || '","workspace_id":' || coalesce(to_json(organization)::text, 'null') || ',"data":';
    body := json_minify(coalesce(event_emit.data, '{}'));
    IF octet_length(head) + octet_length(body) + 1 > 262144 THEN
        body := json_minify(jsonb_build_object('id', event_emit.data -> 'id', 'truncated', true));
    END IF;
    IF targets IS NOT NULL THEN
        INSERT INTO webhook_messages (tenant_id, id, organization_id, type, payload)
        VALUES (tenant, message, organization, event_emit.type, head || body || '}');
        INSERT INTO webhook_deliveries (tenant_id, endpoint_id, message_id, event)
        SELECT tenant, target, message, event_emit.type FROM unnest(targets) target;
    END IF;
    IF heard THEN
        PERFORM tenant_tell(event_emit.type, message, head, body, event_emit.data);
    END IF;
END
$$;
