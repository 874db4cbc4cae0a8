-- Exports of what happened in a workspace: one that a member has started, and its file.

-- A job makes it when its turn comes: of a workspace two are made at once, and the others wait in their order
-- (sql/functions/work/activity_exports.sql).  It is nobody's but the member's, and goes with them.
--
--   filters     as they were sent: the feed's
--   job_id      the job that makes it; NULL: it waits for its turn
--   content     of a small one;  object_id  of a larger one.  Both are NULL until it is completed, and when expires_at has come
CREATE TABLE activity_exports (
    tenant_id       uuid NOT NULL,
    organization_id uuid NOT NULL,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    member_id       uuid NOT NULL,
    format          text NOT NULL,
    filters         jsonb NOT NULL DEFAULT '{}',
    status          text NOT NULL DEFAULT 'queued',
    progress        smallint NOT NULL DEFAULT 0,
    job_id          uuid,
    row_count       bigint,
    file_name       text,
    file_size       bigint,
    content         bytea,
    object_id       uuid,
    error_message   text,
    started_at      timestamptz,
    completed_at    timestamptz,
    expires_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, organization_id, id),
    CONSTRAINT activity_exports_member FOREIGN KEY (tenant_id, organization_id, member_id) REFERENCES member_profiles ON DELETE CASCADE,
    CONSTRAINT activity_exports_object FOREIGN KEY (tenant_id, object_id) REFERENCES stored_objects,
    CONSTRAINT activity_exports_format_known CHECK (format IN ('csv', 'json', 'xlsx')),
    CONSTRAINT activity_exports_status_known CHECK (status IN ('queued', 'running', 'completed', 'failed')),
    CONSTRAINT activity_exports_progress_range CHECK (progress BETWEEN 0 AND 100 AND (progress = 100) = (status = 'completed')),
    CONSTRAINT activity_exports_filters_is_object CHECK (jsonb_typeof(filters) = 'object'),
    CONSTRAINT activity_exports_content_size CHECK (octet_length(content) <= 1048576),
    CONSTRAINT activity_exports_content_once CHECK (content IS NULL OR object_id IS NULL),
    CONSTRAINT activity_exports_completed_expires CHECK ((status = 'completed') = (expires_at IS NOT NULL))
);
-- A list shows all but the content, which is read by itself.
ALTER TABLE activity_exports ALTER COLUMN content SET STORAGE EXTERNAL;
CREATE INDEX activity_exports_of_member ON activity_exports (tenant_id, organization_id, member_id, created_at DESC, id DESC);
CREATE UNIQUE INDEX activity_exports_of_object ON activity_exports (tenant_id, object_id) WHERE object_id IS NOT NULL;
-- What is under way, of a workspace and over all tenants; what is over; what is purged.
CREATE INDEX activity_exports_open ON activity_exports (tenant_id, organization_id, created_at, id) WHERE status IN ('queued', 'running');
CREATE INDEX activity_exports_kept ON activity_exports (expires_at) WHERE content IS NOT NULL OR object_id IS NOT NULL;
CREATE INDEX activity_exports_age ON activity_exports (created_at);
SELECT isolate('activity_exports');
SELECT purgeable('activity_exports', 'created_at < now() - interval ''30 days''');
-- Those of all tenants are looked through by a function that runs as the owner.
CREATE POLICY activity_exports_directory ON activity_exports FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT ON activity_exports TO ashlar_api;
SELECT changeable('activity_exports', 'organization_id', 'member_id', 'format', 'filters');

-- When its member goes, so does its content.
CREATE FUNCTION activity_export_gone() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM stored_object_drop(OLD.object_id);
    RETURN NULL;
END
$$;
CREATE TRIGGER activity_exports_gone AFTER DELETE ON activity_exports FOR EACH ROW WHEN (OLD.object_id IS NOT NULL)
    EXECUTE FUNCTION activity_export_gone();
