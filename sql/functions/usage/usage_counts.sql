-- What hosts have counted in memory.

-- Add it to today's sums, and say how many rows it was.  Each is
--
--   tenant         uuid; without one, key is the SHA-256 of the API key that tells it
--   user           uuid; or issuer and subject of the user's token, where an issuer "ashlar" is our own, and subject the public id
--   organization   uuid; "*": the user's default one
--   metric         api_requests, when left out
--   n              how many
--
-- Who cannot be found any more is counted for the tenant, and what is of no tenant is not.
CREATE OR REPLACE FUNCTION usage_count(counts jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before text   := coalesce(current_setting('app.tenant_id', true), '');
    shown  text   := coalesce(current_setting('app.key_hash', true), '');
    n      bigint := 0;
    these  bigint;
    part   record;
BEGIN
    -- Tenants in one order, and their rows in one: two hosts at once do not wait in a circle.
    FOR part IN
        SELECT k.tenant, jsonb_agg(k.row) AS rows
        FROM (SELECT coalesce((r ->> 'tenant')::uuid, usage_tenant(r ->> 'key')) AS tenant, r AS row FROM jsonb_array_elements(counts) r) k
        JOIN tenants t ON t.id = k.tenant
        GROUP BY 1 ORDER BY 1
    LOOP
        PERFORM set_config('app.tenant_id', part.tenant::text, true);
        -- As columns: what is read out of JSON in a condition is none of an index (sql/search/close.sql).
        INSERT INTO usage_daily AS d (tenant_id, user_id, metric, day, organization_id, category, quantity, count)
        SELECT part.tenant, usage_id(coalesce(u.id, k.creator_id)), coalesce(r.metric, 'api_requests'), (now() AT TIME ZONE 'UTC')::date,
               usage_id(coalesce(k.organization_id, CASE r.organization WHEN '*' THEN u.default_organization_id ELSE r.organization::uuid END)), '',
               sum(r.n)::bigint, sum(r.n)::bigint
        FROM jsonb_to_recordset(part.rows) r ("user" uuid, issuer text, subject text, organization text, metric text, n bigint, key bytea)
        LEFT JOIN api_key_secrets s ON s.tenant_id = part.tenant AND s.hash = r.key
        LEFT JOIN api_keys k ON k.tenant_id = part.tenant AND k.id = s.key_id
        LEFT JOIN LATERAL (
            SELECT x.id, x.default_organization_id FROM users x
            WHERE x.tenant_id = part.tenant AND x.public_id = r.subject AND r.issuer = 'ashlar'
            UNION ALL
            SELECT x.id, x.default_organization_id FROM identities i JOIN users x ON x.tenant_id = i.tenant_id AND x.id = i.user_id
            WHERE i.tenant_id = part.tenant AND i.issuer = r.issuer AND i.subject = r.subject AND r.issuer <> 'ashlar'
            UNION ALL
            SELECT x.id, x.default_organization_id FROM users x WHERE x.tenant_id = part.tenant AND x.id = r."user"
            LIMIT 1) u ON true
        GROUP BY 2, 3, 5
        ORDER BY 2, 3, 5
        ON CONFLICT (tenant_id, user_id, metric, day, organization_id, category) DO UPDATE
        SET quantity = d.quantity + excluded.quantity, count = d.count + excluded.count;
        GET DIAGNOSTICS these = ROW_COUNT;
        n := n + these;
        PERFORM usage_count_keys(part.tenant, part.rows);
    END LOOP;
    PERFORM set_config('app.tenant_id', before, true), set_config('app.key_hash', shown, true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION usage_count(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION usage_count(jsonb) TO ashlar_api;

-- And of workspaces' keys, which show how often they were used; their rows in one order, too.
CREATE OR REPLACE FUNCTION usage_count_keys(tenant uuid, counts jsonb) RETURNS void
LANGUAGE sql VOLATILE
BEGIN ATOMIC
    WITH used AS (
        SELECT r.key, sum(r.n)::bigint AS n FROM jsonb_to_recordset(counts) r (key bytea, metric text, n bigint)
        WHERE r.key IS NOT NULL AND r.metric IS NULL
        GROUP BY r.key
    ), locked AS MATERIALIZED (
        SELECT k.id, used.n
        FROM used
        JOIN api_key_secrets s ON s.tenant_id = usage_count_keys.tenant AND s.hash = used.key
        JOIN api_keys k ON k.tenant_id = usage_count_keys.tenant AND k.id = s.key_id AND k.type = 'workspace'
        ORDER BY k.id
        FOR NO KEY UPDATE OF k
    )
    UPDATE api_keys k SET usage_count = k.usage_count + l.n, last_used_at = now()
    FROM locked l
    WHERE k.tenant_id = usage_count_keys.tenant AND k.id = l.id;
END;
REVOKE ALL ON FUNCTION usage_count_keys(uuid, jsonb) FROM PUBLIC;

-- The tenant of an API key by its hash, also of one that was revoked meanwhile.
CREATE OR REPLACE FUNCTION usage_tenant(key text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    tenant uuid;
BEGIN
    PERFORM set_config('app.key_hash', encode(key::bytea, 'hex'), true);
    SELECT k.tenant_id INTO tenant FROM api_keys k WHERE k.hash = key::bytea;
    IF NOT FOUND THEN
        SELECT s.tenant_id INTO tenant FROM api_key_secrets s WHERE s.hash = key::bytea;
    END IF;
    RETURN tenant;
END
$$;
REVOKE ALL ON FUNCTION usage_tenant(text) FROM PUBLIC;
