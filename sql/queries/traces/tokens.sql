-- Tokens of projects.

-- name: project_token_create :maybe
-- Of the key with this hash. No row: no project has it.
SELECT t.tenant_id::text, t.project_id::text, t.plan, t.key_id
FROM project_token_create(:key_hash::bytea) t;

-- name: project_token_plan :maybe
-- What the project's organization is now.
SELECT o.prem_status AS plan
FROM organizations o
WHERE o.tenant_id = @tenant AND o.id = @workspace;
