-- What made a job or a webhook's message, for those who look at traces: the traceparent (W3C) that the request's door was
-- told of (fcgi/auth.c); nothing where nothing is traced.

-- A default, so that whoever inserts need not know.
ALTER TABLE webhook_messages ADD COLUMN trace_context text DEFAULT nullif(current_setting('app.request', true), '')::jsonb ->> 'trace';

-- Beside jobs and not a column of theirs: functions that answer with whole jobs, of which somebody waits for a lock while a column
-- comes, fail.
CREATE TABLE job_traces (
    tenant_id     uuid NOT NULL,
    job_id        uuid NOT NULL,
    trace_context text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, job_id),
    CONSTRAINT job_traces_job FOREIGN KEY (tenant_id, job_id) REFERENCES jobs ON DELETE CASCADE
);
SELECT isolate('job_traces');
GRANT SELECT ON job_traces TO ashlar_api;
-- Claims, and what makes jobs, are over all tenants.
CREATE POLICY job_traces_directory ON job_traces TO CURRENT_USER USING (true) WITH CHECK (true);

CREATE FUNCTION job_traced() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
    INSERT INTO job_traces (tenant_id, job_id, trace_context)
    VALUES (NEW.tenant_id, NEW.id, current_setting('app.request')::jsonb ->> 'trace');
    RETURN NULL;
END
$$;
CREATE TRIGGER jobs_traced AFTER INSERT ON jobs FOR EACH ROW
    WHEN (nullif(current_setting('app.request', true), '')::jsonb ->> 'trace' IS NOT NULL) EXECUTE FUNCTION job_traced();
