-- after: recordsets
INSERT INTO recordset_views (tenant_id, organization_id, recordset_id, id, name, config, is_shared, is_default, created_by_id)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('recordset'), pg_temp.id('view'), 'The shallows', '{"sort_by": "depth", "sort_order": "asc"}', true, true,
        pg_temp.id('member'));
