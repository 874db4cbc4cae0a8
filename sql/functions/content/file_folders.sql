-- Folders of users.  Whatever changes an owner's folders holds one lock, so that a path is never made of one that changes.

CREATE OR REPLACE FUNCTION file_folder_lock(owner uuid) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    SELECT pg_advisory_xact_lock(hash_record_extended(ROW ('file_folders'::text, app_tenant(), owner), 0));
END;

-- A folder that there must be.  NULL is the root, of which nothing is answered.  Raises AS404.
CREATE OR REPLACE FUNCTION file_folder_find(folder uuid, owner uuid) RETURNS file_folders
LANGUAGE plpgsql STABLE AS $$
DECLARE
    f file_folders;
BEGIN
    IF folder IS NOT NULL THEN
        SELECT * INTO f FROM file_folders x WHERE x.tenant_id = app_tenant() AND x.id = folder AND x.owner_id = owner;
        IF NOT FOUND THEN
            RAISE SQLSTATE 'AS404' USING MESSAGE = 'Folder not found', DETAIL = folder;
        END IF;
    END IF;
    RETURN f;
END
$$;

CREATE OR REPLACE FUNCTION file_folder_create(owner uuid, parent uuid, name text) RETURNS SETOF file_folders
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    above file_folders;
BEGIN
    PERFORM file_folder_lock(owner);
    above := file_folder_find(parent, owner);
    IF above.depth >= 32 THEN
        RAISE SQLSTATE 'AS422' USING MESSAGE = 'folders are nested at most 32 deep', HINT = 'parent_id';
    END IF;
    RETURN QUERY
        INSERT INTO file_folders AS f (tenant_id, owner_id, parent_id, name, path, depth)
        VALUES (app_tenant(), owner, parent, file_folder_create.name, coalesce(above.path, '') || '/' || file_folder_create.name,
                coalesce(above.depth, 0) + 1)
        RETURNING f.*;
END
$$;

-- With the paths of all below it.
CREATE OR REPLACE FUNCTION file_folder_rename(folder uuid, owner uuid, name text) RETURNS SETOF file_folders
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    was     file_folders;
    becomes text;
BEGIN
    PERFORM file_folder_lock(owner);
    was := file_folder_find(folder, owner);
    becomes := left(was.path, char_length(was.path) - char_length(was.name)) || file_folder_rename.name;
    WITH RECURSIVE below AS (
        SELECT x.id FROM file_folders x WHERE x.tenant_id = app_tenant() AND x.parent_id = folder
        UNION ALL
        SELECT x.id FROM below b JOIN file_folders x ON x.tenant_id = app_tenant() AND x.parent_id = b.id
    )
    UPDATE file_folders f SET path = becomes || substr(f.path, char_length(was.path) + 1)
    FROM below b
    WHERE f.tenant_id = app_tenant() AND f.id = b.id;
    RETURN QUERY
        UPDATE file_folders f SET name = file_folder_rename.name, path = becomes
        WHERE f.tenant_id = app_tenant() AND f.id = folder
        RETURNING f.*;
END
$$;

-- Only an empty one.
CREATE OR REPLACE FUNCTION file_folder_delete(folder uuid, owner uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM file_folder_lock(owner);
    PERFORM file_folder_find(folder, owner);
    IF EXISTS (SELECT FROM file_folders x WHERE x.tenant_id = app_tenant() AND x.parent_id = folder)
        OR EXISTS (SELECT FROM files x WHERE x.tenant_id = app_tenant() AND x.folder_id = folder) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the folder is not empty';
    END IF;
    DELETE FROM file_folders x WHERE x.tenant_id = app_tenant() AND x.id = folder;
    RETURN folder;
END
$$;
