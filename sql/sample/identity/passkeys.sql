-- after: users
INSERT INTO passkeys (tenant_id, id, user_id, name, credential_id, public_key, rp_id, transports, last_used_at)
VALUES (app_tenant(), pg_temp.id('passkey'), pg_temp.id('user'), 'Harbour phone', sha256(gen_random_uuid()::text::bytea), 'the key of no phone',
        'harbour.example', '{internal,hybrid}', now() - interval '1 day');
