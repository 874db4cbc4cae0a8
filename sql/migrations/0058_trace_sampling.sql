-- What a project keeps of the spans that are sent to it.

--   rules         as the API has them, in the order in which they are asked: the first that is about a span decides
--   sampled_away  spans that a rule left out since the project was there: neither stored nor billed
CREATE TABLE trace_sampling (
    tenant_id    uuid NOT NULL,
    project_id   uuid NOT NULL,
    rules        jsonb NOT NULL DEFAULT '[]',
    sampled_away bigint NOT NULL DEFAULT 0,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, project_id),
    CONSTRAINT trace_sampling_project FOREIGN KEY (tenant_id, project_id) REFERENCES trace_projects ON DELETE CASCADE,
    CONSTRAINT trace_sampling_rules_size CHECK (jsonb_typeof(rules) = 'array' AND jsonb_array_length(rules) <= 16)
);
SELECT isolate('trace_sampling');
GRANT SELECT, INSERT ON trace_sampling TO ashlar_api;
SELECT changeable('trace_sampling');
