-- Users as a tenant's own server sees them, and as they see themselves.  A secret
-- key reaches all of them; with a public one :user is the caller, or nobody.

-- name: platform_user_list :page
-- total: user_count(NULL, [:include_inactive| NULL | true])
-- Newest first, perhaps with those who are not active.  Without them each standing has
-- its order in the index users_of_standing, and gives as many as the page could need of it.
-- scan: a page of the index that is the list's order
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
