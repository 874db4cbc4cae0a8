-- Entity records: records in the dialect of the platform surface.  Every member of the organization may work with them; data is replaced whole, no
-- version is kept, and what is deleted is gone.  See records.sql, whose order of locks is theirs.

-- Put a record in, whose values have been checked against that version of the schema.  Raises AS404, AS409.
CREATE OR REPLACE FUNCTION entity_record_add(schema uuid, version integer, data jsonb) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    takes boolean;
BEGIN
    SELECT x.is_active INTO takes FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = schema AND x.is_entity AND x.trashed_at IS NULL
    FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING HINT = 'schema_id', MESSAGE = 'Entity schema not found', DETAIL = schema::text;
    ELSIF NOT takes THEN
        RAISE SQLSTATE 'AS409' USING HINT = 'schema_id', MESSAGE = 'the schema is inactive: it takes no new records';
    END IF;
    RETURN (records_add(schema, jsonb_build_array(jsonb_build_object('field_values', data)), version))[1];
END
$$;

-- Replace a record's data.  Raises AS404, AS412.
CREATE OR REPLACE FUNCTION entity_record_change(record uuid, version integer, data jsonb, tag bigint[]) RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM records r
                   JOIN recordsets x ON x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = r.recordset_id
                   WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = record AND x.is_entity) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Entity record not found', DETAIL = record::text;
    END IF;
    RETURN record_change(record, jsonb_build_object('values', data, 'schema_version', version, 'is_entity', true, 'is_crud', true), NULL, tag);
END
$$;

-- Take a record away, and all that is of it.  Raises AS404, AS412.
CREATE OR REPLACE FUNCTION entity_record_delete(record uuid, tag bigint[]) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    r records;
BEGIN
    SELECT x.* INTO r FROM records x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = record AND x.deleted_at IS NULL;
    IF r.id IS NULL OR NOT record_recordset(r.recordset_id, r.content_id)
       OR NOT EXISTS (SELECT FROM recordsets s WHERE s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id AND s.is_entity) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Entity record not found', DETAIL = record::text;
    END IF;
    SELECT x.* INTO r FROM records x
    WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = record AND x.deleted_at IS NULL
    FOR UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Entity record not found', DETAIL = record::text;
    END IF;
    PERFORM if_match(r.updated_at, tag);
    -- Those who are told hear of it as of any that is deleted; and of a content that no recordset has, all goes.
    UPDATE records x SET status = 'deleted', deleted_at = now(), content_id = r.version_id
    WHERE x.tenant_id = r.tenant_id AND x.organization_id = r.organization_id AND x.id = record;
    PERFORM records_remove(r.organization_id, r.version_id, 1);
    PERFORM record_count_add(r.recordset_id, -1);
    PERFORM record_activity('record.deleted', record, r.recordset_id, r.title, r.version);
    RETURN record;
END
$$;

-- The same search for the dashboard, which is in no organization until here.  Raises AS404, AS422.
CREATE OR REPLACE FUNCTION entity_records_find(organization uuid, schema uuid, asked jsonb, most bigint, skip bigint, OUT ids uuid[], OUT total bigint)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('app.organization_id', entity_organization(organization)::text, true);
    SELECT f.ids, f.total INTO ids, total FROM records_find(schema, asked, most, skip) f;
END
$$;
