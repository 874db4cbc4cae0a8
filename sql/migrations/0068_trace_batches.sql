-- Spans that are about to be put into ClickHouse (CLICKHOUSE_URL): a row from before that until they are counted, so that what becomes of
-- either is found out by whoever comes later, and each span is billed once (sql/functions/traces/batches.sql).
--
--   batch  as spans in ClickHouse have it
CREATE TABLE trace_batches (
    tenant_id  uuid NOT NULL,
    project_id uuid NOT NULL,
    batch      bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, project_id, batch)
);
CREATE INDEX trace_batches_by_time ON trace_batches (created_at);
SELECT isolate('trace_batches');
GRANT SELECT ON trace_batches TO ashlar_api;
CREATE POLICY trace_batches_retention ON trace_batches FOR SELECT TO CURRENT_USER USING ((SELECT current_setting('app.retention', true)) = 'traces');
