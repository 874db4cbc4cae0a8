-- Many rows, for measuring: as many users as the setting seed.users says
-- (scale_0, scale_1, …), a tenth as many organizations (scale-0, …) of ten
-- members each, and scale_0 in fifty of them.  In the tenant that the
-- connection is in; run again with a larger number it adds what is missing.

-- No subscriber waits to be told of it (see is_told).
SELECT set_config('app.quiet', 'on', false);

INSERT INTO users (tenant_id, public_id, email, full_name, is_email_verified, created_at)
SELECT app_tenant(), 'scale_' || n, format('scale%s@example.com', n), format('%s %s', given, family), true,
       now() - n * interval '30 seconds'
FROM generate_series(0, current_setting('seed.users')::integer - 1) n,
     LATERAL (SELECT (ARRAY['Ada', 'Ben', 'Cleo', 'Dan', 'Eva', 'Finn', 'Gita', 'Hugo'])[1 + n % 8] AS given,
                     (ARRAY['Archer', 'Baker', 'Cooper', 'Draper', 'Fisher', 'Mason', 'Potter'])[1 + n % 7] || n / 56 AS family) name
ON CONFLICT DO NOTHING;

INSERT INTO organizations (tenant_id, name, slug, created_at)
SELECT app_tenant(), 'Organization ' || n, 'scale-' || n, now() - n * interval '5 minutes'
FROM generate_series(0, current_setting('seed.users')::integer / 10 - 1) n
ON CONFLICT DO NOTHING;

INSERT INTO departments (tenant_id, organization_id, name, is_default)
SELECT o.tenant_id, o.id, 'General', true
FROM organizations o
WHERE o.tenant_id = app_tenant() AND o.slug LIKE 'scale-%'
ON CONFLICT DO NOTHING;

WITH u AS MATERIALIZED (
    SELECT id, substr(public_id, 7)::integer AS n FROM users
    WHERE tenant_id = app_tenant() AND public_id LIKE 'scale\_%'
), o AS MATERIALIZED (
    SELECT id, substr(slug, 7)::integer AS n FROM organizations
    WHERE tenant_id = app_tenant() AND slug LIKE 'scale-%'
)
INSERT INTO memberships (tenant_id, organization_id, user_id, role, joined_at)
SELECT app_tenant(), m.id, m.user_id,
       CASE WHEN m.u_n / 10 <> m.n THEN 'developer' WHEN m.u_n % 10 = 0 THEN 'owner' WHEN m.u_n % 10 = 1 THEN 'admin' ELSE 'member' END,
       now() - m.n * interval '5 minutes' + m.u_n % 10 * interval '1 second'
FROM (SELECT o.id, o.n, u.id AS user_id, u.n AS u_n FROM o JOIN u ON u.n / 10 = o.n
      UNION ALL
      SELECT o.id, o.n, u.id, u.n FROM o JOIN u ON u.n = 0 AND o.n BETWEEN 1 AND 49) m
ON CONFLICT DO NOTHING;

ANALYZE users, organizations, departments, memberships;
