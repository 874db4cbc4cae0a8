-- Members of the path's organization.  See sql/functions/tenancy/organizations.sql for
-- what each change locks and refuses.

-- columns: member
SELECT m.user_id, u.email, u.full_name AS display_name, platform_role(m.role) AS role, m.joined_at
FROM memberships m
JOIN users u ON u.tenant_id = @tenant AND u.id = m.user_id;

-- name: member_list :rows
-- In the order in which they joined; without those who are deactivated here or
-- whose account is.
SELECT :columns(member)
FROM memberships m
:joins(member)
WHERE m.tenant_id = @tenant AND m.organization_id = :organization_id AND m.is_active AND u.access > 0
ORDER BY m.joined_at, m.user_id
LIMIT :limit OFFSET :skip;

-- name: member_change_role :row
SELECT :columns(member)
FROM member_change_role(:organization_id::uuid, :user::uuid, :role) m
:joins(member);

-- name: member_remove :row
SELECT 'the member was removed' AS message
FROM member_remove(:organization_id::uuid, :user::uuid);

-- name: member_deactivate :row
SELECT 'the member is deactivated' AS message
FROM member_deactivate(:organization_id::uuid, :user::uuid);
