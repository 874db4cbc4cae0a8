-- {rule_number} = SELECT max(number) FROM rules WHERE tenant_id = app_tenant()
INSERT INTO rules (tenant_id, rule, scope, category, permanent)
VALUES (app_tenant(), 'Nobody moves a ship while the fog horn sounds.', 'all', 'workflow', true),
       (app_tenant(), 'Read the tide table before you plan a berth.', 'all', 'workflow', false);
