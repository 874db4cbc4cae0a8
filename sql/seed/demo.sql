-- Demo data, in the tenant that the connection is in.  Run any number of
-- times: what is there is left alone, also when it was changed or deleted.

-- Nobody waits to be told of it (see is_told).
SELECT set_config('app.quiet', 'on', false);

INSERT INTO users (tenant_id, public_id, email, full_name, role, subscription_plan, subscription_status, created_at)
VALUES
    (app_tenant(), 'user_demo', 'demo@example.com', 'Dana Demo', 'user', 'pro', 'active', now() - interval '90 days'),
    (app_tenant(), 'user_admin', 'admin@example.com', 'Ada Admin', 'superadmin', NULL, NULL, now() - interval '120 days')
ON CONFLICT DO NOTHING;

-- Forty projects, one a day; none when the user has, or ever had, any.
WITH demo AS (
    SELECT tenant_id, id
    FROM users u
    WHERE tenant_id = app_tenant() AND public_id = 'user_demo'
      AND NOT EXISTS (SELECT FROM projects p WHERE p.tenant_id = u.tenant_id AND p.owner_id = u.id)
), made AS (
    INSERT INTO projects (tenant_id, owner_id, name, description, created_at, updated_at)
    SELECT demo.tenant_id, demo.id, format('%s %s', (ARRAY['Harbour', 'Orchard', 'Lantern', 'Quarry', 'Meridian',
                                                           'Willow', 'Granite', 'Beacon'])[1 + n % 8],
                                           (ARRAY['site', 'app', 'report', 'survey', 'archive'])[1 + n / 8]),
           CASE WHEN n % 4 <> 3 THEN format('Demo project number %s.', n + 1) END, made_at, made_at
    FROM demo, generate_series(0, 39) n, LATERAL (SELECT now() - (40 - n) * interval '1 day' AS made_at) t
    RETURNING tenant_id, owner_id
)
UPDATE users u
SET project_count = u.project_count + c.n
FROM (SELECT tenant_id, owner_id, count(*) AS n FROM made GROUP BY tenant_id, owner_id) c
WHERE u.tenant_id = c.tenant_id AND u.id = c.owner_id;
