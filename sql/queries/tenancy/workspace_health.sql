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

-- name: workspace_run_stream :row
-- Who listens to a run of the caller's workspace, as realtime/authorizer.c reads it: how it stands, and what comes behind that. No row: there is
-- no such run.
SELECT app_tenant()::text AS tenant_id, u.id::text, u.public_id,
       EXISTS (SELECT FROM api_keys k
               WHERE k.tenant_id = app_tenant() AND k.type = 'public' AND k.is_active AND k.revoked_at IS NULL
                 AND @origin = ANY (k.allowed_origins)) AS is_from_page,
       'workspace_run:' || r.id AS channel, true AS is_plain, realtime_position('workspace_run:' || r.id) AS event_id, 'message' AS state_event,
       workspace_run_event(r)::text AS state, 300 AS lasts_s, r.status IN ('COMPLETED', 'FAILED') AS is_last
FROM workspace_runs r
JOIN users u ON u.tenant_id = r.tenant_id AND u.id = @user
WHERE r.tenant_id = @tenant AND r.organization_id = @workspace AND r.id = :job_id;

-- name: workspace_run_step :row
SELECT workspace_run_step(:organization::uuid, :run::uuid) AS is_more;

-- name: workspace_run_failed :exec
SELECT workspace_run_failed(:organization::uuid, :run::uuid);
