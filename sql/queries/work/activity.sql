-- What happened in a workspace (sql/functions/work/workspace_activity.sql, workspace_activity_reads.sql).

-- columns: activity
SELECT a.id, a.type, a.event, a.description, actor.ref AS actor, a.entity_type, a.entity_id, a.entity_name, a.link, a.metadata, a.created_at AS timestamp
FROM activities a
LEFT JOIN member_ref(a.tenant_id, a.organization_id, a.actor_id) actor ON true;

-- name: activity_feed :page
-- total: [:search| (SELECT count(*) FROM activity_search(activity_scopes(@workspace, @member), activity_actors(:scope = 'mine', :user_ids::uuid[], :team_ids::uuid[]), :types::text[],
-- total:                                                     activity_bound(:start_date::text, false), activity_end(:start_date::text, :end_date::text), :search, 1001))
-- total:         | (SELECT activity_total(activity_scopes(@workspace, @member), activity_actors(:scope = 'mine', :user_ids::uuid[], :team_ids::uuid[]), :types::text[],
-- total:                                  activity_bound(:start_date::text, false), activity_end(:start_date::text, :end_date::text), 10001))]
-- The newest first; total up to 10,001, of a search up to 1,001, which is looked for once, for the page and for the total. What one may see is asked for once, too.
-- unindexed: a page, whose order activity_find() has from one
SELECT f.total AS total, :columns(activity)
FROM (SELECT activity_scopes(@workspace, @member) AS scopes, activity_actors(:scope = 'mine', :user_ids::uuid[], :team_ids::uuid[]) AS actors,
             activity_bound(:start_date::text, false) AS from_at, activity_end(:start_date::text, :end_date::text) AS until_at OFFSET 0) s
[!search| CROSS JOIN LATERAL (SELECT activity_total(s.scopes, s.actors, :types::text[], s.from_at, s.until_at, 10001) AS total OFFSET 0) t]
CROSS JOIN LATERAL (SELECT k.created_at, k.id, [:search| least(count(*) OVER (), 1001) | t.total] AS total
      FROM [:search| activity_search(s.scopes, s.actors, :types::text[], s.from_at, s.until_at, :search, greatest(1001, :limit::bigint + :skip::bigint))
                   | activity_find(s.scopes, s.actors, :types::text[], s.from_at, s.until_at, NULL, NULL, :limit::bigint + :skip::bigint)] k
      ORDER BY k.created_at DESC, k.id DESC LIMIT :limit OFFSET :skip) f
CROSS JOIN LATERAL (SELECT x.* FROM activities x WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.created_at = f.created_at AND x.id = f.id
                      OFFSET 0) a    -- one by one: no join with all, for each of which it would be looked for again
LEFT JOIN member_ref(a.tenant_id, a.organization_id, a.actor_id) actor ON true
ORDER BY a.created_at DESC, a.id DESC
LIMIT :limit;

-- name: activity_stats :row
SELECT s.total, s.today, s.last_7_days, s.last_30_days, s.by_type, s.by_day, s.top_members FROM activity_stats(activity_scopes(@workspace, @member)) s;

-- name: activity_history :rows
-- The newest first, behind a cursor; all of them, where no limit is given, one by one as they are found.
SELECT :columns(activity), [:limit| CASE WHEN f.n = :limit::bigint AND f.is_more THEN activity_cursor(a.created_at, a.id) END | NULL::text] AS _next_cursor
FROM [:limit| (SELECT k.created_at, k.id, row_number() OVER k_order AS n, lead(k.id) OVER k_order IS NOT NULL AS is_more
               FROM activity_cursor_read(:cursor) c
               CROSS JOIN LATERAL activity_find(activity_scopes(@workspace, @member), activity_actors(:scope = 'mine', :user_ids::uuid[], :team_ids::uuid[]),
                                                :types::text[], activity_bound(:start_date::text, false), activity_end(:start_date::text, :end_date::text), c.at, c.id,
                                                :limit::bigint + 1) k
               WINDOW k_order AS (ORDER BY k.created_at DESC, k.id DESC)) f
              CROSS JOIN LATERAL (SELECT x.* FROM activities x WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.created_at = f.created_at AND x.id = f.id
                                    AND f.n <= :limit::bigint OFFSET 0) a    -- one by one: no join with all
             | activities a]
LEFT JOIN member_ref(a.tenant_id, a.organization_id, a.actor_id) actor ON true
WHERE a.tenant_id = @tenant AND a.organization_id = @workspace AND a.created_at >= activity_bound(:start_date::text, false)
  AND a.created_at < activity_end(:start_date::text, :end_date::text) AND a.scope_id = ANY ((SELECT activity_scopes(@workspace, @member))::uuid[])
  [AND a.type = ANY (:types::text[])]
  [:scope=mine| AND a.actor_id = @member]
  [AND a.actor_id = ANY ((SELECT activity_actors(false, :user_ids::uuid[], NULL))::uuid[])]
  [AND a.actor_id = ANY ((SELECT activity_actors(false, NULL, :team_ids::uuid[]))::uuid[])]
  [AND (a.created_at, a.id) < ((SELECT c.at FROM activity_cursor_read(:cursor) c), (SELECT c.id FROM activity_cursor_read(:cursor) c))]
ORDER BY a.created_at DESC, a.id DESC;
