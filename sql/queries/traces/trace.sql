-- One trace.

-- name: trace_head :maybe
-- A trace of the project, or of the first one that the caller may read and that has it.
WITH sums AS (
    SELECT t.*, f.is_free
    FROM [:project_id| trace_reader(:project_id::uuid) f
                       JOIN traces t ON t.tenant_id = @tenant AND t.project_id = :project_id AND t.trace_id = :trace::uuid
         | trace_anywhere(:trace::uuid) f
           JOIN traces t ON t.tenant_id = @tenant AND t.project_id = f.project_id AND t.trace_id = :trace::uuid]
)
SELECT s.project_id::text AS project_id, s.day::text AS first_day, span_day(s.last_ns)::text AS last_day, to_jsonb(s.tags)::text AS tags, s.session_id,
       s.is_free AND s.start_ns < (SELECT trace_newest(s.project_id, :most_new::bigint))
       AND s.last_ns < (extract(epoch FROM now()) * 1000000000)::bigint - :most_days::bigint * 86400000000000 AS is_cut,
       s.span_count::text AS span_count, '1' AS trace_count, s.ok_count::text AS success_count, s.error_count::text AS fail_count,
       (s.span_count - s.ok_count - s.error_count)::text AS indeterminate_count, s.prompt_tokens::text AS prompt_tokens,
       s.completion_tokens::text AS completion_tokens, s.cache_read_tokens::text AS cache_read_input_tokens,
       s.reasoning_tokens::text AS reasoning_tokens, s.total_tokens::text AS total_tokens, span_dollars(s.prompt_cost)::text AS prompt_cost,
       span_dollars(s.completion_cost)::text AS completion_cost, span_dollars(s.total_cost)::text AS total_cost,
       span_dollars(s.total_cost)::text AS average_cost_per_trace
FROM sums s;

-- name: trace_spans :rows
SELECT s.span_id, s.parent_id, s.parent_id IS NOT NULL AS has_parent, s.name, s.kind, s.service, s.start_ns, s.duration_ns, s.status, s.status_message,
       s.flags, s.scope, s.attributes::text AS attributes, s.events::text AS events, s.links::text AS links, r.attributes::text AS resource,
       s.prompt_tokens, s.completion_tokens, s.cache_read_tokens, s.reasoning_tokens, s.total_tokens, s.prompt_cost, s.completion_cost, s.total_cost,
       num_nonnulls(s.prompt_tokens, s.completion_tokens, s.total_tokens, s.total_cost) > 0 AS has_counters
FROM trace_spans(:project::uuid, :trace::uuid, :first_day::date, :last_day::date, :most::integer) s
LEFT JOIN LATERAL (SELECT x.attributes FROM span_resources x
                   WHERE x.tenant_id = @tenant AND x.project_id = s.project_id AND x.id = s.resource_id LIMIT 1) r ON true
ORDER BY s.start_ns, s.parent_id IS NOT NULL, s.span_id;

-- name: trace_bars :rows
-- The same, without what is not drawn.
SELECT s.span_id, s.parent_id, s.parent_id IS NOT NULL AS has_parent, s.name, s.service, s.status, s.start_ns, s.duration_ns
FROM trace_spans(:project::uuid, :trace::uuid, :first_day::date, :last_day::date, :most::integer) s
ORDER BY s.start_ns, s.parent_id IS NOT NULL, s.span_id;
