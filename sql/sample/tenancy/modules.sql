-- after: members
-- {module} = tasks
INSERT INTO module_settings (tenant_id, organization_id, module, id, is_enabled, settings, updated_by_id)
VALUES (app_tenant(), pg_temp.id('organization'), 'tasks', pg_temp.id('module'), true, '{"view": "board"}', pg_temp.id('member'));
