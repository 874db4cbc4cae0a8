-- after: organizations users
-- Nobody has the text of its key.
INSERT INTO trace_projects (tenant_id, id, organization_id, name, environment, api_key_hash, api_key_sealed)
VALUES (app_tenant(), pg_temp.id('trace project'), pg_temp.id('organization'), 'Harbour assistant', 'production',
        sha256(gen_random_uuid()::text::bytea), 'v1.0.x');

INSERT INTO opsboard_profiles (tenant_id, user_id)
VALUES (app_tenant(), pg_temp.id('user'));
