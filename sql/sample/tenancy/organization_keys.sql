-- after: members
-- Nobody has its text.
INSERT INTO api_keys (tenant_id, id, organization_id, name, description, type, prefix, scopes, creator_id, made_by)
VALUES (app_tenant(), pg_temp.id('operations key'), pg_temp.id('organization'), 'Deployment', 'Reports what was deployed', 'organization', 'sk_live_harb',
        '{tasks:read,agents:read,templates:read}', pg_temp.id('user'), pg_temp.id('member'));
INSERT INTO api_key_secrets (tenant_id, key_id, hash, place, last_four)
VALUES (app_tenant(), pg_temp.id('operations key'), sha256(gen_random_uuid()::text::bytea), 1, 'Ns3U');
INSERT INTO api_key_uses (tenant_id, key_id, slot, method, path, status, latency_ms, ip, user_agent, created_at)
SELECT app_tenant(), pg_temp.id('operations key'), api_key_uses_slot((now() AT TIME ZONE 'UTC')::date), 'GET', '/api/organizations', 200, 4, '192.0.2.7', 'curl/7.88.1', now();
INSERT INTO api_key_use_days (tenant_id, key_id, day, count)
VALUES (app_tenant(), pg_temp.id('operations key'), (now() AT TIME ZONE 'UTC')::date, 1);
