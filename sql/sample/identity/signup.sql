-- after: organizations
-- {invite_code} = AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk
-- {job_id} = AAAAAAAAcACAAAAAAAAAAQ0sQ9S2mK1u4cJ7wP5yB8nRz3TtVvXa6LhEoGfDi2Yk
INSERT INTO signup_invites (tenant_id, id, email, email_key, full_name, company_name, hash, sealed, customer_id, provider_id, tier, tier_name)
VALUES (app_tenant(), pg_temp.id('signup_invite'), 'paid@example.com', 'paid@example.com', 'Pat Paid', 'Paid Works', sha256(app_tenant()::text::bytea),
        'sealed', 'cus_sample', 'sub_sample', 'pro', 'Pro');

INSERT INTO signup_runs (tenant_id, id, kind, state, step, email, request, organization_id, hash, due_at, ended_at)
VALUES (app_tenant(), pg_temp.id('signup_run'), 'free', 'done', 'done', 'done@example.com', '{}', pg_temp.id('organization'), sha256(('run' || app_tenant())::bytea),
        now(), now() - interval '1 day');
