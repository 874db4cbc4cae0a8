-- Teams of a tenant on the operations surface; see sql/functions/tenancy/tenant_teams.sql.

-- columns: operations_team
SELECT t.number AS id, t.name, t.description, tenant_team_owner(t.id) AS owner_id, t.member_count::bigint AS member_count,
       (SELECT m.role FROM tenant_team_members m WHERE m.tenant_id = @tenant AND m.team_id = t.id AND m.user_id = @user) AS role,
       t.created_at, t.updated_at
FROM tenant_teams t;

-- columns: operations_team_member
SELECT a.number AS user_id, operations_username(a.username, u.full_name, u.email, u.public_id) AS username, u.email, u.avatar_url,
       m.role, m.created_at AS joined_at
FROM tenant_team_members m
JOIN users u ON u.tenant_id = @tenant AND u.id = m.user_id
JOIN user_accounts a ON a.tenant_id = @tenant AND a.user_id = m.user_id;

-- name: operations_team_list :page
SELECT :columns(operations_team)
FROM tenant_teams t
WHERE t.tenant_id = @tenant
  [AND t.id = ANY (ARRAY(SELECT c.id FROM tenant_team_candidates(:name) c))]
  -- scan: without a name a page of all that there are, in the order of their index
ORDER BY lower(t.name), t.number;

-- name: operations_team_create :row
-- With its owner.
WITH made AS (
    INSERT INTO tenant_teams AS t
    :values(tenant_id = @tenant, name, description)
    RETURNING *
), owner AS (
    INSERT INTO tenant_team_members (tenant_id, team_id, user_id, role)
    SELECT tenant_id, id, @user, 'owner' FROM made
)
SELECT t.number AS id, t.name, t.description, operations_user_number(@user)::bigint AS owner_id, 1::bigint AS member_count, 'owner' AS role,
       t.created_at, t.updated_at
FROM made t, audit('tenant_team.create', 'tenant_team', t.number::text, jsonb_build_object('name', t.name));

-- name: operations_team_get :row
SELECT :columns(operations_team), t.updated_at AS _updated_at
FROM tenant_teams t
WHERE t.tenant_id = @tenant AND t.number = :team_number::bigint;

-- name: operations_team_of_members :rows
SELECT :columns(operations_team_member)
FROM (SELECT * FROM tenant_team_members x
      WHERE x.tenant_id = @tenant AND x.team_id = tenant_team_of(:team_number::bigint)
      ORDER BY x.role <> 'owner', x.created_at, x.user_id LIMIT 1000) m
:joins(operations_team_member)
ORDER BY m.role <> 'owner', m.created_at, m.user_id;

-- name: operations_team_update :row
WITH changed AS (
    UPDATE tenant_teams t
    SET :set(t.name, t.description)
    WHERE t.tenant_id = @tenant AND t.id = tenant_team_managed(:team_number::bigint)
      AND valid(:has_name::boolean OR :has_description::boolean, 'name', 'send name or description')
      AND if_match(t.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(operations_team), t.updated_at AS _updated_at
FROM changed t, audit('tenant_team.update', 'tenant_team', t.number::text, jsonb_build_object('fields', :changed(name, description)));

-- name: operations_team_delete :row
-- Who is in it, and who is invited, goes with it.
WITH gone AS (
    DELETE FROM tenant_teams t
    WHERE t.tenant_id = @tenant AND t.id = tenant_team_managed(:team_number::bigint) AND if_match(t.updated_at, :if_match)
    RETURNING t.number, t.name
)
SELECT t.number AS id, true AS deleted
FROM gone t, audit('tenant_team.delete', 'tenant_team', t.number::text, jsonb_build_object('name', t.name));

-- name: operations_team_member_list :page
-- total: (SELECT t.member_count::bigint FROM tenant_teams t WHERE t.tenant_id = @tenant AND t.number = :team_number::bigint)
-- unindexed: the thousand that were taken by their index
SELECT :columns(operations_team_member)
FROM (SELECT * FROM tenant_team_members x
      WHERE x.tenant_id = @tenant AND x.team_id = tenant_team_of(:team_number::bigint)
      ORDER BY x.role <> 'owner', x.created_at, x.user_id LIMIT 1000) m
:joins(operations_team_member)
ORDER BY m.role <> 'owner', m.created_at, m.user_id;

-- name: operations_team_member_add :row
SELECT a.number AS user_id, operations_username(a.username, u.full_name, u.email, u.public_id) AS username, u.email, u.avatar_url,
       m.given AS role, m.joined_at
FROM tenant_team_member_add(:team_number::bigint, :user_id::bigint, :role) m
JOIN users u ON u.tenant_id = @tenant AND u.id = m.user_id
JOIN user_accounts a ON a.tenant_id = @tenant AND a.user_id = m.user_id;

-- name: operations_team_member_update :row
SELECT a.number AS user_id, operations_username(a.username, u.full_name, u.email, u.public_id) AS username, u.email, u.avatar_url,
       m.given AS role, m.joined_at
FROM tenant_team_member_change(:team_number::bigint, :user_number::bigint, :role) m
JOIN users u ON u.tenant_id = @tenant AND u.id = m.user_id
JOIN user_accounts a ON a.tenant_id = @tenant AND a.user_id = m.user_id;

-- name: operations_team_member_remove :row
SELECT :user_number::bigint AS id, true AS deleted
FROM tenant_team_member_remove(:team_number::bigint, :user_number::bigint);

-- name: operations_team_invite_list :page
-- Pending ones, newest first: at most 100.
SELECT i.id, :team_number::bigint AS team_id, i.email, i.role, i.status, operations_user_number(i.invited_by)::bigint AS invited_by, i.expires_at, i.created_at
FROM tenant_team_invitations i
WHERE i.tenant_id = @tenant AND i.team_id = tenant_team_managed(:team_number::bigint) AND i.status = 'pending' AND i.expires_at > now()
ORDER BY i.created_at DESC, i.id DESC;

-- name: operations_team_manager :row
-- Before a mail is prepared: raises for who may not invite.
SELECT tenant_team_managed(:team_number::bigint) AS id;

-- name: operations_team_invite_prepare :row
-- What the mail to :email needs; and it is counted: 50 an hour for each team, and mail_take().
SELECT (@tenant)::text AS tenant, coalesce(to_user.email, :email) AS email, coalesce(to_user.locale, 'en') AS locale, s.invitation_url,
       jsonb_build_object('organization', t.name, 'role', :role::text, 'invited_by', u.full_name)::text AS data,
       coalesce(nullif(security_limit('invitation', 'team:' || t.id, 50, 3600, 0), 0),
                mail_take('user:' || u.id, u.is_email_verified, limit_account(:email_key, :email))) AS retry_s
FROM tenant_teams t
JOIN tenant_settings s ON s.tenant_id = t.tenant_id
JOIN users u ON u.tenant_id = t.tenant_id AND u.id = @user
LEFT JOIN user_find(:email_key, :email_sent) to_user ON true
WHERE t.tenant_id = @tenant AND t.number = :team_number::bigint;

-- name: operations_team_invite_create :row
WITH made AS (
    SELECT * FROM tenant_team_invite(:team_number::bigint, :email_key, :email_sent, :email, :role, :token_hash::bytea)
), mail AS (
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT @tenant, 'ashlar.mail', 'mail', :mail_payload::jsonb FROM made
)
SELECT i.id, :team_number::bigint AS team_id, i.to_email AS email, :role::text AS role, 'pending' AS status, operations_user_number(@user)::bigint AS invited_by,
       i.expires_at, i.created_at
FROM made i;
