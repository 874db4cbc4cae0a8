-- Projects of the observability surface; who may what is trace_project_lock()'s to say (sql/functions/traces/trace_projects.sql).
-- _key: the key, sealed; :members and :projects: what a free organization may have.

-- columns: shown
SELECT p.id::text AS id, p.organization_id::text AS org_id, p.name, p.environment, p.api_key_sealed AS _key, p.tenant_id::text AS _tenant,
       org_shown(p.organization_id, opsboard_role_in(p.organization_id), :members::bigint, :projects::bigint)::text AS org
FROM trace_projects p;

-- name: opsboard_project_list :rows
-- Of every organization that the caller is in; which the Demo Org is not.
SELECT p.id::text AS id, p.name, p.api_key_sealed AS _key, p.tenant_id::text AS _tenant,
       jsonb_build_object('id', o.id, 'name', o.name, 'prem_status', o.prem_status, 'current_user_role', opsboard_role(m.role))::text AS org,
       c.span_count, c.trace_count
FROM memberships m
JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id AND o.deleted_at IS NULL
JOIN trace_projects p ON p.tenant_id = o.tenant_id AND p.organization_id = o.id AND p.deleted_at IS NULL
CROSS JOIN LATERAL trace_project_counts(p.id) c
WHERE m.tenant_id = @tenant AND m.user_id = @user AND m.is_active
ORDER BY o.created_at, o.id, p.created_at, p.id;

-- name: opsboard_project_get :maybe
SELECT :columns(shown)
FROM trace_projects p
WHERE p.tenant_id = @tenant AND p.id = :project_id AND p.deleted_at IS NULL AND opsboard_role_in(p.organization_id) IS NOT NULL;

-- name: opsboard_project_create :maybe
SELECT :columns(shown)
FROM trace_project_create(:org_id::uuid, :name, :environment, :key_hash::bytea, :key_sealed, :projects::bigint) p;

-- name: opsboard_project_update :maybe
SELECT :columns(shown)
FROM trace_project_update(:project_id::uuid, :name, :environment) p;

-- name: opsboard_project_regenerate_key :maybe
SELECT :columns(shown)
FROM trace_project_rekey(:project_id::uuid, :key_hash::bytea, :key_sealed) p;

-- name: opsboard_project_delete :row
SELECT true AS success, 'the project was deleted' AS message
FROM trace_project_delete(:project_id::uuid);

-- name: opsboard_project_tenant :row
-- Whose key is to be sealed.
SELECT @tenant::text AS tenant;
