-- after: users organizations
-- {permission} = can_create_team
-- {role} = viewer
INSERT INTO memberships (tenant_id, id, organization_id, user_id, role)
VALUES
    (app_tenant(), pg_temp.id('member'), pg_temp.id('organization'), pg_temp.id('user'), 'owner'),
    (app_tenant(), pg_temp.id('member theo'), pg_temp.id('organization'), pg_temp.id('user theo'), 'developer'),
    (app_tenant(), pg_temp.id('member vera'), pg_temp.id('organization'), pg_temp.id('user vera'), 'viewer');

UPDATE member_profiles
SET display_name = 'Theo', title = 'Shipwright', department = 'Boatyard', phone = '+49 40 5550100', timezone = 'Europe/Berlin', tours = '{"welcome": true}',
    invited_by = pg_temp.id('user'), invited_at = now() - interval '40 days', accepted_at = now() - interval '39 days'
WHERE tenant_id = app_tenant() AND member_id = pg_temp.id('member theo');

UPDATE users
SET default_organization_id = pg_temp.id('organization')
WHERE tenant_id = app_tenant() AND id = pg_temp.id('user');

-- Beyond what a role may everywhere.
INSERT INTO role_permissions (tenant_id, organization_id, role, permission, is_granted)
VALUES (app_tenant(), pg_temp.id('organization'), 'developer', 'can_create_team', true);

INSERT INTO account_makers (tenant_id, user_id, organization_id)
VALUES (app_tenant(), pg_temp.id('user'), pg_temp.id('organization'));

-- Dana thinks of handing it on.
INSERT INTO ownership_offers (tenant_id, organization_id, from_member_id, to_member_id, expires_at)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('member'), pg_temp.id('member theo'), now() + interval '6 days');

-- Vera helps until the boat is launched.
INSERT INTO membership_ends (tenant_id, organization_id, member_id, ends_at)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('member vera'), now() + interval '90 days');
