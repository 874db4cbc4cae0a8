-- Pipelines: the stages that the records of a recordset go through.

-- stages, in their order: [{"id", "name", "color", "order", "probability", "stage_type"}].  A record is in the one whose id, else whose name is the value of its
-- field stage_field; value_field says what it is worth.  A recordset has one that is not deleted.
CREATE TABLE pipelines (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    recordset_id    uuid NOT NULL,
    name            text NOT NULL,
    description     text,
    stage_field     text NOT NULL,
    value_field     text,
    stages          jsonb NOT NULL,
    is_active       boolean NOT NULL DEFAULT true,
    created_by_id   uuid,
    deleted_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT pipelines_recordset FOREIGN KEY (tenant_id, organization_id, recordset_id) REFERENCES recordsets ON DELETE CASCADE,
    CONSTRAINT pipelines_created_by FOREIGN KEY (tenant_id, organization_id, created_by_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (created_by_id),
    CONSTRAINT pipelines_name_length CHECK (char_length(name) BETWEEN 1 AND 150),
    CONSTRAINT pipelines_description_length CHECK (char_length(description) <= 2000),
    CONSTRAINT pipelines_fields_length CHECK (char_length(stage_field) BETWEEN 1 AND 100 AND char_length(value_field) <= 100),
    CONSTRAINT pipelines_stages_few CHECK (jsonb_typeof(stages) = 'array' AND jsonb_array_length(stages) BETWEEN 1 AND 30)
);
CREATE UNIQUE INDEX pipelines_recordset_unique ON pipelines (tenant_id, organization_id, recordset_id) WHERE deleted_at IS NULL;
CREATE INDEX pipelines_of_recordset ON pipelines (tenant_id, organization_id, recordset_id);
CREATE INDEX pipelines_of_creator ON pipelines (tenant_id, organization_id, created_by_id) WHERE created_by_id IS NOT NULL;

SELECT isolate('pipelines');
GRANT SELECT, INSERT ON pipelines TO ashlar_api;
SELECT changeable('pipelines', 'organization_id', 'recordset_id', 'created_by_id');
