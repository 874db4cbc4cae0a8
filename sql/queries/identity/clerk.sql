-- Users of Clerk's, as a front end asks for them; see sql/functions/identity/clerk.sql.

-- name: clerk_user :row
-- id is null where there is none.
SELECT w.id::text AS id,
       (SELECT coalesce(jsonb_agg(jsonb_build_object('id', o.id, 'name', o.name, 'slug', o.slug, 'logo_url', o.logo_url) ORDER BY lower(o.name), o.id), '[]')
        FROM memberships m
        JOIN organizations o ON o.tenant_id = m.tenant_id AND o.id = m.organization_id
        WHERE m.tenant_id = @tenant AND m.user_id = w.id AND m.is_active AND o.deleted_at IS NULL)::text AS workspaces
FROM clerk_user(:issuer, :clerk_id, :email_key, :email_sent, :name, :avatar_url) AS w (id);
