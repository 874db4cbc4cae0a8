-- Spans that come in.

-- name: span_ingest :row
-- See sql/functions/traces/ingest.sql.
SELECT t.taken, t.duplicates
FROM trace_ingest(@project, :trace_ids::uuid[], :span_ids::bigint[], :parent_ids::bigint[], :names::text[], :kinds::smallint[],
                  :services::text[], :scopes::text[], :scope_versions::text[], :trace_states::text[], :start_ns::bigint[], :duration_ns::bigint[],
                  :statuses::smallint[], :status_messages::text[], :attributes::jsonb[], :resources::integer[], :resource_attributes::jsonb[],
                  :events::jsonb[], :links::jsonb[], :models::text[], :prompt_tokens::bigint[], :completion_tokens::bigint[],
                  :cache_read_tokens::bigint[], :reasoning_tokens::bigint[], :total_tokens::bigint[], :prompt_costs::bigint[],
                  :completion_costs::bigint[], :total_costs::bigint[], :tags::jsonb[], :session_ids::text[], :flags::smallint[]) t;

-- name: span_settings :row
-- What the project that spans are sent to is.
SELECT p.id::text AS project_id, o.prem_status AS plan, s.rules::text AS rules
FROM trace_projects p
JOIN organizations o ON o.tenant_id = p.tenant_id AND o.id = p.organization_id
LEFT JOIN trace_sampling s ON s.tenant_id = p.tenant_id AND s.project_id = p.id
WHERE p.tenant_id = @tenant AND p.id = @project;
