-- Which version a workspace's data have, and the runs that bring them to the one that this release is built for.

-- version  the last step of workspace_steps() that was done for it.  Its row's lock is what a run begins under: of two at once one begins
CREATE TABLE workspace_versions (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    version         integer NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id),
    CONSTRAINT workspace_versions_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT workspace_versions_version_range CHECK (version >= 0)
);
SELECT isolate('workspace_versions');
GRANT SELECT, INSERT ON workspace_versions TO ashlar_api;
SELECT changeable('workspace_versions');

-- A workspace without a row has the version that there was when they came: 1.

-- job_id  the job that does it; NULL: there was nothing to do
CREATE TABLE workspace_runs (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    job_id          uuid,
    status          text NOT NULL DEFAULT 'QUEUED',
    progress        smallint NOT NULL DEFAULT 0,
    current_step    text NOT NULL DEFAULT 'Waiting for a worker',
    error_message   text,
    finished_at     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT workspace_runs_organization FOREIGN KEY (tenant_id, organization_id) REFERENCES organizations,
    CONSTRAINT workspace_runs_id_unique UNIQUE (tenant_id, id),
    CONSTRAINT workspace_runs_status_known CHECK (status IN ('QUEUED', 'RUNNING', 'COMPLETED', 'FAILED')),
    CONSTRAINT workspace_runs_progress_range CHECK (progress BETWEEN 0 AND 100 AND (progress = 100) = (status = 'COMPLETED')),
    CONSTRAINT workspace_runs_failed_says_why CHECK ((status = 'FAILED') = (error_message IS NOT NULL)),
    CONSTRAINT workspace_runs_finished CHECK ((status IN ('COMPLETED', 'FAILED')) = (finished_at IS NOT NULL))
);
CREATE UNIQUE INDEX workspace_runs_one ON workspace_runs (tenant_id, organization_id) WHERE status IN ('QUEUED', 'RUNNING');
CREATE INDEX workspace_runs_age ON workspace_runs (created_at);
SELECT isolate('workspace_runs');
SELECT purgeable('workspace_runs', 'created_at < now() - interval ''30 days''');
GRANT SELECT, INSERT ON workspace_runs TO ashlar_api;
SELECT changeable('workspace_runs', 'organization_id');
