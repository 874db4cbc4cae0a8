-- What is done to many records of a recordset in the background: imports, exports, geocoding, columns that are filled.

-- A run is a member's, and its job does it as that member: who has left, or may not any more, has their runs failed by it
-- (sql/functions/records/record_runs.sql). Of what it has done so far it says how much; where it goes on after it was killed is its kind's to know.
--
--   member_id   who started it; NULL: one who has left
--   job_id      the job that does it
--   options     how it is to be done, by kind; answers show of it what their rows name
--   step        what it is about, for people
--   total_rows  how many rows, or records, there are in all, as far as that is known
--   summary     what there is to be told of those that failed
--   object_id   the file that it made: an export's own, of an import what is wrong with its rows. It goes when expires_at has come
CREATE TABLE record_runs (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    kind            text NOT NULL,
    status          text NOT NULL DEFAULT 'queued',
    recordset_id    uuid,
    member_id       uuid,
    job_id          uuid,
    options         jsonb NOT NULL DEFAULT '{}',
    format          text,
    file_name       text,
    step            text,
    progress        smallint NOT NULL DEFAULT 0,
    total_rows      bigint NOT NULL DEFAULT 0,
    processed_rows  bigint NOT NULL DEFAULT 0,
    success_count   bigint NOT NULL DEFAULT 0,
    error_count     bigint NOT NULL DEFAULT 0,
    skipped_count   bigint NOT NULL DEFAULT 0,
    error_message   text,
    summary         jsonb,
    object_id       uuid,
    started_at      timestamptz,
    completed_at    timestamptz,
    expires_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT record_runs_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT record_runs_recordset FOREIGN KEY (tenant_id, organization_id, recordset_id) REFERENCES recordsets ON DELETE SET NULL (recordset_id),
    CONSTRAINT record_runs_member FOREIGN KEY (tenant_id, organization_id, member_id)
        REFERENCES memberships (tenant_id, organization_id, id) ON DELETE SET NULL (member_id),
    CONSTRAINT record_runs_object FOREIGN KEY (tenant_id, object_id) REFERENCES stored_objects,
    CONSTRAINT record_runs_kind_known CHECK (kind IN ('import', 'export', 'geocode', 'gis_backfill')),
    CONSTRAINT record_runs_status_known CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    CONSTRAINT record_runs_progress_range CHECK (progress BETWEEN 0 AND 100 AND (progress = 100) = (status = 'completed')),
    CONSTRAINT record_runs_ended CHECK ((status IN ('queued', 'running')) = (completed_at IS NULL)),
    CONSTRAINT record_runs_options_are_object CHECK (jsonb_typeof(options) = 'object'),
    CONSTRAINT record_runs_object_expires CHECK (object_id IS NULL OR expires_at IS NOT NULL)
) WITH (fillfactor = 70);
-- Lists are of geocoding, or of all else.
CREATE INDEX record_runs_list ON record_runs (tenant_id, organization_id, created_at DESC, id DESC) WHERE kind <> 'geocode';
CREATE INDEX record_runs_geocoding ON record_runs (tenant_id, organization_id, created_at DESC, id DESC) WHERE kind = 'geocode';
CREATE INDEX record_runs_of_recordset ON record_runs (tenant_id, organization_id, recordset_id) WHERE recordset_id IS NOT NULL;
CREATE INDEX record_runs_of_member ON record_runs (tenant_id, organization_id, member_id) WHERE member_id IS NOT NULL;
CREATE UNIQUE INDEX record_runs_of_object ON record_runs (tenant_id, object_id) WHERE object_id IS NOT NULL;
CREATE UNIQUE INDEX record_runs_geocode_once ON record_runs (tenant_id, organization_id, recordset_id) WHERE kind = 'geocode' AND status IN ('queued', 'running');
-- What is under way, of a workspace and over all tenants; which files are over; what is purged; which one a signed link names.
CREATE INDEX record_runs_open ON record_runs (tenant_id, organization_id, id) WHERE status IN ('queued', 'running');
CREATE INDEX record_runs_kept ON record_runs (expires_at) WHERE object_id IS NOT NULL;
CREATE INDEX record_runs_age ON record_runs (created_at);
CREATE INDEX record_runs_id ON record_runs (id) WHERE object_id IS NOT NULL;

SELECT isolate('record_runs');
SELECT purgeable('record_runs', 'created_at < now() - interval ''90 days''');
-- Those of all tenants are looked through by a function that runs as the owner.
CREATE POLICY record_runs_directory ON record_runs FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, DELETE ON record_runs TO ashlar_api;
SELECT changeable('record_runs', 'organization_id', 'kind');
