-- Sessions: traces of one conversation.

-- name: trace_session_list :page
-- The one that went on last first.  Of each what its newest 1,000 traces come to.
SELECT s.session_id, ns_time(s.first_ns) AS start_time, ns_time(s.last_ns) AS last_time, t.trace_count, t.error_count, t.span_count, t.total_tokens,
       t.total_cost
FROM trace_sessions s
CROSS JOIN LATERAL (
    SELECT count(*) AS trace_count, count(*) FILTER (WHERE n.last_status = 2) AS error_count, sum(n.span_count)::bigint AS span_count,
           sum_within(sum(n.total_tokens)) AS total_tokens, span_dollars(sum(n.total_cost)) AS total_cost
    FROM (SELECT x.last_status, x.span_count, x.total_tokens, x.total_cost FROM traces x
          WHERE x.tenant_id = s.tenant_id AND x.project_id = s.project_id AND x.session_id = s.session_id
          ORDER BY x.start_ns DESC, x.trace_id DESC LIMIT 1000) n) t
WHERE s.tenant_id = @tenant AND s.project_id = (SELECT :project_id::uuid FROM trace_reader(:project_id::uuid))
ORDER BY s.last_ns DESC, s.session_id DESC;
