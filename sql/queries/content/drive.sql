-- The drive on the platform surface: users' files in folders, and those of the tenant.

-- columns: user_file
SELECT f.id, f.owner_id AS user_id, f.tenant_id, f.folder_id, file_stored_name(f) AS filename, f.name AS original_filename,
       o.size AS file_size, o.content_type, o.backend AS storage_provider, f.description, NULL::jsonb AS extra_metadata,
       f.created_at, f.updated_at
FROM files f
JOIN stored_objects o ON o.tenant_id = f.tenant_id AND o.id = f.object_id;

-- columns: tenant_file
SELECT f.id, f.tenant_id, file_stored_name(f) AS filename, f.name AS original_filename, o.size AS file_size, o.content_type,
       o.backend AS storage_provider, f.description, f.is_shared, NULL::jsonb AS extra_metadata, f.created_at, f.updated_at
FROM files f
JOIN stored_objects o ON o.tenant_id = f.tenant_id AND o.id = f.object_id;

-- name: drive_folder_enter :row
-- Is there such a folder?
SELECT (file_folder_find(:folder_id::uuid, @user)).id AS id;

-- name: drive_list :page
SELECT :columns(user_file)
FROM files f
:joins(user_file)
WHERE f.tenant_id = @tenant AND f.holder = @user AND f.uploaded_at IS NOT NULL
  AND f.place = coalesce(:folder_id::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY f.created_at DESC, f.id DESC;

-- name: drive_get :row
SELECT :columns(user_file)
FROM files f
:joins(user_file)
WHERE f.tenant_id = @tenant AND f.id = :file_id AND f.owner_id = @user AND f.uploaded_at IS NOT NULL;

-- name: drive_await :row
-- Room for what is about to be written.  The lock keeps the folder until then.
INSERT INTO files (tenant_id, owner_id, folder_id, object_id, name, description)
SELECT u.tenant_id, u.id, (file_folder_find(:folder_id::uuid, u.id)).id,
       stored_object_await(u.default_organization_id, u.id, :backend, :content_type, :size::bigint, now() + interval '1 hour'),
       :name, :description
FROM users u
WHERE u.tenant_id = @tenant AND u.id = @user
RETURNING id::text AS file, object_id::text AS object_id, tenant_id::text AS tenant_id;

-- name: drive_confirm :row
SELECT 'File uploaded' AS message, file_shown(f) || jsonb_build_object('user_id', f.owner_id, 'folder_id', f.folder_id) AS file
FROM file_confirm(:file::uuid, @user, :sha256::bytea) f;

-- name: drive_give_up :exec
SELECT file_delete(:file::uuid, @user);

-- name: drive_send :row
-- What is sent whole counts as a download; of parts the first.
SELECT o.id::text AS object_id, o.tenant_id::text AS tenant_id, o.backend, o.content_type, o.size, f.name,
       CASE WHEN :counts::boolean THEN usage_consume(o.organization_id, o.user_id, '{"file_downloads": 1}') END AS is_counted
FROM files f
JOIN stored_objects o ON o.tenant_id = f.tenant_id AND o.id = f.object_id
WHERE f.tenant_id = @tenant AND f.id = :file_id AND f.owner_id = @user AND f.uploaded_at IS NOT NULL;

-- name: drive_move :row
UPDATE files f
SET folder_id = (file_folder_find(:folder_id::uuid, @user)).id
FROM stored_objects o
WHERE f.tenant_id = @tenant AND f.id = :file_id AND f.owner_id = @user AND f.uploaded_at IS NOT NULL
  AND o.tenant_id = f.tenant_id AND o.id = f.object_id AND if_match(f.updated_at, :if_match)
RETURNING :columns(user_file);

-- name: drive_delete :row
SELECT d.id FROM file_delete(:file_id::uuid, @user) d (id) WHERE d.id IS NOT NULL;

-- name: shared_list :page
-- total: (SELECT count(*) FROM (SELECT FROM files f WHERE f.tenant_id = @tenant AND f.holder = '00000000-0000-0000-0000-000000000000'
-- total:                        AND f.is_shared AND f.uploaded_at IS NOT NULL LIMIT 10001) n)
SELECT :columns(tenant_file)
FROM files f
:joins(tenant_file)
WHERE f.tenant_id = @tenant AND f.holder = '00000000-0000-0000-0000-000000000000' AND f.is_shared AND f.uploaded_at IS NOT NULL
ORDER BY f.created_at DESC, f.id DESC;

-- name: shared_send :row
SELECT o.id::text AS object_id, o.tenant_id::text AS tenant_id, o.backend, o.content_type, o.size, coalesce(f.title, f.name) AS name,
       CASE WHEN :counts::boolean THEN usage_consume(u.default_organization_id, u.id, '{"file_downloads": 1}') END AS is_counted
FROM files f
JOIN stored_objects o ON o.tenant_id = f.tenant_id AND o.id = f.object_id
JOIN users u ON u.tenant_id = f.tenant_id AND u.id = @user
WHERE f.tenant_id = @tenant AND f.id = :file_id AND f.owner_id IS NULL AND f.is_shared AND f.uploaded_at IS NOT NULL;

-- columns: folder
SELECT g.id, g.tenant_id, g.owner_id AS user_id, g.parent_id, g.name, g.path, g.created_at, g.updated_at
FROM file_folders g;

-- name: folder_create :row
SELECT :columns(folder) FROM file_folder_create(@user, :parent_id::uuid, :name) g;

-- name: folder_list :rows
-- Those directly below it, by name.
-- unindexed: a folder has few
SELECT :columns(folder)
FROM file_folders g
WHERE g.tenant_id = @tenant AND g.owner_id = @user
  AND coalesce(g.parent_id, '00000000-0000-0000-0000-000000000000') = coalesce(:parent_id::uuid, '00000000-0000-0000-0000-000000000000')
ORDER BY g.name COLLATE "C", g.id;

-- name: folder_parent_enter :row
SELECT (file_folder_find(:parent_id::uuid, @user)).id AS id;

-- name: folder_rename :row
SELECT :columns(folder) FROM file_folder_rename(:folder_id::uuid, @user, :name) g;

-- name: folder_delete :row
SELECT file_folder_delete(:folder_id::uuid, @user) AS id;

-- name: tenant_file_list :page
-- total: (SELECT count(*) FROM (SELECT FROM files f WHERE f.tenant_id = @tenant AND f.holder = '00000000-0000-0000-0000-000000000000'
-- total:                        AND f.uploaded_at IS NOT NULL [AND f.is_shared = :is_shared] LIMIT 10001) n)
SELECT :columns(tenant_file)
FROM files f
:joins(tenant_file)
WHERE f.tenant_id = @tenant AND f.holder = '00000000-0000-0000-0000-000000000000' AND f.uploaded_at IS NOT NULL
  [AND f.is_shared = :is_shared]
ORDER BY f.created_at DESC, f.id DESC;

-- name: tenant_file_await :row
INSERT INTO files (tenant_id, object_id, name, description, is_shared)
SELECT @tenant, stored_object_await(NULL, NULL, :backend, :content_type, :size::bigint, now() + interval '1 hour'), :name,
       :description, :is_shared
RETURNING id::text AS file, object_id::text AS object_id, tenant_id::text AS tenant_id;

-- name: tenant_file_confirm :row
SELECT 'File uploaded' AS message, file_shown(f) || jsonb_build_object('is_shared', f.is_shared) AS file
FROM file_confirm(:file::uuid, NULL, :sha256::bytea) f;

-- name: tenant_file_give_up :exec
SELECT file_delete(:file::uuid, NULL);

-- name: tenant_file_update :row
UPDATE files f
SET :set(f.is_shared, f.description),
    title = coalesce(:filename, f.title)
FROM stored_objects o
WHERE f.tenant_id = @tenant AND f.id = :file_id AND f.owner_id IS NULL AND f.uploaded_at IS NOT NULL
  AND o.tenant_id = f.tenant_id AND o.id = f.object_id AND if_match(f.updated_at, :if_match)
RETURNING :columns(tenant_file);

-- name: tenant_file_delete :row
SELECT d.id FROM tenant_file_delete(:file_id::uuid) d (id) WHERE d.id IS NOT NULL;
