-- What 1,000 users (scale_0, …) used in a year, or in as many days as they need for it, for measuring: sums by day of as many events as
-- the setting seed.usage says.  In the tenant that the connection is in; what is there of those users goes.
DELETE FROM usage_daily d
USING users u
WHERE d.tenant_id = app_tenant() AND u.tenant_id = d.tenant_id AND u.id = d.user_id AND u.public_id LIKE 'scale\_%';

-- Each of nine metrics on each day, in the user's organization; tokens by two models.
INSERT INTO usage_daily (tenant_id, user_id, metric, day, organization_id, category, quantity, count)
SELECT app_tenant(), u.id, m.key, (now() AT TIME ZONE 'UTC')::date - d::integer, o.id, c.category, n.n * (1 + hashtext(u.id::text || d) % 7 + 7) / 8, n.n
FROM users u
CROSS JOIN LATERAL (SELECT m.organization_id AS id FROM memberships m WHERE m.tenant_id = u.tenant_id AND m.user_id = u.id
                    ORDER BY m.joined_at LIMIT 1) o
CROSS JOIN (SELECT x.key FROM usage_metrics() x WHERE x.is_listed) m
CROSS JOIN LATERAL unnest(CASE m.key WHEN 'ai_tokens' THEN ARRAY ['gpt-4o', 'claude-sonnet-4'] ELSE ARRAY [''] END) c (category)
CROSS JOIN (SELECT e.n AS events, least(365, greatest(1, e.n / 100000)) AS days FROM (SELECT current_setting('seed.usage')::bigint AS n) e) s
CROSS JOIN LATERAL generate_series(0, s.days - 1) d
CROSS JOIN LATERAL (SELECT greatest(1, s.events / (10000 * s.days)) AS n) n
WHERE u.tenant_id = app_tenant() AND u.public_id LIKE 'scale\_%';

ANALYZE usage_daily;
