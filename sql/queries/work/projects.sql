-- Projects: each belongs to a user, and only that user sees it.

-- columns: project
SELECT p.id, p.name, p.description, u.public_id AS owner_id, p.created_at, p.updated_at
FROM projects p
JOIN users u ON u.tenant_id = p.tenant_id AND u.id = p.owner_id;

-- name: project_list :page
-- total: [:search| (SELECT f.total FROM users u, project_candidates(@user, :search, 1, 0, u.project_count) f
-- total:           WHERE u.tenant_id = @tenant AND u.id = @user)
-- total:         | (SELECT u.project_count FROM users u WHERE u.tenant_id = @tenant AND u.id = @user)]
-- The caller's, newest first, perhaps only those whose name contains :search.  The
-- total is a column of the owner, or told by who searched: counting costs more than
-- the page, and more with every project.  The projects are not joined laterally to
-- their owner: so they come in the order of their index, and nothing sorts.
SELECT [:search| f.total | u.project_count] AS total, :columns(project)
FROM users u
[:search| CROSS JOIN project_candidates(@user, :search, :limit::bigint, :skip::bigint, u.project_count) f
          LEFT JOIN projects p ON p.tenant_id = u.tenant_id AND p.id = ANY (f.ids)
        | CROSS JOIN projects p]
WHERE u.tenant_id = @tenant AND u.id = @user
  [:search| | AND p.tenant_id = @tenant AND p.owner_id = @user AND p.deleted_at IS NULL]
ORDER BY p.created_at DESC, p.id DESC
LIMIT :limit OFFSET [:search| 0 | :skip];

-- name: project_get :row
SELECT :columns(project)
FROM projects p
:joins(project)
WHERE p.tenant_id = @tenant AND p.id = :project_id AND p.owner_id = @user AND p.deleted_at IS NULL;

-- name: project_create :row
-- The count goes up in the statement that inserts: of two creates at once the
-- second waits for the owner's row, and both are counted.
WITH owner AS (
    UPDATE users
    SET project_count = project_count + 1
    WHERE tenant_id = @tenant AND id = @user
    RETURNING tenant_id, id, public_id
), made AS (
    INSERT INTO projects :values(tenant_id = owner.tenant_id, owner_id = owner.id, name, description)
    FROM owner
    RETURNING *
)
SELECT :columns(project)
FROM made p, owner u;

-- name: project_update :row
UPDATE projects p
SET :set(p.name, p.description)
FROM users u
WHERE p.tenant_id = @tenant AND p.id = :project_id AND p.owner_id = @user AND p.deleted_at IS NULL
  AND u.tenant_id = p.tenant_id AND u.id = p.owner_id AND if_match(p.updated_at, :if_match)
RETURNING :columns(project);

-- name: project_delete :row
-- Soft: the row stays, and the count goes down with it, once: of two deletes at
-- once the second finds deleted_at set.  No row: there is no such project.
WITH gone AS (
    UPDATE projects
    SET deleted_at = now()
    WHERE tenant_id = @tenant AND id = :project_id AND owner_id = @user AND deleted_at IS NULL
      AND if_match(updated_at, :if_match)
    RETURNING tenant_id, id, owner_id
)
UPDATE users u
SET project_count = u.project_count - 1
FROM gone
WHERE u.tenant_id = gone.tenant_id AND u.id = gone.owner_id
RETURNING gone.id;
