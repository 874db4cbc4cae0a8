-- Comments on whatever there is to comment on, and what relates records to one another.

-- One table for all kinds of things: subject_kind and subject_id say on which. There is no foreign key to the thing: who ends it ends its comments.
-- An answer is on the same thing as the comment it answers.
CREATE TABLE comments (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    subject_kind    text NOT NULL,
    subject_id      uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    parent_id       uuid,
    content         text NOT NULL,
    mentions        uuid[] NOT NULL DEFAULT '{}',
    author_id       uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, subject_kind, subject_id, id),
    CONSTRAINT comments_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT comments_parent FOREIGN KEY (tenant_id, organization_id, subject_kind, subject_id, parent_id) REFERENCES comments ON DELETE CASCADE,
    CONSTRAINT comments_author FOREIGN KEY (tenant_id, organization_id, author_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (author_id),
    CONSTRAINT comments_subject_known CHECK (subject_kind IN ('record')),
    CONSTRAINT comments_content_length CHECK (char_length(content) BETWEEN 1 AND 10000),
    CONSTRAINT comments_mentions_few CHECK (cardinality(mentions) <= 100)
);
CREATE INDEX comments_of_parent ON comments (tenant_id, organization_id, subject_kind, subject_id, parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX comments_of_author ON comments (tenant_id, organization_id, author_id) WHERE author_id IS NOT NULL;

SELECT isolate('comments');
GRANT SELECT, INSERT, DELETE ON comments TO ashlar_api;
SELECT changeable('comments', 'author_id');

-- That one record (source) has to do with another one, and what: of the same kind there is one between the two. No foreign keys, as of records.
CREATE TABLE record_relationships (
    tenant_id         uuid NOT NULL,
    organization_id   uuid NOT NULL,
    id                uuid NOT NULL DEFAULT uuid_v7(),
    source_record_id  uuid NOT NULL,
    target_record_id  uuid NOT NULL,
    relationship_type text NOT NULL DEFAULT 'related',
    label             text,
    metadata          jsonb NOT NULL DEFAULT '{}',
    created_by_id     uuid,
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT record_relationships_unique UNIQUE (tenant_id, organization_id, source_record_id, target_record_id, relationship_type),
    CONSTRAINT record_relationships_created_by FOREIGN KEY (tenant_id, organization_id, created_by_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (created_by_id),
    CONSTRAINT record_relationships_of_two CHECK (source_record_id <> target_record_id),
    CONSTRAINT record_relationships_type_length CHECK (char_length(relationship_type) BETWEEN 1 AND 100),
    CONSTRAINT record_relationships_label_length CHECK (char_length(label) <= 255),
    CONSTRAINT record_relationships_metadata_is_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT record_relationships_metadata_size CHECK (octet_length(metadata::text) <= 16384)
);
CREATE INDEX record_relationships_of_target ON record_relationships (tenant_id, organization_id, target_record_id);
CREATE INDEX record_relationships_of_creator ON record_relationships (tenant_id, organization_id, created_by_id) WHERE created_by_id IS NOT NULL;

SELECT isolate('record_relationships');
GRANT SELECT, INSERT, DELETE ON record_relationships TO ashlar_api;
SELECT changeable('record_relationships', 'source_record_id', 'target_record_id', 'created_by_id');
