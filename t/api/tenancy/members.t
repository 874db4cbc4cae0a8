use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $key  = $t->key;
my $base = '/api/v1/organizations';

sub person ($name, %columns) { return $t->user($name, columns => \%columns)->with(key => $key) }

my $owner = person('owner', full_name => 'Olga Owner');
my $acme  = $owner->post($base, { name => 'Acme', slug => 'acme' })->json('/id');
my $nobody = '00000000-0000-7000-8000-00000000dead';

# Make a user a member, or another one than before, behind the API's back.
sub join_as ($user, $role, %arg) {
    $t->db->do('DELETE FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $arg{id} // $acme, $user->uuid);
    $t->db->do('INSERT INTO memberships (tenant_id, organization_id, user_id, role, is_active) VALUES (?, ?, ?, ?, ?)',
        undef, $user->tenant_id, $arg{id} // $acme, $user->uuid, $role, $arg{is_active} // 1);
    return $user;
}

# "role active", or undef when there is no such member.
sub membership ($user, $id = $acme) {
    return scalar $t->db->selectrow_array(
        q{SELECT role || CASE WHEN is_active THEN '' ELSE ' (deactivated)' END FROM memberships WHERE organization_id = ? AND user_id = ?},
        undef, $id, $user->uuid);
}

sub default_of ($user) {
    return scalar $t->db->selectrow_array('SELECT default_organization_id FROM users WHERE id = ?', undef, $user->uuid);
}

# What was put down about a user, oldest first: "action by whom: details".
sub audited ($user) {
    return [ map { "$_->[0] by $_->[1]: $_->[2]" } @{ $t->db->selectall_arrayref(
        q{SELECT action, actor_id, (details - 'organization_id')::text FROM audit_events WHERE resource_type = 'member' AND resource_id = ? ORDER BY seq},
        undef, $user->id) } ];
}

sub url ($user, $id = $acme) { return "$base/$id/members/" . $user->uuid }

my $admin  = join_as(person('admin'),     'admin');
my $dev    = join_as(person('developer'), 'developer');
my $member = join_as(person('member'),    'member');

my @asks = (
    sub ($who, $target) { $who->get("$base/$acme/members") },
    sub ($who, $target) { $who->put(url($target), { role => 'member' }) },
    sub ($who, $target) { $who->delete(url($target)) },
    sub ($who, $target) { $who->post(url($target) . '/deactivate') },
);

sub everything () {
    return join "\n", map { join ' ', @$_ } @{ $t->db->selectall_arrayref('SELECT organization_id, user_id, role, is_active FROM memberships ORDER BY id') };
}

subtest 'who is no member, or has no role that may, changes nothing' => sub {
    my $gus    = person('gus');
    my $gone   = join_as(person('gone'), 'admin', is_active => 0);
    my $eve    = $t->user('eve', tenant => 'other')->with(key => $t->key(tenant => 'other'));
    my $before = everything();
    for my $ask (@asks) {
        error_is $ask->($gus,  $dev), 403, 'AUTHORIZATION_ERROR', message => qr/not a member/;
        error_is $ask->($gone, $dev), 403, 'AUTHORIZATION_ERROR', message => qr/not a member/, name => 'a deactivated admin is no member';
        error_is $ask->($eve,  $dev), 404, 'NOT_FOUND';
        body_unlike $eve->last, qr/developer|example\.com/;
    }
    for my $who ($dev, $member) {
        my $other = $who == $dev ? $member : $dev;
        error_is $_->($who, $other), 403, 'AUTHORIZATION_ERROR', message => qr/owner or admin/ for @asks[ 1 .. 3 ];
        error_is $_->($who, $who), 403, 'AUTHORIZATION_ERROR', name => 'not even of oneself' for @asks[ 1, 3 ];
    }
    is everything(), $before;
    is_deeply audited($dev), [], 'and nothing is put down';
};

subtest 'every member reads the list: active ones, in the order in which they joined' => sub {
    $t->db->do(q{UPDATE memberships SET joined_at = now() - interval '2 days' WHERE user_id = ?}, undef, $dev->uuid);
    join_as(person('off'), 'member', is_active => 0);
    join_as(person('closed', is_active => 'f'), 'member');
    my @want = (
        { user_id => $dev->uuid,    email => 'developer@example.com', display_name => undef,        role => 'developer', joined_at => $TIME },
        { user_id => $owner->uuid,  email => 'owner@example.com',     display_name => 'Olga Owner', role => 'owner',     joined_at => $TIME },
        { user_id => $admin->uuid,  email => 'admin@example.com',     display_name => undef,        role => 'admin',     joined_at => $TIME },
        { user_id => $member->uuid, email => 'member@example.com',    display_name => undef,        role => 'member',    joined_at => $TIME },
    );
    for my $who ($owner, $admin, $dev, $member) { json_is $who->get("$base/$acme/members"), '', \@want }
    json_is $member->get("$base/$acme/members?skip=1&limit=2"), '', [ @want[ 1, 2 ] ], 'in parts';
    error_is $member->get("$base/$acme/members?limit=1001"), 422, 'VALIDATION_ERROR', field => 'limit';
    error_is $member->get("$base/$acme/members?limit=0"),    422, 'VALIDATION_ERROR', field => 'limit';
    join_as(person('silent', email => undef), 'member');
    json_is $member->get("$base/$acme/members?skip=4"), '/0/email', undef, 'who has no address';
    error_is $owner->get("$base/$nobody/members"), 404, 'NOT_FOUND';
};

subtest 'owner and admin change roles' => sub {
    my $kim = join_as(person('kim'), 'member');
    my $res = $owner->put(url($kim), { role => 'developer' });
    status_is $res, 200;
    json_is $res, '', { user_id => $kim->uuid, email => 'kim@example.com', display_name => undef, role => 'developer', joined_at => $TIME };
    is membership($kim), 'developer';
    json_is $admin->put(url($kim), { role => 'admin' }), '/role', 'admin';
    json_is $admin->put(url($kim), { role => 'admin' }), '/role', 'admin', 'the same again';
    is_deeply audited($kim), [ 'member.role by user_owner: {"to": "developer", "from": "member"}', 'member.role by user_admin: {"to": "admin", "from": "developer"}' ], 'which is no change';
    status_is $kim->put("$base/$acme", { description => 'by kim' }), 200, 'the role counts from the next request on';
    json_is $admin->put(url($kim), { role => 'member' }), '/role', 'member';
    error_is $kim->put("$base/$acme", { description => 'by kim' }), 403, 'AUTHORIZATION_ERROR';

    for my $role ('owner', 'superadmin', '', 'Admin', undef) {
        error_is $owner->put(url($kim), { role => $role }), 422, 'VALIDATION_ERROR', field => 'role', name => 'not ' . ($role // 'null');
    }
    error_is $owner->put(url($kim), {}), 422, 'VALIDATION_ERROR', field => 'role';
    error_is $owner->put("$base/$acme/members/$nobody", { role => 'member' }), 404, 'NOT_FOUND', resource => 'Member', id => $nobody;
    error_is $owner->put("$base/$acme/members/x", { role => 'member' }), 404, 'NOT_FOUND';
    error_is $owner->put(url(person('stranger')), { role => 'member' }), 404, 'NOT_FOUND';
    my $off = join_as(person('off2'), 'member', is_active => 0);
    error_is $owner->put(url($off), { role => 'admin' }), 409, 'CONFLICT', message => qr/deactivated/;
    is membership($off), 'member (deactivated)';
};

subtest 'an owner\'s membership is nobody else\'s to change' => sub {
    my $second = join_as(person('second'), 'owner');
    for my $who ($admin, $owner) {
        error_is $who->put(url($second), { role => 'admin' }), 409, 'CONFLICT', message => qr/owner/;
        error_is $who->delete(url($second)), 409, 'CONFLICT', message => qr/owner/;
        error_is $who->post(url($second) . '/deactivate'), 409, 'CONFLICT', message => qr/owner/;
    }
    error_is $owner->put(url($owner), { role => 'admin' }), 409, 'CONFLICT', name => 'nor can one step down';
    error_is $owner->post(url($owner) . '/deactivate'), 409, 'CONFLICT';
    is membership($second), 'owner';
    is membership($owner),  'owner';
    is_deeply audited($second), [];
    status_is $second->delete(url($second)), 200, 'but one of two may leave';
    is membership($second), undef;
};

subtest 'who is removed is out with the next request' => sub {
    my $lea = join_as(person('lea'), 'developer');
    my $own = $lea->post($base, { name => 'Own', slug => 'lea' })->json('/id');
    $lea->post("$base/$acme/set-default");
    is default_of($lea), $acme;
    my $res = $admin->delete(url($lea));
    status_is $res, 200;
    json_is $res, '', { message => qr/removed/ };
    is membership($lea), undef;
    is default_of($lea), undef, 'it is not the default organization any more';
    is_deeply audited($lea), ['member.remove by user_admin: {"left": false, "role": "developer"}'];
    error_is $lea->get("$base/$acme"), 403, 'AUTHORIZATION_ERROR';
    error_is $admin->delete(url($lea)), 404, 'NOT_FOUND';
    error_is $admin->delete("$base/$acme/members/$nobody"), 404, 'NOT_FOUND';
    error_is $member->delete("$base/$acme/members/$nobody"), 404, 'NOT_FOUND', name => 'whoever asks';
    is membership($lea, $own), 'owner', 'of other organizations one stays a member';
    my $off = join_as(person('off3'), 'member', is_active => 0);
    status_is $admin->delete(url($off)), 200, 'a deactivated member can be removed';
};

subtest 'a default organization that is another one stays' => sub {
    my $max = join_as(person('max'), 'member');
    my $own = $max->post($base, { name => 'Own', slug => 'max' })->json('/id');
    status_is $admin->delete(url($max)), 200;
    is default_of($max), $own;
};

subtest 'every member may leave' => sub {
    for my $role (qw(admin developer member)) {
        my $who = join_as(person("leaving-$role"), $role);
        status_is $who->delete(url($who)), 200, $role;
        is membership($who), undef;
        is_deeply audited($who), [ 'member.remove by user_leaving-' . $role . ': {"left": true, "role": "' . $role . '"}' ];
    }
};

subtest 'the last owner cannot leave' => sub {
    error_is $owner->delete(url($owner)), 409, 'CONFLICT', message => qr/last owner/;
    my $off    = join_as(person('former'), 'owner', is_active => 0);
    my $closed = join_as(person('shut', is_active => 'f'), 'owner');
    error_is $owner->delete(url($owner)), 409, 'CONFLICT', name => 'nor if the others cannot act';
    is membership($owner), 'owner';
    is_deeply audited($owner), [];
};

subtest 'of the two last owners who leave at once one stays' => sub {
    my @two = map { person("last-$_") } 1, 2;
    my $id  = $two[0]->post($base, { name => 'Two', slug => 'two' })->json('/id');
    join_as($two[1], 'owner', id => $id);
    my $lock = $t->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $id);
    my @load = map {
        my $who = $_;
        $t->load(clients => 1, requests => 1, make => sub { $who->with(http => $t->http) }, each => sub ($c, $n) { $c->delete(url($c, $id)) });
    } @two;
    eventually { $t->waiting == 2 } 5, 'both wait';
    $lock->commit;
    is join(' ', sort map { $_->[0] } map { $_->finish } @load), '200 409';
    is $t->db->selectrow_array('SELECT count(*) FROM memberships WHERE organization_id = ?', undef, $id), 1;
};

subtest 'an admin who is demoted while waiting changes nothing' => sub {
    my ($al, $bo) = map { join_as(person($_), 'admin') } qw(al bo);
    my $lock = $t->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $acme);
    my $load = $t->load(clients => 1, requests => 1, make => sub { $al->with(http => $t->http) }, each => sub ($c, $n) { $c->delete(url($bo)) });
    eventually { $t->waiting == 1 } 5, 'the removal waits';
    $lock->do(q{UPDATE memberships SET role = 'member' WHERE organization_id = ? AND user_id = ?}, undef, $acme, $al->uuid);
    $lock->commit;
    is +($load->finish)[0][0], 403;
    is membership($bo), 'admin';
};

subtest 'who is deactivated is no member to anything, but can be seen to be one' => sub {
    my $pia = join_as(person('pia'), 'admin');
    status_is $pia->post("$base/$acme/set-default"), 200;
    my $res = $owner->post(url($pia) . '/deactivate');
    status_is $res, 200;
    json_is $res, '', { message => qr/deactivated/ };
    is membership($pia), 'admin (deactivated)';
    is default_of($pia), undef;
    error_is $pia->get("$base/$acme"), 403, 'AUTHORIZATION_ERROR';
    json_is $pia->get("$base/my-organizations"), '/organizations', [];
    is scalar(grep { $_->{user_id} eq $pia->uuid } @{ $owner->get("$base/$acme/members")->json }), 0, 'nor in the list';
    status_is $admin->post(url($pia) . '/deactivate'), 200, 'twice is harmless';
    is_deeply audited($pia), ['member.deactivate by user_owner: {"role": "admin"}'], 'and put down once';
    error_is $owner->post("$base/$acme/members/$nobody/deactivate"), 404, 'NOT_FOUND';
    error_is $pia->delete(url($pia)), 403, 'AUTHORIZATION_ERROR', name => 'one cannot even leave';
};

subtest 'an invitation from before is no way back in' => sub {
    my $ray = person('ray', is_email_verified => 't');
    status_is $owner->post("$base/$acme/invite", { email => $ray->email, role => 'admin' }), 201;
    my ($mail) = reverse $t->mails;
    join_as($ray, 'member');
    status_is $owner->delete(url($ray)), 200;
    error_is $ray->post("$base/accept-invitation", { token => $mail->{secrets}{token} }), 400, 'TOKEN_INVALID';
    is membership($ray), undef;
    is $t->db->selectrow_array(q{SELECT status FROM invitations WHERE email = ?}, undef, $ray->email), 'cancelled';
};

subtest 'a viewer, whom workspaces have, reads as a member' => sub {
    for my $role (qw(viewer business_user)) {
        my $who = join_as(person("a-$role"), $role);
        is +(map { $_->{role} } grep { $_->{user_id} eq $who->uuid } @{ $owner->get("$base/$acme/members")->json })[0], 'member', "$role: in the list";
        json_is $who->get("$base/$acme"), '/role', 'member', 'to themself';
        is $who->get("$base/my-organizations")->json('/organizations/0/role'), 'member', '  and in their own list';
        json_is $owner->patch("$base/$acme/members/" . $who->uuid, { role => 'member' }), '/role', 'member';
        is membership($who), $role, 'who is to be what they read as stays what they are';
        json_is $owner->patch("$base/$acme/members/" . $who->uuid, { role => 'developer' }), '/role', 'developer';
        is membership($who), 'developer', '  and becomes another';
    }
};
