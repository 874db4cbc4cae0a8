-- One record of a workspace, by who may.

-- Put a record in: given is {"set": {title, status, …}, "values", "tools"}, whose values have been checked against that version of the schema.
-- Raises AS404, AS403, AS409; 40001, if the schema has another version by now.
CREATE OR REPLACE FUNCTION record_add(recordset uuid, given jsonb, version integer) RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
    s record;
BEGIN
    SELECT x.id, x.owner_id, x.is_virtual INTO s FROM recordsets x
    WHERE x.tenant_id = app_tenant() AND x.organization_id = app_organization() AND x.id = recordset AND x.trashed_at IS NULL
    FOR KEY SHARE;
    IF NOT FOUND THEN
        RAISE SQLSTATE 'AS404' USING HINT = 'recordset_id', MESSAGE = 'Recordset not found', DETAIL = recordset::text;
    END IF;
    PERFORM may(recordset_may(s.id, s.owner_id, 2), 'this needs can_create on the recordset'),
            must(NOT s.is_virtual, 'the rows of this recordset are an integration''s');
    RETURN (records_add(recordset, jsonb_build_array((given -> 'set') || jsonb_build_object('field_values', given -> 'values', 'tool_statuses', given -> 'tools')),
                        version))[1];
END
$$;
