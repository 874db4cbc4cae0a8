-- Records: the rows of recordsets, and what they were.

-- A record is its current version: change_type, changed_fields, changed_by_id and changed_at say what made it, version_id is its name in
-- the history.  title_given is a title that somebody wrote; without one the title follows the field that the schema names.
--
-- What is deleted stays (deleted_at), until its recordset is purged.  A record belongs to what its recordset holds now (content_id): with
-- another content of the recordset it is found no more, and "records.remove" takes it away.
--
-- No foreign keys, on purpose: who writes has the recordset locked (see record_recordset()), to end a recordset is to end one row, and a
-- member who leaves may own a million; who has left is null to who reads.
CREATE TABLE records (
    tenant_id             uuid NOT NULL,
    organization_id       uuid NOT NULL,
    id                    uuid NOT NULL DEFAULT uuid_v7(),
    recordset_id          uuid NOT NULL,
    content_id            uuid NOT NULL,
    title                 text,
    title_given           text,
    status                text NOT NULL DEFAULT 'active',
    tags                  text[] NOT NULL DEFAULT '{}',
    field_values          jsonb NOT NULL DEFAULT '{}',
    tool_statuses         jsonb NOT NULL DEFAULT '{}',
    group_id              uuid,
    owner_id              uuid,
    created_by_id         uuid,
    version               integer NOT NULL DEFAULT 1,
    version_id            uuid NOT NULL DEFAULT uuid_v7(),
    change_type           text NOT NULL DEFAULT 'created',
    changed_fields        text[] NOT NULL DEFAULT '{}',
    restored_from_version integer,
    changed_by_id         uuid,
    changed_at            timestamptz NOT NULL DEFAULT now(),
    deleted_at            timestamptz,
    created_at            timestamptz NOT NULL DEFAULT now(),
    updated_at            timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT records_title_length CHECK (char_length(title) <= 500),
    CONSTRAINT records_status_known CHECK (status IN ('active', 'draft', 'archived', 'deleted')),
    CONSTRAINT records_deleted_is CHECK ((status = 'deleted') = (deleted_at IS NOT NULL)),
    CONSTRAINT records_values_are_object CHECK (jsonb_typeof(field_values) = 'object'),
    CONSTRAINT records_values_size CHECK (octet_length(field_values::text) <= 262144),
    CONSTRAINT records_tools_are_object CHECK (jsonb_typeof(tool_statuses) = 'object'),
    CONSTRAINT records_tools_size CHECK (octet_length(tool_statuses::text) <= 16384),
    CONSTRAINT records_change_known CHECK (change_type IN ('created', 'updated', 'restored', 'deleted'))
);
CREATE INDEX records_list ON records (tenant_id, organization_id, content_id, created_at DESC, id) WHERE deleted_at IS NULL;
CREATE INDEX records_gone ON records (tenant_id, organization_id, content_id, deleted_at DESC, id) WHERE deleted_at IS NOT NULL;
CREATE INDEX records_of_owner ON records (tenant_id, organization_id, owner_id) WHERE owner_id IS NOT NULL AND deleted_at IS NULL;

SELECT isolate('records');
GRANT SELECT, INSERT, DELETE ON records TO ashlar_api;
SELECT changeable('records', 'organization_id', 'recordset_id', 'content_id', 'created_by_id');

-- A version that has ended; the current one is the record.
CREATE TABLE record_versions (
    tenant_id             uuid NOT NULL,
    organization_id       uuid NOT NULL,
    record_id             uuid NOT NULL,
    version               integer NOT NULL,
    id                    uuid NOT NULL,
    change_type           text NOT NULL,
    title                 text,
    field_values          jsonb NOT NULL,
    status                text NOT NULL,
    tags                  text[] NOT NULL,
    changed_fields        text[] NOT NULL,
    restored_from_version integer,
    changed_by_id         uuid,
    changed_at            timestamptz NOT NULL,
    created_at            timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, record_id, version)
);

SELECT isolate('record_versions');
GRANT SELECT, INSERT, DELETE ON record_versions TO ashlar_api;
