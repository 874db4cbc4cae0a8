-- after: organizations users
-- {email} = guest@harbour.example
-- {invitation_token} = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
-- Nobody has the token of it.
INSERT INTO invitations (tenant_id, id, organization_id, email, role, token_hash, invited_by, expires_at)
VALUES (app_tenant(), pg_temp.id('invitation'), pg_temp.id('organization'), 'guest@harbour.example', 'member',
        sha256(gen_random_uuid()::text::bytea), pg_temp.id('user'), now() + interval '7 days');
