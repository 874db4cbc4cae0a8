-- after: users
SELECT wallet_credit(u.id, 'tokens', 'signup_bonus', 1000, 'sign-up', NULL, '{}'), wallet_credit(NULL, 'tokens', 'admin_grant', 50000, NULL, 'harbour-opening', '{}')
FROM users u
WHERE u.tenant_id = app_tenant() AND u.public_id = 'user_demo';

SELECT wallet_consume(NULL, u.id, 'tokens', 7, 'chart.draw', 'chart-41', '{"sheets": 3}')
FROM users u
WHERE u.tenant_id = app_tenant() AND u.public_id = 'user_demo';

-- What it costs to run, of no tenant.
INSERT INTO infrastructure_costs (provider, name, monthly_cents) VALUES ('Harbour Hosting', 'web and database', 1200) ON CONFLICT DO NOTHING;
