-- after: users
-- One that is there and one that is awaited.
INSERT INTO stored_objects (tenant_id, id, user_id, backend, state, content_type, size, sha256)
VALUES (app_tenant(), pg_temp.id('object chart'), pg_temp.id('user'), 'local', 'stored', 'image/png', 48213, sha256('a chart'));

INSERT INTO stored_objects (tenant_id, id, user_id, backend, content_type, size, expires_at)
VALUES (app_tenant(), pg_temp.id('object plan'), pg_temp.id('user'), 'local', 'application/pdf', 120400, now() + interval '25 hours');

INSERT INTO files (tenant_id, id, owner_id, object_id, name, uploaded_at)
VALUES
    (app_tenant(), pg_temp.id('file'), pg_temp.id('user'), pg_temp.id('object chart'), 'harbour.png', now()),
    (app_tenant(), pg_temp.id('file awaited'), pg_temp.id('user'), pg_temp.id('object plan'), 'berths.pdf', NULL);
