-- after: members teams
INSERT INTO goals (tenant_id, id, organization_id, title, description, level, owner_id, team_id, start_date, due_date, created_by)
VALUES
    (app_tenant(), pg_temp.id('goal company'), pg_temp.id('organization'), 'Every port has our charts', NULL, 'company', pg_temp.id('member'), NULL,
     '2026-01-01', '2026-12-31', pg_temp.id('member')),
    (app_tenant(), pg_temp.id('goal'), pg_temp.id('organization'), 'Charts that are never a day old', 'Every chart says when it was sounded.',
     'team', pg_temp.id('member theo'), pg_temp.id('team'), '2026-01-01', '2026-12-31', pg_temp.id('member'));

INSERT INTO key_results (tenant_id, id, organization_id, goal_id, title, metric_type, unit, start_value, target_value, current_value)
VALUES
    (app_tenant(), pg_temp.id('key_result'), pg_temp.id('organization'), pg_temp.id('goal'), 'Charts with a date', 'percentage', '%', 0, 100, 40),
    (app_tenant(), pg_temp.id('key_result boat'), pg_temp.id('organization'), pg_temp.id('goal'), 'The sounding boat sails again', 'boolean', NULL, 0, 1, 0);
