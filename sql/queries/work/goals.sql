-- Goals of a workspace, each with its key results; see sql/functions/work/goals.sql.

-- columns: goal
SELECT g.id, g.organization_id AS workspace_id, g.title, g.description, g.level, g.status, g.progress, g.owner_id,
       owner.ref AS owner, g.team_id, team_ref(t) AS team, g.parent_goal_id, g.start_date, g.due_date,
       key_results_of(g::goals) AS key_results, g.created_by, g.completed_at, g.created_at, g.updated_at
FROM goals g
LEFT JOIN member_ref(g.tenant_id, g.organization_id, g.owner_id) owner ON true
LEFT JOIN workspace_teams t ON t.tenant_id = @tenant AND t.organization_id = @workspace AND t.id = g.team_id;

-- name: goal_list :rows
-- The company's, then the teams', then those of one; the newest first.
SELECT :columns(goal)
FROM goals g :joins(goal)
WHERE g.tenant_id = @tenant AND g.organization_id = @workspace
  [AND g.level = :level]
  [AND g.status = :status]
  [AND g.owner_id = :owner_id]
  [AND g.team_id = :team_id]
  [AND g.parent_goal_id = :parent_goal_id]
ORDER BY g.level_rank, g.created_at DESC, g.id;

-- name: goal_create :row
-- Its key results come first: goal_settle() computes progress and status of them.
WITH made AS (
    INSERT INTO goals
    :values(tenant_id = @tenant, organization_id = @workspace, created_by = @member, id = k.goal_id, title, description, level,
            status, progress, owner_id = coalesce(:owner_id, @member), team_id, parent_goal_id,
            start_date = coalesce(:start_date, (now() AT TIME ZONE 'UTC')::date), due_date)
    FROM key_results_put(uuid_v7(), true, :key_results::jsonb) k
    WHERE valid(:level <> 'team' OR :team_id::uuid IS NOT NULL, 'team_id', 'a goal of the level team needs a team_id')
    RETURNING *
)
SELECT :columns(goal) FROM made g :joins(goal);

-- name: goal_progress :row
WITH changed AS (
    UPDATE goals g SET status = NULL, key_results_at = now()
    WHERE g.tenant_id = @tenant AND g.organization_id = @workspace
      AND g.id = (SELECT key_results_report((goal_lock(:goal_id::uuid, @reach)).id, :key_results::jsonb, :note))
    RETURNING g.*
)
SELECT :columns(goal) FROM changed g :joins(goal);

-- name: goal_update :row
-- A status that is given stands; without one it is found out again where what it
-- depends on was sent.
WITH k AS MATERIALIZED (
    SELECT * FROM key_results_put((goal_lock(:goal_id::uuid, @reach)).id, false, :key_results::jsonb)
), changed AS (
    UPDATE goals g
    SET :set(title, description, level, progress, owner_id, team_id, parent_goal_id, start_date, due_date),
        status = CASE WHEN :has_status THEN :status
                      WHEN NOT (:has_key_results OR :has_progress OR :has_start_date OR :has_due_date) THEN g.status END,
        key_results_at = CASE WHEN :has_key_results THEN now() ELSE g.key_results_at END
    WHERE g.tenant_id = @tenant AND g.organization_id = @workspace AND g.id = (SELECT goal_id FROM k)
      AND valid(NOT :has_progress OR (SELECT n FROM k) = 0, 'progress', 'progress of a goal with key results is that of these')
      AND valid(NOT (:has_level OR :has_team_id) OR coalesce(:level, g.level) <> 'team'
                OR CASE WHEN :has_team_id THEN :team_id::uuid ELSE g.team_id END IS NOT NULL, 'team_id', 'a goal of the level team needs a team_id')
    RETURNING g.*
)
SELECT :columns(goal) FROM changed g :joins(goal);

-- name: goal_delete :row
-- Goals below it move to the top, by their foreign key.
DELETE FROM goals g
WHERE g.tenant_id = @tenant AND g.organization_id = @workspace AND g.id = :goal_id
  AND may(@reach = 'all' OR g.created_by = @member, 'this goal is not yours to delete')
RETURNING g.id;
