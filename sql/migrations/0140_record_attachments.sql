-- Files of records: their content is stored_objects', of the workspace.  No foreign key to the record, as of records; who ends it ends its files.
CREATE TABLE record_attachments (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    record_id       uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    object_id       uuid NOT NULL,
    file_name       text NOT NULL,
    uploaded_by_id  uuid,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, record_id, id),
    CONSTRAINT record_attachments_object_unique UNIQUE (tenant_id, object_id),
    CONSTRAINT record_attachments_object FOREIGN KEY (tenant_id, object_id) REFERENCES stored_objects,
    CONSTRAINT record_attachments_uploaded_by FOREIGN KEY (tenant_id, organization_id, uploaded_by_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (uploaded_by_id),
    CONSTRAINT record_attachments_name_length CHECK (char_length(file_name) BETWEEN 1 AND 255)
);
CREATE INDEX record_attachments_of_uploader ON record_attachments (tenant_id, organization_id, uploaded_by_id) WHERE uploaded_by_id IS NOT NULL;

SELECT isolate('record_attachments');
GRANT SELECT, INSERT, DELETE ON record_attachments TO ashlar_api;
SELECT changeable('record_attachments', 'record_id', 'object_id', 'uploaded_by_id');
