-- Settings of a workspace's modules; one without a row is on.

-- columns: module
SELECT s.id, s.module, s.is_enabled, s.settings, s.updated_by_id, s.created_at, s.updated_at
FROM module_settings s;

-- name: module_list :rows
SELECT :columns(module)
FROM module_settings s
WHERE s.tenant_id = @tenant AND s.organization_id = @workspace
ORDER BY s.module
LIMIT 100;

-- name: module_get :row
SELECT :columns(module)
FROM module_settings s
WHERE s.tenant_id = @tenant AND s.organization_id = @workspace AND s.module = :module;

-- name: module_create :row
WITH made AS (
    INSERT INTO module_settings
    :values(tenant_id = @tenant, organization_id = @workspace, module, is_enabled, settings = coalesce(:settings::jsonb, '{}'), updated_by_id = @member)
    RETURNING *
)
SELECT :columns(module)
FROM made s, audit('module.create', 'module', s.module, jsonb_build_object('organization_id', s.organization_id, 'is_enabled', s.is_enabled)),
     workspace_tell(s.organization_id, 'modules_updated', jsonb_build_object('module', s.module));

-- name: module_update :row
WITH changed AS (
    UPDATE module_settings s
    SET :set(s.is_enabled), settings = s.settings || coalesce(:settings::jsonb, '{}'), updated_by_id = @member
    WHERE s.tenant_id = @tenant AND s.organization_id = @workspace AND s.module = :module AND if_match(s.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(module)
FROM changed s, audit('module.update', 'module', s.module, jsonb_build_object('organization_id', s.organization_id, 'is_enabled', s.is_enabled)),
     workspace_tell(s.organization_id, 'modules_updated', jsonb_build_object('module', s.module));

-- name: module_toggle :row
WITH changed AS (
    UPDATE module_settings s
    SET is_enabled = NOT s.is_enabled, updated_by_id = @member
    WHERE s.tenant_id = @tenant AND s.organization_id = @workspace AND s.module = :module
    RETURNING *
)
SELECT :columns(module)
FROM changed s, audit('module.update', 'module', s.module, jsonb_build_object('organization_id', s.organization_id, 'is_enabled', s.is_enabled)),
     workspace_tell(s.organization_id, 'modules_updated', jsonb_build_object('module', s.module));
