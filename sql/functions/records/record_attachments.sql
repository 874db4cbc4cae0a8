-- Files of records: how one comes, and goes.

-- A record that the caller may change, which stays what it is until the transaction ends: it can neither go nor be emptied away.  Raises AS404, AS403.
CREATE OR REPLACE FUNCTION record_editable(record uuid) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    r record;
BEGIN
    PERFORM record_here(record, 1);
    SELECT x.created_by_id, x.owner_id, x.recordset_id, x.content_id, s.owner_id AS recordset_owner_id INTO r
    FROM records x
    JOIN recordsets s ON s.tenant_id = x.tenant_id AND s.organization_id = x.organization_id AND s.id = x.recordset_id
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = record;
    PERFORM may(recordset_may(r.recordset_id, r.recordset_owner_id, 4)
                OR recordset_may(r.recordset_id, r.recordset_owner_id, 8) AND app_member() IN (coalesce(r.created_by_id, record), coalesce(r.owner_id, record)),
                'this needs can_edit on the recordset, or can_edit_own of who made or owns the record');
    IF NOT record_recordset(r.recordset_id, r.content_id) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Record not found', DETAIL = record::text;
    END IF;
END
$$;

-- Room for one; the object's id.  Raises AS402, AS403, AS404.
CREATE OR REPLACE FUNCTION record_attachment_await(record uuid, backend text, content_type text, size bigint) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM record_editable(record);
    RETURN stored_object_await(app_organization(), NULL, backend, content_type, size, now() + interval '1 hour');
END
$$;

-- It has come.  Raises AS404 where it is not awaited any more, or the record has gone meanwhile, and AS403.
CREATE OR REPLACE FUNCTION record_attachment_put(record uuid, object uuid, sha256 bytea, name text) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    made uuid;
BEGIN
    PERFORM record_editable(record);
    IF NOT stored_object_keep(object, sha256) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Upload not found', DETAIL = object::text;
    END IF;
    INSERT INTO record_attachments AS a (tenant_id, organization_id, record_id, object_id, file_name, uploaded_by_id)
    VALUES (app_tenant(), app_organization(), record, object, name, app_member())
    RETURNING a.id INTO made;
    RETURN made(made);
END
$$;

-- Who uploaded it may take it away, and who has can_edit on the recordset: its content goes with it.  NULL: there is none.  Raises AS403, AS404.
CREATE OR REPLACE FUNCTION record_attachment_delete(record uuid, attachment uuid) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    a record_attachments;
BEGIN
    PERFORM record_here(record, 1);
    SELECT x.* INTO a FROM record_attachments x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.record_id = record AND x.id = attachment FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM may(coalesce(a.uploaded_by_id = app_member(), false) OR recordset_may(s.id, s.owner_id, 4), 'this is for who uploaded it, and needs can_edit on the recordset')
    FROM records r
    JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id
    WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = record;
    DELETE FROM record_attachments x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.record_id = record AND x.id = attachment;
    PERFORM stored_object_drop(a.object_id);
    RETURN attachment;
END
$$;
