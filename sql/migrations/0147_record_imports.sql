-- Files that are imported into recordsets, and how far an import has come.

-- A file that a member has uploaded to be imported. It is there once it was looked at (surveyed_at), and can be imported as often as
-- somebody likes; 24 hours after it was asked for, or used last, it goes.
--
--   survey  what is in it: its columns, what their values look like, and how it is to be read (providers/import_survey.c)
CREATE TABLE record_uploads (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    member_id       uuid,
    object_id       uuid NOT NULL,
    file_name       text NOT NULL,
    format          text NOT NULL,
    survey          jsonb,
    surveyed_at     timestamptz,
    used_at         timestamptz NOT NULL DEFAULT now(),
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT record_uploads_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT record_uploads_member FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (member_id),
    CONSTRAINT record_uploads_object FOREIGN KEY (tenant_id, object_id) REFERENCES stored_objects ON DELETE CASCADE,
    CONSTRAINT record_uploads_format_known CHECK (format IN ('csv', 'xlsx', 'json', 'geojson')),
    CONSTRAINT record_uploads_surveyed CHECK ((survey IS NULL) = (surveyed_at IS NULL))
);
CREATE UNIQUE INDEX record_uploads_of_object ON record_uploads (tenant_id, object_id);
CREATE INDEX record_uploads_of_member ON record_uploads (tenant_id, organization_id, member_id) WHERE member_id IS NOT NULL;
CREATE INDEX record_uploads_age ON record_uploads (used_at);
SELECT isolate('record_uploads');
CREATE POLICY record_uploads_directory ON record_uploads FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, DELETE ON record_uploads TO ashlar_api;
SELECT changeable('record_uploads', 'organization_id', 'member_id', 'object_id', 'format');

ALTER TABLE record_runs
    ADD COLUMN upload_id uuid,
    ADD CONSTRAINT record_runs_upload FOREIGN KEY (tenant_id, organization_id, upload_id) REFERENCES record_uploads ON DELETE SET NULL (upload_id);
CREATE INDEX record_runs_of_upload ON record_runs (tenant_id, organization_id, upload_id) WHERE upload_id IS NOT NULL;
GRANT UPDATE (upload_id) ON record_runs TO ashlar_api;

-- What an import has done so far, batch by batch: rows of the file from one behind the batch before, and the records that
-- they became. A batch is committed with its records, under a lock of its run, and begins where the last one ended: so however often its worker is
-- killed no row is there twice, and none is left out.
--
--   first_row, last_row  of the file, both of them in it; 1 is its header
--   errors               of the rows that were refused: [{"row", "field", "value", "error"}]
CREATE TABLE record_run_batches (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    run_id          uuid NOT NULL,
    first_row       bigint NOT NULL,
    last_row        bigint NOT NULL,
    record_ids      uuid[] NOT NULL DEFAULT '{}',
    errors          jsonb,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, run_id, first_row),
    CONSTRAINT record_run_batches_run FOREIGN KEY (tenant_id, organization_id, run_id) REFERENCES record_runs ON DELETE CASCADE
);
SELECT isolate('record_run_batches');
GRANT SELECT, INSERT ON record_run_batches TO ashlar_api;
