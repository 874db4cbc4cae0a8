-- Scores: what an evaluation, or a person, says of a trace, or of one of its spans.

-- One a name of each: a later one takes its place.
--
--   span_id  0: of the trace as a whole
CREATE TABLE trace_scores (
    tenant_id  uuid NOT NULL,
    project_id uuid NOT NULL,
    id         uuid NOT NULL DEFAULT uuid_v7(),
    trace_id   uuid NOT NULL,
    span_id    bigint NOT NULL DEFAULT 0,
    name       text COLLATE "C" NOT NULL,
    value      double precision NOT NULL,
    comment    text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, project_id, id),
    CONSTRAINT trace_scores_project FOREIGN KEY (tenant_id, project_id) REFERENCES trace_projects,
    CONSTRAINT trace_scores_once UNIQUE (tenant_id, project_id, trace_id, span_id, name),
    CONSTRAINT trace_scores_name_length CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT trace_scores_comment_length CHECK (char_length(comment) <= 2000),
    CONSTRAINT trace_scores_value_finite CHECK (abs(value) <= 1000000000)
);
CREATE INDEX trace_scores_of_name ON trace_scores (tenant_id, project_id, name, created_at, id);
CREATE INDEX trace_scores_by_time ON trace_scores (tenant_id, project_id, created_at, id);
SELECT isolate('trace_scores');
GRANT SELECT ON trace_scores TO ashlar_api;

-- What scores of a name come to, by the day (UTC) on which each was first given.
CREATE TABLE trace_score_days (
    tenant_id  uuid NOT NULL,
    project_id uuid NOT NULL,
    name       text COLLATE "C" NOT NULL,
    day        date NOT NULL,
    count      bigint NOT NULL,
    total      double precision NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, project_id, name, day)
);
SELECT isolate('trace_score_days');
GRANT SELECT ON trace_score_days TO ashlar_api;

-- They go with their project's traces, or when the last class's days are over.
DO $$
DECLARE
    tbl text;
BEGIN
    FOREACH tbl IN ARRAY ARRAY['trace_scores', 'trace_score_days'] LOOP
        EXECUTE format('CREATE POLICY %I ON %I TO CURRENT_USER USING ((SELECT current_setting(''app.retention'', true)) = ''traces'')', tbl || '_retention', tbl);
    END LOOP;
END
$$;
