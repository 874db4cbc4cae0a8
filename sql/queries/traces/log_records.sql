-- Log records (sql/functions/traces/log_records.sql).

-- name: log_ingest :row
SELECT t.taken, t.duplicates
FROM log_ingest(@project, :trace_ids::uuid[], :span_ids::bigint[], :time_ns::bigint[], :observed_ns::bigint[], :digests::uuid[],
                :severities::smallint[], :severity_texts::text[], :event_names::text[], :bodies::jsonb[], :attributes::jsonb[],
                :resources::integer[], :resource_attributes::jsonb[], :services::text[], :scopes::text[], :scope_versions::text[],
                :flags::smallint[]) t;

-- name: log_record_list :rows
-- least: the severity; most_free: of a free organization's project no more than that are shown.
SELECT ns_time(r.time_ns) AS time, r.time_ns, r.observed_ns, r.severity AS severity_number, coalesce(r.severity_text, severity_name(r.severity)) AS severity_text,
       r.body, r.event_name, nullif(replace(r.trace_id::text, '-', ''), repeat('0', 32)) AS trace_id, lpad(to_hex(r.span_id), 16, '0') AS span_id,
       r.service AS service_name, r.scope AS scope_name, r.scope_version, r.attributes, s.attributes AS resource_attributes, r.flags & 2 = 2 AS was_cut
FROM trace_reader(:project_id::uuid) f
CROSS JOIN trace_bounds(:start_time::timestamptz, :end_time::timestamptz) b
CROSS JOIN LATERAL log_find(:project_id::uuid, :trace::uuid, b.from_s * 1000000000, b.until_s * 1000000000, :least::smallint, :service::text,
                            :newest_first::boolean,
                            least(:limit::bigint + :skip::bigint, CASE WHEN f.is_free THEN :most_free::bigint ELSE 1000000 END))
     WITH ORDINALITY r (tenant_id, project_id, trace_id, time_ns, digest, span_id, observed_ns, resource_id, nth, day, keep, severity, flags, severity_text,
                        event_name, service, scope, scope_version, body, attributes, i)
LEFT JOIN span_resources s ON s.tenant_id = @tenant AND s.project_id = :project_id::uuid AND s.id = r.resource_id
ORDER BY r.i
LIMIT :limit OFFSET :skip;

-- name: log_line_list :rows
SELECT l.is_free, l.line FROM log_lines(:ids::uuid[], :most::bigint) l;
