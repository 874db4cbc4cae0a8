-- after: members recordsets records
INSERT INTO recordsets (tenant_id, id, organization_id, slug, name, description, fields, settings, is_entity, created_by_id)
VALUES
    (app_tenant(), pg_temp.id('schema'), pg_temp.id('organization'), 'moorings', 'Moorings', 'Where boats lie',
     '[{"key": "label", "label": "label", "type": "text", "required": true, "options": [], "default": null, "description": null, "hidden": false, "max_length": 20},
       {"key": "length_m", "label": "length_m", "type": "number", "required": false, "options": [], "default": null, "description": null, "hidden": false, "min": 0},
       {"key": "state", "label": "state", "type": "select", "required": false, "options": ["free", "taken"], "default": "free", "description": null, "hidden": false}]',
     '{"strict_schema": true, "versioning_enabled": false}', true, pg_temp.id('member')),
    (app_tenant(), pg_temp.id('schema cranes'), pg_temp.id('organization'), 'cranes', 'Cranes', NULL,
     '[{"key": "tons", "label": "tons", "type": "number", "required": true, "options": [], "default": null, "description": null, "hidden": false, "integer": true}]',
     '{"strict_schema": true, "versioning_enabled": false}', true, pg_temp.id('member'));

INSERT INTO records (tenant_id, organization_id, id, recordset_id, content_id, title, field_values, owner_id, created_by_id, changed_fields, changed_by_id, schema_version,
                     folded, t06, t07, n06)
SELECT app_tenant(), s.organization_id, pg_temp.id('platform record'), s.id, s.content_id, 'A 12', v.data, pg_temp.id('member'), pg_temp.id('member'),
       '{label,length_m,state}', pg_temp.id('member'), 1, z.folded, z.t06, z.t07, z.n06
FROM recordsets s
CROSS JOIN (SELECT '{"label": "A 12", "length_m": 9.5, "state": "taken"}'::jsonb AS data) v
CROSS JOIN LATERAL record_slotted('A 12', v.data, s.slots) z
WHERE s.tenant_id = app_tenant() AND s.id = pg_temp.id('schema');

INSERT INTO recordset_counts (tenant_id, organization_id, recordset_id, stripe, count)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('schema'), 0, 1);
