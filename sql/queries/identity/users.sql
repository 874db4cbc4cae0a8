-- Users.  Columns that begin with "_" are the runtime's (_updated_at makes the
-- ETag) and not part of the answer; is_premium and days_since_joined are shown
-- from version 2 on.

-- columns: user
SELECT u.public_id AS id, u.email, u.full_name, u.avatar_url, u.role, u.is_active, u.subscription_plan,
       u.subscription_status, u.created_at,
       user_is_premium(u.subscription_plan, u.subscription_status) AS is_premium,
       days_since(u.created_at) AS days_since_joined
FROM users u;

-- name: user_me :row
SELECT :columns(user), u.updated_at AS _updated_at
FROM users u
WHERE u.tenant_id = @tenant AND u.id = @user;

-- name: user_update :row
UPDATE users u
SET :set(full_name, avatar_url)
WHERE u.tenant_id = @tenant AND u.id = @user AND if_match(u.updated_at, :if_match)
RETURNING :columns(user), u.updated_at AS _updated_at;

-- name: admin_user_list :page
-- total: [:search| (SELECT count(*) FROM found) | user_count(:role, :is_active::boolean)]
-- Newest first.  Those of a role, or active or not: each standing has its order in the
-- index users_of_standing, and gives as many as the page could need of it.  Those whose
-- address, domain, name or last name begins with :search: up to 200, see user_candidates().
-- scan: a page of the index that is the list's order
[:search| WITH found AS MATERIALIZED (
    SELECT id, created_at
    FROM user_candidates(:search, :role, :is_active::boolean)
    ORDER BY created_at DESC, id DESC
    LIMIT 200
)]
SELECT :columns(user)
FROM [:search| (SELECT id FROM found ORDER BY created_at DESC, id DESC LIMIT :limit OFFSET :skip) f,
               LATERAL (SELECT * FROM users WHERE tenant_id = @tenant AND id = f.id OFFSET 0) u] -- one by one: no join with all
     [:role/:is_active !search| user_standings(:role, :is_active::boolean) g (standing),
               LATERAL (SELECT * FROM users
                        WHERE tenant_id = @tenant AND standing = g.standing
                        ORDER BY created_at DESC, id DESC
                        LIMIT :limit::bigint + :skip::bigint) u]
     [!search !role !is_active| users u]
WHERE u.tenant_id = @tenant AND u.deleted_at IS NULL
ORDER BY u.created_at DESC, u.id DESC
LIMIT :limit OFFSET [:search| 0 | :skip];

-- name: admin_user_get :row
SELECT :columns(user), u.updated_at AS _updated_at
FROM users u
WHERE u.tenant_id = @tenant AND u.public_id = :user AND u.deleted_at IS NULL;

-- name: admin_user_update :row
-- What was not sent is NULL, and stays.
SELECT :columns(user), u.updated_at AS _updated_at
FROM admin_user_change(:user, :role, :is_active::boolean, :if_match::bigint[]) u;

-- name: admin_user_activate :row
SELECT :columns(user), u.updated_at AS _updated_at
FROM admin_user_change(:user, NULL, true, NULL) u;

-- name: admin_user_deactivate :row
SELECT :columns(user), u.updated_at AS _updated_at
FROM admin_user_change(:user, NULL, false, NULL) u;

-- name: session_create :row
-- For the user whose public id is :subject; no row: there is no such active user.
INSERT INTO sessions (tenant_id, user_id, expires_at, user_agent, ip)
SELECT tenant_id, id, now() + make_interval(secs => :ttl_s::integer), left(:user_agent, 1024), :ip::inet
FROM users
WHERE tenant_id = @tenant AND public_id = :subject AND is_active AND deleted_at IS NULL
RETURNING id, created_at, expires_at;

-- Users as a tenant's own server sees them, and as they see themselves.  A secret
-- key reaches all of them; with a public one :user is the caller, or no user.

-- name: platform_user_list :page
-- total: user_count(NULL, [:include_inactive| NULL | true])
-- Newest first, perhaps with those who are not active.  Without them each standing has
-- its order in the index users_of_standing, and gives as many as the page could need of it.
-- scan: a page of the index that is the list's order
-- unindexed: each standing gives no more than the page could need
SELECT u.id, u.email, u.full_name AS display_name, u.avatar_url, u.locale, u.is_active, u.tenant_id, u.public_id AS sub,
       u.is_email_verified, u.status, u.current_plan_id, u.default_organization_id, u.created_at, u.updated_at,
       NULL::jsonb AS settings
FROM [:include_inactive| users u
     | user_standings(NULL, true) g (standing),
       LATERAL (SELECT * FROM users
                WHERE tenant_id = @tenant AND standing = g.standing
                ORDER BY created_at DESC, id DESC
                LIMIT :limit::bigint + :skip::bigint) u]
WHERE u.tenant_id = @tenant AND u.deleted_at IS NULL
ORDER BY u.created_at DESC, u.id DESC;

-- name: platform_user_stats :row
SELECT user_count(NULL, NULL) AS total_users, user_count(NULL, true) AS active_users,
       user_count(NULL, false) AS inactive_users;

-- name: platform_user_get :row
SELECT p.*
FROM users u, platform_user(u, :include_settings::boolean) p
WHERE u.tenant_id = @tenant AND u.id = :user AND u.deleted_at IS NULL AND (@is_secret OR u.id = @user);

-- name: platform_user_create :row
SELECT p.*
FROM user_create(:tenant_id::uuid, :sub, :email_key, :email, :display_name, :avatar_url, :locale, :is_email_verified::boolean,
                 :status, :is_active::boolean) u, platform_user(u, false) p;

-- name: platform_user_update :row
SELECT p.*
FROM user_change(CASE WHEN @is_secret OR :user::uuid = @user THEN :user::uuid END, :if_match::bigint[],
                 :has_display_name::boolean, :display_name, :has_avatar_url::boolean, :avatar_url,
                 :has_locale::boolean, :locale) u, platform_user(u, false) p;

-- name: platform_user_settings_put :row
SELECT p.*
FROM user_settings_put(CASE WHEN @is_secret OR :user::uuid = @user THEN :user::uuid END, :settings::jsonb) u,
     platform_user(u, true) p;

-- name: platform_user_activate :row
SELECT p.* FROM user_switch(:user::uuid, true) u, platform_user(u, false) p;

-- name: platform_user_deactivate :row
SELECT p.*
FROM user_switch(CASE WHEN @is_secret OR :user::uuid = @user THEN :user::uuid END, false) u, platform_user(u, false) p;

-- name: platform_user_delete :row
-- The row stays: deleting is deactivating.
SELECT u.id FROM user_switch(:user::uuid, false) u;
