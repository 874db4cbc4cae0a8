-- A record that was deleted comes back.

-- As a new version, with the values and the status that it had.  It takes the right to delete it.  Raises AS404, AS403, AS412, AS409: it is not deleted, or another record has
-- one of its unique values.
CREATE OR REPLACE FUNCTION record_undelete(record uuid, tag bigint[]) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    old    records;
    n      records;
    s      recordsets;
    rights integer;
    data   jsonb;
BEGIN
    SELECT r.* INTO old FROM records r WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = record;
    IF old.id IS NULL OR NOT record_recordset(old.recordset_id, old.content_id) THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Record not found', DETAIL = record::text;
    END IF;
    SELECT x.* INTO s FROM recordsets x WHERE x.tenant_id = old.tenant_id AND x.organization_id = old.organization_id AND x.id = old.recordset_id;
    SELECT r.* INTO old FROM records r
    WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = record
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING MESSAGE = 'Record not found', DETAIL = record::text;
    END IF;
    SELECT x.rights INTO rights FROM recordset_rights(s.tenant_id, s.organization_id, s.id, s.owner_id, app_member(), app_org_role()) x;
    IF rights & 16 = 0 AND (rights & 32 = 0 OR app_member() NOT IN (coalesce(old.created_by_id, record), coalesce(old.owner_id, record))) THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = CASE WHEN rights & 1 = 0 THEN 'this needs can_view on the recordset'
            ELSE 'this needs can_delete on the recordset, or can_delete_own of who made or owns the record' END;
    END IF;
    PERFORM if_match(old.updated_at, tag);
    IF old.deleted_at IS NULL THEN
        RAISE SQLSTATE 'AS409' USING MESSAGE = 'the record is not deleted';
    END IF;
    n := jsonb_populate_record(old, record_slots_of(old.title, old.field_values, s.slots));
    SELECT v.status, v.version INTO n.status, n.restored_from_version FROM record_versions v
    WHERE v.tenant_id = old.tenant_id AND v.organization_id = old.organization_id AND v.record_id = record AND v.version = old.version - 1;
    n.deleted_at := NULL;
    n.version := old.version + 1;
    n.version_id := uuid_v7();
    n.change_type := 'restored';
    n.changed_fields := '{}';
    n.changed_by_id := app_member();
    n.changed_at := now();
    PERFORM records_put(ARRAY[old], ARRAY[n]);
    UPDATE record_geometries x SET content_id = s.content_id WHERE x.tenant_id = s.tenant_id AND x.organization_id = s.organization_id AND x.record_id = record;
    PERFORM record_geometry_change(record, s.content_id, '{}', false, n.field_values, recordset_place(s.mode, s.settings), false);
    IF s.uniques <> '{}' THEN
        PERFORM record_keys_put(s.content_id, s.uniques, ARRAY[record]);
    END IF;
    PERFORM record_count_add(s.id, 1);
    -- What announce() makes tells nothing of what was deleted.
    IF is_told(s.tenant_id) AND event_wanted('record.restored', s.organization_id) THEN
        SELECT records_told(r) INTO data FROM records r WHERE r.tenant_id = old.tenant_id AND r.organization_id = old.organization_id AND r.id = record;
        PERFORM event_emit('record.restored', s.organization_id, data || previous_attributes(records_told(old), data));
    END IF;
    PERFORM record_activity('record.restored', record, s.id, n.title, n.version);
    RETURN made(record);
END
$$;
