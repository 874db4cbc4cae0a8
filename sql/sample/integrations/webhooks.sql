-- after: organizations members
-- Not active, and its delivery has ended, so that nobody is called.
INSERT INTO webhook_endpoints (tenant_id, id, organization_id, name, url, events, is_active, secret_sealed, secret_tail, created_by)
VALUES (app_tenant(), pg_temp.id('webhook'), pg_temp.id('organization'), 'Harbour master', 'https://hooks.harbour.example/ashlar', '{*}', false,
        'a sealed secret of nobody', 'tide', pg_temp.id('member'));

INSERT INTO webhook_messages (tenant_id, id, organization_id, type, payload)
VALUES (app_tenant(), 'msg_harbour', pg_temp.id('organization'), 'department.created', '{"type": "department.created", "data": {"name": "Boatyard"}}');

INSERT INTO webhook_deliveries (tenant_id, id, endpoint_id, message_id, event, state, attempts, status_code, error, finished_at)
VALUES (app_tenant(), pg_temp.id('delivery'), pg_temp.id('webhook'), 'msg_harbour', 'department.created', 'failed', 1, 502, 'the harbour master is at lunch', now());

INSERT INTO webhook_attempts (tenant_id, delivery_id, number, status_code, error, response_body, latency_ms)
VALUES (app_tenant(), pg_temp.id('delivery'), 1, 502, 'the harbour master is at lunch', 'Bad Gateway of the harbour', 41);
