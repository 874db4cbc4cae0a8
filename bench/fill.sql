-- 500 users with a session and 40 projects each, in the default tenant; run as
-- a superuser, whom row-level security lets write.  psql sets tenant, users, each.
BEGIN;
INSERT INTO users (tenant_id, public_id, email, full_name, project_count, created_at)
SELECT :'tenant', 'user_' || left(md5(n::text), 24), format('bench%s@example.com', lpad(n::text, 4, '0')),
       format('Bench User %s', n), :each, now() - n * interval '1 minute'
FROM generate_series(1, :users) n;

INSERT INTO sessions (tenant_id, user_id, expires_at)
SELECT tenant_id, id, now() + interval '1 day' FROM users WHERE email LIKE 'bench%';

-- Ordered so that one user's projects do not lie together, as in life.
INSERT INTO projects (tenant_id, owner_id, name, description, created_at, updated_at)
SELECT u.tenant_id, u.id, format('Project %s of %s', n, u.full_name),
       CASE WHEN n % 5 <> 0 THEN format('What project %s is for, in a sentence of the usual "length" – about this.', n) END,
       now() - (n * 500 + random() * 400) * interval '1 second', now() - n * interval '100 seconds'
FROM generate_series(1, :each) n, users u
WHERE u.email LIKE 'bench%'
ORDER BY n, u.id;
COMMIT;

GRANT USAGE ON SCHEMA public TO bench_bare;
GRANT SELECT ON users, projects TO bench_bare;
VACUUM (FREEZE, ANALYZE);
