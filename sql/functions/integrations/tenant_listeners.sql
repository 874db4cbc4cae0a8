-- Channels of a whole tenant: "tenant:<id>" hears its events, as webhooks are told of them, "requests:<id>" its requests
-- as they are answered.

-- Somebody listens, for the next minute.
CREATE OR REPLACE FUNCTION tenant_listen(what text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO tenant_listeners AS l (tenant_id, kind, until)
    VALUES (app_tenant(), what, now() + interval '60 seconds')
    ON CONFLICT (tenant_id, kind) DO UPDATE SET until = excluded.until WHERE l.until < now() + interval '40 seconds';
END
$$;
REVOKE ALL ON FUNCTION tenant_listen(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION tenant_listen(text) TO ashlar_api;

-- The same for those of these channels that are a tenant's.
CREATE OR REPLACE FUNCTION tenant_listen_all(channels text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    kind text;
BEGIN
    FOR kind IN SELECT DISTINCT realtime_kind(c) FROM unnest(channels) c LOOP
        IF kind = 'tenant' THEN
            PERFORM tenant_listen('events');
        ELSIF kind = 'requests' THEN
            PERFORM tenant_listen('requests');
        END IF;
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION tenant_is_heard(kind text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    tenant uuid := app_tenant();
BEGIN
    RETURN EXISTS (SELECT FROM tenant_listeners l WHERE l.tenant_id = tenant AND l.kind = tenant_is_heard.kind AND l.until > now());
END
$$;

-- Tell who listens to the tenant of an event: the message as a webhook of it has it, to the byte, so that it can be signed.  What
-- is more than a channel's message may hold has its id alone, as a webhook's that is too large.
CREATE OR REPLACE FUNCTION tenant_tell(type text, message text, head text, body text, data jsonb) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    told jsonb := jsonb_build_object('type', 'event', 'event', tenant_tell.type, 'id', message, 'body', head || body || '}');
BEGIN
    IF octet_length(told::text) > 32768 THEN
        told := told || jsonb_build_object('body', head || json_minify(jsonb_build_object('id', data -> 'id', 'truncated', true)) || '}');
    END IF;
    PERFORM realtime_put('tenant:' || app_tenant(), told, NULL, 'message', NULL, false);
END
$$;

-- Whose requests are listened to, on all hosts: each tenant with the hashes of its API keys, as the api has them.
CREATE OR REPLACE FUNCTION request_tail_tenants() RETURNS TABLE (tenant text, keys text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp ROWS 5 AS $$
DECLARE
    before text := coalesce(current_setting('app.tenant_id', true), '');
BEGIN
    FOR tenant IN SELECT l.tenant_id FROM tenant_listeners l WHERE l.kind = 'requests' AND l.until > now() ORDER BY l.until DESC LIMIT 64 LOOP
        PERFORM set_config('app.tenant_id', tenant, true);
        keys := (SELECT string_agg('\x' || encode(k.hash, 'hex'), ' ')
                 FROM (SELECT a.hash FROM api_keys a
                       WHERE a.tenant_id = tenant::uuid AND a.is_active AND a.revoked_at IS NULL
                       ORDER BY a.last_used_at DESC NULLS LAST LIMIT 32) k);
        RETURN NEXT;
    END LOOP;
    PERFORM set_config('app.tenant_id', before, true);
END
$$;
REVOKE ALL ON FUNCTION request_tail_tenants() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION request_tail_tenants() TO ashlar_api;

-- Tell of requests, each {"tenant" or "key", "told"}, on the channels of those tenants that are listened to.
CREATE OR REPLACE FUNCTION request_tail_put(requests jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before   text := coalesce(current_setting('app.tenant_id', true), '');
    shown    text := coalesce(current_setting('app.key_hash', true), '');
    tenants  uuid[];
    payloads jsonb[];
BEGIN
    SELECT array_agg(r.tenant ORDER BY r.nr), array_agg(r.told ORDER BY r.nr) INTO tenants, payloads
    FROM (SELECT coalesce((x.r ->> 'tenant')::uuid, usage_tenant(x.r ->> 'key')) AS tenant, x.r -> 'told' AS told, x.nr
          FROM jsonb_array_elements(requests) WITH ORDINALITY x (r, nr)) r
    JOIN tenant_listeners l ON l.tenant_id = r.tenant AND l.kind = 'requests' AND l.until > now();
    PERFORM set_config('app.tenant_id', before, true), set_config('app.key_hash', shown, true);
    IF tenants IS NOT NULL THEN
        PERFORM realtime_publish_many(tenants, ARRAY(SELECT 'requests:' || t FROM unnest(tenants) WITH ORDINALITY u (t, nr) ORDER BY nr), payloads,
                                      array_fill(NULL::text, ARRAY[cardinality(tenants)]));
    END IF;
    RETURN coalesce(cardinality(tenants), 0);
END
$$;
REVOKE ALL ON FUNCTION request_tail_put(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION request_tail_put(jsonb) TO ashlar_api;
