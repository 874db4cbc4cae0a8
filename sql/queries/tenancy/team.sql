-- The tenant's team, as its dashboard manages it.

-- columns: member
-- And the status.
SELECT m.id, m.email, m.display_name, m.role, m.invited_by, m.invited_at, m.joined_at, m.last_login_at,
       team_has_factor(m.id) AS has_second_factor
FROM team_members m;

-- name: team_list :rows
-- Owners first, then by when they joined; who is invited comes last.
-- scan: a team is small, and this shows all of it
SELECT :columns(member), team_status(m) AS status
FROM team_members m
WHERE m.tenant_id = @tenant AND m.deleted_at IS NULL
ORDER BY m.joined_at IS NULL, m.role <> 'owner', m.joined_at, m.invited_at, m.id
LIMIT :limit OFFSET :skip;

-- name: team_invite_limit :row
-- What an address gets is counted in the default tenant, over the teams of all: any client may make tenants.
SELECT coalesce(nullif(security_limit('team_invite', 'tenant', 20, 3600, 0), 0),
                mail_take('team:' || m.id, m.is_email_verified, limit_account(:email_key, :email),
                          '00000000-0000-7000-8000-000000000001')) AS retry_after, t.name AS tenant,
       coalesce(m.display_name, m.email) AS inviter
FROM tenants t
JOIN team_members m ON m.tenant_id = t.id AND m.id = @team
WHERE t.id = @tenant;

-- name: team_invite :row
-- Who was invited before gets a fresh ticket, and the role of today; the old
-- ticket is void.  Who is there already, in whatever tenant, violates the
-- unique address.
WITH again AS (
    UPDATE team_members
    SET role = :role, invited_by = @team, invited_at = now(), is_active = true
    WHERE tenant_id = @tenant AND id = (SELECT f.member_id FROM team_find(:email_key, :email_sent) f) AND joined_at IS NULL AND role <> 'owner'
    RETURNING *
), fresh AS (
    INSERT INTO team_members (tenant_id, email, email_key, role, invited_by, invited_at)
    SELECT @tenant, :email, :email_key, :role, @team, now()
    WHERE NOT EXISTS (SELECT FROM again)
    RETURNING *
), m AS (
    SELECT * FROM again UNION ALL SELECT * FROM fresh
), void AS (
    UPDATE one_time_tokens o
    SET used_at = now()
    FROM again
    WHERE o.tenant_id = @tenant AND o.member_id = again.id AND o.kind = 'team_invitation' AND o.used_at IS NULL
), ticket AS (
    INSERT INTO one_time_tokens (tenant_id, kind, member_id, hash, expires_at)
    SELECT @tenant, 'team_invitation', m.id, :token_hash::bytea, now() + interval '7 days' FROM m
), mail AS (
    INSERT INTO jobs (tenant_id, queue, kind, payload)
    SELECT @tenant, 'ashlar.mail', 'mail', :mail_payload::jsonb || jsonb_build_object('to', m.email) FROM m
)
SELECT :columns(member), 'invited' AS status,
       audit('team.invite', 'team_member', m.id::text, jsonb_build_object('email', m.email, 'role', m.role)) AS _noted
FROM m;

-- name: team_guard :exec
-- May the caller do this?  Locks the owners; see sql/functions/tenancy/team.sql.
SELECT team_guard(:member_id, :role, :is_active, :removes::boolean);

-- name: team_update :row
-- Behind team_guard.
WITH before AS (
    SELECT m.id, m.role, m.is_active
    FROM team_members m
    WHERE m.tenant_id = @tenant AND m.id = :member_id AND m.deleted_at IS NULL
), changed AS (
    UPDATE team_members m
    SET role = coalesce(:role, m.role), is_active = coalesce(:is_active, m.is_active)
    FROM before b
    WHERE m.tenant_id = @tenant AND m.id = b.id
    RETURNING m.*, team_status(m) AS status, b.role AS old_role, b.is_active AS was_active
)
SELECT :columns(member), m.status,
       CASE WHEN m.role <> m.old_role OR m.is_active <> m.was_active
            THEN audit('team.update', 'team_member', m.id::text, jsonb_build_object(
                     'role', CASE WHEN m.role <> m.old_role THEN m.role END,
                     'old_role', CASE WHEN m.role <> m.old_role THEN m.old_role END,
                     'is_active', CASE WHEN m.is_active <> m.was_active THEN m.is_active END)) END AS _noted
FROM changed m;

-- name: team_remove :row
-- Behind team_guard.  Soft; the address is free again, sessions and tickets are good for nothing.
WITH gone AS (
    UPDATE team_members
    SET deleted_at = now()
    WHERE tenant_id = @tenant AND id = :member_id AND deleted_at IS NULL
    RETURNING id, email, role
), void AS (
    UPDATE one_time_tokens o
    SET used_at = now()
    FROM gone
    WHERE o.tenant_id = @tenant AND o.member_id = gone.id AND o.kind IN ('team_reset', 'team_invitation') AND o.used_at IS NULL
)
SELECT id, audit('team.remove', 'team_member', id::text, jsonb_build_object('email', email, 'role', role)) AS _noted
FROM gone;

-- name: team_second_factor_remove :row
-- Behind team_guard.  No row: there is no such member, or no factor.  Whose it was reads of it in a mail.
SELECT m.id,
       job_add('ashlar.mail', 'mail', jsonb_build_object(
           'template', 'team_second_factor_removed', 'to', m.email, 'locale', 'en', 'data', jsonb_build_object(
               'tenant', t.name, 'member', (SELECT coalesce(c.display_name, c.email) FROM team_members c WHERE c.tenant_id = @tenant AND c.id = @team)))) AS _mailed
FROM team_members m
JOIN tenants t ON t.id = m.tenant_id
WHERE m.tenant_id = @tenant AND m.id = :member_id AND m.deleted_at IS NULL AND team_mfa_remove(m.id);
