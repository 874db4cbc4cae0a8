use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Members of a workspace: who is shown, who may change whom.
my $t     = Api->start(main => 3);
my $db    = $t->db;
my $base  = '/api/v1/members';
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

sub audited ($who) { return join ' ', @{ $db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE resource_type = 'member' AND resource_id = ? ORDER BY seq}, undef, $who->id) } }
sub names ($res, $in = 'items') { return join ' ', map { $_->{full_name} } @{ $res->json("/$in") } }

my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', dora => 'developer', vera => 'viewer', bea => 'business_user');
my $x = workspace($t, eve => 'owner');
my ($ann, $adam, $bob, $vera) = @$w{qw(ann adam bob vera)};
sub of ($name) { return "$base/" . $w->member_id($name) }

subtest 'who is shown' => sub {
    my $me = $bob->get("$base/me");
    json_is $me, '', {
        id => $w->member_id('bob'), user_id => $bob->uuid, workspace_id => $w->id, email => $bob->email, full_name => 'Bob', display_name => 'Bob', avatar_url => undef, role => 'member',
        title => undef, department => undef, phone => undef, bio => undef, timezone => 'UTC', is_active => true, ends_at => undef, onboarding_completed => false, onboarding_step => 0, tours => {}, team_ids => [],
        joined_at => $MICRO, last_active_at => undef, created_at => $MICRO, updated_at => $MICRO,
    }, 'oneself';
    json_is $vera->get(of('bob')), '', $me->json, 'another sees the same';
    error_is $ann->get("$base/$_"), 404, 'NOT_FOUND', name => 'no such member here' for $none, $x->member_id('eve'), 'x';
    my $list = $vera->get($base);
    is names($list), 'Adam Ann Bea Bob Dora Vera', 'the list is by name';
    json_is $list, '/total', 6;
    is join(' ', map { $_->{role} } @{ $list->json('/items') }), 'admin owner viewer member member viewer', 'a developer reads as member, a business user as viewer';
    is names($ann->get($base, query => { skip => 1, limit => 2 })), 'Ann Bea';
    is names($ann->get($base, query => { search => $_->[0] })), $_->[1], "search: $_->[0]" for [ AN => 'Ann' ], [ 'bob-' => 'Bob' ], [ '%' => '' ], [ nobody => '' ];
    error_is $ann->get($base, query => $_), 422, 'VALIDATION_ERROR' for { limit => 201 }, { limit => 0 }, { skip => -1 }, { is_active => 'yes' };
    my $all = $vera->get("$base/all");
    is names($all, 'members'), 'Adam Ann Bea Bob Dora Vera';
    json_is $all, '/members/0', { id => $w->member_id('adam'), email => $adam->email, full_name => 'Adam', display_name => 'Adam', avatar_url => undef, role => 'admin' }, 'in short';

    status_is $ann->put(of('bea'), { is_active => false }), 200;
    is names($ann->get($base, query => { is_active => $_->[0] })), $_->[1] for [ true => 'Adam Ann Bob Dora Vera' ], [ 0 => 'Bea' ];
    is names($ann->get("$base/all"), 'members'), 'Adam Ann Bob Dora Vera', 'pickers have who is active';
    error_is $w->{bea}->get("$base/me"), 403, 'AUTHORIZATION_ERROR', name => 'who is not active is nobody';
    status_is $ann->put(of('bea'), { is_active => true }), 200;
    json_is $w->{bea}->get("$base/me"), '/role', 'viewer', '  until they are again';
    is audited($w->{bea}), 'member.deactivate member.activate';

    $db->do(q{UPDATE users SET full_name = 'Zora' WHERE id = ?}, undef, $w->{dora}->uuid);
    is names($ann->get($base)), 'Adam Ann Bea Bob Vera Zora', 'who has another name has another place';
    $db->do(q{UPDATE users SET full_name = 'Dora' WHERE id = ?}, undef, $w->{dora}->uuid);
};

subtest 'a profile' => sub {
    my %long = (full_name => 'x' x 255, display_name => 'x' x 255, title => 'x' x 255, department => 'x' x 255, phone => 'x' x 50, bio => 'x' x 2000, timezone => 'Asia/Tokyo');
    my $is = $bob->get("$base/me")->json;
    json_is $bob->put(of('bob'), \%long), '', { %$is, %long, updated_at => $MICRO }, 'one\'s own';
    for my $field (sort keys %long) {
        error_is $bob->put(of('bob'), { $field => $long{$field} . 'x' }), 422, 'VALIDATION_ERROR', field => $field;
    }
    is names($ann->get($base, query => { limit => 200 })), 'Adam Ann Bea Dora Vera ' . 'x' x 255, 'the name that one has here counts here';
    is $db->selectrow_array('SELECT full_name FROM users WHERE id = ?', undef, $bob->uuid), 'Bob', '  and the account keeps its own';
    json_is $bob->patch(of('bob'), { map { $_ => undef } keys %long }), '', { %$is, updated_at => $MICRO }, 'null: the account\'s, or none';
    is audited($bob), '', 'what one does with one\'s own profile is nobody\'s affair';

    error_is $vera->put(of('bob'), { title => 'x' }), 403, 'AUTHORIZATION_ERROR', name => 'another\'s needs can_edit_member';
    is $vera->put(of('bob'), { title => 'x' })->json('/error/details/permission'), 'can_edit_member';
    json_is $adam->put(of('bob'), { title => 'Rigger' }), '/title', 'Rigger', 'which admins have';
    is audited($bob), 'member.update', '  and that is put down';
    $db->do(q{INSERT INTO role_permissions (tenant_id, organization_id, role, permission, is_granted) VALUES (?, ?, 'viewer', 'can_edit_member', true)}, undef, $ann->tenant_id, $w->id);
    json_is $vera->put(of('bob'), { title => 'Sailor' }), '/title', 'Sailor', 'a workspace may give it to others';
    error_is $vera->put(of('bob'), $_), 403, 'AUTHORIZATION_ERROR', name => '  nor for role and standing' for { role => 'viewer' }, { is_active => false };
    $db->do('DELETE FROM role_permissions WHERE organization_id = ?', undef, $w->id);
    error_is $ann->put("$base/$_", { title => 'x' }), 404, 'NOT_FOUND' for $none, $x->member_id('eve');
    error_is $ann->put(of('bob'), { title => 'x' }, headers => { 'If-Match' => '"0"' }), 412, 'PRECONDITION_FAILED';
    error_is $ann->put(of('bob'), { timezone => 'Nowhere/Else' }), 422, 'VALIDATION_ERROR', field => 'timezone';
    json_is $ann->put('/api/v1/workspaces/' . $w->id, { timezone => 'Europe/Berlin' }), '/timezone', 'Europe/Berlin';
    json_is $bob->get("$base/me"), '/timezone', 'Europe/Berlin', 'who has said none is in the workspace\'s';
};

subtest 'roles' => sub {
    for ([ bob => bob => { role => 'admin' } ], [ bob => bob => { is_active => false } ], [ vera => vera => { role => 'member' } ]) {
        error_is $w->{ $_->[0] }->put(of($_->[1]), $_->[2]), 403, 'AUTHORIZATION_ERROR', name => 'nobody below an admin, not even their own';
    }
    error_is $adam->put(of('ann'), $_), 403, 'AUTHORIZATION_ERROR', name => 'an admin, no owner' for { role => 'member' }, { is_active => false };
    error_is $adam->put(of($_), { role => 'owner' }), 403, 'AUTHORIZATION_ERROR', name => 'nor makes one' for qw(bob adam);
    json_is $adam->put(of('bob'), { role => 'admin' }), '/role', 'admin', 'but others';
    json_is $adam->put(of('bob'), { role => 'member' }), '/role', 'member', '  and back';
    json_is $ann->put(of('dora'), { role => 'member', title => 'x' }), '/role', 'member';
    is $db->selectrow_array('SELECT role FROM memberships WHERE id = ?', undef, $w->member_id('dora')), 'developer', 'what reads the same is no change';
    json_is $ann->put(of('bob'), { role => 'owner' }), '/role', 'owner', 'an owner makes another';
    json_is $bob->put(of('ann'), { role => 'admin' }), '/role', 'admin', '  who may do what owners do, at once';
    error_is $ann->put(of('bob'), { role => 'admin' }), 403, 'AUTHORIZATION_ERROR', name => '  and the first may no more';
    json_is $bob->put(of('ann'), { role => 'owner' }), '/role', 'owner';
    json_is $ann->put(of('bob'), { role => 'member' }), '/role', 'member';
    error_is $ann->put(of('bob'), { role => 'boss' }), 422, 'VALIDATION_ERROR', field => 'role';
    is audited($bob), join(' ', 'member.update', 'member.update', ('member.role') x 4), 'each is put down';
    my @events = @{ $db->selectcol_arrayref(q{SELECT payload ->> 'event_type' FROM realtime_messages WHERE channel = ? AND event = 'workspace_event'}, undef, 'workspace:' . $w->id) };
    ok scalar(grep { $_ eq 'members_updated' } @events), 'and everybody who is connected reads them anew';
};

subtest 'with who is invited' => sub {
    my $p  = workspace($t, ann => 'owner', bob => 'member', vera => 'viewer');
    my $at = '/api/v1/workspaces/' . $p->id . '/members';
    $db->do(q{INSERT INTO invitations (tenant_id, organization_id, email, role, token_hash, invited_by, expires_at)
              SELECT ?, ?, e, 'developer', sha256((e || ?)::bytea), ?, now() + interval '7 days' FROM unnest(ARRAY['carla@example.com', ?]) e}, undef, $p->{ann}->tenant_id, $p->id, $p->id, $p->{ann}->uuid, $bob->email);
    $db->do(q{UPDATE invitations SET status = 'cancelled' WHERE organization_id = ? AND email <> 'carla@example.com'}, undef, $p->id);
    $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $p->member_id('vera'));
    my $list = $p->{bob}->get($at);
    is join(' ', map { ($_->{name} // $_->{email}) . ":$_->{role}:$_->{status}" } @{ $list->json('/members') }), 'Ann:owner:active Bob:member:active carla@example.com:member:pending Vera:viewer:inactive', 'owners first, then by name';
    json_is $list, "/$_->[0]", $_->[1] for [ total => 4 ], [ active_count => 2 ], [ pending_count => 1 ];
    json_is $list, '/members/2', { id => $UUID, user_id => undef, workspace_id => $p->id, email => 'carla@example.com', name => undef, avatar_url => undef, role => 'member', status => 'pending',
        has_password => false, invited_by => { id => $p->{ann}->uuid, email => $p->{ann}->email, name => 'Ann', avatar_url => undef }, invited_at => $MICRO, invitation_expires_at => $MICRO, accepted_at => undef },
        'who is invited is nobody yet';
    is names($p->{bob}->get($base)), 'Ann Bob Vera', 'and in no other list';
    is names($p->{bob}->get("$base/all"), 'members'), 'Ann Bob';
    error_is $p->{ann}->get("$base/" . $list->json('/members/2/id')), 404, 'NOT_FOUND', name => '  nor there by its id';
    error_is $t->user('stranger')->get($at), 403, 'AUTHORIZATION_ERROR';
    error_is $p->{vera}->get($at), 403, 'AUTHORIZATION_ERROR';
    error_is $p->{ann}->get("/api/v1/workspaces/$none/members"), 404, 'NOT_FOUND';
};
