-- Users.  Columns that begin with "_" are the runtime's (_updated_at makes the
-- ETag) and not part of the answer; is_premium and days_since_joined are shown
-- from version 2 on.

-- name: user_me :row
SELECT public_id AS id, email, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
       created_at, user_is_premium(subscription_plan, subscription_status) AS is_premium,
       days_since(created_at) AS days_since_joined, updated_at AS _updated_at
FROM users
WHERE tenant_id = :tenant_id AND id = :user_id;

-- name: user_update :row
-- Fields that were not sent keep their value; null clears them.
UPDATE users
SET full_name = CASE WHEN :has_full_name THEN :full_name ELSE full_name END,
    avatar_url = CASE WHEN :has_avatar_url THEN :avatar_url ELSE avatar_url END
WHERE tenant_id = :tenant_id AND id = :user_id AND if_match(updated_at, :if_match)
RETURNING public_id AS id, email, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
          created_at, user_is_premium(subscription_plan, subscription_status) AS is_premium,
          days_since(created_at) AS days_since_joined, updated_at AS _updated_at;

-- name: admin_user_list :page
-- Newest first; each filter may be NULL.  The total is counted up to 10,001:
-- exact counts of a filtered list would grow with the table.
-- scan: a search may match any user, and one that matches few reads all of the tenant's
SELECT t.total, u.id, u.email, u.full_name, u.avatar_url, u.role, u.is_active, u.subscription_plan,
       u.subscription_status, u.created_at, u.is_premium, u.days_since_joined
FROM (SELECT count(*) AS total
      FROM (SELECT FROM users
            WHERE tenant_id = :tenant_id AND deleted_at IS NULL
              AND (:search::text IS NULL OR email ILIKE like_pattern(:search) OR full_name ILIKE like_pattern(:search))
              AND (:role::text IS NULL OR role = :role)
              AND (:is_active::boolean IS NULL OR is_active = :is_active)
            LIMIT 10001) counted) t
LEFT JOIN (
    SELECT public_id AS id, email, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
           created_at, user_is_premium(subscription_plan, subscription_status) AS is_premium,
           days_since(created_at) AS days_since_joined
    FROM users
    WHERE tenant_id = :tenant_id AND deleted_at IS NULL
      AND (:search::text IS NULL OR email ILIKE like_pattern(:search) OR full_name ILIKE like_pattern(:search))
      AND (:role::text IS NULL OR role = :role)
      AND (:is_active::boolean IS NULL OR is_active = :is_active)
    ORDER BY users.created_at DESC, users.id DESC
    LIMIT :limit OFFSET :skip
) u ON true;

-- name: admin_user_get :row
SELECT public_id AS id, email, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
       created_at, user_is_premium(subscription_plan, subscription_status) AS is_premium,
       days_since(created_at) AS days_since_joined, updated_at AS _updated_at
FROM users
WHERE tenant_id = :tenant_id AND public_id = :user AND deleted_at IS NULL;

-- name: session_create :row
-- For the user whose public id is :subject; no row: there is no such active user.
INSERT INTO sessions (tenant_id, user_id, expires_at, user_agent, ip)
SELECT tenant_id, id, now() + make_interval(secs => :ttl_s::integer), left(:user_agent, 1024), :ip::inet
FROM users
WHERE tenant_id = :tenant_id AND public_id = :subject AND is_active AND deleted_at IS NULL
RETURNING id, created_at, expires_at;
