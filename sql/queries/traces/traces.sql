-- Traces of a project.  Numbers of metrics are text: they are sums without an end.

-- columns: metrics
SELECT s.traces::text AS span_count, s.traces::text AS trace_count, s.successes::text AS success_count, s.failures::text AS fail_count,
       (s.traces - s.successes - s.failures)::text AS indeterminate_count, s.prompt_tokens::text AS prompt_tokens,
       s.completion_tokens::text AS completion_tokens, s.cache_read_tokens::text AS cache_read_input_tokens,
       s.reasoning_tokens::text AS reasoning_tokens, s.total_tokens::text AS total_tokens, span_dollars(s.prompt_cost)::text AS prompt_cost,
       span_dollars(s.completion_cost)::text AS completion_cost, span_dollars(s.total_cost)::text AS total_cost,
       round(coalesce(span_dollars(s.total_cost) / nullif(s.traces, 0), 0), 7)::text AS average_cost_per_trace
FROM sums s;

-- columns: trace
SELECT replace(t.trace_id::text, '-', '') AS trace_id, t.service, t.root_name, t.start_ns, t.duration_ns AS duration, t.span_count AS spans, t.error_count,
       to_jsonb(t.tags)::text AS tags, CASE WHEN t.total_cost > 0 OR t.total_tokens > 0 THEN span_dollars(t.total_cost)::text END AS cost,
       t.total_tokens AS tokens, t.last_status, t.session_id
FROM traces t;

-- name: trace_list_head :row
-- May the caller read the project, and what do the traces of the range come to?
SELECT r.is_free, s.traces AS total, b.from_s * 1000000000 AS from_ns, b.until_s * 1000000000 AS until_ns, :columns(metrics)
FROM trace_reader(:project_id::uuid) r
CROSS JOIN trace_bounds(:start_time::timestamptz, :end_time::timestamptz) b
CROSS JOIN trace_sums(:project_id::uuid, b.from_s, b.until_s) s;

-- name: trace_page :rows
-- sort: start_time = t.start_ns desc, duration = t.duration_ns desc, span_count = t.span_count desc, error_count = t.error_count desc,
-- sort: total_cost = t.total_cost desc, trace_id = t.trace_id desc, service_name = t.service desc, span_name = t.root_name desc,
-- sort: tags = t.tags_key desc
-- A page of what trace_list_head has let in.  narrow: the range holds so few that they are read by time and sorted; of a wide one the
-- index of the order is walked, in which the range is looked at (the + 0 hides it from the planner, who would else read it by
-- time, and sort).  The ids first, since they and their order are in the index alone; OFFSET 0: then each is looked up by its key, however many
-- a plan that does not know the limit thinks there are.
SELECT r.is_free AND t.start_ns < (SELECT trace_newest(:project_id::uuid, :most_new::bigint))
       AND t.last_ns < (extract(epoch FROM now()) * 1000000000)::bigint - :most_days::bigint * 86400000000000 AS is_cut, :columns(trace)
FROM trace_reader(:project_id::uuid) r
CROSS JOIN (SELECT t.trace_id AS id
            FROM [:narrow| (SELECT n.* FROM traces n
                            WHERE n.tenant_id = @tenant AND n.project_id = :project_id AND n.start_ns >= :from_ns AND n.start_ns < :until_ns
                            ORDER BY n.start_ns, n.trace_id LIMIT 20001) t
                 | traces t]
            WHERE t.tenant_id = @tenant AND t.project_id = :project_id
              [AND t.start_ns >= :from_ns]
              [AND t.start_ns < :until_ns]
              [AND t.start_ns + 0 >= :wide_from_ns]
              [AND t.start_ns + 0 < :wide_until_ns]
            ORDER BY :sort, t.start_ns :dir, t.trace_id :dir
            LIMIT :limit OFFSET :offset) k
CROSS JOIN LATERAL (SELECT x.* FROM traces x WHERE x.tenant_id = @tenant AND x.project_id = :project_id AND x.trace_id = k.id OFFSET 0) t
ORDER BY :sort, t.start_ns :dir, t.trace_id :dir;

-- name: trace_search :rows
-- sort: start_time = t.start_ns desc, duration = t.duration_ns desc, span_count = t.span_count desc, error_count = t.error_count desc,
-- sort: total_cost = t.total_cost desc, trace_id = t.trace_id desc, service_name = t.service desc, span_name = t.root_name desc,
-- sort: tags = t.tags_key desc
-- The same of what a search finds: both at once, as both are about the same traces.  Where the page is empty, one row without an id.
WITH reader AS MATERIALIZED (
    SELECT r.is_free, b.from_s * 1000000000 AS from_ns, b.until_s * 1000000000 AS until_ns
    FROM trace_reader(:project_id::uuid) r
    CROSS JOIN trace_bounds(:start_time::timestamptz, :end_time::timestamptz) b
), found AS MATERIALIZED (
    SELECT t.*
    FROM reader r
    CROSS JOIN trace_found(:project_id::uuid, r.from_ns, r.until_ns, :query::text, :attribute_key::text, :attribute_value::text, :span::text,
                           :session_id::text) f (id)
    JOIN traces t ON t.tenant_id = @tenant AND t.project_id = :project_id AND t.trace_id = f.id
), sums AS (
    SELECT count(*) AS traces, count(*) FILTER (WHERE f.last_status = 1) AS successes, count(*) FILTER (WHERE f.last_status = 2) AS failures,
           coalesce(sum(f.prompt_tokens), 0) AS prompt_tokens, coalesce(sum(f.completion_tokens), 0) AS completion_tokens,
           coalesce(sum(f.cache_read_tokens), 0) AS cache_read_tokens, coalesce(sum(f.reasoning_tokens), 0) AS reasoning_tokens,
           coalesce(sum(f.total_tokens), 0) AS total_tokens, coalesce(sum(f.prompt_cost), 0) AS prompt_cost,
           coalesce(sum(f.completion_cost), 0) AS completion_cost, coalesce(sum(f.total_cost), 0) AS total_cost
    FROM found f
)
SELECT r.is_free, s.traces AS total, :columns(metrics), r.is_free AND t.start_ns < (SELECT trace_newest(:project_id::uuid, :most_new::bigint))
       AND t.last_ns < (extract(epoch FROM now()) * 1000000000)::bigint - :most_days::bigint * 86400000000000 AS is_cut,
       t.trace_id, t.service, t.root_name, t.start_ns, t.duration, t.spans, t.error_count, t.tags, t.cost, t.tokens, t.last_status, t.session_id
FROM reader r
CROSS JOIN sums s
LEFT JOIN LATERAL (SELECT :columns(trace), t.last_ns, t.tags_key FROM found t ORDER BY :sort, t.start_ns :dir, t.trace_id :dir LIMIT :limit OFFSET :offset) t ON true;
