-- Permissions of a workspace: which there are, and which role has them.

-- name: permission_list :rows
SELECT p.name, p.resource, p.action, p.label, p.description, p.default_roles
FROM permission_list() p
WHERE :resource::text IS NULL OR p.resource = :resource
ORDER BY p.number;

-- name: permission_list_grouped :rows
SELECT p.resource, p.resource_label AS label,
       jsonb_agg(jsonb_build_object('name', p.name, 'resource', p.resource, 'action', p.action, 'label', p.label,
                                    'description', p.description, 'default_roles', p.default_roles) ORDER BY p.number) AS permissions
FROM permission_list() p
GROUP BY p.resource, p.resource_label
ORDER BY min(p.number);

-- name: permission_check :row
SELECT l.name AS permission, l.is_granted AS has_permission, workspace_role(@org_role) AS role
FROM role_permission_list(@workspace, @org_role) l
WHERE l.name = :permission;

-- name: permission_mine :row
SELECT @member AS member_id, workspace_role(@org_role) AS role,
       coalesce(array_agg(l.name ORDER BY l.number) FILTER (WHERE l.is_granted), '{}') AS permissions,
       jsonb_object_agg(l.name, l.is_granted) AS permission_map
FROM role_permission_list(@workspace, @org_role) l;

-- name: permission_explain :row
-- Who may edit all goals may edit their own: the wider one is that of which this is the own form.
WITH it AS (
    SELECT m.id, m.role, m.is_active, p.name, m.role = ANY (p.roles) AS by_default, s.is_granted AS setting, s.updated_at AS set_at,
           m.is_active AND coalesce(s.is_granted, m.role = ANY (p.roles)) AS has,
           CASE WHEN m.is_active AND coalesce(ws.is_granted, m.role = ANY (w.roles)) THEN w.name END AS wider
    FROM memberships m
    JOIN permissions p ON p.name = :permission AND p.name LIKE 'can\_%'
    LEFT JOIN role_permissions s ON s.tenant_id = m.tenant_id AND s.organization_id = m.organization_id AND s.role = m.role AND s.permission = p.name
    LEFT JOIN permissions w ON w.own_name = p.name AND w.name LIKE 'can\_%'
    LEFT JOIN role_permissions ws ON ws.tenant_id = m.tenant_id AND ws.organization_id = m.organization_id AND ws.role = m.role AND ws.permission = w.name
    WHERE m.tenant_id = @tenant AND m.organization_id = @workspace AND m.id = coalesce(:member_id, @member)
      AND may(m.id = @member OR @org_role IN ('owner', 'admin'), 'what others may is for owners and admins to ask')
)
SELECT it.name AS permission, it.id AS member_id, workspace_role(it.role) AS role, it.has AS has_permission,
       CASE WHEN NOT it.is_active THEN 'inactive' WHEN it.role = 'owner' THEN 'owner' WHEN it.setting IS NOT NULL THEN 'setting' ELSE 'default' END AS reason,
       it.by_default AS "default", it.setting, it.set_at, it.wider, it.has OR it.wider IS NOT NULL AS is_allowed
FROM it;

-- name: permission_roles :row
SELECT role_permission_map('owner') AS owner, role_permission_map('admin') AS admin, role_permission_map('member') AS member,
       role_permission_map('viewer') AS viewer;

-- name: permission_role :row
-- One's own is everybody's to read.
SELECT s.name AS role, s.permissions, s.overrides, s.is_default, s.editable
FROM roles r
CROSS JOIN role_permissions_shown(r.name) s
WHERE r.name = :role AND r.shown_as = r.name
  AND may(r.name = workspace_role(@org_role) OR @org_role IN ('owner', 'admin'), 'this needs the role owner or admin in the workspace');

-- name: permission_role_put :row
SELECT s.name AS role, s.permissions, s.overrides, s.is_default, s.editable
FROM role_permissions_set(:role, :permissions::jsonb) r
CROSS JOIN LATERAL role_permissions_shown(r) s;

-- name: permission_role_set :row
SELECT s.name AS role, s.permissions, s.overrides, s.is_default, s.editable
FROM role_permissions_set(:role, jsonb_build_object(:permission::text, :allowed::boolean)) r
CROSS JOIN LATERAL role_permissions_shown(r) s;

-- name: permission_role_reset :row
SELECT s.name AS role, s.permissions, s.overrides, s.is_default, s.editable
FROM role_permissions_set(:role, NULL) r
CROSS JOIN LATERAL role_permissions_shown(r) s;

-- name: permission_seed :row
-- They are the program's, and there once it is installed.
SELECT 0 AS created, count(*) AS existing, count(*) AS total FROM permission_list();
