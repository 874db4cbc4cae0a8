-- Files: what names a stored object.  A file is locked before its object is.

-- Its content has come: now it is there.  owner NULL: the tenant's.  No row: there is no such file of that owner, or its
-- object is gone.
CREATE OR REPLACE FUNCTION file_confirm(file uuid, owner uuid, sha256 bytea) RETURNS SETOF files
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    f files;
BEGIN
    SELECT * INTO f FROM files x WHERE x.tenant_id = app_tenant() AND x.id = file AND x.owner_id IS NOT DISTINCT FROM owner FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF f.uploaded_at IS NULL THEN
        IF NOT stored_object_keep(f.object_id, sha256) THEN
            RETURN;
        END IF;
        UPDATE files x SET uploaded_at = now() WHERE x.tenant_id = app_tenant() AND x.id = file RETURNING x.* INTO f;
    END IF;
    RETURN NEXT f;
END
$$;

-- Its id; NULL: there is no such file of that owner.  What is only awaited can be deleted, too.
CREATE OR REPLACE FUNCTION file_delete(file uuid, owner uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    object uuid;
BEGIN
    DELETE FROM files x WHERE x.tenant_id = app_tenant() AND x.id = file AND x.owner_id IS NOT DISTINCT FROM owner
    RETURNING x.object_id INTO object;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM stored_object_drop(object);
    RETURN file;
END
$$;

-- The name under which it is known here: unique, with the ending that it came with; or what the team calls it.
CREATE OR REPLACE FUNCTION file_stored_name(f files) RETURNS text
LANGUAGE sql STABLE
RETURN coalesce(f.title, f.id || coalesce(lower(substring(f.name FROM '\.[A-Za-z0-9]{1,10}$')), ''));

-- What a user's file and the tenant's have in common, as the answer to its upload.
CREATE OR REPLACE FUNCTION file_shown(f files) RETURNS jsonb
LANGUAGE plpgsql STABLE AS $$
DECLARE
    o stored_objects;
BEGIN
    SELECT * INTO o FROM stored_objects x WHERE x.tenant_id = f.tenant_id AND x.id = f.object_id;
    RETURN jsonb_build_object('id', f.id, 'tenant_id', f.tenant_id, 'filename', file_stored_name(f), 'original_filename', f.name,
        'file_size', o.size, 'content_type', o.content_type, 'storage_provider', o.backend, 'description', f.description,
        'extra_metadata', NULL, 'created_at', json_time(f.created_at), 'updated_at', json_time(f.updated_at));
END
$$;

-- The same of the tenant's own, in which an agent may look things up.
CREATE OR REPLACE FUNCTION tenant_file_delete(file uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM files x WHERE x.tenant_id = app_tenant() AND x.id = file AND x.owner_id IS NULL FOR UPDATE;
    IF FOUND AND EXISTS (SELECT FROM agents a WHERE a.tenant_id = app_tenant() AND a.deleted_at IS NULL AND a.rag_config -> 'file_ids' ? file::text) THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'an agent looks things up in this file';
    END IF;
    RETURN file_delete(file, NULL);
END
$$;
