-- {user} = user_demo
-- {user_number} = SELECT number FROM user_accounts WHERE user_id = pg_temp.id('user')
-- Dana owns the workspace and the projects, Theo and Vera work there, Ada runs the installation.
INSERT INTO users (tenant_id, id, public_id, email, full_name, role, subscription_plan, subscription_status, is_email_verified, created_at)
VALUES
    (app_tenant(), pg_temp.id('user'), 'user_demo', 'demo@example.com', 'Dana Demo', 'user', 'pro', 'active', true, now() - interval '90 days'),
    (app_tenant(), pg_temp.id('user admin'), 'user_admin', 'admin@example.com', 'Ada Admin', 'superadmin', NULL, NULL, true, now() - interval '120 days'),
    (app_tenant(), pg_temp.id('user theo'), 'user_theo', 'theo@example.com', 'Theo Tidewater', 'user', NULL, NULL, true, now() - interval '60 days'),
    (app_tenant(), pg_temp.id('user vera'), 'user_vera', 'vera@example.com', 'Vera Vantage', 'user', 'starter', 'past_due', false, now() - interval '30 days');

UPDATE user_accounts SET username = 'vera.vantage' WHERE tenant_id = app_tenant() AND user_id = pg_temp.id('user vera');

INSERT INTO user_settings (tenant_id, user_id, settings)
VALUES (app_tenant(), pg_temp.id('user'), '{"theme": "harbour-dark", "start_page": "projects of the week"}');

INSERT INTO identities (tenant_id, issuer, subject, user_id)
VALUES (app_tenant(), 'https://login.harbour.example', 'theo.tidewater', pg_temp.id('user theo'));

INSERT INTO identity_profiles (tenant_id, issuer, subject, version, version_event, email, full_name)
VALUES (app_tenant(), 'https://login.harbour.example', 'theo.tidewater', now() - interval '2 days', 'evt_profile_of_theo', 'theo@example.com', 'Theo Tidewater');
