-- What a project keeps of the spans that are sent to it; who may what is trace_project_lock()'s to say.

-- columns: shown
SELECT p.id AS project_id, coalesce(s.rules, '[]') AS rules, coalesce(s.sampled_away, 0) AS sampled_away
FROM trace_projects p
LEFT JOIN trace_sampling s ON s.tenant_id = p.tenant_id AND s.project_id = p.id;

-- name: trace_sampling_get :row
SELECT :columns(shown)
FROM trace_projects p
:joins(shown)
WHERE p.tenant_id = @tenant AND p.id = :project_id AND p.deleted_at IS NULL AND opsboard_role_in(p.organization_id) IS NOT NULL;

-- name: trace_sampling_set :row
WITH changed AS (
    INSERT INTO trace_sampling AS s (tenant_id, project_id, rules)
    SELECT p.tenant_id, p.id, :rules::jsonb
    FROM trace_project_lock(:project_id::uuid, '{owner,admin}') p
    ON CONFLICT (tenant_id, project_id) DO UPDATE SET rules = excluded.rules
    RETURNING s.tenant_id, s.project_id, s.rules, s.sampled_away
)
SELECT c.project_id, c.rules, c.sampled_away
FROM changed c
CROSS JOIN LATERAL (SELECT audit('trace_project.sampling', 'trace_project', c.project_id::text, jsonb_build_object('rules', c.rules))) a;

-- name: trace_sampling_count :exec
-- So many spans were left out of a request.
UPDATE trace_sampling s
SET sampled_away = s.sampled_away + :sampled_away::bigint
WHERE s.tenant_id = @tenant AND s.project_id = @project;
