-- What happened in a workspace (sql/functions/work/workspace_activity.sql, workspace_activity_reads.sql).

-- columns: activity
SELECT a.id, a.type, a.event, a.description, actor.ref AS actor, a.entity_type, a.entity_id, a.entity_name, a.link, a.metadata, a.created_at AS timestamp
FROM activities a
LEFT JOIN member_ref(a.tenant_id, a.organization_id, a.actor_id) actor ON true;

-- name: activity_feed :page
-- total: [:search| (SELECT count(*) FROM activity_candidates(@workspace, activity_scopes(@workspace, @member), activity_actors(:scope = 'mine', :user_ids::uuid[], :team_ids::uuid[]), :types::text[],
-- total:                                                     activity_bound(:start_date::text, false), activity_end(:start_date::text, :end_date::text), :search, 10001))
-- total:         | (SELECT activity_total(activity_scopes(@workspace, @member), activity_actors(:scope = 'mine', :user_ids::uuid[], :team_ids::uuid[]), :types::text[],
-- total:                                  activity_bound(:start_date::text, false), activity_end(:start_date::text, :end_date::text), 10001))]
-- The newest first; total up to 10,001, as a query of its own: once, and not for each row.
SELECT :columns(activity)
FROM [:search| activity_candidates(@workspace, activity_scopes(@workspace, @member), activity_actors(:scope = 'mine', :user_ids::uuid[], :team_ids::uuid[]), :types::text[],
                                   activity_bound(:start_date::text, false), activity_end(:start_date::text, :end_date::text), :search, :limit::bigint + :skip::bigint)
             | activity_find(activity_scopes(@workspace, @member), activity_actors(:scope = 'mine', :user_ids::uuid[], :team_ids::uuid[]), :types::text[],
                             activity_bound(:start_date::text, false), activity_end(:start_date::text, :end_date::text), NULL, NULL, :limit::bigint + :skip::bigint)] f
JOIN activities a ON a.tenant_id = @tenant AND a.organization_id = @workspace AND a.created_at = f.created_at AND a.id = f.id
LEFT JOIN member_ref(a.tenant_id, a.organization_id, a.actor_id) actor ON true
ORDER BY a.created_at DESC, a.id DESC
LIMIT :limit OFFSET :skip;

-- name: activity_stats :row
SELECT s.total, s.today, s.last_7_days, s.last_30_days, s.by_type, s.by_day, s.top_members FROM activity_stats(activity_scopes(@workspace, @member)) s;
