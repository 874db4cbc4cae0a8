-- after: organizations users files
-- {trace_id} = 0af7651916cd43dd8448eb211c80319c
-- {object_key} = 8b86d01b42d00cf4fc964ff6f9619ff0
-- Nobody has the text of its key.
INSERT INTO trace_projects (tenant_id, id, organization_id, name, environment, api_key_hash, api_key_sealed)
VALUES (app_tenant(), pg_temp.id('trace project'), pg_temp.id('organization'), 'Harbour assistant', 'production',
        sha256(gen_random_uuid()::text::bytea), 'v1.0.x');

INSERT INTO opsboard_profiles (tenant_id, user_id)
VALUES (app_tenant(), pg_temp.id('user'));

INSERT INTO stored_objects (tenant_id, id, organization_id, backend, state, content_type, size, sha256)
VALUES
    (app_tenant(), pg_temp.id('object log'), pg_temp.id('organization'), 'local', 'stored', 'application/octet-stream', 21, sha256('a log')),
    (app_tenant(), pg_temp.id('object drawing'), pg_temp.id('organization'), 'local', 'stored', 'image/png', 48213, sha256('a drawing'));

INSERT INTO trace_logs (tenant_id, project_id, trace_id, object_id)
VALUES (app_tenant(), pg_temp.id('trace project'), '0af7651916cd43dd8448eb211c80319c', pg_temp.id('object log'));

INSERT INTO trace_objects (tenant_id, project_id, object_id, key_hash)
VALUES (app_tenant(), pg_temp.id('trace project'), pg_temp.id('object drawing'), sha256(gen_random_uuid()::text::bytea));
