-- The activity log of a tenant; see sql/functions/work/activity_log.sql.

-- columns: activity_logged
SELECT l.number AS id, l.actor_type, l.actor_id, l.action, l.entity_type, l.entity_id, l.metadata, l.created_at
FROM activity_log l;

-- name: activity_log_list :page
-- total: [:action| activity_log_total(:actor_type::text, :actor_id::text, :action) | activity_log_total(:actor_type::text, :actor_id::text, NULL)]
SELECT :columns(activity_logged)
FROM activity_log l
WHERE l.tenant_id = @tenant
  [AND l.actor_type = :actor_type]
  [AND l.actor_id = :actor_id]
  [AND l.action = :action]
  -- scan: without a filter a page of all that there are, in the order of their index
ORDER BY l.created_at DESC, l.number DESC;

-- name: activity_log_create :row
INSERT INTO activity_log AS l
:values(tenant_id = @tenant, actor_type, actor_id, action, entity_type, entity_id, metadata = coalesce(:metadata::jsonb, '{}'))
WHERE activity_log_speaks(:actor_type, :actor_id)
RETURNING :columns(activity_logged);

-- name: activity_log_stats :row
SELECT s.total, s.last_24h, s.last_7d, s.by_actor_type, s.top_actions, s.top_actors, s.by_day
FROM activity_log_stats() s;
