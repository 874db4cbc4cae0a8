-- Workspaces, for measuring (bench/workspace), of the users that scale.sql has made: "workspace-scale" has all of them
-- as members and a tenth as many teams of ten, in a tree of tens, and scale_0 ten times as many notifications there;
-- "workspace-thousand" has a thousand of each, to compare it with; and "workspace-0", … of fifty, a hundredth as
-- many as there are users.  scale_0 owns the first two.  In the first one twenty times as many things happened as there are
-- users (or as many times as the setting seed.happened says: PGOPTIONS='-c seed.happened=100'), in the second a thousand.

INSERT INTO organizations (tenant_id, name, slug)
SELECT app_tenant(), initcap(replace(slug, '-', ' ')), slug
FROM (SELECT unnest('{workspace-scale,workspace-thousand}'::text[]) UNION ALL
      SELECT 'workspace-' || n FROM generate_series(0, current_setting('seed.users')::integer / 100 - 1) n) s (slug)
ON CONFLICT DO NOTHING;

WITH u AS MATERIALIZED (
    SELECT id, substr(public_id, 7)::integer AS n FROM users WHERE tenant_id = app_tenant() AND public_id LIKE 'scale\_%'
), o AS MATERIALIZED (
    SELECT id, substr(slug, 11) AS name FROM organizations WHERE tenant_id = app_tenant() AND slug LIKE 'workspace-%'
)
INSERT INTO memberships (tenant_id, organization_id, user_id, role)
SELECT app_tenant(), m.id, m.user_id, CASE WHEN m.nr = 0 THEN 'owner' WHEN m.nr % 100 = 1 THEN 'admin' WHEN m.nr % 10 = 9 THEN 'viewer' ELSE 'member' END
FROM (SELECT o.id, u.id AS user_id, u.n AS nr FROM o, u WHERE o.name = 'scale' OR o.name = 'thousand' AND u.n < 1000
      UNION ALL
      SELECT o.id, u.id, u.n - 50 * o.name::integer FROM o JOIN u ON o.name ~ '^\d+$' AND u.n / 50 = o.name::integer) m
ON CONFLICT DO NOTHING;

-- Who is in the two, by their users' numbers.
CREATE TEMP TABLE scale_members ON COMMIT DROP AS
SELECT o.id AS workspace, o.slug, m.id, substr(u.public_id, 7)::integer AS n
FROM organizations o
JOIN memberships m ON m.tenant_id = o.tenant_id AND m.organization_id = o.id
JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
WHERE o.tenant_id = app_tenant() AND o.slug IN ('workspace-scale', 'workspace-thousand');
CREATE UNIQUE INDEX ON scale_members (workspace, n);
ANALYZE scale_members;

INSERT INTO workspace_teams (tenant_id, organization_id, id, name, description, parent_team_id)
SELECT app_tenant(), w.workspace, md5(w.workspace::text || n)::uuid, 'Team ' || n, 'What team ' || n || ' does',
       CASE WHEN n >= 10 THEN md5(w.workspace::text || n / 10)::uuid END
FROM (SELECT workspace, slug, count(*) AS people FROM scale_members GROUP BY 1, 2) w,
     generate_series(0, CASE w.slug WHEN 'workspace-scale' THEN w.people / 10 ELSE w.people END - 1) n
ON CONFLICT DO NOTHING;

INSERT INTO workspace_team_members (tenant_id, organization_id, team_id, member_id, role)
SELECT app_tenant(), m.workspace, md5(m.workspace::text || t)::uuid, m.id, CASE WHEN m.n % 10 = 0 THEN 'lead' ELSE 'member' END
FROM scale_members m, LATERAL (SELECT m.n / 10 AS t WHERE m.slug = 'workspace-scale'
                               UNION ALL SELECT (m.n + 100 * k) % 1000 FROM generate_series(0, 9) k WHERE m.slug <> 'workspace-scale') team    -- ten there, too
ON CONFLICT DO NOTHING;

-- Every second one is read, one by one; what is inserted with its number is counted behind it.
WITH told AS (
    INSERT INTO notifications (tenant_id, organization_id, member_id, id, event_type, title, message, data, link, entity_type, entity_id, actor_id,
                               nr, read_at, created_at)
    SELECT app_tenant(), me.workspace, me.id, md5(me.id::text || g.nr)::uuid, e.event_type, e.label, 'Goal ' || g.nr, '{}', '/goals/' || g.nr, 'goal', g.nr::text, a.id,
           g.nr, CASE WHEN g.nr % 2 = 0 THEN now() END, now() - (c.n - g.nr) * interval '1 second'
    FROM scale_members me,
         LATERAL (SELECT CASE me.slug WHEN 'workspace-scale' THEN 10 * current_setting('seed.users')::bigint ELSE 1000 END AS n) c,
         generate_series(1, c.n) g (nr),
         LATERAL (SELECT (ARRAY['goal_assigned', 'goal_progress_updated', 'goal_completed', 'team_added'])[1 + g.nr % 4] AS event_type) k
         JOIN notification_events() e USING (event_type),
         scale_members a
    WHERE me.n = 0 AND a.workspace = me.workspace AND a.n = 1 + g.nr % 100
      AND NOT EXISTS (SELECT FROM notification_inboxes i WHERE i.tenant_id = app_tenant() AND i.organization_id = me.workspace AND i.member_id = me.id)
    RETURNING organization_id, member_id, event_type, nr, read_at
)
INSERT INTO notification_inboxes (tenant_id, organization_id, member_id, last_nr, total, unread)
SELECT app_tenant(), organization_id, member_id, max(last), jsonb_object_agg(event_type, total), jsonb_object_agg(event_type, unread) FILTER (WHERE unread > 0)
FROM (SELECT organization_id, member_id, event_type, max(nr) AS last, count(*) AS total, count(*) FILTER (WHERE read_at IS NULL) AS unread
      FROM told GROUP BY 1, 2, 3) k
GROUP BY organization_id, member_id;

-- All have been told something some day.
INSERT INTO notification_inboxes (tenant_id, organization_id, member_id)
SELECT app_tenant(), workspace, id FROM scale_members
ON CONFLICT DO NOTHING;

-- What happened, in 300 days and a thousand scopes, one of which is everybody's; of that there is nothing in the newer half, and a page at least in the older one.  Each scope is of one type, and who
-- works there is always the same.  Ten million, as somebody may have, take five times as long to make, and 8 GB.
CREATE TEMP TABLE scale_happened ON COMMIT DROP AS
SELECT w.workspace, w.n, w.n > c.n / 2 AS is_newer, md5('scope ' || s.k)::uuid AS scope_id, s.k, now() - (c.n - w.n)::double precision / c.n * interval '300 days' AS at,
       (ARRAY['action', 'goal', 'record', 'integration', 'user'])[1 + s.k % 5] AS type, a.id AS actor
FROM (SELECT DISTINCT m.workspace, m.slug FROM scale_members m) o,
     LATERAL (SELECT CASE o.slug WHEN 'workspace-scale' THEN coalesce(nullif(current_setting('seed.happened', true), ''), '20')::bigint * current_setting('seed.users')::bigint ELSE 1000 END AS n) c,
     LATERAL (SELECT o.workspace, g AS n FROM generate_series(1, c.n) g OFFSET 0) w,
     LATERAL (SELECT CASE WHEN w.n > c.n / 2 THEN 1 + w.n % 999 ELSE w.n % least(1000, c.n / 100) END AS k) s
     JOIN scale_members a ON a.n = s.k % 100
WHERE a.workspace = o.workspace AND NOT EXISTS (SELECT FROM activities x WHERE x.tenant_id = app_tenant() AND x.organization_id = o.workspace);
UPDATE scale_happened SET scope_id = '00000000-0000-0000-0000-000000000000' WHERE k = 0;
-- Each month, also the one that has just begun.
SELECT activity_month(m AT TIME ZONE 'UTC')
FROM generate_series(date_trunc('month', (now() - interval '330 days') AT TIME ZONE 'UTC'), now() AT TIME ZONE 'UTC', interval '1 month') m;
-- Their sums are made at once.
ALTER TABLE activities DISABLE TRIGGER activities_count;
INSERT INTO activities (tenant_id, organization_id, scope_id, actor_id, created_at, type, event, scope, entity_type, entity_id, entity_name, link, description)
SELECT app_tenant(), workspace, scope_id, actor, at, type, type || '.updated', CASE k WHEN 0 THEN 'none' ELSE 'recordset' END, type, n::text, 'Number ' || n, '/' || type || 's/' || n,
       'Number ' || n || ' is another one'
FROM scale_happened;
ALTER TABLE activities ENABLE TRIGGER activities_count;
ALTER TABLE activity_days DISABLE TRIGGER activity_days_months;
INSERT INTO activity_days (tenant_id, organization_id, day, scope_id, actor_id, type, count)
SELECT app_tenant(), workspace, (at AT TIME ZONE 'UTC')::date, scope_id, actor, type, count(*) FROM scale_happened GROUP BY 2, 3, 4, 5, 6
UNION ALL
SELECT app_tenant(), workspace, '-infinity', scope_id, '00000000-0000-0000-0000-000000000000', type, count(*) FROM scale_happened GROUP BY 2, 4, 6
ORDER BY 3;    -- as days come
ALTER TABLE activity_days ENABLE TRIGGER activity_days_months;
INSERT INTO activity_months (tenant_id, organization_id, month, scope_id, actor_id, days)
SELECT app_tenant(), organization_id, date_trunc('month', day), scope_id, actor_id, sum(count * ('1e' || 12 * (extract(day FROM day) - 1))::numeric) FROM activity_days
WHERE tenant_id = app_tenant() AND day >= (date_trunc('month', now() AT TIME ZONE 'UTC') - interval '2 months')::date
  AND organization_id IN (SELECT DISTINCT workspace FROM scale_happened)
GROUP BY 2, 3, 4, 5
ORDER BY 3;

ANALYZE activities, activity_days, activity_months, organizations, memberships, member_profiles, workspace_teams, workspace_team_members, notifications, notification_inboxes;
