-- Who runs the tenant; without a password they sign in by the mail that sets one.
INSERT INTO team_members (tenant_id, id, email, display_name, role, is_email_verified, joined_at)
VALUES (app_tenant(), pg_temp.id('dashboard member'), (SELECT 'olive@' || slug || '.example' FROM tenants WHERE id = app_tenant()), 'Olive Owner', 'owner', true, now() - interval '120 days');

INSERT INTO team_sessions (tenant_id, id, member_id, expires_at, user_agent, ip)
VALUES (app_tenant(), pg_temp.id('dashboard session'), pg_temp.id('dashboard member'), now() + interval '7 days', 'Mozilla/5.0 (Olive desk)', '192.0.2.19');
