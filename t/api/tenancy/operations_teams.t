use v5.36;
use lib 't/lib';
use Api;

# Teams of a tenant: everybody in it sees them, owners and admins change them, owners touch owners.
my $t    = Api->start(main => 4);
my $db   = $t->db;
my $base = '/api/teams';

sub person ($name, %arg) { return $t->user($name, tenant => 'acme', %arg, columns => { is_email_verified => 1, %{ $arg{columns} // {} } }) }
sub number ($who) { return 0 + $db->selectrow_array('SELECT number FROM user_accounts WHERE user_id = ?', undef, $who->uuid) }

my $ann = person('ann', columns => { full_name => 'Ann Owner' });
my ($adam, $meg, $vic, $out) = map { person($_) } qw(adam meg vic out);
my $chief = person('chief', role => 'admin');
my $eve   = $t->user('eve', tenant => 'other', role => 'superadmin');
my $key   = $t->key(tenant => 'acme');
my $team;

sub audited ($action) { return scalar $db->selectrow_array('SELECT count(*) FROM audit_events WHERE tenant_id = ? AND action = ?', undef, $ann->tenant_id, "tenant_team.$action") }
sub logged ($action) { return scalar $db->selectrow_array('SELECT count(*) FROM activity_log WHERE tenant_id = ? AND action = ?', undef, $ann->tenant_id, "team.$action") }
sub role_of ($who) { return scalar $db->selectrow_array('SELECT m.role FROM tenant_team_members m JOIN tenant_teams t ON t.id = m.team_id WHERE t.number = ? AND m.user_id = ?', undef, $team, $who->uuid) }
sub names ($res) { return join '|', map { $_->{name} } @{ $res->json('/data') } }

subtest 'making one' => sub {
    error_is $t->client->post($base, { name => 'X' }), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client(key => $key)->post($base, { name => 'X' }), 401, 'AUTHENTICATION_ERROR', name => 'nor a key that is nobody\'s';
    error_is person($_, role => $_)->post($base, { name => 'X' }), 403, 'AUTHORIZATION_ERROR', name => "$_ makes none" for qw(viewer demo);
    error_is $ann->post($base, undef, raw => '['), 400, 'VALIDATION_ERROR';
    error_is $ann->post($base, {}), 400, 'VALIDATION_ERROR', field => 'name';
    error_is $ann->post($base, { name => $_ }), 400, 'VALIDATION_ERROR', field => 'name' for '', 'x' x 101, 7, undef;
    error_is $ann->post($base, { name => 'X', description => $_ }), 400, 'VALIDATION_ERROR', field => 'description' for 'x' x 1001, 7, undef;
    my $res = $ann->post($base, { name => 'Night crew', description => 'up late' });
    status_is $res, 201;
    $team = $res->json('/data/id');
    json_is $res, '/data', { id => qr/\A\d+\z/, name => 'Night crew', description => 'up late', owner_id => number($ann), member_count => 1, role => 'owner', created_at => $TIME, updated_at => $TIME };
    status_is $out->post($base, { name => 'x' x 100, description => 'x' x 1000 }), 201, 'the longest';
    json_is $out->post($base, { name => 'Night crew' }), '/data/description', undef, 'a name may be there twice';
    is audited('create'), 3;
    is role_of($ann), 'owner', 'whoever makes it owns it';
};

subtest 'who is put in' => sub {
    my $path = "$base/$team/members";
    error_is $t->client->post($path, { user_id => number($adam) }), 401, 'AUTHENTICATION_ERROR';
    error_is $out->post($path, { user_id => number($out) }), 403, 'AUTHORIZATION_ERROR', name => 'who is not in it puts nobody in';
    error_is $eve->post($path, { user_id => number($eve) }), 404, 'NOT_FOUND', name => 'to another tenant there is none';
    error_is $ann->post("$base/999999999/members", { user_id => number($adam) }), 404, 'NOT_FOUND';
    error_is $ann->post("$base/x/members", { user_id => number($adam) }), 400, 'VALIDATION_ERROR', field => 'team_number';
    error_is $ann->post($path, {}), 400, 'VALIDATION_ERROR', field => 'user_id';
    error_is $ann->post($path, { user_id => $_ }), 400, 'VALIDATION_ERROR', field => 'user_id' for '', 'x', 0, -1, undef, 1.5;
    error_is $ann->post($path, { user_id => number($adam), role => $_ }), 400, 'VALIDATION_ERROR', field => 'role' for 'viewer', '', 'boss';
    error_is $ann->post($path, { user_id => number($eve) }), 404, 'NOT_FOUND', name => 'a user of another tenant is not there';
    error_is $ann->post($path, { user_id => 999999999 }), 404, 'NOT_FOUND';
    my $res = $ann->post($path, { user_id => number($adam), role => 'admin' });
    status_is $res, 201;
    json_is $res, '/data', { user_id => number($adam), username => 'adam', email => 'adam@example.com', avatar_url => undef, role => 'admin', joined_at => $TIME };
    json_is $adam->post($path, { user_id => number($meg) }), '/data/role', 'member', 'an admin does, too; a member when nothing is said';
    json_is $chief->post($path, { user_id => number($vic) }), '/data/role', 'member', 'and an administrator of the tenant';
    error_is $_->post($path, { user_id => number($out), role => 'owner' }), 403, 'AUTHORIZATION_ERROR', name => $_->id . ' adds no owner' for $adam, $chief;
    error_is $meg->post($path, { user_id => number($out) }), 403, 'AUTHORIZATION_ERROR', name => 'a member puts nobody in';
    error_is $ann->post($path, { user_id => number($meg), role => 'admin' }), 409, 'CONFLICT', field => 'user_id', name => 'a member is one already';
    is role_of($meg), 'member', '  and stays what they are';
    is audited('member_add'), 3;
    is logged('member_added'), 6, 'owners that made one stand in the activity log, too';
    json_is $chief->get('/api/activity-log?action=team.member_added'), '/data/0', { id => qr/\A\d+\z/, actor_type => 'user', actor_id => '' . number($chief), action => 'team.member_added',
        entity_type => 'team', entity_id => "$team", metadata => { user_id => '' . number($vic), role => 'member' }, created_at => $TIME };
};

subtest 'looking' => sub {
    error_is $t->client->get($_), 401, 'AUTHENTICATION_ERROR' for $base, "$base/$team", "$base/$team/members";
    json_is $eve->get($base), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } }, 'another tenant has none of them';
    error_is $eve->get($_), 404, 'NOT_FOUND' for "$base/$team", "$base/$team/members";
    error_is $out->get($_), 404, 'NOT_FOUND' for "$base/999999999", "$base/999999999/members";
    error_is $out->get($_), 400, 'VALIDATION_ERROR', field => 'team_number' for "$base/x", "$base/0/members";
    error_is $out->get("$base?$_->[0]"), 400, 'VALIDATION_ERROR', field => $_->[1] for [ 'limit=0', 'limit' ], [ 'limit=x', 'limit' ], [ 'offset=-1', 'offset' ];
    $out->post($base, { name => $_ }) for 'a 100% team', 'a_b', 'Zoo', "\x{c9}t\x{e9}";
    my $res = $meg->get($base);
    json_is $res, '/meta', { total => 7, limit => 50, offset => 0 };
    is names($res) =~ s/x{100}/x100/r, "a 100% team|a_b|Night crew|Night crew|x100|Zoo|\x{c9}t\x{e9}", 'by name, whatever its case' or diag names($res);
    json_is $res, '/data/2', { id => $team, name => 'Night crew', description => 'up late', owner_id => number($ann), member_count => 4, role => 'member', created_at => $TIME, updated_at => $TIME };
    is $res->json('/data/3/role'), undef, 'who is not in it has no role there';
    is names($meg->get("$base?limit=2&offset=1")), 'a_b|Night crew', 'a page';
    json_is $meg->get("$base?limit=999"), '/meta/limit', 200, 'of at most 200';
    is names($meg->get("$base?name=NIGHT")), 'Night crew|Night crew', 'a part of the name, whatever its case';
    json_is $meg->last, '/meta/total', 2;
    is names($meg->get("$base?name=_")), 'a_b', '_ is one';
    is names($meg->get("$base?name=%25")), 'a 100% team', '% is one';
    is names($meg->get("$base?name=%5C")), '', '\\ is one';
    is names($meg->get("$base?name=\xc3\x89T")), "\x{c9}t\x{e9}";
    my $members = $meg->get("$base/$team/members");
    is join('|', map { "$_->{user_id}/$_->{role}" } @{ $members->json('/data') }), join('|', number($ann) . '/owner', number($adam) . '/admin', number($meg) . '/member', number($vic) . '/member'), 'owners first, then as they came';
    json_is $members, '/meta', { total => 4, limit => 1000, offset => 0 };
    json_is $out->get("$base/$team"), '/data', { id => $team, name => 'Night crew', description => 'up late', owner_id => number($ann), member_count => 4, role => undef, created_at => $TIME, updated_at => $TIME, members => $members->json('/data') }, 'whoever is in the tenant sees who is in it';
};

subtest 'changing it' => sub {
    my $path = "$base/$team";
    error_is $t->client->patch($path, { name => 'Y' }), 401, 'AUTHENTICATION_ERROR';
    error_is $eve->patch($path, { name => 'Y' }), 404, 'NOT_FOUND';
    error_is $_->patch($path, { name => 'Y' }), 403, 'AUTHORIZATION_ERROR', name => $_->id . ' may not' for $meg, $out;
    error_is $ann->patch($path, $_), 400, 'VALIDATION_ERROR' for {}, { owner_id => 1 }, { name => undef }, { name => '' }, { name => 'x' x 101 }, { description => 7 }, { description => 'x' x 1001 };
    error_is $ann->patch("$base/999999999", { name => 'Y' }), 404, 'NOT_FOUND';
    json_is $adam->patch($path, { name => 'Watch' }), '/data', { id => $team, name => 'Watch', description => 'up late', owner_id => number($ann), member_count => 4, role => 'admin', created_at => $TIME, updated_at => $TIME };
    json_is $chief->patch($path, { description => undef }), '/data/description', undef, 'null clears it';
    json_is $chief->last, '/data/role', undef;
    my $etag = $ann->get($path)->header('ETag');
    status_is $ann->patch($path, { name => 'Night watch' }, headers => { 'If-Match' => $etag }), 200;
    error_is $ann->patch($path, { name => 'Watch' }, headers => { 'If-Match' => $etag }), 412, 'PRECONDITION_FAILED';
    is audited('update'), 3;
};

subtest 'roles' => sub {
    my $path = "$base/$team/members/";
    error_is $t->client->patch($path . number($meg), { role => 'admin' }), 401, 'AUTHENTICATION_ERROR';
    error_is $eve->patch($path . number($meg), { role => 'admin' }), 404, 'NOT_FOUND';
    error_is $_->patch($path . number($meg), { role => 'admin' }), 403, 'AUTHORIZATION_ERROR' for $meg, $out;
    error_is $ann->patch($path . number($meg), $_), 400, 'VALIDATION_ERROR', field => 'role' for {}, { role => 'boss' }, { role => undef };
    error_is $ann->patch($path . number($out), { role => 'admin' }), 404, 'NOT_FOUND', name => 'who is not in it';
    error_is $_->patch($path . number($meg), { role => 'owner' }), 403, 'AUTHORIZATION_ERROR', name => $_->id . ' makes no owner' for $adam, $chief;
    error_is $_->patch($path . number($ann), { role => 'admin' }), 403, 'AUTHORIZATION_ERROR', name => '  and unmakes none' for $adam, $chief;
    error_is $ann->patch($path . number($ann), { role => 'admin' }), 409, 'CONFLICT', name => 'the last owner stays';
    json_is $ann->patch($path . number($meg), { role => 'owner' }), '/data', { user_id => number($meg), username => 'meg', email => 'meg@example.com', avatar_url => undef, role => 'owner', joined_at => $TIME };
    json_is $meg->patch($path . number($ann), { role => 'admin' }), '/data/role', 'admin', 'owners touch owners';
    json_is $ann->get("$base/$team"), '/data/owner_id', number($meg);
    json_is $meg->patch($path . number($ann), { role => 'owner' }), '/data/role', 'owner';
    json_is $ann->get("$base/$team"), '/data/owner_id', number($ann), 'of two the one who has been there longer is shown';
    is audited('member_role'), 3;
    is logged('role_changed'), 3;
};

subtest 'taking somebody out' => sub {
    my $path = "$base/$team/members/";
    error_is $t->client->delete($path . number($vic)), 401, 'AUTHENTICATION_ERROR';
    error_is $eve->delete($path . number($vic)), 404, 'NOT_FOUND';
    error_is $out->delete($path . number($vic)), 403, 'AUTHORIZATION_ERROR';
    error_is $vic->delete($path . number($adam)), 403, 'AUTHORIZATION_ERROR';
    error_is $adam->delete($path . number($ann)), 403, 'AUTHORIZATION_ERROR', name => 'no owner, by an admin';
    json_is $vic->delete($path . number($vic)), '', { data => { id => number($vic), deleted => true }, meta => { message => 'Member removed' } }, 'everybody leaves';
    is role_of($vic), undef;
    error_is $ann->delete($path . number($vic)), 404, 'NOT_FOUND', name => 'once';
    status_is $meg->delete($path . number($meg)), 200, 'also one of two owners';
    error_is $ann->delete($path . number($ann)), 409, 'CONFLICT', name => 'but not the last one';
    json_is $ann->get("$base/$team"), '/data/member_count', 2;
    is audited('member_remove'), 2;
    is logged('member_removed'), 2;
};

# The token in the newest mail to an address.
sub token_for ($email) {
    my ($mail) = reverse grep { $_->{to} eq $email } $t->mails;
    $t->keep_secret($mail->{secrets}{token});
    return $mail->{secrets}{token};
}

subtest 'inviting' => sub {
    my $path = "$base/$team/invites";
    error_is $t->client->post($path, { email => 'new@example.com' }), 401, 'AUTHENTICATION_ERROR';
    error_is $eve->post($path, { email => 'new@example.com' }), 404, 'NOT_FOUND';
    error_is $eve->get($path), 404, 'NOT_FOUND';
    error_is $ann->get("$base/999999999/invites"), 404, 'NOT_FOUND';
    error_is $out->post($path, { email => 'new@example.com' }), 403, 'AUTHORIZATION_ERROR';
    error_is $out->get($path), 403, 'AUTHORIZATION_ERROR', name => 'nor sees who is invited';
    error_is $ann->post($path, { email => $_ }), 400, 'VALIDATION_ERROR', field => 'email' for 'x', undef;
    error_is $ann->post($path, { email => 'new@example.com', role => $_ }), 400, 'VALIDATION_ERROR', field => 'role' for 'viewer', '';
    error_is $_->post($path, { email => 'new@example.com', role => 'owner' }), 403, 'AUTHORIZATION_ERROR', name => $_->id . ' invites no owner' for $adam, $chief;
    my $res = $adam->post($path, { email => 'Vic@example.com', role => 'admin' });
    status_is $res, 201;
    json_is $res, '/data', { id => $res->json('/data/id'), team_id => $team, email => 'vic@example.com', role => 'admin', status => 'pending', invited_by => number($adam), expires_at => $TIME, created_at => $TIME };
    body_unlike $res, qr/token/, 'the token is in the mail alone';
    error_is $ann->post($path, { email => 'VIC@example.com' }), 409, 'CONFLICT', field => 'email', name => 'an active one is there';
    error_is $ann->post($path, { email => 'adam@example.com' }), 409, 'CONFLICT', field => 'email', name => 'a member is one already';
    json_is $ann->post($path, { email => 'out@example.com', role => 'owner' }), '/data/role', 'owner', 'an owner invites an owner';
    json_is $ann->post($path, { email => 'new@example.com' }), '/data/role', 'member';
    $res = $chief->get($path);
    is join(' ', map { $_->{email} } @{ $res->json('/data') }), 'new@example.com out@example.com vic@example.com', 'newest first';
    json_is $res, '/meta', { total => 3, limit => 1000, offset => 0 };
    is $db->selectrow_array(q{SELECT count(*) FROM tenant_team_invitations WHERE expires_at BETWEEN now() + interval '6 days 23 hours' AND now() + interval '7 days'}), 3, 'good for seven days';
    $db->do(q{UPDATE tenant_team_invitations SET expires_at = now() - interval '1 second' WHERE email = 'new@example.com'});
    json_is $ann->get($path), '/meta/total', 2, 'without one that is over';
    status_is $ann->post($path, { email => 'new@example.com' }), 201, '  in whose place comes another';
    is audited('invite'), 4;
};

subtest 'accepting' => sub {
    my $at    = '/api/organizations/invites';
    my $token = token_for('vic@example.com');
    error_is $t->client->post("$at/$token/accept"), 401, 'AUTHENTICATION_ERROR';
    error_is $meg->post("$at/$token/accept"), 403, 'AUTHORIZATION_ERROR', name => 'it is for another address';
    error_is $eve->post("$at/$token/accept"), 404, 'NOT_FOUND', name => 'and another tenant has none';
    my $res = $vic->post("$at/$token/accept");
    status_is $res, 200;
    json_is $res, '/data', { kind => 'team', organization => undef, team => { id => $team, name => 'Night watch', role => 'admin' }, role => 'admin', joined_at => $TIME };
    is role_of($vic), 'admin';
    error_is $vic->post("$at/$token/accept"), 404, 'NOT_FOUND', name => 'it is spent';
    status_is $ann->post("$base/$team/members", { user_id => number($out) }), 201;
    error_is $out->post("$at/" . token_for('out@example.com') . '/accept'), 409, 'CONFLICT', name => 'who is in already';
    $db->do(q{UPDATE tenant_team_invitations SET expires_at = now() - interval '1 second' WHERE email = 'out@example.com'});
    error_is $out->post("$at/" . token_for('out@example.com') . '/accept'), 404, 'NOT_FOUND', name => 'it is over';
    is audited('accept'), 1;
    json_is $ann->get("$base/$team/invites"), '/meta/total', 1, 'what is accepted is not pending';
};

subtest 'an account that is deleted leaves its teams' => sub {
    $db->do('UPDATE users SET deleted_at = now() WHERE id = ?', undef, $ann->uuid);
    is role_of($adam), 'owner', 'of the last owner the admin who has been there longest becomes one';
    my $own = $vic->post($base, { name => 'of one' })->json('/data/id');
    $db->do('UPDATE users SET deleted_at = now() WHERE id = ?', undef, $vic->uuid);
    error_is $adam->get("$base/$own"), 404, 'NOT_FOUND', name => 'and a team of nobody is none';
};

subtest 'the end' => sub {
    error_is $t->client->delete("$base/$team"), 401, 'AUTHENTICATION_ERROR';
    error_is $eve->delete("$base/$team"), 404, 'NOT_FOUND';
    error_is $_->delete("$base/$team"), 403, 'AUTHORIZATION_ERROR', name => $_->id . ' does not end it' for $out, $meg;
    my $left = logged('member_removed');
    json_is $adam->delete("$base/$team"), '', { data => { id => $team, deleted => true }, meta => { message => 'Team deleted' } };
    error_is $adam->delete("$base/$team"), 404, 'NOT_FOUND', name => 'once';
    is $db->selectrow_array('SELECT count(*) FROM tenant_team_invitations'), 0, 'its invitations go with it';
    is logged('member_removed'), $left, '  and who was in it is not told of one by one';
    is audited('delete'), 1;
};
