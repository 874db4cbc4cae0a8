-- A day's traffic, with a peak at noon, but for hours that the tenant has had requests in.
INSERT INTO request_hours (tenant_id, hour, requests, client_errors, server_errors, duration_ms, took_1, took_2, took_3, took_4, took_5, took_6, took_7,
                           took_8, took_9, took_10, took_11, took_12, took_13)
SELECT app_tenant(), date_trunc('hour', now() AT TIME ZONE 'UTC') - make_interval(hours => i), 100 * n, 4 * n, n / 4, 780.5 * n, 10 * n, 30 * n, 25 * n, 15 * n, 10 * n, 4 * n, 3 * n,
       2 * n, n, 0, 0, 0, 0
FROM (SELECT i, 13 - abs(12 - i) AS n FROM generate_series(1, 23) i) x
ON CONFLICT ON CONSTRAINT request_hours_pkey DO NOTHING;
