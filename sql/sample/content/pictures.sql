-- after: members files
INSERT INTO stored_objects (tenant_id, id, organization_id, backend, state, content_type, size, sha256)
VALUES (app_tenant(), pg_temp.id('object portrait'), pg_temp.id('organization'), 'local', 'stored', 'image/jpeg', 20480, sha256('a portrait'));

INSERT INTO pictures (tenant_id, id, organization_id, member_id, object_id, key_hash)
VALUES (app_tenant(), pg_temp.id('picture'), pg_temp.id('organization'), pg_temp.id('member theo'), pg_temp.id('object portrait'),
        sha256(gen_random_uuid()::text::bytea));
