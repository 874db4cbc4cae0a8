-- after: organizations users
-- The second one has the id that a path's {agent_id} names: there it is also an agent of the tenant (agents.sql).
INSERT INTO external_agents (tenant_id, id, name, description, platform, calls_count, last_call_at, created_by)
VALUES
    (app_tenant(), pg_temp.id('external_agent'), 'Tide reader', 'Reads what the harbour office sends', 'n8n', 1, now(), pg_temp.id('dashboard member')),
    (app_tenant(), pg_temp.id('agent'), 'Buoy watcher', NULL, 'zapier', 0, NULL, pg_temp.id('dashboard member'));

INSERT INTO external_agent_calls (tenant_id, external_agent_id, user_id, organization_id, input_tokens, output_tokens, total_tokens, cost,
                                  duration_ms, status, call_metadata)
VALUES (app_tenant(), pg_temp.id('external_agent'), pg_temp.id('user'), pg_temp.id('organization'), 812, 164, 976, 4120, 2310, 'SUCCESS',
        '{"workflow": "tides"}');

INSERT INTO external_agent_daily (tenant_id, day, external_agent_id, organization_id, calls, errors, total_tokens, cost)
VALUES (app_tenant(), (now() AT TIME ZONE 'UTC')::date, pg_temp.id('external_agent'), pg_temp.id('organization'), 1, 0, 976, 4120);
