-- after: users
-- {credential_key} = harbour.crane
-- Not one of them opens: there is no value that this file could seal.
INSERT INTO credentials (tenant_id, key, description, updated_by_id)
VALUES (app_tenant(), 'harbour.crane', 'The crane''s own API.', pg_temp.id('user'));

INSERT INTO credential_versions (tenant_id, key, version, value_sealed, made_by_id)
VALUES (app_tenant(), 'harbour.crane', 1, 'v1.0.none', pg_temp.id('user'));
