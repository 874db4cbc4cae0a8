-- Requests by the hour.

-- Add what a host has counted.  Each of counts is
--
--   tenant   uuid; without one, key is the SHA-256 of the API key that tells it
--   requests, client_errors, server_errors, duration_ms
--   took     thirteen numbers, as the table has them
--
-- Returns of how many tenants that was; what is of none is not kept.
CREATE OR REPLACE FUNCTION request_hours_add(counts jsonb) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
    before text := coalesce(current_setting('app.tenant_id', true), '');
    shown  text := coalesce(current_setting('app.key_hash', true), '');
    n      bigint;
BEGIN
    -- In one order, so that two hosts at once do not wait in a circle.
    INSERT INTO request_hours AS h (tenant_id, hour, requests, client_errors, server_errors, duration_ms, took_1, took_2, took_3, took_4,
                                    took_5, took_6, took_7, took_8, took_9, took_10, took_11, took_12, took_13)
    SELECT t.id, date_trunc('hour', now() AT TIME ZONE 'UTC'), sum(c.requests), sum(c.client_errors), sum(c.server_errors), sum(c.duration_ms),
           sum(c.took[1]), sum(c.took[2]), sum(c.took[3]), sum(c.took[4]), sum(c.took[5]), sum(c.took[6]), sum(c.took[7]), sum(c.took[8]),
           sum(c.took[9]), sum(c.took[10]), sum(c.took[11]), sum(c.took[12]), sum(c.took[13])
    FROM (SELECT coalesce(r.tenant, usage_tenant(r.key)) AS tenant, r.*
          FROM jsonb_to_recordset(counts) r (tenant uuid, key text, requests bigint, client_errors bigint, server_errors bigint,
                                             duration_ms double precision, took bigint[])) c
         (tenant, told, key, requests, client_errors, server_errors, duration_ms, took)
    JOIN tenants t ON t.id = c.tenant
    GROUP BY t.id
    ORDER BY t.id
    ON CONFLICT (tenant_id, hour) DO UPDATE
    SET requests = h.requests + excluded.requests, client_errors = h.client_errors + excluded.client_errors,
        server_errors = h.server_errors + excluded.server_errors, duration_ms = h.duration_ms + excluded.duration_ms,
        took_1 = h.took_1 + excluded.took_1, took_2 = h.took_2 + excluded.took_2, took_3 = h.took_3 + excluded.took_3,
        took_4 = h.took_4 + excluded.took_4, took_5 = h.took_5 + excluded.took_5, took_6 = h.took_6 + excluded.took_6,
        took_7 = h.took_7 + excluded.took_7, took_8 = h.took_8 + excluded.took_8, took_9 = h.took_9 + excluded.took_9,
        took_10 = h.took_10 + excluded.took_10, took_11 = h.took_11 + excluded.took_11, took_12 = h.took_12 + excluded.took_12,
        took_13 = h.took_13 + excluded.took_13;
    GET DIAGNOSTICS n = ROW_COUNT;
    PERFORM set_config('app.tenant_id', before, true), set_config('app.key_hash', shown, true);
    RETURN n;
END
$$;
REVOKE ALL ON FUNCTION request_hours_add(jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION request_hours_add(jsonb) TO ashlar_api;

-- The upper bounds of the histogram, in milliseconds; the last one has none.
CREATE OR REPLACE FUNCTION request_bounds() RETURNS numeric[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '{1,2.5,5,10,25,50,100,250,500,1000,2500,10000}'::numeric[];

-- A percentile by the histogram, as far between a part's bounds as it is among the part's requests; of what is behind
-- the last bound, that one.  NULL: there are none.
CREATE OR REPLACE FUNCTION request_percentile(took bigint[], p numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    bounds numeric[] := request_bounds();
    wanted numeric   := p * (SELECT sum(x) FROM unnest(took) x);
    below  bigint    := 0;
    low    numeric;
BEGIN
    IF coalesce(wanted, 0) = 0 THEN
        RETURN NULL;
    END IF;
    FOR i IN 1 .. 12 LOOP
        IF below + took[i] >= wanted THEN
            low := coalesce(bounds[i - 1], 0);
            RETURN trim_scale(round(low + (bounds[i] - low) * (wanted - below) / took[i], 2));
        END IF;
        below := below + took[i];
    END LOOP;
    RETURN bounds[12];
END
$$;

-- As the answer has it.
CREATE OR REPLACE FUNCTION request_figures(requests bigint, client_errors bigint, server_errors bigint, duration_ms double precision, took bigint[])
RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN jsonb_build_object('requests', requests, 'client_errors', client_errors, 'server_errors', server_errors,
    'avg_ms', CASE WHEN requests > 0 THEN trim_scale(round((duration_ms / requests)::numeric, 1)) END,
    'p50_ms', request_percentile(took, 0.5), 'p95_ms', request_percentile(took, 0.95), 'p99_ms', request_percentile(took, 0.99));

-- The sums of some hours, from first up to before ends: what of them is asked for, with the percentiles.
CREATE OR REPLACE FUNCTION request_hours_sum(first timestamp, ends timestamp) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    s record;
BEGIN
    SELECT coalesce(sum(h.requests), 0) AS requests, coalesce(sum(h.client_errors), 0) AS client_errors,
           coalesce(sum(h.server_errors), 0) AS server_errors, coalesce(sum(h.duration_ms), 0) AS duration_ms,
           ARRAY[sum(h.took_1), sum(h.took_2), sum(h.took_3), sum(h.took_4), sum(h.took_5), sum(h.took_6), sum(h.took_7), sum(h.took_8),
                 sum(h.took_9), sum(h.took_10), sum(h.took_11), sum(h.took_12), sum(h.took_13)]::bigint[] AS took
    INTO s
    FROM request_hours h
    WHERE h.tenant_id = app_tenant() AND h.hour >= first AND h.hour < ends;
    RETURN request_figures(s.requests::bigint, s.client_errors::bigint, s.server_errors::bigint, s.duration_ms, s.took);
END
$$;
