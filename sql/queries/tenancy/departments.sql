-- Departments of organizations.  Members read them; the dashboard makes them.

-- columns: department
SELECT d.id, d.organization_id, d.name, d.description, d.is_default, d.is_active, d.settings, d.created_at,
       d.updated_at
FROM departments d;

-- name: department_list :rows
-- Of the path's organization, the default one first.
SELECT :columns(department)
FROM departments d
WHERE d.tenant_id = @tenant AND d.organization_id = :organization_id
ORDER BY d.is_default DESC, d.name
LIMIT :limit OFFSET :skip;

-- name: department_get :row
-- For :user_id, who need not be the caller: a key alone may ask.  No row: there is no such department.
SELECT :columns(department)
FROM department_of_member(:department_id::uuid, :user_id::uuid) d;

-- name: department_lock :row
-- One at a time in an organization, because of the default one.  No row: it is not the tenant's.
SELECT id FROM organizations
WHERE tenant_id = @tenant AND id = :organization_id AND deleted_at IS NULL
FOR NO KEY UPDATE;

-- name: department_create :row
-- Behind department_lock, and department_undefault where that is asked for.
WITH made AS (
    INSERT INTO departments
    :values(tenant_id = @tenant, organization_id, name, description, is_default, settings = coalesce(:settings::jsonb, '{}'))
    RETURNING *
)
SELECT :columns(department),
       audit('department.create', 'department', d.id::text,
             jsonb_build_object('organization_id', d.organization_id, 'name', d.name)) AS _noted
FROM made d;

-- name: department_undefault :exec
-- In a separate statement: the unique index looks at each row as it comes.
UPDATE departments SET is_default = false
WHERE tenant_id = @tenant AND organization_id = :organization_id AND is_default;
