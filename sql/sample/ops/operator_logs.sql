INSERT INTO operator_logs (tenant_id, agent, level, message, meta)
VALUES (app_tenant(), 'surveyor', 'info', 'tide table read', '{"harbours": 12}'),
       (app_tenant(), 'surveyor', 'warn', 'no chart of harbour 7', '{}');
