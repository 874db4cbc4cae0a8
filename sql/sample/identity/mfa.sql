-- after: users
-- {sign_in_method} = second_factor
-- Theo's, so that Dana signs in with a password alone.  Nobody has the secret, nor a code.
INSERT INTO totp_factors (tenant_id, user_id, secret_sealed, confirmed_at)
VALUES (app_tenant(), pg_temp.id('user theo'), 'a sealed secret of nobody', now() - interval '20 days');

INSERT INTO recovery_codes (tenant_id, user_id, hash)
SELECT app_tenant(), pg_temp.id('user theo'), sha256(gen_random_uuid()::text::bytea)
FROM generate_series(1, 8);
