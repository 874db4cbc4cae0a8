-- What somebody, or a model, has found out about records, and what became of it.

-- dismissed_at, actioned_at: NULL while it was not; task_id: the task that was made of it.
CREATE TABLE record_insights (
    tenant_id        uuid NOT NULL,
    organization_id  uuid NOT NULL,
    id               uuid NOT NULL DEFAULT uuid_v7(),
    recordset_id     uuid NOT NULL,
    content_id       uuid NOT NULL,
    record_id        uuid NOT NULL,
    insight_type     text NOT NULL,
    title            text NOT NULL,
    description      text NOT NULL,
    priority         smallint NOT NULL DEFAULT 2,
    confidence       double precision NOT NULL,
    suggested_action text,
    source           text NOT NULL,
    dismissed_at     timestamptz,
    dismiss_reason   text,
    actioned_at      timestamptz,
    action_taken     text,
    task_id          uuid,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT record_insights_task FOREIGN KEY (tenant_id, task_id) REFERENCES tasks ON DELETE SET NULL (task_id),
    CONSTRAINT record_insights_type_known CHECK (insight_type IN ('follow_up', 'risk', 'opportunity', 'relationship', 'data_quality', 'trend')),
    CONSTRAINT record_insights_priority_known CHECK (priority BETWEEN 0 AND 3),
    CONSTRAINT record_insights_confidence_is CHECK (confidence BETWEEN 0 AND 1),
    CONSTRAINT record_insights_source_known CHECK (source IN ('ai', 'manual')),
    CONSTRAINT record_insights_lengths CHECK (char_length(title) BETWEEN 1 AND 500 AND char_length(description) <= 10000
        AND char_length(suggested_action) <= 2000 AND char_length(dismiss_reason) <= 500 AND char_length(action_taken) <= 2000)
);
CREATE INDEX record_insights_of_record ON record_insights (tenant_id, organization_id, record_id, created_at DESC, id DESC);
CREATE INDEX record_insights_of_content ON record_insights (tenant_id, organization_id, content_id) INCLUDE (record_id, insight_type, priority)
    WHERE dismissed_at IS NULL AND actioned_at IS NULL;
CREATE INDEX record_insights_of_task ON record_insights (tenant_id, task_id) WHERE task_id IS NOT NULL;

SELECT isolate('record_insights');
GRANT SELECT, INSERT, DELETE ON record_insights TO ashlar_api;
SELECT changeable('record_insights', 'organization_id', 'recordset_id', 'content_id', 'record_id', 'insight_type', 'source');
