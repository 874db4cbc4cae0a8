-- What was said and done with whom a record is about: its timeline.

-- recordset_id and content_id are the record's, for who counts those of a whole recordset.  Of records there are no foreign keys (0102_records.sql).
CREATE TABLE record_interactions (
    tenant_id        uuid NOT NULL,
    organization_id  uuid NOT NULL,
    id               uuid NOT NULL DEFAULT uuid_v7(),
    recordset_id     uuid NOT NULL,
    content_id       uuid NOT NULL,
    record_id        uuid NOT NULL,
    interaction_type text NOT NULL,
    direction        text NOT NULL DEFAULT 'outbound',
    subject          text,
    content          text,
    outcome          text,
    sentiment        text,
    occurred_at      timestamptz NOT NULL DEFAULT now(),
    duration_minutes integer,
    participants     text[] NOT NULL DEFAULT '{}',
    metadata         jsonb NOT NULL DEFAULT '{}',
    created_by_id    uuid,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT record_interactions_created_by FOREIGN KEY (tenant_id, organization_id, created_by_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (created_by_id),
    CONSTRAINT record_interactions_type_known CHECK (interaction_type IN ('call', 'email', 'meeting', 'note', 'sms', 'site_visit', 'other')),
    CONSTRAINT record_interactions_direction_known CHECK (direction IN ('inbound', 'outbound', 'internal')),
    CONSTRAINT record_interactions_sentiment_known CHECK (sentiment IN ('positive', 'neutral', 'negative')),
    CONSTRAINT record_interactions_lengths CHECK (char_length(subject) <= 500 AND char_length(content) <= 50000 AND char_length(outcome) <= 500),
    CONSTRAINT record_interactions_lasts CHECK (duration_minutes >= 0),
    CONSTRAINT record_interactions_participants_few CHECK (cardinality(participants) <= 100),
    CONSTRAINT record_interactions_metadata_is_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT record_interactions_metadata_size CHECK (octet_length(metadata::text) <= 16384)
);
CREATE INDEX record_interactions_of_record ON record_interactions (tenant_id, organization_id, record_id, occurred_at DESC, id);
CREATE INDEX record_interactions_of_content ON record_interactions (tenant_id, organization_id, content_id, occurred_at DESC, id) INCLUDE (record_id, interaction_type);
CREATE INDEX record_interactions_of_creator ON record_interactions (tenant_id, organization_id, created_by_id) WHERE created_by_id IS NOT NULL;

SELECT isolate('record_interactions');
GRANT SELECT, INSERT, DELETE ON record_interactions TO ashlar_api;
SELECT changeable('record_interactions', 'recordset_id', 'content_id', 'record_id', 'created_by_id');
