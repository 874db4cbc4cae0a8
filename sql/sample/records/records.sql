-- after: recordsets
INSERT INTO records (tenant_id, organization_id, id, recordset_id, content_id, title, field_values, tags, tool_statuses, owner_id, created_by_id, version, version_id,
                     change_type, changed_fields, changed_by_id)
SELECT app_tenant(), s.organization_id, pg_temp.id('record'), s.id, s.content_id, 'Off the mole', '{"place": "Off the mole", "depth": 7.5, "ground": "sand"}',
       '{harbour}', '{"survey": "queued"}', pg_temp.id('member'), pg_temp.id('member'), 2, uuid_v7(), 'updated', '{depth}', pg_temp.id('member theo')
FROM recordsets s WHERE s.tenant_id = app_tenant() AND s.id = pg_temp.id('recordset');

INSERT INTO record_versions (tenant_id, organization_id, record_id, version, id, change_type, title, field_values, status, tags, changed_fields, changed_by_id, changed_at)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('record'), 1, pg_temp.id('history'), 'created', 'Off the mole',
        '{"place": "Off the mole", "depth": 8, "ground": "sand"}', 'active', '{harbour}', '{depth,ground,place}', pg_temp.id('member'), now() - interval '2 days');

UPDATE recordset_counts
SET count = 1
WHERE tenant_id = app_tenant() AND recordset_id = pg_temp.id('recordset');
