-- Scores of traces; see sql/functions/traces/scores.sql.

-- columns: score
SELECT s.id, replace(s.trace_id::text, '-', '') AS trace_id, CASE WHEN s.span_id <> 0 THEN lpad(to_hex(s.span_id), 16, '0') END AS span_id, s.name, s.value,
       s.comment, s.created_at, s.updated_at
FROM trace_scores s;

-- name: score_create :row
SELECT :columns(score)
FROM score_put(@project, :trace::uuid, :span::bigint, :name::text, :value::double precision, :comment::text) s;

-- name: score_list :page
-- Newest first.
SELECT :columns(score)
FROM trace_scores s
WHERE s.tenant_id = @tenant AND s.project_id = (SELECT :project_id::uuid FROM trace_reader(:project_id::uuid))
  [AND s.name = :name]
  [AND s.trace_id = :trace::uuid]
ORDER BY s.created_at DESC, s.id DESC;

-- name: score_average :rows
SELECT a.name, a.count, a.average
FROM trace_reader(:project_id::uuid) r
CROSS JOIN score_averages(:project_id::uuid, coalesce(:start_date::date, '-infinity'), coalesce(:end_date::date, 'infinity')) a
ORDER BY a.name;
