-- The pages behind mailed links; see sql/functions/identity/mailed_links.sql.  The tenant is the one that the token names.

-- name: mailed_link_get :row
-- No row: the token is none.
SELECT l.kind, l.status, l.locale, mail_brand(@tenant, :sender::text) AS brand, l.invitation
FROM mailed_link(:token_hash::bytea) l;

-- name: invitation_find :row
-- Whose is it, if it can be accepted?  No row: it cannot.
SELECT i.email, invitation_account(i) AS account
FROM invitations i
JOIN tenants t ON t.id = i.tenant_id AND t.is_active
WHERE i.tenant_id = @tenant AND i.token_hash = :token_hash::bytea AND i.status = 'pending' AND i.expires_at > now();

-- name: invitation_register :row
SELECT o.id, o.name, o.slug, o.description, o.logo_url, m.role, o.created_at, o.updated_at AS _updated_at
FROM invitation_register(:token_hash::bytea, :password_hash, :display_name, :locale) m
JOIN organizations o ON o.tenant_id = @tenant AND o.id = m.organization_id;
