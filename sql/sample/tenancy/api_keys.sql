-- Nobody has the text of either.
INSERT INTO api_keys (tenant_id, id, name, type, prefix, hash, public_text, allowed_origins)
VALUES
    (app_tenant(), pg_temp.id('key'), 'Harbour backend', 'secret', 'sk_live_harb', sha256(gen_random_uuid()::text::bytea), NULL, '{}'),
    (app_tenant(), pg_temp.id('key public'), 'Harbour pages', 'public', 'pk_live_harb', sha256(gen_random_uuid()::text::bytea), NULL, '{https://app.harbour.example}');
