-- after: users
-- One that is there and one that is awaited; a shared one of the tenant's, and folders.
INSERT INTO stored_objects (tenant_id, id, user_id, backend, state, content_type, size, sha256)
VALUES (app_tenant(), pg_temp.id('object chart'), pg_temp.id('user'), 'local', 'stored', 'image/png', 48213, sha256('a chart'));

INSERT INTO stored_objects (tenant_id, id, user_id, backend, content_type, size, expires_at)
VALUES (app_tenant(), pg_temp.id('object plan'), pg_temp.id('user'), 'local', 'application/pdf', 120400, now() + interval '25 hours');

INSERT INTO files (tenant_id, id, owner_id, object_id, name, uploaded_at)
VALUES
    (app_tenant(), pg_temp.id('file'), pg_temp.id('user'), pg_temp.id('object chart'), 'harbour.png', now()),
    (app_tenant(), pg_temp.id('file awaited'), pg_temp.id('user'), pg_temp.id('object plan'), 'berths.pdf', NULL);

INSERT INTO stored_objects (tenant_id, id, backend, state, content_type, size, sha256)
VALUES (app_tenant(), pg_temp.id('object tides'), 'local', 'stored', 'text/csv', 2048, sha256('tides'));

INSERT INTO files (tenant_id, id, object_id, name, description, is_shared, uploaded_at)
VALUES (app_tenant(), pg_temp.id('dashboard file'), pg_temp.id('object tides'), 'tides.csv', 'High and low water of the year.', true, now());

INSERT INTO file_folders (tenant_id, id, owner_id, parent_id, name, path, depth)
VALUES
    (app_tenant(), pg_temp.id('folder'), pg_temp.id('user'), NULL, 'Charts', '/Charts', 1),
    (app_tenant(), pg_temp.id('folder inner'), pg_temp.id('user'), pg_temp.id('folder'), 'Harbour approaches', '/Charts/Harbour approaches', 2);

UPDATE files SET folder_id = pg_temp.id('folder'), description = 'Where the berths are.'
WHERE tenant_id = app_tenant() AND id = pg_temp.id('file');
