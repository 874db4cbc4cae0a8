-- after: users organizations
INSERT INTO agents (tenant_id, id, name, description, system_prompt, mcp_servers, temperature, available_to_end_users, created_by)
VALUES (app_tenant(), pg_temp.id('agent'), 'Harbour master', 'Knows the tides', 'You answer questions about the harbour.',
        '[{"name": "tides", "url": "https://tools.acme.example/mcp", "transport": "http", "headers": {}, "allowed_tools": null, "is_enabled": true}]',
        0.2, true, pg_temp.id('dashboard member'));

INSERT INTO agent_conversations (tenant_id, id, agent_id, user_id, title, messages)
VALUES (app_tenant(), pg_temp.id('conversation'), pg_temp.id('agent'), pg_temp.id('user'), 'Tides', 2);

INSERT INTO agent_messages (tenant_id, conversation_id, role, content, tokens_used)
VALUES
    (app_tenant(), pg_temp.id('conversation'), 'user', 'When is high water?', NULL),
    (app_tenant(), pg_temp.id('conversation'), 'assistant', 'At 14:20.', 187);

INSERT INTO agent_executions (tenant_id, agent_id, user_id, organization_id, conversation_id, input_text, output_text, tokens_used, cost,
                              execution_time_ms, status, execution_metadata)
VALUES (app_tenant(), pg_temp.id('agent'), pg_temp.id('user'), pg_temp.id('organization'), pg_temp.id('conversation'),
        'When is high water?', 'At 14:20.', 187, 410, 940, 'SUCCESS', '{"model": "gpt-4o", "temperature": 0.2}');

INSERT INTO agent_daily (tenant_id, day, agent_id, organization_id, executions, failed, tokens, cost, duration_ms)
VALUES (app_tenant(), (now() AT TIME ZONE 'UTC')::date, pg_temp.id('agent'), pg_temp.id('organization'), 1, 0, 187, 410, 940);
