-- after: users
INSERT INTO activity_log (tenant_id, actor_type, actor_id, action, entity_type, entity_id, metadata)
VALUES (app_tenant(), 'system', 'nightly-tides', 'tides.published', 'table', '2026-11', '{"harbours": 12}'),
       (app_tenant(), 'agent', 'surveyor', 'chart.checked', 'chart', '41', '{}');
