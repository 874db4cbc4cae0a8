-- Domains of workspaces, and joining by one's address; see sql/functions/tenancy/workspace_domains.sql.

-- columns: domain
SELECT d.id, d.domain, CASE WHEN d.verified_at IS NOT NULL THEN 'verified' WHEN d.lapsed_at IS NOT NULL THEN 'lapsed' ELSE 'pending' END AS status,
       d.joining_enabled, d.role, '_ashlar.' || d.domain AS record_name, 'ashlar-verify=' || d.token AS record_value, d.outcome AS last_check,
       d.checked_at, d.verified_at, d.created_at, d.updated_at
FROM workspace_domains d;

-- name: domain_list :rows
-- By name; 20 at most.
SELECT :columns(domain)
FROM workspace_domains d
WHERE d.tenant_id = @tenant AND d.organization_id = @workspace
ORDER BY d.domain
LIMIT 20;

-- name: domain_get :row
SELECT :columns(domain)
FROM workspace_domains d
WHERE d.tenant_id = @tenant AND d.organization_id = @workspace AND d.id = :domain_id;

-- name: domain_create :row
SELECT :columns(domain)
FROM domain_claim(:domain::text, :role) d;

-- name: domain_update :row
WITH changed AS (
    UPDATE workspace_domains d
    SET :set(d.joining_enabled, d.role)
    WHERE d.tenant_id = @tenant AND d.organization_id = @workspace AND d.id = :domain_id
      AND if_match(d.updated_at, :if_match)
      AND must(d.verified_at IS NOT NULL OR NOT coalesce(:joining_enabled::boolean, false), 'verify the domain first')
    RETURNING d.*
)
SELECT :columns(domain)
FROM changed d
CROSS JOIN audit('domain.update', 'domain', d.id::text, jsonb_build_object(
    'organization_id', d.organization_id, 'domain', d.domain, 'joining_enabled', d.joining_enabled, 'role', d.role));

-- name: domain_delete :row
-- Who has joined by it stays.
WITH gone AS (
    DELETE FROM workspace_domains d
    WHERE d.tenant_id = @tenant AND d.organization_id = @workspace AND d.id = :domain_id
    RETURNING d.*
)
SELECT d.id, audit('domain.delete', 'domain', d.id::text, jsonb_build_object('organization_id', d.organization_id, 'domain', d.domain))::text AS audited
FROM gone d;

-- name: domain_look :row
-- What is to be looked for in DNS.  Counted: 60 an hour of a workspace.
SELECT '_ashlar.' || d.domain AS name, 'ashlar-verify=' || d.token AS value, security_limit('domain_verify', 'organization:' || d.organization_id, 60, 3600, 0) AS retry_s
FROM workspace_domains d
WHERE d.tenant_id = @tenant AND d.organization_id = @workspace AND d.id = :domain_id;

-- name: domain_verify :row
SELECT :columns(domain)
FROM domain_checked(@workspace, :domain_id::uuid, :outcome) d;

-- name: domains_due :row
SELECT domains_due(:batch::integer) AS due;

-- name: domain_of_job :row
-- No row: it was removed, or is not the workspace's any more.
SELECT '_ashlar.' || d.domain AS name, 'ashlar-verify=' || d.token AS value
FROM domain_facts(:organization::uuid, :domain::uuid) d
WHERE d.verified_at IS NOT NULL;

-- name: domain_of_job_checked :exec
SELECT d.id FROM domain_checked(:organization::uuid, :domain::uuid, :outcome) d;

-- name: workspace_joinable :rows
-- For who has proved an address of a domain that joins, and is no member there, nor was taken out.
SELECT o.id, o.name, o.slug, o.logo_url, d.domain, d.role, member_count_now(o.tenant_id, o.id, o.member_count) AS member_count
FROM joinable_domains(@user) d
JOIN organizations o ON o.tenant_id = @tenant AND o.id = d.organization_id
JOIN users u ON u.tenant_id = @tenant AND u.id = @user
WHERE NOT EXISTS (SELECT FROM memberships m WHERE m.tenant_id = @tenant AND m.organization_id = o.id AND m.user_id = @user)
  AND NOT is_removed(o.id, u)
ORDER BY o.name, o.id
LIMIT 20;

-- name: workspace_join :row
SELECT 'welcome' AS message, jsonb_build_object('id', o.id, 'name', o.name, 'slug', o.slug, 'logo_url', o.logo_url) AS workspace, m.id AS member_id,
       workspace_role(m.role) AS role
FROM workspace_join(:workspace_id::uuid) m
JOIN organizations o ON o.tenant_id = @tenant AND o.id = m.organization_id;
