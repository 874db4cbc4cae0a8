-- Log records, as OpenTelemetry's exporters send them; and for how long logs and objects are kept that were stored beside traces.

-- One row a record, in partitions by class and day, as spans are (0054_traces.sql): made when the first one of a day comes, or ahead, and
-- dropped when the class's days are over.
--
--   trace_id        zero: it was said of no trace
--   time_ns         when it happened, or where nobody says so, was observed; day: of it
--   nth, digest     a record has no id: which one it is of those of its time and trace in the request, in whose order they are then, and the
--                   beginning of the SHA-256 of all that it says. So a request that is sent again finds its records
--   severity        as OTLP numbers it, 0 to 24; severity_text: as the program calls it
--   resource_id     span_resources
--   flags           2: of its body or attributes something was cut
CREATE TABLE log_records (
    tenant_id     uuid NOT NULL,
    project_id    uuid NOT NULL,
    trace_id      uuid NOT NULL,
    time_ns       bigint NOT NULL,
    digest        uuid NOT NULL,
    span_id       bigint,
    observed_ns   bigint,
    resource_id   uuid NOT NULL,
    nth           integer NOT NULL,
    day           date NOT NULL,
    keep          smallint NOT NULL,
    severity      smallint NOT NULL,
    flags         smallint NOT NULL,
    severity_text text,
    event_name    text,
    service       text COLLATE "C" NOT NULL,
    scope         text,
    scope_version text,
    body          jsonb,
    attributes    jsonb NOT NULL,
    PRIMARY KEY (tenant_id, project_id, trace_id, time_ns, nth, digest, keep, day)
) PARTITION BY LIST (keep);
CREATE INDEX log_records_by_time ON log_records (tenant_id, project_id, time_ns);
SELECT isolate('log_records');
GRANT SELECT ON log_records TO ashlar_api;

DO $$
BEGIN
    ALTER TABLE log_records ALTER body SET COMPRESSION lz4, ALTER attributes SET COMPRESSION lz4;
EXCEPTION
    WHEN feature_not_supported THEN NULL;
END
$$;

DO $$
BEGIN
    FOR keep IN 1..3 LOOP
        EXECUTE format('CREATE TABLE log_records_%s PARTITION OF log_records FOR VALUES IN (%s) PARTITION BY RANGE (day)',
                       (ARRAY['free', 'pro', 'enterprise'])[keep], keep);
        PERFORM isolate(('log_records_' || (ARRAY['free', 'pro', 'enterprise'])[keep])::regclass);
    END LOOP;
END
$$;

-- The class that the organization had when a log or an object came, or a log came anew (updated_at). What was there before stays as long
-- as any.
ALTER TABLE trace_logs ADD keep smallint NOT NULL DEFAULT 3;
ALTER TABLE trace_objects ADD keep smallint NOT NULL DEFAULT 3;
CREATE INDEX trace_logs_by_age ON trace_logs (keep, updated_at);
CREATE INDEX trace_objects_by_age ON trace_objects (keep, created_at);
CREATE POLICY trace_logs_retention ON trace_logs FOR SELECT TO CURRENT_USER USING ((SELECT current_setting('app.retention', true)) = 'traces');
CREATE POLICY trace_objects_retention ON trace_objects FOR SELECT TO CURRENT_USER USING ((SELECT current_setting('app.retention', true)) = 'traces');
SELECT changeable('trace_logs');
