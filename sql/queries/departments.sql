-- Departments of organizations.  Members read them; the dashboard makes them.

-- name: department_list :rows
-- Of the path's organization, the default one first.
SELECT id, organization_id, name, description, is_default, is_active, settings, created_at, updated_at
FROM departments
WHERE tenant_id = :tenant_id AND organization_id = :organization_id
ORDER BY is_default DESC, name
LIMIT :limit OFFSET :skip;

-- name: department_get :row
-- For :member, who need not be the caller: a key alone may ask.  No row: there is no such department.
SELECT id, organization_id, name, description, is_default, is_active, settings, created_at, updated_at
FROM department_of_member(:department_id::uuid, :member::uuid);
