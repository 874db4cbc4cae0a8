-- after: organizations users
INSERT INTO usage_events (tenant_id, slot, metric, user_id, organization_id, quantity, category)
VALUES (app_tenant(), usage_slot(now()), 'ai_tokens', pg_temp.id('user'), pg_temp.id('organization'), 1250, 'gpt-4o');

INSERT INTO usage_daily (tenant_id, user_id, metric, day, organization_id, category, quantity, count)
SELECT app_tenant(), pg_temp.id('user'), 'api_requests', (now() AT TIME ZONE 'UTC')::date - n, pg_temp.id('organization'), '', 40 + 3 * n, 40 + 3 * n
FROM generate_series(0, 6) n;

-- What traces of a project used.
INSERT INTO usage_daily (tenant_id, user_id, metric, day, organization_id, category, quantity, count)
SELECT app_tenant(), usage_id(NULL), metric, (now() AT TIME ZONE 'UTC')::date, pg_temp.id('organization'), pg_temp.id('project')::text, 250000, 60
FROM unnest(ARRAY ['spans', 'span_tokens']) metric;

INSERT INTO usage_counters (tenant_id, organization_id, user_id, metric, period_start, period_end, used)
SELECT app_tenant(), pg_temp.id('organization'), u, 'messages', utc_month(now()), utc_month(utc_month(now()) + interval '32 days'), 7
FROM unnest(ARRAY [pg_temp.id('user'), usage_id(NULL)]) u;

INSERT INTO usage_operations (tenant_id, id, organization_id, user_id, state, amounts, actual, period_start, period_end)
VALUES (app_tenant(), 'chat-harbour', pg_temp.id('organization'), pg_temp.id('user'), 'settled', '{"messages": 1}', '{"messages": 1}',
        utc_month(now()), utc_month(utc_month(now()) + interval '32 days'));

INSERT INTO usage_limits (tenant_id, organization_id, user_id, metric, max)
VALUES (app_tenant(), pg_temp.id('organization'), pg_temp.id('user'), 'messages', 5000), (app_tenant(), usage_id(NULL), pg_temp.id('user'), 'messages', 500);

-- {subject} = user_demo
-- {metric} = messages
-- {meter} = boats_launched
INSERT INTO usage_meters (tenant_id, key, name, unit, event_type, aggregation, max)
VALUES (app_tenant(), 'boats_launched', 'Boats launched', 'boats', 'harbour.boat.launched', 'count', 40);

INSERT INTO usage_event_ids (tenant_id, hash) VALUES (app_tenant(), sha256('harbour'));

INSERT INTO usage_values (tenant_id, metric, organization_id, user_id, month, hash)
VALUES (app_tenant(), 'meter.skippers', pg_temp.id('organization'), usage_id(NULL), utc_month(now())::date, sha256('skipper'));
