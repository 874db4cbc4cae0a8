-- A tenant's agents, and what users say to them.

-- A user's way to an agent: true, or AS404 unless it is there, active and made available.
CREATE OR REPLACE FUNCTION agent_enter(agent uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF EXISTS (SELECT FROM agents a WHERE a.tenant_id = app_tenant() AND a.id = agent AND a.deleted_at IS NULL AND a.is_active
                                      AND a.available_to_end_users) THEN
        RETURN true;
    END IF;
    RAISE SQLSTATE 'AS404' USING MESSAGE = 'Agent not found', DETAIL = agent::text;
END
$$;

-- Tool servers as anybody may see them: without what is in their headers.
CREATE OR REPLACE FUNCTION agent_servers_shown(servers jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (SELECT coalesce(jsonb_agg(s || jsonb_build_object('headers', (
                SELECT coalesce(jsonb_object_agg(h.key, '***'), '{}') FROM jsonb_each(s -> 'headers') h)) ORDER BY place), '[]')
            FROM jsonb_array_elements(servers) WITH ORDINALITY x (s, place));
END
$$;

-- Tool servers that were sent, each header's value sealed, or *** where the one that is stored for the same address is to
-- stay.  Of another address it would go to somebody else: AS422.
CREATE OR REPLACE FUNCTION agent_servers_kept(sent jsonb, stored jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    server jsonb;
    header text;
    value  text;
    kept   jsonb := '[]';
BEGIN
    FOR server IN SELECT jsonb_array_elements(sent) LOOP
        FOR header IN SELECT key FROM jsonb_each_text(server -> 'headers') WHERE jsonb_each_text.value = '***' LOOP
            SELECT s -> 'headers' ->> header INTO value
            FROM jsonb_array_elements(stored) s
            WHERE s ->> 'url' = server ->> 'url' AND s -> 'headers' ? header;
            IF NOT FOUND THEN
                RAISE SQLSTATE 'AS422' USING HINT = 'mcp_servers',
                    MESSAGE = format('%s: there is no value of %s to keep for this address', server ->> 'name', header);
            END IF;
            server := jsonb_set(server, ARRAY ['headers', header], to_jsonb(value));
        END LOOP;
        kept := kept || server;
    END LOOP;
    RETURN kept;
END
$$;
