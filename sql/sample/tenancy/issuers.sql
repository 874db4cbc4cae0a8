INSERT INTO tenant_issuers (tenant_id, id, name, issuer, jwks_url, max_role, is_enabled)
VALUES (app_tenant(), pg_temp.id('issuer'), 'Harbour login', 'https://login.harbour.example', 'https://login.harbour.example/jwks', 'admin', false);
