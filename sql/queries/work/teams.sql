-- Teams of a workspace, and who is in them; see sql/functions/work/teams.sql.  With
-- can_edit_team one may change any, else those that one leads.

-- columns: team
SELECT t.id, t.name, t.description, t.color, t.icon, t.parent_team_id, t.lead_member_id, t.is_active,
       workspace_team_size(t::workspace_teams) AS member_count, t.created_by_id, t.created_at, t.updated_at
FROM workspace_teams t;

-- columns: team_member
SELECT x.id, x.team_id, x.member_id, x.role, who.ref AS member, x.created_at AS joined_at
FROM workspace_team_members x
CROSS JOIN member_ref(x.tenant_id, x.organization_id, x.member_id) who;

-- name: workspace_team_list :rows
-- By name, whatever its case.
SELECT :columns(team)
FROM workspace_teams t
WHERE t.tenant_id = @tenant AND t.organization_id = @workspace
  [AND t.id = ANY (ARRAY(SELECT c.id FROM team_candidates(@workspace, :search) c))]
  [AND t.is_active = :is_active]
  [AND t.parent_team_id = :parent_team_id]
ORDER BY lower(t.name), t.id;

-- name: workspace_team_get :row
SELECT :columns(team), lead.ref AS lead
FROM workspace_teams t
LEFT JOIN member_ref(t.tenant_id, t.organization_id, t.lead_member_id) lead ON true
WHERE t.tenant_id = @tenant AND t.organization_id = @workspace AND t.id = :team_id;

-- name: workspace_team_member_list :rows
-- Leads first, then by name.
SELECT :columns(team_member)
FROM workspace_team_members x
:joins(team_member)
WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.team_id = :team_id
  AND here('workspace_teams', :team_id::uuid, 'Team')
ORDER BY x.role, lower(who.ref ->> 'full_name'), x.member_id;

-- name: workspace_team_children :rows
SELECT :columns(team)
FROM workspace_teams t
WHERE t.tenant_id = @tenant AND t.organization_id = @workspace AND t.parent_team_id = :team_id
ORDER BY lower(t.name), t.id;

-- name: workspace_team_create :row
WITH made AS (
    INSERT INTO workspace_teams
    :values(tenant_id = @tenant, organization_id = @workspace, created_by_id = @member, name, description, color, icon,
            parent_team_id, lead_member_id, is_active)
    RETURNING *
)
SELECT :columns(team)
FROM made t, workspace_team_fill(t::workspace_teams, :member_ids::uuid[]),
     audit('team.create', 'team', t.id::text, jsonb_build_object('organization_id', t.organization_id, 'name', t.name));

-- name: workspace_team_update :row
WITH changed AS (
    UPDATE workspace_teams t
    SET :set(name, description, color, icon, parent_team_id, lead_member_id, is_active)
    WHERE t.tenant_id = @tenant AND t.organization_id = @workspace AND t.id = :team_id
      AND may(member_reach('can_edit_team') = 'all' OR workspace_team_is_led(t.id), 'this needs can_edit_team, or to lead the team')
      AND if_match(t.updated_at, :if_match)
    RETURNING *
)
SELECT :columns(team)
FROM changed t,
     audit('team.update', 'team', t.id::text, jsonb_build_object('organization_id', t.organization_id, 'name', t.name,
         'fields', :changed(name, description, color, icon, parent_team_id, lead_member_id, is_active)));

-- name: workspace_team_delete :row
-- Its children move to the top, by their foreign key.
WITH gone AS (
    DELETE FROM workspace_teams t
    WHERE t.tenant_id = @tenant AND t.organization_id = @workspace AND t.id = :team_id AND if_match(t.updated_at, :if_match)
    RETURNING t.id, t.organization_id, t.name
)
SELECT id FROM gone t,
     audit('team.delete', 'team', t.id::text, jsonb_build_object('organization_id', t.organization_id, 'name', t.name));

-- name: workspace_team_member_add :row
WITH made AS (
    INSERT INTO workspace_team_members
    :values(tenant_id = t.tenant_id, organization_id = t.organization_id, team_id = t.id, member_id, role)
    FROM workspace_teams t
    WHERE t.tenant_id = @tenant AND t.organization_id = @workspace AND t.id = :team_id
      AND may(member_reach('can_edit_team') = 'all' OR workspace_team_is_led(t.id), 'this needs can_edit_team, or to lead the team')
    RETURNING *
)
SELECT :columns(team_member)
FROM made x
:joins(team_member),
     audit('team.member_add', 'team', x.team_id::text, jsonb_build_object('organization_id', x.organization_id,
         'member_id', x.member_id, 'role', x.role));

-- name: workspace_team_member_update :row
WITH changed AS (
    UPDATE workspace_team_members x SET role = :role
    WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.team_id = :team_id AND x.member_id = :member_id
      AND may(member_reach('can_edit_team') = 'all' OR workspace_team_is_led(x.team_id), 'this needs can_edit_team, or to lead the team')
    RETURNING *
)
SELECT :columns(team_member)
FROM changed x
:joins(team_member),
     audit('team.member_role', 'team', x.team_id::text, jsonb_build_object('organization_id', x.organization_id,
         'member_id', x.member_id, 'role', x.role));

-- name: workspace_team_member_remove :row
-- Everybody may leave.
WITH gone AS (
    DELETE FROM workspace_team_members x
    WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.team_id = :team_id AND x.member_id = :member_id
      AND may(member_reach('can_edit_team') = 'all' OR x.member_id = @member OR workspace_team_is_led(x.team_id), 'this needs can_edit_team, or to lead the team')
    RETURNING x.team_id, x.organization_id, x.member_id
)
SELECT member_id FROM gone x,
     audit('team.member_remove', 'team', x.team_id::text, jsonb_build_object('organization_id', x.organization_id,
         'member_id', x.member_id, 'left', x.member_id = @member));
