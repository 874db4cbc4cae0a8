-- How a workspace is, and runs of its migration (sql/functions/tenancy/workspace_health.sql).

-- name: workspace_health :row
-- There is no brand profile yet.
SELECT o.id AS workspace_id, false AS brand, v.version < workspace_version_wanted() AS migration_required, p.onboarding_completed AS personal_onboarding_complete,
       coalesce(o.settings -> 'onboarding_completed' = 'true', false) AS company_onboarding_complete, v.version::text AS current_version,
       workspace_version_wanted()::text AS target_version, workspace_run_active(o.id) AS active_job_id, now() AS checked_at
FROM organizations o
CROSS JOIN LATERAL (SELECT workspace_version(o.id) AS version) v
JOIN member_profiles p ON p.tenant_id = o.tenant_id AND p.organization_id = o.id AND p.member_id = @member
WHERE o.tenant_id = @tenant AND o.id = @workspace;

-- name: workspace_run_start :row
SELECT s.run AS job_id, s.status, '/api/v1/workspace-health/migrations/' || s.run || '/stream' AS stream_url, s.is_new AS _is_new, s.run::text AS _job_id
FROM workspace_run_start() s;

-- name: workspace_run_step :row
SELECT workspace_run_step(:organization::uuid, :run::uuid) AS is_more;

-- name: workspace_run_failed :exec
SELECT workspace_run_failed(:organization::uuid, :run::uuid);
