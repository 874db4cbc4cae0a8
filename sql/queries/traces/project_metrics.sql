-- name: project_metrics :row
-- See sql/functions/traces/trace_metrics.sql.
SELECT m.project_id, m.trace_count, m.span_count, m.token_metrics, m.duration_metrics, m.success_datetime, m.fail_datetime, m.indeterminate_datetime,
       m.spans_per_trace, m.trace_durations, m.trace_cost_dates, m.over_time, m.start_time, m.end_time, m.freeplan_truncated
FROM project_metrics(:project_id::uuid, :start_time::timestamptz, :end_time::timestamptz, :most_days::integer) m;
