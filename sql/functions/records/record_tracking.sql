-- What hangs on a record: interactions, tasks, insights.  Who may, and who is told.

-- What the caller may do with a record, as bits: 1 see it, 2 change it (can_edit, or can_edit_own of who made or owns it), 4 change each of its
-- recordset (can_edit).  NULL: there is none, or it is deleted, or its recordset in the trash.
CREATE OR REPLACE FUNCTION record_reach(record uuid) RETURNS integer
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT (x.rights > 0)::integer
                   + 2 * (x.rights & 4 > 0 OR x.rights & 8 > 0 AND app_member() IN (coalesce(r.created_by_id, r.id), coalesce(r.owner_id, r.id)))::integer
                   + (x.rights & 4)
            FROM records r
            JOIN recordsets s ON s.tenant_id = r.tenant_id AND s.organization_id = r.organization_id AND s.id = r.recordset_id AND s.content_id = r.content_id
            CROSS JOIN recordset_rights(s.tenant_id, s.organization_id, s.id, s.owner_id, app_member(), app_org_role()) x
            WHERE r.tenant_id = app_tenant() AND r.organization_id = app_organization() AND r.id = record AND r.deleted_at IS NULL AND s.trashed_at IS NULL);
END
$$;

-- A record that the caller may change, for who adds to it.  Raises AS404, AS403.
CREATE OR REPLACE FUNCTION record_to_edit(record uuid) RETURNS uuid
LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM record_here(record, 1);
    IF record_reach(record) & 2 = 0 THEN
        RAISE SQLSTATE 'AS403' USING MESSAGE = 'this needs can_edit on the recordset, or can_edit_own of who made or owns the record';
    END IF;
    RETURN record;
END
$$;

-- May the caller change what hangs on this record?  With one of these bits of record_reach(), or as one of these members, if they may see it.
-- false: there is no such record.  Raises AS403.
CREATE OR REPLACE FUNCTION record_part_may(record uuid, bits integer, members uuid[], message text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
DECLARE
    reach integer := record_reach(record);
BEGIN
    IF reach & bits > 0 OR reach & 1 > 0 AND app_member() = ANY (members) THEN
        RETURN true;
    ELSIF reach IS NULL THEN
        RETURN false;
    END IF;
    RAISE SQLSTATE 'AS403' USING MESSAGE = CASE WHEN reach & 1 = 0 THEN 'this needs can_view on the recordset' ELSE message END;
END
$$;

-- Activity: an interaction is logged.
CREATE OR REPLACE FUNCTION record_interaction_activity() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM activity_put(NEW.organization_id, 'record.interaction_logged', 'recordset', NEW.recordset_id, acting_member(NEW.organization_id), r.id::text, r.title,
                         jsonb_build_object('recordset_id', r.recordset_id, 'interaction_id', NEW.id, 'interaction_type', NEW.interaction_type))
    FROM records r
    WHERE r.tenant_id = NEW.tenant_id AND r.organization_id = NEW.organization_id AND r.id = NEW.record_id;
    RETURN NULL;
END
$$;
CREATE OR REPLACE TRIGGER record_interactions_activity AFTER INSERT ON record_interactions FOR EACH ROW
    WHEN (is_told(NEW.tenant_id)) EXECUTE FUNCTION record_interaction_activity();

-- The same of a task, which is its assignee's to change even where they may not see the record: it was given to them by who may.
CREATE OR REPLACE FUNCTION record_task_may(record uuid, bits integer, assignee uuid, members uuid[], message text) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF assignee = app_member() THEN
        RETURN record_reach(record) IS NOT NULL;
    END IF;
    RETURN record_part_may(record, bits, members, message);
END
$$;
