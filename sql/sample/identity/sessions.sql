-- after: users
INSERT INTO sessions (tenant_id, id, user_id, expires_at, user_agent, ip, method)
VALUES
    (app_tenant(), pg_temp.id('session'), pg_temp.id('user'), now() + interval '30 days', 'Mozilla/5.0 (Harbour desk)', '192.0.2.17', 'password'),
    (app_tenant(), pg_temp.id('session theo'), pg_temp.id('user theo'), now() + interval '30 days', 'Mozilla/5.0 (Tidewater phone)', '192.0.2.18', 'passkey'),
    (app_tenant(), pg_temp.id('session seen'), pg_temp.id('user theo'), now() + interval '1 hour', 'Mozilla/5.0 (Olive desk)', '192.0.2.19', 'impersonation');

-- Olive looked at what Theo sees.
INSERT INTO session_impersonators (tenant_id, session_id, member_tenant_id, member_id, reason)
VALUES (app_tenant(), pg_temp.id('session seen'), app_tenant(), pg_temp.id('dashboard member'), 'ticket 4711: the board stays empty');

INSERT INTO known_addresses (tenant_id, account_id, address)
VALUES (app_tenant(), pg_temp.id('user'), '192.0.2.17/32');

INSERT INTO session_exchanges (tenant_id, session_id, exchanged_id)
VALUES (app_tenant(), pg_temp.id('session seen'), pg_temp.id('session exchanged'));
