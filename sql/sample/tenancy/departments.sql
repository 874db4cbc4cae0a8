-- after: organizations
INSERT INTO departments (tenant_id, id, organization_id, name, description, is_default)
VALUES
    (app_tenant(), pg_temp.id('department'), pg_temp.id('organization'), 'Boatyard', 'Everybody who has no other department.', true),
    (app_tenant(), pg_temp.id('department charts'), pg_temp.id('organization'), 'Charts and Tides', NULL, false);
