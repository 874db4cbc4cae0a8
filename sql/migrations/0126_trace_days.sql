-- How long a day of a project's spans and log records is kept: the class that its organization had when the first of them came.  So whatever is
-- sent again is of the class that it was, and found, whichever plan is paid for meanwhile.
CREATE TABLE trace_days (
    tenant_id  uuid NOT NULL,
    project_id uuid NOT NULL,
    day        date NOT NULL,
    keep       smallint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, project_id, day)
);
SELECT isolate('trace_days');
GRANT SELECT ON trace_days TO ashlar_api;
CREATE POLICY trace_days_retention ON trace_days TO CURRENT_USER USING ((SELECT current_setting('app.retention', true)) = 'traces');
