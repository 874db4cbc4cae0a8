-- after: users
-- Forty, one a day.
INSERT INTO projects (tenant_id, id, owner_id, name, description, created_at, updated_at)
SELECT app_tenant(), CASE n WHEN 0 THEN pg_temp.id('project') ELSE uuid_v7() END, pg_temp.id('user'),
       format('%s %s', (ARRAY['Harbour', 'Orchard', 'Lantern', 'Quarry', 'Meridian', 'Willow', 'Granite', 'Beacon'])[1 + n % 8],
                       (ARRAY['site', 'app', 'report', 'survey', 'archive'])[1 + n / 8]),
       CASE WHEN n % 4 <> 3 THEN format('Demo project number %s.', n + 1) END, made_at, made_at
FROM generate_series(0, 39) n, LATERAL (SELECT now() - (40 - n) * interval '1 day' AS made_at) t;

UPDATE users
SET project_count = 40
WHERE tenant_id = app_tenant() AND id = pg_temp.id('user');
