-- Limits that a tenant sets for one of its organizations or users: they come before what a plan says (usage_limit).

-- columns: own_limit
SELECT l.metric, nullif(l.organization_id, usage_id(NULL)) AS organization_id, nullif(l.user_id, usage_id(NULL)) AS user_id, l.max,
       l.created_at, l.updated_at
FROM usage_limits l;

-- name: usage_limit_list :page
-- scan: a page of the index that is the list's order, and up to 10,001 of its entries
SELECT :columns(own_limit)
FROM usage_limits l
WHERE l.tenant_id = @tenant
  [AND l.organization_id = :organization_id]
  [AND l.user_id = :user_id]
ORDER BY l.organization_id, l.user_id, l.metric;

-- name: usage_limit_get :row
SELECT :columns(own_limit)
FROM usage_limit_whose(:subject, :organization_id::uuid) w
JOIN usage_limits l ON l.tenant_id = @tenant AND l.organization_id = w.organization AND l.user_id = w.usr AND l.metric = :metric;

-- name: usage_limit_put :row
WITH put AS (
    INSERT INTO usage_limits AS x (tenant_id, organization_id, user_id, metric, max)
    SELECT @tenant, w.organization, w.usr, :metric, :max::bigint FROM usage_limit_whose(:subject, :organization_id::uuid) w
    ON CONFLICT (tenant_id, organization_id, user_id, metric) DO UPDATE SET max = excluded.max
    RETURNING *
)
SELECT :columns(own_limit)
FROM put l, audit('usage_limit.put', 'usage_limit', :subject, jsonb_build_object('metric', l.metric, 'max', l.max));

-- name: usage_limit_delete :row
WITH gone AS (
    DELETE FROM usage_limits l
    USING usage_limit_whose(:subject, :organization_id::uuid) w
    WHERE l.tenant_id = @tenant AND l.organization_id = w.organization AND l.user_id = w.usr AND l.metric = :metric
    RETURNING l.metric, l.max
)
SELECT 'the limit was deleted' AS message
FROM gone g, audit('usage_limit.delete', 'usage_limit', :subject, jsonb_build_object('metric', g.metric, 'max', g.max));
