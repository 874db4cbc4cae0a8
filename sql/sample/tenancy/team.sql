-- Who runs the tenant; without a password they sign in by the mail that sets one.
INSERT INTO team_members (tenant_id, id, email, display_name, role, is_email_verified, joined_at)
SELECT app_tenant(), m.id, m.name || t.slug || '.example', m.display_name, m.role, true, now() - interval '120 days'
FROM tenants t,
     (VALUES (pg_temp.id('dashboard member'), 'olive@', 'Olive Owner', 'owner'),
             (pg_temp.id('dashboard member percy'), 'percy@', 'Percy Pilot', 'member')) m (id, name, display_name, role)
WHERE t.id = app_tenant();

INSERT INTO team_sessions (tenant_id, id, member_id, expires_at, user_agent, ip)
VALUES (app_tenant(), pg_temp.id('dashboard session'), pg_temp.id('dashboard member'), now() + interval '7 days', 'Mozilla/5.0 (Olive desk)', '192.0.2.19');

-- Percy's, so that Olive signs in with a password alone.  Nobody has the secret, nor a code.
INSERT INTO team_totp_factors (tenant_id, member_id, secret_sealed, confirmed_at)
VALUES (app_tenant(), pg_temp.id('dashboard member percy'), 'a sealed secret of nobody', now() - interval '20 days');

INSERT INTO team_recovery_codes (tenant_id, member_id, hash)
SELECT app_tenant(), pg_temp.id('dashboard member percy'), sha256(gen_random_uuid()::text::bytea)
FROM generate_series(1, 8);
