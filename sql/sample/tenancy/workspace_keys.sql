-- after: members
-- Nobody has its text.
INSERT INTO api_keys (tenant_id, id, organization_id, name, description, type, prefix, hash, scopes, allowed_ranges, made_by)
VALUES (app_tenant(), pg_temp.id('api_key'), pg_temp.id('organization'), 'Reporting', 'Fills the warehouse each night', 'workspace', 'ash_live_harb',
        sha256(gen_random_uuid()::text::bytea), '{data:read}', '{192.0.2.0/24}', pg_temp.id('member'));
