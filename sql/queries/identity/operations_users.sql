-- Users on the operations surface; see sql/functions/identity/operations_users.sql for whom a caller sees.

-- columns: operations_user
SELECT u.number AS id, u.username, u.email, u.role, u.avatar_url, u.created_at, u.updated_at
FROM operations_users(NULL, 1) u;

-- name: operations_user_list :page
-- total: operations_user_count()
-- unindexed: a function gives as many as the page has, by an index
SELECT :columns(operations_user)
FROM operations_users(NULL, 1000) u
ORDER BY u.number;

-- name: operations_user_get :row
SELECT :columns(operations_user), u.updated_at AS _updated_at
FROM operations_users(:user_number::bigint, 1) u;

-- name: operations_user_update :row
-- What was not sent is NULL, and stays.
SELECT :columns(operations_user), u.updated_at AS _updated_at
FROM operations_user_change(:user_number::bigint, :username, :email_key, :email, :role, :if_match::bigint[]) changed,
     operations_users(changed, 1) u;

-- name: operations_user_delete :row
SELECT operations_user_erase(:user_number::bigint) AS id, true AS deleted;

-- name: operations_user_delete_me :row
SELECT operations_user_erase_me() AS id, true AS deleted;
