-- after: users
-- Made three days ago, and over.
INSERT INTO account_exports (tenant_id, id, user_id, status, file_size, created_at, completed_at, expires_at)
SELECT app_tenant(), pg_temp.id('account export'), pg_temp.id('user'), 'completed', 20480, now() - interval '3 days', now() - interval '3 days', now() - interval '2 days';
