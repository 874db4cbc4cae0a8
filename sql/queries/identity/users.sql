-- Users.  Columns that begin with "_" are the runtime's (_updated_at makes the
-- ETag) and not part of the answer; is_premium and days_since_joined are shown
-- from version 2 on.

-- name: user_me :row
SELECT public_id AS id, email, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
       created_at, user_is_premium(subscription_plan, subscription_status) AS is_premium,
       days_since(created_at) AS days_since_joined, updated_at AS _updated_at
FROM users
WHERE tenant_id = @tenant AND id = @user;

-- name: user_update :row
UPDATE users
SET :set(full_name, avatar_url)
WHERE tenant_id = @tenant AND id = @user AND if_match(updated_at, :if_match)
RETURNING public_id AS id, email, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
          created_at, user_is_premium(subscription_plan, subscription_status) AS is_premium,
          days_since(created_at) AS days_since_joined, updated_at AS _updated_at;

-- name: admin_user_list :page
-- All, newest first.
-- scan: a page of the index that is the list's order
SELECT t.total, u.id, u.email, u.full_name, u.avatar_url, u.role, u.is_active, u.subscription_plan,
       u.subscription_status, u.created_at, u.is_premium, u.days_since_joined
FROM (SELECT user_count(NULL, NULL) AS total) t
LEFT JOIN (
    SELECT public_id AS id, email, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
           created_at, user_is_premium(subscription_plan, subscription_status) AS is_premium,
           days_since(created_at) AS days_since_joined
    FROM users
    WHERE tenant_id = @tenant AND deleted_at IS NULL
    ORDER BY users.created_at DESC, users.id DESC
    LIMIT :limit OFFSET :skip
) u ON true;

-- name: admin_user_filter :page
-- Those of a role, or active or not; a filter may be NULL.  Each standing has its
-- order in the index users_of_standing, and gives as many as the page could need of it.
SELECT t.total, u.id, u.email, u.full_name, u.avatar_url, u.role, u.is_active, u.subscription_plan,
       u.subscription_status, u.created_at, u.is_premium, u.days_since_joined
FROM (SELECT user_count(:role, :is_active::boolean) AS total) t
LEFT JOIN (
    SELECT x.public_id AS id, x.email, x.full_name, x.avatar_url, x.role, x.is_active, x.subscription_plan,
           x.subscription_status, x.created_at, user_is_premium(x.subscription_plan, x.subscription_status) AS is_premium,
           days_since(x.created_at) AS days_since_joined
    FROM user_standings(:role, :is_active::boolean) g (standing),
         LATERAL (
             SELECT * FROM users
             WHERE tenant_id = @tenant AND standing = g.standing
             ORDER BY created_at DESC, id DESC
             LIMIT :limit::bigint + :skip::bigint
         ) x
    ORDER BY x.created_at DESC, x.id DESC
    LIMIT :limit OFFSET :skip
) u ON true;

-- name: admin_user_search :page
-- Those whose address, domain, name or last name begins with :search, newest
-- first, up to 200 of them; see user_candidates().
WITH found AS MATERIALIZED (
    SELECT id, created_at
    FROM user_candidates(:search, :role, :is_active::boolean)
    ORDER BY created_at DESC, id DESC
    LIMIT 200
)
SELECT t.total, u.id, u.email, u.full_name, u.avatar_url, u.role, u.is_active, u.subscription_plan,
       u.subscription_status, u.created_at, u.is_premium, u.days_since_joined
FROM (SELECT count(*) AS total FROM found) t
LEFT JOIN (
    SELECT x.public_id AS id, x.email, x.full_name, x.avatar_url, x.role, x.is_active, x.subscription_plan,
           x.subscription_status, x.created_at, user_is_premium(x.subscription_plan, x.subscription_status) AS is_premium,
           days_since(x.created_at) AS days_since_joined
    FROM (SELECT id FROM found ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :skip) f,
         LATERAL (SELECT * FROM users WHERE tenant_id = @tenant AND id = f.id OFFSET 0) x    -- one by one: no join with all
    ORDER BY x.created_at DESC, x.id DESC
) u ON true;

-- name: admin_user_get :row
SELECT public_id AS id, email, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
       created_at, user_is_premium(subscription_plan, subscription_status) AS is_premium,
       days_since(created_at) AS days_since_joined, updated_at AS _updated_at
FROM users
WHERE tenant_id = @tenant AND public_id = :user AND deleted_at IS NULL;

-- name: admin_user_update :row
-- What was not sent is NULL, and stays.
SELECT public_id AS id, email, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
       created_at, user_is_premium(subscription_plan, subscription_status) AS is_premium,
       days_since(created_at) AS days_since_joined, updated_at AS _updated_at
FROM admin_user_change(:user, :role, :is_active::boolean, :if_match::bigint[]);

-- name: admin_user_activate :row
SELECT public_id AS id, email, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
       created_at, user_is_premium(subscription_plan, subscription_status) AS is_premium,
       days_since(created_at) AS days_since_joined, updated_at AS _updated_at
FROM admin_user_change(:user, NULL, true, NULL);

-- name: admin_user_deactivate :row
SELECT public_id AS id, email, full_name, avatar_url, role, is_active, subscription_plan, subscription_status,
       created_at, user_is_premium(subscription_plan, subscription_status) AS is_premium,
       days_since(created_at) AS days_since_joined, updated_at AS _updated_at
FROM admin_user_change(:user, NULL, false, NULL);

-- name: session_create :row
-- For the user whose public id is :subject; no row: there is no such active user.
INSERT INTO sessions (tenant_id, user_id, expires_at, user_agent, ip)
SELECT tenant_id, id, now() + make_interval(secs => :ttl_s::integer), left(:user_agent, 1024), :ip::inet
FROM users
WHERE tenant_id = @tenant AND public_id = :subject AND is_active AND deleted_at IS NULL
RETURNING id, created_at, expires_at;
