-- after: users
INSERT INTO sessions (tenant_id, id, user_id, expires_at, user_agent, ip, method)
VALUES
    (app_tenant(), pg_temp.id('session'), pg_temp.id('user'), now() + interval '30 days', 'Mozilla/5.0 (Harbour desk)', '192.0.2.17', 'password'),
    (app_tenant(), pg_temp.id('session theo'), pg_temp.id('user theo'), now() + interval '30 days', 'Mozilla/5.0 (Tidewater phone)', '192.0.2.18', 'passkey');

INSERT INTO known_addresses (tenant_id, account_id, address)
VALUES (app_tenant(), pg_temp.id('user'), '192.0.2.17/32');
