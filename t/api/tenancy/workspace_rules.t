use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;
use Cpanel::JSON::XS ();

# What holds over all of a workspace's endpoints: what matters to security is put down, once, with who did it; and what is done twice is done once.
my $t    = Api->start(main => 3);
my $db   = $t->db;
my $none = '00000000-0000-7000-8000-00000000dead';
my $w    = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', carl => 'member', cora => 'member', vera => 'viewer');
my ($ann, $bob) = @$w{qw(ann bob)};
my $boss = $t->user('boss', role => 'superadmin');
my $here = '/api/v1/workspaces/' . $w->id;
$db->do('UPDATE users SET is_email_verified = true WHERE id = ?', undef, $_->uuid) for $ann, $boss;

my $seen = 0;

# What was put down since the last call, but for sign-ins.
sub audited () {
    my @new = @{ $db->selectall_arrayref(q{SELECT seq, action, actor_id, actor_type, resource_type, resource_id, details::text, ip_address, request_id FROM audit_events WHERE seq > ? AND action NOT LIKE 'session.%' ORDER BY seq}, { Slice => {} }, $seen) };
    $seen = $new[-1]{seq} if @new;
    return @new;
}

# One call puts this down, as its caller's; and is as good as never made, where it is refused.
sub puts_down ($what, $who, $call, $action, $resource = undef, $details = {}) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    audited();
    my $res = $call->($who);
    cmp_ok $res->status, '<', 300, $what or diag $res->body;
    my @put = audited();
    is join(' ', map { $_->{action} } @put), $action, '  is put down, once';
    my $last = $put[-1] // {};
    is $last->{actor_id}, $who->id, '  as who did it';
    ok $last->{ip_address} && $last->{request_id}, '  from where, and in which request';
    is $last->{resource_id}, $resource, '  of what' if defined $resource;
    my $said = Cpanel::JSON::XS->new->decode($last->{details} // '{}');
    is_deeply { map { $_ => $said->{$_} } keys %$details }, $details, '  with what is to be known';
    return $res;
}
sub member ($name) { return '/api/v1/members/' . $w->member_id($name) }

subtest 'roles and standing' => sub {
    my %in = (organization_id => $w->id);
    puts_down 'a role', $ann, sub ($who) { $who->put(member('bob'), { role => 'admin' }) }, 'member.role', $bob->id, { %in, from => 'member', to => 'admin' };
    puts_down 'back', $ann, sub ($who) { $who->put(member('bob'), { role => 'member' }) }, 'member.role', $bob->id, { from => 'admin', to => 'member' };
    puts_down 'who is switched off', $ann, sub ($who) { $who->put(member('carl'), { is_active => false }) }, 'member.deactivate', $w->{carl}->id, \%in;
    puts_down 'and on', $ann, sub ($who) { $who->put(member('carl'), { is_active => true }) }, 'member.activate', $w->{carl}->id, \%in;
    puts_down 'a date', $ann, sub ($who) { $who->put(member('vera') . '/end', { ends_at => '2031-01-31T17:00:00Z' }) }, 'member.end', $w->{vera}->id, \%in;
    puts_down 'what they had', $ann, sub ($who) { $who->post(member('carl') . '/reassign', { to_member_id => $w->member_id('bob') }) }, 'member.reassign', $w->{carl}->id, { to => $w->member_id('bob') };
    puts_down 'a reset by mail', $ann, sub ($who) { $who->post("$here/users/" . $w->{cora}->uuid . '/reset-password') }, 'member.password_reset', $w->{cora}->id, { left => 'mailed' };
    $db->do('INSERT INTO account_makers (tenant_id, user_id, organization_id) VALUES (?, ?, ?)', undef, $_->tenant_id, $_->uuid, $w->id) for $w->{cora};
    my $link = puts_down 'a reset by a link', $ann, sub ($who) { my $res = $who->post("$here/users/" . $w->{cora}->uuid . '/reset-password-link'); $t->keep_secret($res->json('/token')) if $res->json('/token'); $res },
        'member.password_reset', $w->{cora}->id, { left => 'shown' };
    my $token = $link->json('/token');
    ok length $token, 'the link has a token';
    unlike join(' ', map { $_ // '' } @{ $db->selectcol_arrayref('SELECT details::text FROM audit_events') }), qr/\Q$token\E/, '  which is not put down';
    puts_down 'who is taken out', $ann, sub ($who) { $who->delete(member('carl')) }, 'member.remove', $w->{carl}->id, { %in, left => false };
    puts_down 'who leaves', $w->{cora}, sub ($who) { $who->post("$here/leave") }, 'member.remove', $w->{cora}->id, { %in, left => true };
};

subtest 'permissions, modules and teams' => sub {
    my $role = '/api/v1/permissions/roles/viewer';
    puts_down 'one', $ann, sub ($who) { $who->put("$role/permission", { permission => 'can_create_goal', allowed => true }) }, 'permissions.update', 'viewer', { organization_id => $w->id, permissions => { can_create_goal => true } };
    puts_down 'many', $ann, sub ($who) { $who->put($role, { permissions => { can_create_goal => false, can_edit_goal => true } }) }, 'permissions.update', 'viewer', { permissions => { can_create_goal => false, can_edit_goal => true } };
    puts_down 'as they come', $ann, sub ($who) { $who->post("$role/reset") }, 'permissions.reset', 'viewer', { organization_id => $w->id };
    puts_down 'a module', $ann, sub ($who) { $who->post('/api/v1/modules', { module => 'crm' }) }, 'module.create';
    puts_down 'switched off', $ann, sub ($who) { $who->post('/api/v1/modules/crm/toggle') }, 'module.update';
    my $team = (puts_down 'a team', $ann, sub ($who) { $who->post('/api/v1/teams', { name => 'Crew' }) }, 'team.create')->json('/id');
    puts_down 'who is in it', $ann, sub ($who) { $who->post("/api/v1/teams/$team/members", { member_id => $w->member_id('bob') }) }, 'team.member_add', $team;
    puts_down 'it goes', $ann, sub ($who) { $who->delete("/api/v1/teams/$team") }, 'team.delete', $team;
};

subtest 'keys' => sub {
    my $base = '/api/v1/api-keys';
    my $kept = sub ($res) { $t->keep_secret($res->json('/key')) if $res->json('/key'); $res };
    my $id   = (puts_down 'one', $ann, sub ($who) { $kept->($who->post($base, { name => 'Reports' })) }, 'key.create', undef, { organization_id => $w->id, name => 'Reports' })->json('/id');
    puts_down 'another name', $ann, sub ($who) { $who->put("$base/$id", { name => 'Tables' }) }, 'key.update', $id;
    puts_down 'off', $ann, sub ($who) { $who->post("$base/$id/toggle") }, 'key.update', $id;
    $ann->post("$base/$id/toggle");
    my $next = (puts_down 'another in its place', $ann, sub ($who) { $kept->($who->post("$base/$id/rotate", { grace_seconds => 60 })) }, 'key.rotate', $id, { grace_seconds => 60 })->json('/id');
    puts_down 'revoked', $ann, sub ($who) { $who->post("$base/$next/revoke") }, 'key.revoke', $next;
    puts_down 'removed', $ann, sub ($who) { $who->delete("$base/$next") }, 'key.delete', $next;
    unlike join(' ', map { $_ // '' } @{ $db->selectcol_arrayref('SELECT details::text FROM audit_events') }), qr/ash_live_\w{5}/, 'no key is put down';
};

subtest 'exports, provisioning, ownership, the workspace' => sub {
    puts_down 'an export', $ann, sub ($who) { $who->post('/api/v1/activity/export', { format => 'csv' }) }, 'activity.export';
    puts_down 'another name', $ann, sub ($who) { $who->put($here, { name => 'Wharf' }) }, 'organization.update', $w->id;
    audited();
    status_is $boss->post('/api/v1/workspaces/provision', { workspace_name => 'Dock', owner_email => 'olga@example.com', owner_name => 'Olga' }), 200;
    is scalar(grep { $_->{action} eq 'organization.provision' && $_->{actor_id} eq $boss->id } audited()), 1, 'a workspace for somebody';
    puts_down 'an offer', $ann, sub ($who) { $who->post("$here/ownership-offer", { member_id => $w->member_id('adam') }) }, 'ownership.offer', $w->{adam}->id;
    puts_down 'it is accepted', $w->{adam}, sub ($who) { $who->post("$here/ownership-offer/accept") }, 'ownership.accept member.role member.role';
    status_is $w->{adam}->put(member('ann'), { role => 'owner' }), 200;
};

subtest 'what is refused puts nothing down' => sub {
    audited();
    my @calls = (
        [ PUT => member('ann'), { role => 'viewer' } ], [ DELETE => member('ann') ], [ POST => "$here/users/" . $ann->uuid . '/reset-password-link' ], [ PUT => '/api/v1/permissions/roles/viewer/permission', { permission => 'can_create_goal', allowed => true } ],
        [ POST => '/api/v1/api-keys', { name => 'x' } ], [ POST => "$here/ownership-offer", { member_id => $w->member_id('vera') } ], [ POST => member('ann') . '/reassign', { to_member_id => $w->member_id('bob') } ],
        [ POST => '/api/v1/workspaces/provision', { workspace_name => 'x', owner_email => 'x@example.com', owner_name => 'x' } ], [ PUT => $here, { name => 'x' } ], [ PUT => member('ann') . '/end', { ends_at => '2031-01-31T17:00:00Z' } ],
    );
    for my $call (@calls) {
        my ($method, $path, $body) = @$call;
        is $bob->request($method => $path, json => $body)->status, 403, "$method $path";
    }
    is_deeply [ map { $_->{action} } audited() ], [], 'nothing';
};

# Called twice, the answer and what is stored are the same.
sub same_twice ($what, $call, $stored) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @was;
    for (1, 2) {
        my $res = $call->();
        cmp_ok $res->status, '<', 300, $what or diag $res->body;
        push @was, $db->selectall_arrayref($stored->[0], undef, @{$stored}[ 1 .. $#$stored ]);
    }
    is_deeply $was[1], $was[0], '  twice is once';
    ok scalar @{ $was[0] }, '  and once is something';
    return;
}

subtest 'twice is once' => sub {
    my $home = workspace($t, mia => 'owner');
    my $mia  = $home->{mia};
    $t->member($w->id, $mia, 'member');
    same_twice 'switching', sub { my $res = $mia->post('/api/v1/workspaces/switch', { workspace_id => $w->id }); $t->keep_secret(grep { defined } map { $res->json("/$_") } qw(access_token refresh_token)); $res },
        [ 'SELECT u.default_organization_id, s.workspace_id FROM users u JOIN sessions s ON s.user_id = u.id WHERE u.id = ?', $mia->uuid ];
    same_twice 'seeding permissions', sub { $ann->post('/api/v1/permissions/seed') }, [ 'SELECT (SELECT count(*) FROM permissions), (SELECT count(*) FROM role_permissions WHERE organization_id = ?)', $w->id ];
    same_twice 'a tour', sub { $bob->post('/api/v1/members/me/tours', { tour_id => 'welcome' }) }, [ 'SELECT tours FROM member_profiles WHERE member_id = ?', $w->member_id('bob') ];
    same_twice 'forgetting it', sub { $bob->delete('/api/v1/members/me/tours') }, [ 'SELECT tours FROM member_profiles WHERE member_id = ?', $w->member_id('bob') ];
    same_twice 'a permission', sub { $ann->put('/api/v1/permissions/roles/viewer/permission', { permission => 'can_create_goal', allowed => true }) },
        [ 'SELECT role, permission, is_granted FROM role_permissions WHERE organization_id = ? ORDER BY 1, 2', $w->id ];
    same_twice 'resetting them', sub { $ann->post('/api/v1/permissions/roles/viewer/reset') }, [ 'SELECT count(*) FROM role_permissions WHERE organization_id = ?', $w->id ];
    same_twice 'a preference', sub { $bob->put('/api/v1/notifications/preferences/v2/goal_assigned', { email_enabled => false }) },
        [ 'SELECT event_type, inapp_enabled, email_enabled, whatsapp_enabled, muted FROM notification_preferences WHERE member_id = ? ORDER BY 1', $w->member_id('bob') ];
    same_twice 'a role', sub { $ann->put(member('vera'), { role => 'viewer' }) }, [ 'SELECT role, is_active, updated_at FROM memberships WHERE id = ?', $w->member_id('vera') ];
    same_twice 'leaving', sub { $mia->post("$here/leave") }, [ 'SELECT (SELECT count(*) FROM memberships WHERE user_id = $1), (SELECT count(*) FROM audit_events WHERE action = $2 AND resource_id = $3)', $mia->uuid, 'member.remove', $mia->id ];

    # Accepting is for once: who comes again is told so, and is in once.
    my $lars = $t->user('lars', columns => { is_email_verified => 't' });
    status_is $ann->post("$here/invite", { email => $lars->email }), 201;
    my ($mail) = grep { $_->{to} eq $lars->email && $_->{template} eq 'invitation' } $t->mails;
    $t->keep_secret($mail->{secrets}{token});
    for my $method (qw(get head)) {
        is $t->client->$method("/invitation.html?token=$mail->{secrets}{token}")->status, 200, "$method of its link";
        is $db->selectrow_array(q{SELECT status FROM invitations WHERE email = ?}, undef, $lars->email), 'pending', '  uses nothing up';
    }
    status_is $t->client->head('/api/v1/workspaces/accept-invitation?token=' . $mail->{secrets}{token}), 405, 'nor is there a HEAD or GET that accepts';
    status_is $t->client->get('/api/v1/workspaces/accept-invitation?token=' . $mail->{secrets}{token}), 405;
    status_is $t->client->get('/api/v1/workspaces/invitation-details', query => { token => $mail->{secrets}{token} }), 200 for 1, 2;
    status_is $lars->post('/api/v1/workspaces/accept-invitation', { token => $mail->{secrets}{token} }), 200;
    error_is $lars->post('/api/v1/workspaces/accept-invitation', { token => $mail->{secrets}{token} }), 409, 'CONFLICT';
    is $db->selectrow_array('SELECT count(*) FROM memberships WHERE user_id = ?', undef, $lars->uuid), 1;
};
