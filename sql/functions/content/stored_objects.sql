-- Stored objects: how content comes, stays and goes, with what it counts for.
--
--   stored_object_await   holds its size, and says which one it will be
--   stored_object_keep    the content is there and was looked at: now it is used
--   stored_object_drop    its usage ends with the transaction, its content soon after
--   stored_object_forget  the content is removed, and so is the row
--
-- An object is locked before the counters of usage are.

-- A new object whose content will come, of that SHA-256 if it is not NULL.  Raises AS402 where there is no room.
CREATE OR REPLACE FUNCTION stored_object_await(organization uuid, usr uuid, backend text, content_type text, size bigint,
                                               expires_at timestamptz, sha256 bytea) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    made uuid;
BEGIN
    INSERT INTO stored_objects AS o (tenant_id, organization_id, user_id, backend, content_type, size, expires_at, declared_sha256)
    VALUES (app_tenant(), organization, usr, stored_object_await.backend, stored_object_await.content_type,
            stored_object_await.size, stored_object_await.expires_at, stored_object_await.sha256)
    RETURNING o.id INTO made;
    PERFORM usage_reserve('file:' || made, organization, usr, jsonb_build_object('storage_bytes', size, 'file_uploads', 1),
                          expires_at);
    RETURN made;
END
$$;

-- The same of one whose SHA-256 nobody has said.
CREATE OR REPLACE FUNCTION stored_object_await(organization uuid, usr uuid, backend text, content_type text, size bigint,
                                               expires_at timestamptz) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    RETURN stored_object_await(organization, usr, backend, content_type, size, expires_at, NULL);
END
$$;

-- False: it was not awaited any more.
CREATE OR REPLACE FUNCTION stored_object_keep(object uuid, sha256 bytea) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    o stored_objects;
BEGIN
    UPDATE stored_objects x SET state = 'stored', sha256 = stored_object_keep.sha256
    WHERE x.tenant_id = app_tenant() AND x.id = object AND x.state = 'awaited'
    RETURNING x.* INTO o;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM usage_settle('file:' || object, jsonb_build_object('storage_bytes', o.size, 'file_uploads', 1));
    RETURN true;
END
$$;

-- False: it was gone before.
CREATE OR REPLACE FUNCTION stored_object_drop(object uuid) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
    o stored_objects;
BEGIN
    SELECT * INTO o FROM stored_objects x WHERE x.tenant_id = app_tenant() AND x.id = object FOR UPDATE;
    IF NOT FOUND OR o.state = 'gone' THEN
        RETURN false;
    END IF;
    UPDATE stored_objects x SET state = 'gone' WHERE x.tenant_id = app_tenant() AND x.id = object;
    IF o.state = 'stored' THEN
        PERFORM usage_give_back(o.organization_id, o.user_id, jsonb_build_object('storage_bytes', o.size));
    ELSE
        PERFORM usage_release('file:' || object);
    END IF;
    PERFORM job_add('ashlar', 'storage.remove', jsonb_build_object('object_id', object), unique_key => 'storage:' || object);
    RETURN true;
END
$$;

CREATE OR REPLACE FUNCTION stored_object_forget(object uuid) RETURNS void
LANGUAGE sql
BEGIN ATOMIC
    DELETE FROM stored_objects x WHERE x.tenant_id = app_tenant() AND x.id = object AND x.state = 'gone';
END;
