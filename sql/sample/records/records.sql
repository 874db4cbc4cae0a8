-- after: recordsets files
INSERT INTO records (tenant_id, organization_id, id, recordset_id, content_id, title, field_values, tags, tool_statuses, owner_id, created_by_id, version, version_id,
                     change_type, changed_fields, changed_by_id)
SELECT app_tenant(), s.organization_id, pg_temp.id('record'), s.id, s.content_id, 'Off the mole', '{"place": "Off the mole", "depth": 7.5, "ground": "sand"}',
       '{harbour}', '{"survey": "queued"}', pg_temp.id('member'), pg_temp.id('member'), 2, uuid_v7(), 'updated', '{depth}', pg_temp.id('member theo')
FROM recordsets s WHERE s.tenant_id = app_tenant() AND s.id = pg_temp.id('recordset');

INSERT INTO records (tenant_id, organization_id, id, recordset_id, content_id, title, field_values, owner_id, created_by_id, changed_fields, changed_by_id)
SELECT app_tenant(), s.organization_id, pg_temp.id('record pier'), s.id, s.content_id, 'Under the pier', '{"place": "Under the pier", "depth": 3, "ground": "mud", "log": "7-12"}',
       pg_temp.id('member'), pg_temp.id('member'), '{depth,ground,log,place}', pg_temp.id('member')
FROM recordsets s WHERE s.tenant_id = app_tenant() AND s.id = pg_temp.id('recordset');

INSERT INTO record_geometries (tenant_id, organization_id, record_id, content_id, geometry, is_given)
SELECT r.tenant_id, r.organization_id, r.id, r.content_id, postgis.ST_SetSRID(postgis.ST_MakePoint(18.072, 59.325), 4326), true
FROM records r WHERE r.tenant_id = app_tenant() AND r.id = pg_temp.id('record');

UPDATE records r
SET folded = z.folded, t06 = z.t06, t07 = z.t07, t08 = z.t08, n06 = z.n06
FROM records x
JOIN recordsets s ON s.tenant_id = x.tenant_id AND s.id = x.recordset_id
CROSS JOIN LATERAL record_slotted(x.title, x.field_values, s.slots) z
WHERE x.tenant_id = app_tenant() AND r.tenant_id = x.tenant_id AND r.id = x.id;

INSERT INTO record_keys (tenant_id, organization_id, record_id, key, content_id, hash)
SELECT r.tenant_id, r.organization_id, r.id, 'log', r.content_id, record_key('t', r.field_values -> 'log')
FROM records r WHERE r.tenant_id = app_tenant() AND r.id = pg_temp.id('record pier');

INSERT INTO comments (tenant_id, organization_id, subject_kind, subject_id, id, content, author_id)
VALUES (app_tenant(), pg_temp.id('organization'), 'record', pg_temp.id('record'), pg_temp.id('comment'), 'Is that at low water?', pg_temp.id('member theo'));

INSERT INTO record_relationships (tenant_id, organization_id, id, source_record_id, target_record_id, label, created_by_id)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('relationship'), pg_temp.id('record'), pg_temp.id('record pier'), 'the same harbour', pg_temp.id('member'));

INSERT INTO stored_objects (tenant_id, id, organization_id, backend, state, content_type, size, sha256)
VALUES (app_tenant(), pg_temp.id('object sounding'), pg_temp.id('organization'), 'local', 'stored', 'image/png', 48213, sha256('a sounding'));

INSERT INTO record_attachments (tenant_id, organization_id, record_id, id, object_id, file_name, uploaded_by_id)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('record'), pg_temp.id('attachment'), pg_temp.id('object sounding'), 'chart.png', pg_temp.id('member theo'));

INSERT INTO record_versions (tenant_id, organization_id, record_id, version, id, change_type, title, field_values, status, tags, changed_fields, changed_by_id, changed_at)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('record'), 1, pg_temp.id('history'), 'created', 'Off the mole',
        '{"place": "Off the mole", "depth": 8, "ground": "sand"}', 'active', '{harbour}', '{depth,ground,place}', pg_temp.id('member'), now() - interval '2 days');

UPDATE recordset_counts
SET count = 2
WHERE tenant_id = app_tenant() AND recordset_id = pg_temp.id('recordset');

INSERT INTO pipelines (tenant_id, organization_id, id, recordset_id, name, description, stage_field, value_field, stages, created_by_id)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('pipeline'), pg_temp.id('recordset'), 'Sales of charts', 'From the first question to the sale', 'stage', 'depth',
        '[{"id": "asked", "name": "Asked", "color": "#2563eb", "order": 0, "probability": 10, "stage_type": "open"},
          {"id": "sold", "name": "Sold", "color": "#16a34a", "order": 1, "probability": 100, "stage_type": "won"}]', pg_temp.id('member'));
