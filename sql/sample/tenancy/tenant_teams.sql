-- after: users
-- {team_number} = SELECT number FROM tenant_teams WHERE id = pg_temp.id('tenant team')
INSERT INTO tenant_teams (tenant_id, id, name, description)
VALUES (app_tenant(), pg_temp.id('tenant team'), 'Night watch', 'Who is up while the others sleep.');

INSERT INTO tenant_team_members (tenant_id, team_id, user_id, role)
VALUES (app_tenant(), pg_temp.id('tenant team'), pg_temp.id('user'), 'owner'),
       (app_tenant(), pg_temp.id('tenant team'), pg_temp.id('user theo'), 'member');

-- Nobody has the token of it.
INSERT INTO tenant_team_invitations (tenant_id, team_id, email, token_hash, invited_by)
VALUES (app_tenant(), pg_temp.id('tenant team'), 'guest@harbour.example', sha256(gen_random_uuid()::text::bytea), pg_temp.id('user'));
