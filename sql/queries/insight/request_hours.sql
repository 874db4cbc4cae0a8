-- Requests of a tenant's product, by the hour.

-- name: request_hours_add :row
-- What the housekeeper asks: see sql/functions/insight/request_hours.sql.
SELECT request_hours_add(:counts::jsonb) AS tenants;

-- name: analytics_requests :row
-- Each hour or day of the time, with zeros where there was nothing.
-- scan: the hours that are asked for
WITH hours AS MATERIALIZED (
    SELECT date_trunc(:interval, h.hour) AS bucket, h.*
    FROM analytics_hours(:from, :to, :interval) p, request_hours h
    WHERE h.tenant_id = @tenant AND h.hour >= p.first AND h.hour < p.ends
), sums AS (
    SELECT h.bucket, sum(h.requests)::bigint AS requests, sum(h.client_errors)::bigint AS client_errors, sum(h.server_errors)::bigint AS server_errors,
           sum(h.duration_ms) AS duration_ms,
           ARRAY[sum(h.took_1), sum(h.took_2), sum(h.took_3), sum(h.took_4), sum(h.took_5), sum(h.took_6), sum(h.took_7), sum(h.took_8),
                 sum(h.took_9), sum(h.took_10), sum(h.took_11), sum(h.took_12), sum(h.took_13)]::bigint[] AS took
    FROM hours h
    GROUP BY h.bucket
)
SELECT p.starts_at AS period_start, p.ends_at AS period_end, :interval::text AS interval,
       request_hours_sum(p.first, p.ends) AS total,
       (SELECT jsonb_agg(jsonb_build_object('le_ms', b.le, 'requests', coalesce(x.n, 0)) ORDER BY b.place)
        FROM unnest(request_bounds() || NULL::numeric) WITH ORDINALITY b (le, place)
        LEFT JOIN (SELECT t.place, sum(t.n)::bigint AS n FROM sums s, unnest(s.took) WITH ORDINALITY t (n, place) GROUP BY t.place) x ON x.place = b.place) AS latency,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('bucket', json_time(b.bucket AT TIME ZONE 'UTC'))
                                  || request_figures(coalesce(s.requests, 0), coalesce(s.client_errors, 0), coalesce(s.server_errors, 0), s.duration_ms, s.took)
                                  ORDER BY b.bucket), '[]')
        FROM generate_series(p.first, p.last, ('1 ' || :interval)::interval) b (bucket)
        LEFT JOIN sums s ON s.bucket = b.bucket) AS points
FROM analytics_hours(:from, :to, :interval) p;
