-- Members of a workspace, as the workspace surface shows them.  What one of them is there stands beside the account
-- (member_profiles, which each has): what is null there is the account's.

-- columns: member
SELECT m.id, m.user_id, m.organization_id AS workspace_id, u.email, coalesce(p.full_name, u.full_name) AS full_name,
       coalesce(p.display_name, p.full_name, u.full_name) AS display_name, coalesce(p.avatar_url, u.avatar_url) AS avatar_url,
       workspace_role(m.role) AS role, p.title, p.department, p.phone, p.bio, coalesce(p.timezone, o.timezone) AS timezone, m.is_active,
       membership_end(m.tenant_id, m.organization_id, m.id) AS ends_at, p.onboarding_completed, p.onboarding_step::integer AS onboarding_step, p.tours,
       ARRAY(SELECT x.team_id FROM workspace_team_members x
             WHERE x.tenant_id = m.tenant_id AND x.organization_id = m.organization_id AND x.member_id = m.id ORDER BY x.team_id) AS team_ids,
       m.joined_at, u.last_login_at AS last_active_at, m.created_at, greatest(m.updated_at, p.updated_at) AS updated_at
FROM memberships m
JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
JOIN member_profiles p ON p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id;

-- name: workspace_member_list :page
-- total: (SELECT f.total FROM member_page(:search, :is_active::boolean, 1, 0) f)
-- By name, whatever its case; with those who are not active.
-- unindexed: a page, whose order member_page() has from one
SELECT f.total AS total, :columns(member)
FROM member_page(:search, :is_active::boolean, :limit::bigint, :skip::bigint) f
CROSS JOIN unnest(f.ids) WITH ORDINALITY x (id, nr)
CROSS JOIN LATERAL (SELECT * FROM memberships WHERE tenant_id = @tenant AND organization_id = @workspace AND id = x.id OFFSET 0) m    -- one by one: no join with all
:joins(member)
ORDER BY x.nr
LIMIT :limit;

-- name: workspace_member_list_all :rows
-- Those who are active, for pickers.
SELECT m.id, u.email, coalesce(p.full_name, u.full_name) AS full_name, coalesce(p.display_name, p.full_name, u.full_name) AS display_name,
       coalesce(p.avatar_url, u.avatar_url) AS avatar_url, workspace_role(m.role) AS role
FROM memberships m
JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id AND u.access > 0
JOIN member_profiles p ON p.tenant_id = m.tenant_id AND p.organization_id = m.organization_id AND p.member_id = m.id
WHERE p.tenant_id = @tenant AND p.organization_id = @workspace AND m.is_active
ORDER BY p.sort_name, p.member_id;

-- name: workspace_member_me :row
SELECT :columns(member)
FROM memberships m
:joins(member)
WHERE m.tenant_id = @tenant AND m.organization_id = @workspace AND m.id = @member;

-- name: workspace_member_get :row
SELECT :columns(member)
FROM memberships m
:joins(member)
WHERE m.tenant_id = @tenant AND m.organization_id = @workspace AND m.id = :member_id;

-- name: workspace_member_or_invited :row
-- The same, or who is invited and has not answered: for who has just asked them in, or changed what is said of them.
SELECT :columns(member)
FROM memberships m
:joins(member)
WHERE m.tenant_id = @tenant AND m.organization_id = @workspace AND m.id = :member_id
UNION ALL
SELECT i.id, NULL, i.organization_id, i.email, d.full_name, coalesce(d.display_name, d.full_name), NULL, workspace_role(i.role), d.title, d.department, d.phone,
       d.bio, coalesce(d.timezone, o.timezone), false, d.membership_ends_at, false, 0, '{}', '{}', NULL, NULL, i.created_at, greatest(i.updated_at, d.updated_at)
FROM invitations i
JOIN organizations o ON o.tenant_id = i.tenant_id AND o.id = i.organization_id
JOIN invitation_details d ON d.tenant_id = i.tenant_id AND d.invitation_id = i.id
WHERE i.tenant_id = @tenant AND i.organization_id = @workspace AND i.id = :member_id AND i.status = 'pending';

-- name: workspace_member_change :exec
-- Behind it workspace_member_or_invited.  See member_change() for who may what; its member_id is null of who is invited.
WITH changed AS MATERIALIZED (
    SELECT c.tenant_id, c.organization_id, c.member_id
    FROM member_change(:member_id::uuid, :role, :is_active,
                       :changed(full_name, display_name, title, department, phone, bio, timezone) <> '{}'::text[], :if_match) c
    WHERE valid(coalesce(is_timezone(:timezone::text), true), 'timezone', 'timezone must be the name of a time zone, such as Europe/Berlin')
), profile AS (
    UPDATE member_profiles p
    SET :set(full_name, display_name, title, department, phone, bio, timezone)
    FROM changed c
    WHERE p.tenant_id = c.tenant_id AND p.organization_id = c.organization_id AND p.member_id = c.member_id
      AND :changed(full_name, display_name, title, department, phone, bio, timezone) <> '{}'::text[]
), invited AS (
    UPDATE invitation_details d
    SET :set(full_name, display_name, title, department, phone, bio, timezone)
    FROM changed c
    WHERE c.member_id IS NULL AND d.tenant_id = @tenant AND d.invitation_id = :member_id
      AND :changed(full_name, display_name, title, department, phone, bio, timezone) <> '{}'::text[]
)
SELECT c.member_id FROM changed c;

-- name: workspace_member_tours :row
SELECT p.tours
FROM member_profiles p
WHERE p.tenant_id = @tenant AND p.organization_id = @workspace AND p.member_id = @member;

-- name: workspace_member_tour_put :row
UPDATE member_profiles p
SET tours = p.tours || jsonb_build_object(:tour_id::text, :completed::boolean)
WHERE p.tenant_id = @tenant AND p.organization_id = @workspace AND p.member_id = @member
RETURNING p.tours;

-- name: workspace_member_tour_forget :row
-- All, where :tour is null.
UPDATE member_profiles p
SET tours = CASE WHEN :tour::text IS NULL THEN '{}' ELSE p.tours - :tour END
WHERE p.tenant_id = @tenant AND p.organization_id = @workspace AND p.member_id = @member
RETURNING p.tours;

-- name: workspace_member_deletion_info :row
SELECT m.id AS member_id, m.user_id,
       (SELECT count(*) FROM memberships x JOIN organizations o ON o.tenant_id = x.tenant_id AND o.id = x.organization_id
        WHERE x.tenant_id = m.tenant_id AND x.user_id = m.user_id AND o.deleted_at IS NULL) AS workspace_count,
       account_hold(m.user_id, m.organization_id) IS NULL AS can_delete_user
FROM memberships m
WHERE m.tenant_id = @tenant AND m.organization_id = @workspace AND m.id = :member_id;

-- name: workspace_member_owned :row
SELECT m.id AS member_id, o.totals, o.items
FROM memberships m
CROSS JOIN LATERAL owned_items(m.id) o
WHERE m.tenant_id = @tenant AND m.organization_id = @workspace AND m.id = :member_id
  AND may(m.id = @member OR @org_role IN ('owner', 'admin'), 'this is for owners and admins, or one''s own');

-- name: workspace_member_reassign :row
SELECT :member_id AS from_member_id, :to_member_id AS to_member_id, r.reassigned, r.total
FROM owned_give(:member_id::uuid, :to_member_id::uuid, :item_types::text[]) r;

-- name: workspace_member_remove :row
SELECT workspace_member_out(:member_id::uuid, NOT coalesce(:remove_workspace_member::boolean, true), 'never', false) = 'user_deleted' AS is_ended;

-- name: workspace_member_end :row
SELECT workspace_member_drop(:member_id::uuid, false, 'must', false) AS is_ended;

-- name: workspace_member_take_out :row
SELECT CASE d.outcome WHEN 'user_deleted' THEN 'the member and the account are gone' WHEN 'member_removed' THEN 'the member was removed'
       ELSE 'the invitation was cancelled' END AS message, :member_id AS member_id, d.outcome, d.outcome = 'user_deleted' AS user_deleted
FROM (SELECT workspace_member_out(:member_id::uuid, false, 'free', true) AS outcome OFFSET 0) d;

-- name: workspace_member_people :rows
-- Members, and who is invited and has not answered: that one is nobody yet, so nothing is told of an account with the address, and the
-- id is the invitation's.  Owners first, then by name.
WITH people AS (
    SELECT m.id, m.user_id, m.organization_id AS workspace_id, u.email, coalesce(p.full_name, u.full_name) AS name,
           coalesce(p.avatar_url, u.avatar_url) AS avatar_url, workspace_role(m.role) AS role,
           CASE WHEN m.is_active THEN 'active' ELSE 'inactive' END AS status, u.password_hash IS NOT NULL AS has_password,
           p.invited_by AS inviter, p.invited_at, NULL::timestamptz AS invitation_expires_at, coalesce(p.accepted_at, m.joined_at) AS accepted_at,
           p.sort_name AS _sort
    FROM member_profiles p
    JOIN memberships m ON m.tenant_id = p.tenant_id AND m.organization_id = p.organization_id AND m.id = p.member_id
    JOIN users u ON u.tenant_id = m.tenant_id AND u.id = m.user_id
    WHERE p.tenant_id = @tenant AND p.organization_id = @workspace
    UNION ALL
    SELECT i.id, NULL, i.organization_id, i.email, NULL, NULL, workspace_role(i.role), 'pending', false, i.invited_by, i.created_at, i.expires_at,
           NULL, i.email
    FROM invitations i
    WHERE i.tenant_id = @tenant AND i.organization_id = @workspace AND i.status = 'pending'
)
SELECT q.id, q.user_id, q.workspace_id, q.email, q.name, q.avatar_url, q.role, q.status, q.has_password,
       (SELECT jsonb_build_object('id', b.id, 'email', b.email, 'name', b.full_name, 'avatar_url', b.avatar_url)
        FROM users b WHERE b.tenant_id = @tenant AND b.id = q.inviter) AS invited_by,
       q.invited_at, q.invitation_expires_at, q.accepted_at,
       count(*) FILTER (WHERE q.status = 'active') OVER () AS _active_count, count(*) FILTER (WHERE q.status = 'pending') OVER () AS _pending_count
FROM people q
ORDER BY q.role <> 'owner', q._sort, q.id;

-- name: workspace_member_end_put :exec
-- Behind it workspace_member_get.
SELECT membership_end_put(:member_id::uuid, :ends_at::timestamptz);
