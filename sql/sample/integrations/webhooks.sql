-- after: organizations members
-- Not active, and its delivery has ended, so that nobody is called.
INSERT INTO webhook_endpoints (tenant_id, id, organization_id, name, url, events, is_active, secret_sealed, secret_tail, created_by)
VALUES
    (app_tenant(), pg_temp.id('webhook'), pg_temp.id('organization'), 'Harbour master', 'https://hooks.harbour.example/ashlar', '{*}', false,
     'a sealed secret of nobody', 'tide', pg_temp.id('member')),
    (app_tenant(), pg_temp.id('dashboard webhook'), NULL, 'Lighthouse', 'https://light.harbour.example/ashlar', '{*}', false,
     'another sealed secret of nobody', 'glow', NULL);

UPDATE organizations
SET webhook_count = webhook_count + 1
WHERE tenant_id = app_tenant() AND id = pg_temp.id('organization');

UPDATE tenants
SET webhook_count = webhook_count + 1
WHERE id = app_tenant();

INSERT INTO webhook_messages (tenant_id, id, organization_id, type, payload)
VALUES
    (app_tenant(), 'msg_harbour', pg_temp.id('organization'), 'department.created', '{"type": "department.created", "data": {"name": "Boatyard"}}'),
    (app_tenant(), 'msg_lighthouse', NULL, 'user.created', '{"type": "user.created", "data": {"full_name": "Vera Vantage"}}');

INSERT INTO webhook_deliveries (tenant_id, id, endpoint_id, message_id, event, state, attempts, status_code, error, finished_at)
VALUES
    (app_tenant(), pg_temp.id('delivery'), pg_temp.id('webhook'), 'msg_harbour', 'department.created', 'failed', 1, 502, 'the harbour master is at lunch', now()),
    (app_tenant(), pg_temp.id('dashboard delivery'), pg_temp.id('dashboard webhook'), 'msg_lighthouse', 'user.created', 'failed', 1, 503, 'the lighthouse is foggy', now());

INSERT INTO webhook_attempts (tenant_id, delivery_id, number, status_code, error, response_body, latency_ms)
VALUES (app_tenant(), pg_temp.id('delivery'), 1, 502, 'the harbour master is at lunch', 'Bad Gateway of the harbour', 41);
