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
CREATE INDEX stored_objects_gone ON stored_objects (tenant_id, id) WHERE state = 'gone';
CREATE INDEX stored_objects_id ON stored_objects (id);
SELECT isolate('stored_objects');
-- What is collected is so over all tenants: functions that run as the owner.
CREATE POLICY stored_objects_directory ON stored_objects FOR SELECT TO CURRENT_USER USING (true);
GRANT SELECT, INSERT, DELETE ON stored_objects TO ashlar_api;
GRANT UPDATE (state, sha256) ON stored_objects TO ashlar_api;

-- A user's folders.
--
--   path  of their names, from the root: "/Documents/Reports"; a label like these
CREATE TABLE file_folders (
    tenant_id  uuid NOT NULL REFERENCES tenants,
    id         uuid NOT NULL DEFAULT uuid_v7(),
    owner_id   uuid NOT NULL,
    parent_id  uuid,
    name       text NOT NULL,
    path       text NOT NULL,
    depth      smallint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT file_folders_owner FOREIGN KEY (tenant_id, owner_id) REFERENCES users,
    CONSTRAINT file_folders_parent FOREIGN KEY (tenant_id, parent_id) REFERENCES file_folders,
    CONSTRAINT file_folders_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT file_folders_depth_range CHECK (depth BETWEEN 1 AND 32)
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX file_folders_name_unique
    ON file_folders (tenant_id, owner_id, (coalesce(parent_id, '00000000-0000-0000-0000-000000000000')), name);
CREATE INDEX file_folders_of_parent ON file_folders (tenant_id, parent_id);
SELECT isolate('file_folders');
GRANT SELECT, INSERT, DELETE ON file_folders TO ashlar_api;
GRANT UPDATE (name, path) ON file_folders TO ashlar_api;

-- Files: a user's, or the tenant's own (owner_id NULL), of which a user sees those that are shared.
--
--   name         as it was sent, cleaned (lib/base/filename.h); never a path
--   title        what the team calls it since; NULL: as it came
--   uploaded_at  when its content was there; NULL: it is awaited
--   holder, place  owner_id and folder_id, or zeros: what is NULL gives an index no order
CREATE TABLE files (
    tenant_id   uuid NOT NULL REFERENCES tenants,
    id          uuid NOT NULL DEFAULT uuid_v7(),
    owner_id    uuid,
    object_id   uuid NOT NULL,
    folder_id   uuid,
    name        text NOT NULL,
    title       text,
    description text,
    is_shared   boolean NOT NULL DEFAULT false,
    uploaded_at timestamptz,
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    holder      uuid NOT NULL GENERATED ALWAYS AS (coalesce(owner_id, '00000000-0000-0000-0000-000000000000')) STORED,
    place       uuid NOT NULL GENERATED ALWAYS AS (coalesce(folder_id, '00000000-0000-0000-0000-000000000000')) STORED,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT files_owner FOREIGN KEY (tenant_id, owner_id) REFERENCES users,
    CONSTRAINT files_object FOREIGN KEY (tenant_id, object_id) REFERENCES stored_objects,
    CONSTRAINT files_folder FOREIGN KEY (tenant_id, folder_id) REFERENCES file_folders,
    CONSTRAINT files_shared_is_tenant_s CHECK (NOT is_shared OR owner_id IS NULL),
    CONSTRAINT files_name_length CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT files_title_length CHECK (char_length(title) BETWEEN 1 AND 255),
    CONSTRAINT files_description_length CHECK (char_length(description) <= 2000)
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX files_of_object ON files (tenant_id, object_id);
CREATE INDEX files_list ON files (tenant_id, holder, created_at DESC, id DESC) WHERE uploaded_at IS NOT NULL;
CREATE INDEX files_of_owner ON files (tenant_id, owner_id);
CREATE INDEX files_of_folder ON files (tenant_id, folder_id);
CREATE INDEX files_in_folder ON files (tenant_id, holder, place, created_at DESC, id DESC) WHERE uploaded_at IS NOT NULL;
CREATE INDEX files_shared ON files (tenant_id, holder, created_at DESC, id DESC) WHERE is_shared AND uploaded_at IS NOT NULL;
SELECT isolate('files');
GRANT SELECT, INSERT, DELETE ON files TO ashlar_api;
GRANT UPDATE (folder_id, title, description, is_shared, uploaded_at) ON files TO ashlar_api;
