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
    before text   := coalesce(current_setting('app.tenant_id', true), '');
    shown  text   := coalesce(current_setting('app.key_hash', true), '');
    n      bigint := 0;
    part   record;
    use    record;
BEGIN
    -- Tenants in one order, and their keys in one: two hosts at once do not wait in a circle.
    FOR part IN
        SELECT k.tenant, jsonb_agg(k.row) AS rows
        FROM (SELECT usage_tenant(r ->> 'key') AS tenant, r AS row FROM jsonb_array_elements(uses) r) k
        JOIN tenants t ON t.id = k.tenant
        GROUP BY 1 ORDER BY 1
    LOOP
        PERFORM set_config('app.tenant_id', part.tenant::text, true);
        FOR use IN
            SELECT s.key_id, (to_timestamp(r.at / 1e6) AT TIME ZONE 'UTC')::date AS day, count(*) AS n, array_agg(r.key) AS keys
            FROM jsonb_to_recordset(part.rows) r (key bytea, at bigint)
            JOIN api_key_secrets s ON s.tenant_id = part.tenant AND s.hash = r.key
            GROUP BY 1, 2 ORDER BY 1, 2
        LOOP
            UPDATE api_keys k
            SET usage_count = k.usage_count + use.n,
                last_used_at = CASE WHEN k.last_used_at > now() - interval '1 minute' THEN k.last_used_at ELSE now() END
            WHERE k.tenant_id = part.tenant AND k.id = use.key_id AND k.type = 'organization';
            CONTINUE WHEN NOT FOUND;
            INSERT INTO api_key_use_days AS d (tenant_id, key_id, day, count) VALUES (part.tenant, use.key_id, use.day, use.n)
            ON CONFLICT (tenant_id, key_id, day) DO UPDATE SET count = d.count + excluded.count;
            DELETE FROM api_key_use_days d WHERE d.tenant_id = part.tenant AND d.key_id = use.key_id AND d.day < api_key_uses_since();
            INSERT INTO api_key_uses (tenant_id, key_id, slot, method, path, status, latency_ms, ip, user_agent, created_at)
            SELECT part.tenant, use.key_id, api_key_uses_slot(use.day), r.method, r.path, r.status, r.latency_ms, r.ip, r.user_agent, to_timestamp(r.at / 1e6)
            FROM jsonb_to_recordset(part.rows) r (key bytea, method text, path text, status integer, latency_ms integer, ip inet, user_agent text, at bigint)
            WHERE r.key = ANY (use.keys) AND (to_timestamp(r.at / 1e6) AT TIME ZONE 'UTC')::date = use.day
            ORDER BY r.at;
            n := n + use.n;
        END LOOP;
    END LOOP;
    PERFORM set_config('app.tenant_id', before, true), set_config('app.key_hash', shown, true);
    RETURN n;
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
