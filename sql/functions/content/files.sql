-- Files: what names a stored object.  A file is locked before its object is.

-- Its content has come: now it is there.  No row: there is no such file of that owner, or its object is gone.
CREATE OR REPLACE FUNCTION file_confirm(file uuid, owner uuid, sha256 bytea) RETURNS SETOF files
LANGUAGE plpgsql ROWS 1 AS $$
DECLARE
    f files;
BEGIN
    SELECT * INTO f FROM files x WHERE x.tenant_id = app_tenant() AND x.id = file AND x.owner_id = owner FOR UPDATE;
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
    DELETE FROM files x WHERE x.tenant_id = app_tenant() AND x.id = file AND x.owner_id = owner
    RETURNING x.object_id INTO object;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM stored_object_drop(object);
    RETURN file;
END
$$;
