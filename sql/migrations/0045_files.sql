-- Files: stored objects, which are content somewhere, and what names them.

-- Content that is stored, or will be. Whatever has content (a file here, later a version, an attachment) names one of these, so
-- that quota, checksum, place and collection are the same for all. sql/functions/content has the ways in.
--
--   organization_id, user_id  whose usage it is; neither: the tenant's own
--   state       awaited, until the content has come and was looked at; stored; gone: its content is to be removed, and
--               then the row
--   size        in bytes, as declared, and since it is stored as it is
--   expires_at  of one that is awaited: when it is given up
CREATE TABLE stored_objects (
    tenant_id       uuid NOT NULL REFERENCES tenants,
    id              uuid NOT NULL DEFAULT uuid_v7(),
    organization_id uuid,
    user_id         uuid,
    backend         text NOT NULL,
    state           text NOT NULL DEFAULT 'awaited',
    content_type    text NOT NULL,
    size            bigint NOT NULL,
    sha256          bytea,
    expires_at      timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT stored_objects_user FOREIGN KEY (tenant_id, user_id) REFERENCES users,
    CONSTRAINT stored_objects_backend_known CHECK (backend IN ('local', 's3')),
    CONSTRAINT stored_objects_state_known CHECK (state IN ('awaited', 'stored', 'gone')),
    CONSTRAINT stored_objects_awaited_expires CHECK (state <> 'awaited' OR expires_at IS NOT NULL),
    CONSTRAINT stored_objects_size_range CHECK (size >= 0),
    CONSTRAINT stored_objects_stored_is_known CHECK (state <> 'stored' OR sha256 IS NOT NULL),
    CONSTRAINT stored_objects_sha256_length CHECK (octet_length(sha256) = 32)
) WITH (fillfactor = 90);
CREATE INDEX stored_objects_of_user ON stored_objects (tenant_id, user_id);
-- What is to be collected, over all tenants.
CREATE INDEX stored_objects_awaited ON stored_objects (expires_at) WHERE state = 'awaited';
CREATE INDEX stored_objects_id ON stored_objects (id);
SELECT isolate('stored_objects');
GRANT SELECT, INSERT, DELETE ON stored_objects TO ashlar_api;
GRANT UPDATE (state, sha256) ON stored_objects TO ashlar_api;

-- Files: a user's, or the tenant's own (owner_id NULL), of which a user sees those that are shared.
--
--   name         as it was sent, cleaned (lib/base/filename.h); never a path
--   uploaded_at  when its content was there; NULL: it is awaited
CREATE TABLE files (
    tenant_id   uuid NOT NULL REFERENCES tenants,
    id          uuid NOT NULL DEFAULT uuid_v7(),
    owner_id    uuid,
    object_id   uuid NOT NULL,
    name        text NOT NULL,
    uploaded_at timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT files_owner FOREIGN KEY (tenant_id, owner_id) REFERENCES users,
    CONSTRAINT files_object FOREIGN KEY (tenant_id, object_id) REFERENCES stored_objects,
    CONSTRAINT files_name_length CHECK (char_length(name) BETWEEN 1 AND 255)
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX files_of_object ON files (tenant_id, object_id);
CREATE INDEX files_list ON files (tenant_id, owner_id, created_at DESC, id DESC) WHERE uploaded_at IS NOT NULL;
SELECT isolate('files');
GRANT SELECT, INSERT, DELETE ON files TO ashlar_api;
GRANT UPDATE (uploaded_at) ON files TO ashlar_api;
