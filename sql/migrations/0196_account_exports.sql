-- What a person is given of theirs: a ZIP that a job writes (sql/functions/identity/account_exports.sql).

-- What is exported stands in erasures(), which says more than before; nothing of the last release calls it.
DROP FUNCTION IF EXISTS erasures();

--   object_id   the file; NULL until it is there, and when expires_at has come
CREATE TABLE account_exports (
    tenant_id     uuid NOT NULL,
    id            uuid NOT NULL DEFAULT uuid_v7(),
    user_id       uuid NOT NULL,
    status        text NOT NULL DEFAULT 'queued',
    job_id        uuid,
    object_id     uuid,
    file_size     bigint,
    error_message text,
    completed_at  timestamptz,
    expires_at    timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT account_exports_user FOREIGN KEY (tenant_id, user_id) REFERENCES users ON DELETE CASCADE,
    CONSTRAINT account_exports_object FOREIGN KEY (tenant_id, object_id) REFERENCES stored_objects,
    CONSTRAINT account_exports_status_known CHECK (status IN ('queued', 'completed', 'failed')),
    CONSTRAINT account_exports_completed_expires CHECK ((status = 'completed') = (expires_at IS NOT NULL))
);
CREATE INDEX account_exports_of_user ON account_exports (tenant_id, user_id, created_at DESC);
CREATE UNIQUE INDEX account_exports_of_object ON account_exports (tenant_id, object_id) WHERE object_id IS NOT NULL;
-- What is over, what is under way, and what is purged, over all tenants.
CREATE INDEX account_exports_kept ON account_exports (expires_at) WHERE object_id IS NOT NULL;
CREATE INDEX account_exports_open ON account_exports (created_at) WHERE status = 'queued';
CREATE INDEX account_exports_age ON account_exports (created_at);
SELECT isolate('account_exports');
SELECT purgeable('account_exports', 'created_at < now() - interval ''30 days''');
CREATE POLICY account_exports_directory ON account_exports FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, DELETE ON account_exports TO ashlar_api;
SELECT changeable('account_exports', 'user_id');
CREATE TRIGGER account_exports_gone AFTER DELETE ON account_exports FOR EACH ROW WHEN (OLD.object_id IS NOT NULL)
    EXECUTE FUNCTION activity_export_gone();
