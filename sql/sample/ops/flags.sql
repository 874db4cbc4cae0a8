-- {flag} = harbour-new-charts
INSERT INTO feature_flags (tenant_id, id, key, name, description, flag_type, is_enabled, percentage)
VALUES
    (app_tenant(), pg_temp.id('flag'), 'harbour-new-charts', 'New charts', 'The charts with the date of their sounding.', 'boolean', true, NULL),
    (app_tenant(), pg_temp.id('flag slow'), 'harbour-tide-alarm', 'Tide alarm', NULL, 'percentage', false, 10);
