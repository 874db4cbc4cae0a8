-- after: users
-- {hold_number} = SELECT min(number) FROM wallet_holds WHERE tenant_id = app_tenant()
SELECT wallet_credit(u.id, 'tokens', 'signup_bonus', 1000, 'sign-up', NULL, '{}'), wallet_credit(NULL, 'tokens', 'admin_grant', 50000, NULL, 'harbour-opening', '{}')
FROM users u
WHERE u.tenant_id = app_tenant() AND u.public_id = 'user_demo';

SELECT wallet_consume(NULL, u.id, 'tokens', 7, 'chart.draw', 'chart-41', '{"sheets": 3}')
FROM users u
WHERE u.tenant_id = app_tenant() AND u.public_id = 'user_demo';

SELECT wallet_hold(tenant_number(app_tenant()), u.id, 'tokens', 20, 'chart.draw', 'chart-42', '{}', 900)
FROM users u
WHERE u.tenant_id = app_tenant() AND u.public_id = 'user_demo';

-- What it costs to run, of no tenant.
INSERT INTO infrastructure_costs (provider, name, monthly_cents) VALUES ('Harbour Hosting', 'web and database', 1200) ON CONFLICT DO NOTHING;

INSERT INTO topup_configs (tenant_id, id, owner_id, user_id, unit, is_enabled, threshold, package, last_error)
SELECT u.tenant_id, pg_temp.id('topup config'), u.id, u.id, 'credit', false, 500, 'credit-10', 'card_declined'
FROM users u
WHERE u.tenant_id = app_tenant() AND u.public_id <> 'user_demo' ORDER BY u.id LIMIT 1;

INSERT INTO topups (tenant_id, owner_id, user_id, config_id, unit, package, amount, bonus, price_cents, currency, status, error, ended_at)
SELECT c.tenant_id, c.owner_id, c.user_id, c.id, c.unit, c.package, 1000, 0, 1000, 'usd', 'failed', 'card_declined', now() - interval '1 day'
FROM topup_configs c
WHERE c.tenant_id = app_tenant();
