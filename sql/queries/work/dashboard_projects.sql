-- Projects as the team of their tenant sees them, whoever owns them.

-- columns: team_project
SELECT p.id, p.name, p.description, p.owner_id, u.public_id AS owner_sub, u.email AS owner_email, u.full_name AS owner_name, p.created_at, p.updated_at
FROM projects p
JOIN users u ON u.tenant_id = @tenant AND u.id = p.owner_id;

-- name: dashboard_project_list :page
-- count: FROM projects p WHERE p.tenant_id = @tenant AND p.deleted_at IS NULL [AND p.owner_id = :owner_id]
-- Newest first, which ids tell; those of one owner by the index of their list.
-- scan: a page of the primary key, and up to 10,001 of its entries
SELECT :columns(team_project)
FROM projects p
:joins(team_project)
WHERE p.tenant_id = @tenant AND p.deleted_at IS NULL [AND p.owner_id = :owner_id]
ORDER BY [:owner_id| p.created_at DESC,] p.id DESC;

-- name: dashboard_project_search :page
-- total: (SELECT count(*) FROM found)
-- Whose name contains :search, in any case, among the newest 10,000: up to 200.
-- scan: 10,000 rows of the primary key
-- unindexed: 200 rows
WITH found AS MATERIALIZED (
    SELECT n.id, n.created_at
    FROM (SELECT p.id, p.name, p.created_at
          FROM projects p
          WHERE p.tenant_id = @tenant AND p.deleted_at IS NULL [AND p.owner_id = :owner_id]
          ORDER BY [:owner_id| p.created_at DESC,] p.id DESC
          LIMIT 10000) n
    WHERE n.name ILIKE like_pattern(:search)
    LIMIT 200
)
SELECT :columns(team_project)
FROM found f, LATERAL (SELECT * FROM projects WHERE tenant_id = @tenant AND id = f.id OFFSET 0) p -- one by one: no join with all
:joins(team_project)
WHERE p.tenant_id = @tenant AND p.deleted_at IS NULL
ORDER BY f.created_at DESC, p.id DESC;

-- name: dashboard_project_get :row
SELECT :columns(team_project), p.updated_at AS _updated_at
FROM projects p
:joins(team_project)
WHERE p.tenant_id = @tenant AND p.id = :project_id AND p.deleted_at IS NULL;

-- name: dashboard_project_delete :row
-- As project_delete, whoever owns it.
WITH gone AS (
    UPDATE projects
    SET deleted_at = now()
    WHERE tenant_id = @tenant AND id = :project_id AND deleted_at IS NULL AND if_match(updated_at, :if_match)
    RETURNING tenant_id, id, owner_id, name
)
UPDATE users u
SET project_count = u.project_count - 1
FROM gone
WHERE u.tenant_id = gone.tenant_id AND u.id = gone.owner_id
RETURNING gone.id, audit('project.delete', 'project', gone.id::text, jsonb_build_object('name', gone.name, 'owner', u.public_id)) AS _audited;
