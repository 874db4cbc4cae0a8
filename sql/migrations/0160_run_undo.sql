-- What a run has done to each record, so that it can be tried without doing it, and undone; and runs that convert a field.

--   versions       of record_ids, in their order: the version that each has by it; 1: it was created; 0: it had all of it before
--   created_count, updated_count   of them
--   taken          of a conversion, what was in the field: [[what was, what is], …] in the order of record_ids
--   undoes         the run whose batch from this first_row on it takes back
ALTER TABLE record_run_batches
    ADD COLUMN versions      integer[],
    ADD COLUMN created_count integer NOT NULL DEFAULT 0,
    ADD COLUMN updated_count integer NOT NULL DEFAULT 0,
    ADD COLUMN taken         jsonb,
    ADD COLUMN undoes        uuid;
-- None is taken back twice.
CREATE UNIQUE INDEX record_run_batches_undone ON record_run_batches (tenant_id, organization_id, undoes, first_row) WHERE undoes IS NOT NULL;
-- They are kept for as long as a run can be undone, and a while.
CREATE INDEX record_run_batches_age ON record_run_batches (created_at);
SELECT purgeable('record_run_batches', 'created_at < now() - interval ''40 days''');

-- The unique values of rows that a run tries: of a file's rows that have the same one the first counts, also where none of them is written.
CREATE TABLE record_run_keys (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    run_id          uuid NOT NULL,
    key             text NOT NULL,
    hash            bytea NOT NULL,
    PRIMARY KEY (tenant_id, organization_id, run_id, key, hash),
    CONSTRAINT record_run_keys_run FOREIGN KEY (tenant_id, organization_id, run_id) REFERENCES record_runs ON DELETE CASCADE
);
SELECT isolate('record_run_keys');
GRANT SELECT, INSERT, DELETE ON record_run_keys TO ashlar_api;

--   undo     options {"of": the run that it undoes}
--   convert  options {"key", "field": the field as it is to be, "was": as it was, "dry_run"}
ALTER TABLE record_runs DROP CONSTRAINT record_runs_kind_known;
ALTER TABLE record_runs ADD CONSTRAINT record_runs_kind_known CHECK (kind IN ('import', 'export', 'geocode', 'gis_backfill', 'undo', 'convert'));
-- A run is undone once; one that failed or was cancelled on the way may go on.
CREATE UNIQUE INDEX record_runs_undo_once ON record_runs (tenant_id, organization_id, (options ->> 'of'))
    WHERE kind = 'undo' AND status IN ('queued', 'running', 'completed');
-- One at a time, so that none finds what another has half done.
CREATE UNIQUE INDEX record_runs_convert_once ON record_runs (tenant_id, organization_id, recordset_id)
    WHERE kind IN ('undo', 'convert') AND status IN ('queued', 'running');
