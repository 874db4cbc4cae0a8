-- Feature flags; see sql/functions/ops/flags.sql.

-- columns: flag
SELECT f.id, f.key, f.name, f.description, f.flag_type, f.is_enabled, f.percentage, f.user_ids, f.plans, f.created_at
FROM feature_flags f;

-- name: flag_list :page
-- All of them, by key.
-- scan: a tenant has at most 1,000 flags
SELECT :columns(flag)
FROM feature_flags f
WHERE f.tenant_id = @tenant
ORDER BY f.key;

-- name: flag_create :row
SELECT :columns(flag)
FROM flag_create(:key, :name, :description, :flag_type, :is_enabled::boolean, :percentage::integer,
                 :user_ids::text[], :plans::text[]) f;

-- name: flag_update :row
SELECT :columns(flag), f.updated_at AS _updated_at
FROM flag_change(:flag_id::uuid, :if_match::bigint[], :name, :has_description::boolean, :description, :flag_type,
                 :is_enabled::boolean, :percentage::integer, :user_ids::text[], :plans::text[]) f;

-- name: flag_delete :row
WITH gone AS (
    DELETE FROM feature_flags
    WHERE tenant_id = @tenant AND id = :flag_id AND if_match(updated_at, :if_match)
    RETURNING id, key
)
SELECT id, audit('flag.delete', 'feature_flag', id::text, jsonb_build_object('key', key)) AS _audited FROM gone;

-- name: flag_check :row
-- No row: there is no such flag.  Two look-ups, each by a unique index; a user
-- who is not there is told apart by _has_user.
SELECT r.flag_key, r.reason IN ('boolean', 'percentage_rollout', 'user_list', 'plan') AS is_enabled, r.reason, r._has_user
FROM (SELECT f.key AS flag_key, u.id IS NOT NULL AS _has_user,
             flag_reason(f, :user_id, flag_plan(u.subscription_plan, u.subscription_status)) AS reason
      FROM feature_flags f
      LEFT JOIN users u ON u.tenant_id = f.tenant_id AND u.public_id = :user_id AND u.deleted_at IS NULL
      WHERE f.tenant_id = @tenant AND f.key = :flag) r;

-- columns: flag_user
SELECT u.id, u.public_id AS sub, u.email, u.full_name AS display_name, d.is_enabled, d.reason
FROM users u
CROSS JOIN LATERAL flag_decision(f, u.public_id, flag_plan(u.subscription_plan, u.subscription_status)) d;

-- name: flag_user_list :page
-- total: user_count(NULL, NULL)
-- Who gets it: each standing has its order in the index users_of_standing, as in dashboard_user_list.
-- unindexed: each standing gives no more than the page could need
SELECT :columns(flag_user)
FROM flag_to_try(:flag_id::uuid, :as_enabled::boolean) f,
     user_standings(NULL, NULL) g (standing),
     LATERAL (SELECT * FROM users
              WHERE tenant_id = @tenant AND standing = g.standing
              ORDER BY created_at DESC, id DESC
              LIMIT :limit::bigint + :skip::bigint) u
:joins(flag_user)
ORDER BY u.created_at DESC, u.id DESC;

-- name: flag_user_search :page
-- total: (SELECT count(*) FROM found)
-- The same of those whose address, domain, name or last name begins with :search, up to 200.
-- unindexed: 200 rows
WITH found AS MATERIALIZED (
    SELECT id
    FROM user_candidates(:search, NULL, NULL)
    ORDER BY created_at DESC, id DESC
    LIMIT 200
)
SELECT :columns(flag_user)
FROM flag_to_try(:flag_id::uuid, :as_enabled::boolean) f,
     found x, LATERAL (SELECT * FROM users WHERE tenant_id = @tenant AND id = x.id OFFSET 0) u -- one by one: no join with all
:joins(flag_user)
WHERE u.tenant_id = @tenant AND u.deleted_at IS NULL
ORDER BY u.created_at DESC, u.id DESC;
