-- Departments of organizations.  Members read them; the dashboard makes them.

-- name: department_list :rows
-- Of the path's organization, the default one first.
SELECT id, organization_id, name, description, is_default, is_active, settings, created_at, updated_at
FROM departments
WHERE tenant_id = @tenant AND organization_id = :organization_id
ORDER BY is_default DESC, name
LIMIT :limit OFFSET :skip;

-- name: department_get :row
-- For :user_id, who need not be the caller: a key alone may ask.  No row: there is no such department.
SELECT id, organization_id, name, description, is_default, is_active, settings, created_at, updated_at
FROM department_of_member(:department_id::uuid, :user_id::uuid);

-- name: department_lock :row
-- One at a time in an organization, because of the default one.  No row: it is not the tenant's.
SELECT id FROM organizations
WHERE tenant_id = @tenant AND id = :organization_id AND deleted_at IS NULL
FOR NO KEY UPDATE;

-- name: department_create :row
-- Behind department_lock, and department_undefault where that is asked for.
WITH made AS (
    INSERT INTO departments (tenant_id, organization_id, name, description, is_default, settings)
    VALUES (@tenant, :organization_id, :name, :description, :is_default, coalesce(:settings::jsonb, '{}'))
    RETURNING *
)
SELECT id, organization_id, name, description, is_default, is_active, settings, created_at, updated_at,
       audit('department.create', 'department', id::text,
             jsonb_build_object('organization_id', organization_id, 'name', name)) AS _noted
FROM made;

-- name: department_undefault :exec
-- In a statement of its own: the unique index looks at each row as it comes.
UPDATE departments SET is_default = false
WHERE tenant_id = @tenant AND organization_id = :organization_id AND is_default;
