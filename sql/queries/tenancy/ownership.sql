-- Leaving a workspace, handing it on, and many invitations at once; see sql/functions/tenancy/ownership.sql.

-- columns: offer
SELECT x.organization_id AS workspace_id, giver.ref AS from_member, heir.ref AS to_member, x.expires_at, x.created_at
FROM ownership_offers x
LEFT JOIN member_ref(x.tenant_id, x.organization_id, x.from_member_id) giver ON true
LEFT JOIN member_ref(x.tenant_id, x.organization_id, x.to_member_id) heir ON true;

-- name: workspace_leave :exec
SELECT workspace_leave(:workspace_id::uuid);

-- name: ownership_get :row
-- For the owners, and who it is offered to.
SELECT :columns(offer)
FROM ownership_offers x
:joins(offer)
WHERE x.tenant_id = @tenant AND x.organization_id = @workspace AND x.expires_at > now() AND (@org_role = 'owner' OR x.to_member_id = @member);

-- name: ownership_offer :row
SELECT :columns(offer)
FROM ownership_offer(:member_id::uuid) x
:joins(offer);

-- name: ownership_drop :exec
SELECT ownership_drop();

-- name: ownership_accept :exec
-- Behind it ownership_workspace.
SELECT ownership_accept();

-- name: ownership_accepted :row
SELECT m.id AS member_id, m.organization_id AS workspace_id, workspace_role(m.role) AS role
FROM memberships m
WHERE m.tenant_id = @tenant AND m.organization_id = @workspace AND m.id = @member;

-- name: invite_many_prepare :rows
-- What the mails need: one row for each address, in their order.
SELECT (@tenant)::text AS tenant, coalesce(to_user.email, x.email) AS email, coalesce(to_user.locale, 'en') AS locale, s.invitation_url AS page,
       jsonb_build_object('organization', o.name, 'role', x.role, 'invited_by', u.full_name, 'message', :message::text)::text AS data
FROM unnest(:emails::text[], :keys::text[], :spellings::text[], :roles::text[]) WITH ORDINALITY x (email, key, sent, role, n)
JOIN organizations o ON o.tenant_id = @tenant AND o.id = @workspace
JOIN tenant_settings s ON s.tenant_id = o.tenant_id
JOIN users u ON u.tenant_id = o.tenant_id AND u.id = @user
LEFT JOIN LATERAL user_find(x.key, x.sent) to_user ON true
ORDER BY x.n;

-- name: invite_many :row
SELECT count(*) FILTER (WHERE r.outcome = 'invited') AS invited,
       coalesce(jsonb_agg(jsonb_build_object('email', p.v ->> 'email', 'outcome', r.outcome, 'member_id', r.id, 'expires_at', json_time_us(r.expires_at),
                                             'message', r.reason) ORDER BY r.nr), '[]') AS results
FROM workspace_invite_many(:people::jsonb, :message) r
JOIN jsonb_array_elements(:people::jsonb) WITH ORDINALITY p (v, n) ON p.n = r.nr;
