-- after: members
INSERT INTO workspace_teams (tenant_id, id, organization_id, name, description, color, created_by_id)
VALUES
    (app_tenant(), pg_temp.id('team'), pg_temp.id('organization'), 'Navigation', 'Where we are, and where we go.', '#1a73e8', pg_temp.id('member')),
    (app_tenant(), pg_temp.id('team tides'), pg_temp.id('organization'), 'Tide tables', NULL, '#0b8043', pg_temp.id('member')),
    (app_tenant(), pg_temp.id('team fleet'), pg_temp.id('organization'), 'Fleet', NULL, '#5f6368', pg_temp.id('member'));

INSERT INTO workspace_team_members (tenant_id, organization_id, team_id, member_id, role)
VALUES
    (app_tenant(), pg_temp.id('organization'), pg_temp.id('team'), pg_temp.id('member'), 'lead'),
    (app_tenant(), pg_temp.id('organization'), pg_temp.id('team'), pg_temp.id('member theo'), 'member');

UPDATE workspace_teams
SET lead_member_id = pg_temp.id('member')
WHERE tenant_id = app_tenant() AND id = pg_temp.id('team');

UPDATE workspace_teams
SET parent_team_id = pg_temp.id('team')
WHERE tenant_id = app_tenant() AND id = pg_temp.id('team tides');
