-- name: trace_export :rows
-- The spans of a range's traces, the oldest trace first, those of one process and scope together.  One trace after the other is looked
-- up, so that rows come from the first on; what the free plan does not show is not in them.
SELECT replace(t.trace_id::text, '-', '') AS trace_id, s.span_id, s.parent_id, s.parent_id IS NOT NULL AS has_parent, s.resource_id::text AS resource_id,
       concat_ws(' ', s.scope, s.scope_version) AS scope, coalesce(s.scope, '') AS scope_name, coalesce(s.scope_version, '') AS scope_version,
       coalesce(s.trace_state, '') AS trace_state, s.name, s.kind, s.start_ns, s.duration_ns, s.status, coalesce(s.status_message, '') AS status_message,
       CASE WHEN t.is_cut THEN '{}' ELSE s.attributes::text END AS attributes, CASE WHEN NOT t.is_cut THEN s.events::text END AS events,
       CASE WHEN NOT t.is_cut THEN s.links::text END AS links, CASE WHEN NOT t.is_cut THEN r.attributes::text END AS resource
FROM (SELECT x.trace_id, x.day, span_day(x.last_ns) AS last_day,
             g.is_free AND x.start_ns < (SELECT trace_newest(:project_id::uuid, :most_new::bigint))
             AND x.last_ns < (extract(epoch FROM now()) * 1000000000)::bigint - :most_days::bigint * 86400000000000 AS is_cut
      FROM trace_reader(:project_id::uuid) g
      CROSS JOIN trace_bounds(:start_time::timestamptz, :end_time::timestamptz) b
      CROSS JOIN LATERAL (SELECT y.trace_id, y.day, y.last_ns, y.start_ns FROM traces y
                          WHERE y.tenant_id = @tenant AND y.project_id = :project_id AND y.start_ns >= b.from_s * 1000000000
                            AND y.start_ns < b.until_s * 1000000000
                          ORDER BY y.start_ns, y.trace_id LIMIT :limit) x) t
CROSS JOIN LATERAL (SELECT z.* FROM spans z
                    WHERE z.tenant_id = @tenant AND z.project_id = :project_id AND z.trace_id = t.trace_id AND z.day >= t.day AND z.day <= t.last_day
                    ORDER BY z.resource_id, z.scope, z.scope_version, z.start_ns, z.span_id LIMIT 100000) s
LEFT JOIN LATERAL (SELECT x.attributes FROM span_resources x
                   WHERE x.tenant_id = @tenant AND x.project_id = :project_id AND x.id = s.resource_id LIMIT 1) r ON true;
