-- What keys of organizations were used for.

-- The part of the ring that a day is in.
CREATE OR REPLACE FUNCTION api_key_uses_slot(day date) RETURNS smallint
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ((day - DATE '2000-01-01') % 32)::smallint;

-- The first day that is kept: thirty with today.
CREATE OR REPLACE FUNCTION api_key_uses_since() RETURNS date
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (now() AT TIME ZONE 'UTC')::date - 29;
END
$$;

-- Write what a host has gathered; how many of them were of a key that is there.  Each is
--
--   key          the SHA-256 of the secret that it came with
--   method, path, status, latency_ms, ip, user_agent
--   at           in microseconds since 1970
CREATE OR REPLACE FUNCTION api_key_uses_note(uses jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before  text   := coalesce(current_setting('app.tenant_id', true), '');
    shown   text   := coalesce(current_setting('app.key_hash', true), '');
    noted   bigint := 0;
    part    record;
    ids     uuid[];     -- of the tenant's keys that were used
    newest  uuid[];     -- those of them that were not used that day before
BEGIN
    -- Tenants in one order, and their keys in one: two hosts at once do not wait in a circle.
    FOR part IN
        SELECT k.tenant, jsonb_agg(r) AS rows, array_agg(DISTINCT k.key) AS keys
        FROM (SELECT d.key, usage_tenant(d.key) AS tenant FROM (SELECT DISTINCT r ->> 'key' AS key FROM jsonb_array_elements(uses) r) d) k
        JOIN tenants t ON t.id = k.tenant
        JOIN jsonb_array_elements(uses) r ON r ->> 'key' = k.key
        GROUP BY 1 ORDER BY 1
    LOOP
        PERFORM set_config('app.tenant_id', part.tenant::text, true);
        ids := ARRAY(SELECT k.id FROM api_keys k
                     WHERE k.tenant_id = part.tenant AND k.type = 'organization'
                       AND k.id = ANY (ARRAY(SELECT s.key_id FROM api_key_secrets s WHERE s.tenant_id = part.tenant AND s.hash = ANY (part.keys::bytea[])))
                     ORDER BY k.id FOR NO KEY UPDATE);
        WITH given AS MATERIALIZED (
            SELECT k.id AS key_id, (to_timestamp(r.at / 1e6) AT TIME ZONE 'UTC')::date AS day, r.*
            FROM jsonb_to_recordset(part.rows) r (key bytea, method text, path text, status integer, latency_ms integer, ip inet, user_agent text, at bigint)
            JOIN (SELECT s.hash, s.key_id AS id FROM api_key_secrets s
                  WHERE s.tenant_id = part.tenant AND s.hash = ANY (part.keys::bytea[]) AND s.key_id = ANY (ids)) k ON k.hash = r.key
        ), counted AS (
            SELECT array_agg(g.key_id) AS keys, array_agg(g.n) AS counts, sum(g.n) AS n
            FROM (SELECT key_id, count(*) AS n FROM given GROUP BY 1) g
        ), used AS (
            UPDATE api_keys k
            SET usage_count = k.usage_count + c.counts[array_position(c.keys, k.id)],
                last_used_at = CASE WHEN k.last_used_at > now() - interval '1 minute' THEN k.last_used_at ELSE now() END
            FROM counted c
            WHERE k.tenant_id = part.tenant AND k.id = ANY (ids)
        ), days AS (
            INSERT INTO api_key_use_days AS d (tenant_id, key_id, day, count)
            SELECT part.tenant, key_id, day, count(*) FROM given GROUP BY 2, 3 ORDER BY 2, 3
            ON CONFLICT (tenant_id, key_id, day) DO UPDATE SET count = d.count + excluded.count
            RETURNING key_id, xmax = 0 AS is_new
        ), written AS (
            INSERT INTO api_key_uses (tenant_id, key_id, slot, method, path, status, latency_ms, ip, user_agent, created_at)
            SELECT part.tenant, key_id, api_key_uses_slot(day), method, path, status, latency_ms, ip, user_agent, to_timestamp(at / 1e6)
            FROM given ORDER BY at
        )
        SELECT noted + coalesce(c.n, 0), ARRAY(SELECT key_id FROM days WHERE is_new) INTO noted, newest FROM counted c;
        DELETE FROM api_key_use_days d WHERE d.tenant_id = part.tenant AND d.key_id = ANY (newest) AND d.day < api_key_uses_since();
    END LOOP;
    PERFORM set_config('app.tenant_id', before, true), set_config('app.key_hash', shown, true);
    RETURN noted;
END
$$;
REVOKE ALL ON FUNCTION api_key_uses_note(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION api_key_uses_note(jsonb) TO ashlar_api;

-- Empty the days that are over, in time before they come round again.
CREATE OR REPLACE FUNCTION api_key_uses_rotate() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET lock_timeout = '50ms' AS $$
DECLARE
    old  smallint;
    n    integer := 0;
BEGIN
    FOR i IN 1..2 LOOP
        old := api_key_uses_slot(api_key_uses_since() - i);
        CONTINUE WHEN NOT EXISTS (SELECT FROM api_key_uses u WHERE u.slot = old);
        BEGIN
            EXECUTE format('TRUNCATE api_key_uses_%s', old);
            n := n + 1;
        EXCEPTION
            WHEN lock_not_available OR deadlock_detected THEN NULL;
        END;
    END LOOP;
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION api_key_uses_rotate() FROM PUBLIC;

-- The key, for who may look.  Raises AS404 and AS403.
CREATE OR REPLACE FUNCTION operations_key_seen(organization uuid, key uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM operations_org_role(organization, 'owner', 'admin', 'member', 'developer');
    PERFORM FROM api_keys k
    WHERE k.tenant_id = app_tenant() AND k.organization_id = organization AND k.id = key AND k.type = 'organization' AND k.deleted_at IS NULL;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'API key not found', DETAIL = key::text;
    END IF;
    RETURN key;
END
$$;
