-- Errors of requests, for who asks about one by its id.

-- Put down what a host has gathered, and keep the last 10,000 of each tenant.  Each is
--
--   tenant           uuid; without one, key is the SHA-256 of the API key that tells it
--   issuer, subject  of the user's token, where an issuer "ashlar" is our own, and subject the public id
--   request_id, method, path, status, code, message, field
--
-- Returns how many; what is of no tenant is not kept.
CREATE OR REPLACE FUNCTION request_errors_note(errors jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before text   := coalesce(current_setting('app.tenant_id', true), '');
    shown  text   := coalesce(current_setting('app.key_hash', true), '');
    n      bigint := 0;
    these  bigint;
    part   record;
BEGIN
    FOR part IN
        SELECT k.tenant, jsonb_agg(k.row) AS rows
        FROM (SELECT coalesce((r ->> 'tenant')::uuid, usage_tenant(r ->> 'key')) AS tenant, r AS row FROM jsonb_array_elements(errors) r) k
        JOIN tenants t ON t.id = k.tenant
        GROUP BY 1 ORDER BY 1
    LOOP
        PERFORM set_config('app.tenant_id', part.tenant::text, true);
        -- As columns: what is read out of JSON in a condition is none of an index (sql/search/close.sql).
        BEGIN
            INSERT INTO request_errors (tenant_id, request_id, method, path, status, code, message, field, user_id)
            SELECT part.tenant, r.request_id, r.method, r.path, r.status, r.code, r.message, r.field, u.id
            FROM jsonb_to_recordset(part.rows) r (issuer text, subject text, request_id text, method text, path text, status integer,
                                                  code text, message text, field text)
            LEFT JOIN LATERAL (
                SELECT x.id FROM users x
                WHERE x.tenant_id = part.tenant AND x.public_id = r.subject AND r.issuer = 'ashlar'
                UNION ALL
                SELECT i.user_id FROM identities i
                WHERE i.tenant_id = part.tenant AND i.issuer = r.issuer AND i.subject = r.subject AND r.issuer <> 'ashlar'
                LIMIT 1) u ON true;
        EXCEPTION WHEN foreign_key_violation THEN    -- a user went meanwhile, or all of the tenant
            INSERT INTO request_errors (tenant_id, request_id, method, path, status, code, message, field)
            SELECT part.tenant, r.request_id, r.method, r.path, r.status, r.code, r.message, r.field
            FROM jsonb_to_recordset(part.rows) r (request_id text, method text, path text, status integer, code text, message text, field text)
            WHERE EXISTS (SELECT FROM tenants t WHERE t.id = part.tenant);
        END;
        GET DIAGNOSTICS these = ROW_COUNT;
        n := n + these;
        DELETE FROM request_errors e
        WHERE e.tenant_id = part.tenant
          AND e.id <= (SELECT o.id FROM request_errors o WHERE o.tenant_id = part.tenant ORDER BY o.id DESC OFFSET 10000 LIMIT 1);
    END LOOP;
    PERFORM set_config('app.tenant_id', before, true), set_config('app.key_hash', shown, true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION request_errors_note(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION request_errors_note(jsonb) TO ashlar_api;
