use v5.36;
use lib 't/lib';
use Api;

# Organizations as the team of their tenant looks after them.
my $t      = Api->start;
my $base   = '/api/v1/dashboard/organizations';
my $owner  = $t->team('owner', role => 'owner', columns => { display_name => 'Olga Owner' });
my $admin  = $t->team('admin', role => 'admin');
my $member = $t->team('member');
my $rival  = $t->team('rival', role => 'owner', tenant => 'other');
my $key    = $t->key;
my $ann    = $t->user('ann', columns => { full_name => 'Ann Example', is_email_verified => 't' })->with(key => $key);
my $bob    = $t->user('bob', columns => { is_email_verified => 't' })->with(key => $key);
my $cyd    = $t->user('cyd');
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub make ($name, $slug) { return $ann->post('/api/v1/organizations', { name => $name, slug => $slug })->json('/id') }
my $acme   = make('Acme', 'acme');
my $beacon = make("B\x{e9}acon Ltd", 'light');
$t->member($acme, $bob, 'developer');

sub slugs ($res) { return join ' ', map { $_->{slug} } @{ $res->json('/organizations') } }
sub role_of ($user, $id = $acme) { return join ' ', $t->db->selectrow_array('SELECT role, is_active FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $id, $user->uuid) }

# The events of the audit log since the last call.
sub audited () {
    state $seen = 0;
    my $rows = $t->db->selectall_arrayref('SELECT * FROM audit_events WHERE tenant_id = ? AND seq > ? ORDER BY seq', { Slice => {} }, $ann->tenant_id, $seen);
    $seen = $rows->[-1]{seq} if @$rows;
    return [ map { "$_->{action} $_->{actor_type} $_->{actor_id}" } @$rows ];
}

subtest 'who may do what' => sub {
    my $one = "$base/$acme";
    my $bobs = "$one/members/" . $bob->uuid;
    my @reads  = ([ GET => $base ], [ GET => $one ], [ GET => "$one/members" ]);
    my @admins = ([ PUT => $one, { name => 'X' } ], [ PUT => $bobs, { role => 'admin' } ], [ DELETE => $bobs ], [ GET => "$one/invitations" ], [ POST => "$one/invitations", { email => 'x@example.com', role => 'member' } ],
        [ POST => "$one/invitations/$nobody/resend" ], [ DELETE => "$one/invitations/$nobody" ]);
    audited();
    for (@reads, @admins) {
        my ($method, $path, $body) = @$_;
        error_is $_->request($method, $path, json => $body), 401, 'AUTHENTICATION_ERROR', name => "$method $path is the team's" for $t, $ann;
        error_is $rival->request($method, $path, json => $body), 404, 'NOT_FOUND', name => '  and of no other tenant' if $path ne $base;
        error_is $owner->request($method, $path =~ s/\Q$acme/$nobody/r, json => $body), 404, 'NOT_FOUND', name => '  of what there is' if $path ne $base;
    }
    error_is $member->request($_->[0], $_->[1], json => $_->[2]), 403, 'AUTHORIZATION_ERROR' for @admins;
    status_is $member->request(@$_), 200 for @reads;
    is_deeply audited(), [], 'nothing was done';
};

subtest 'the list' => sub {
    my $res = $member->get($base);
    is slugs($res), 'light acme', 'newest first';
    my %acme = (
        id => $acme, name => 'Acme', slug => 'acme', description => undef, logo_url => undef, status => 'active', member_count => 2, owner_count => 1,
        created_at => $TIME, updated_at => $TIME,
    );
    json_is $res, '/organizations/1', \%acme;
    json_is $res, "/$_->[0]", $_->[1] for [ total => 2 ], [ page => 1 ], [ per_page => 20 ], [ has_next => false ];
    is slugs($member->get($base, query => { search => $_->[0] })), $_->[1], "search $_->[0]"
        for [ AC => 'acme' ], [ "b\x{c9}" => 'light' ], [ light => 'light' ], [ ligh => '' ], [ x => '' ], [ '%' => '' ];
    is slugs($member->get("$base?per_page=1&page=2")), 'acme', 'pages';
    error_is $member->get("$base?page=101&per_page=100"), 422, 'VALIDATION_ERROR', field => 'page', name => '  end';
    status_is $member->get("$base?page=100&per_page=100"), 200;
    json_is $member->get($base, headers => { 'X-Test-Mode' => 'true' }), '/total', 0, 'the test mode has its own';
    json_is $rival->get("$base?search=acme"), '/total', 0, 'another tenant finds none';
    json_is $member->get("$base/$acme"), '', \%acme, 'one of them';
};

subtest 'what it is called' => sub {
    audited();
    my $res = $admin->put("$base/$acme", { name => 'Acme Inc.', description => 'Anvils' });
    json_is $res, "/$_->[0]", $_->[1] for [ name => 'Acme Inc.' ], [ description => 'Anvils' ], [ slug => 'acme' ];
    json_is $admin->put("$base/$acme", { description => undef }), '/description', undef, 'null takes it away';
    json_is $admin->last, '/name', 'Acme Inc.', '  and what is left out stays';
    error_is $admin->put("$base/$acme", { name => '' }), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $admin->put("$base/$acme", { name => 'x' }, headers => { 'If-Match' => '"1-00000000"' }), 412, 'PRECONDITION_FAILED';
    is_deeply audited(), [ ('organization.update team ' . $admin->id) x 2 ];
};

subtest 'members' => sub {
    my $path = "$base/$acme/members";
    my %bob  = (user_id => $bob->uuid, sub => 'user_bob', email => 'bob@example.com', display_name => undef, role => 'developer', is_active => true, joined_at => $TIME);
    json_is $member->get($path), '/members', sub ($all) { join(' ', map { "$_->{sub}:$_->{role}" } @$all) eq 'user_ann:owner user_bob:developer' }, 'in the order in which they joined';
    json_is $member->last, '/members/1', \%bob;
    json_is $member->last, '/total', 2;
    json_is $member->get("$path?per_page=1&page=2"), '/members/0/sub', 'user_bob';

    audited();
    my $bobs = "$path/" . $bob->uuid;
    json_is $admin->put($bobs, { role => 'viewer' }), '', { %bob, role => 'viewer' };
    json_is $admin->put($bobs, { role => 'viewer' }), '/role', 'viewer', 'the same again is nothing';
    json_is $admin->put($bobs, { is_active => false }), '/is_active', false;
    is role_of($bob), 'viewer 0', 'deactivated';
    json_is $admin->get($path), '/members', sub ($all) { @$all == 1 }, '  and not listed';
    json_is $admin->last, '/total', 1;
    json_is $admin->get("$path?include_inactive=true"), '/members', sub ($all) { @$all == 2 }, '  but where that is asked for';
    json_is $admin->put($bobs, { is_active => true }), '/is_active', true;
    is_deeply audited(), [ map { "member.$_ team " . $admin->id } qw(role deactivate activate) ], 'each is put down';
    error_is $admin->put($bobs, { role => 'king' }), 422, 'VALIDATION_ERROR', field => 'role';
    error_is $admin->put("$path/" . $cyd->uuid, { role => 'admin' }), 404, 'NOT_FOUND', message => qr/^Member not found$/;

    # Who has gone leaves an organization behind.
    my $anns = "$path/" . $ann->uuid;
    error_is $admin->put($anns, { role => 'member' }), 400, 'BAD_REQUEST', message => qr/last owner/, name => 'the last owner stays one';
    error_is $admin->put($anns, { is_active => false }), 400, 'BAD_REQUEST';
    error_is $admin->delete($anns), 400, 'BAD_REQUEST';
    json_is $admin->put($bobs, { role => 'owner' }), '/role', 'owner', 'until there is another one';
    status_is $admin->delete($anns), 204;
    is role_of($ann), '', '  then they go';
    error_is $ann->get("/api/v1/organizations/$acme"), 403, 'AUTHORIZATION_ERROR', name => '  really';
    error_is $admin->delete($anns), 404, 'NOT_FOUND';
    error_is $admin->delete($bobs), 400, 'BAD_REQUEST', name => 'and the other one stays';
};

subtest 'invitations' => sub {
    my $path = "$base/$acme/invitations";
    audited();
    my $res = $owner->post($path, { email => 'Grace@Example.com', role => 'developer' });
    status_is $res, 201;
    my $id = $res->json('/id');
    my %grace = (
        id => $id, organization_id => $acme, email => qr/\Agrace\@example\.com\z/i, role => 'developer', status => 'pending', invited_by => undef,
        expires_at => $TIME, created_at => $TIME,
    );
    json_is $res, '', \%grace;
    body_unlike $res, qr/token|hash/;
    is_deeply audited(), [ 'invitation.create team ' . $owner->id ];
    my ($mail) = reverse $t->mails;
    is "$mail->{template} $mail->{to}", 'invitation ' . $res->json('/email'), 'a mail is on its way';
    is_deeply $mail->{data}, { organization => 'Acme Inc.', role => 'developer', invited_by => 'Olga Owner' }, '  in the name of who has invited';
    my $token = $mail->{secrets}{token};
    $t->keep_secret($token);
    json_is $owner->get($path), '/invitations', [ \%grace ];
    error_is $owner->post($path, { email => 'grace@example.com', role => 'member' }), 409, 'CONFLICT', field => 'email';
    error_is $owner->post($path, { email => 'bob@example.com', role => 'member' }), 409, 'CONFLICT', field => 'email', name => 'who is in is not invited';
    error_is $owner->post($path, { email => 'nobody', role => 'member' }), 422, 'VALIDATION_ERROR', field => 'email';
    error_is $owner->post($path, { email => 'x@example.com', role => 'owner' }), 422, 'VALIDATION_ERROR', field => 'role';

    error_is $owner->post("$base/$beacon/invitations/$id/resend"), 404, 'NOT_FOUND', name => 'it is sent again in its organization';
    audited();
    $t->db->do(q{UPDATE invitations SET expires_at = now() + interval '1 hour' WHERE id = ?}, undef, $id);
    json_is $admin->post("$path/$id/resend"), '', \%grace, 'it is sent again';
    is_deeply audited(), [ 'invitation.resend team ' . $admin->id ];
    ok $t->db->selectrow_array(q{SELECT expires_at > now() + interval '6 days' FROM invitations WHERE id = ?}, undef, $id), '  for another week';
    ($mail) = reverse $t->mails;
    my $fresh = $mail->{secrets}{token};
    $t->keep_secret($fresh);
    is "$mail->{template} $mail->{to} $mail->{data}{invited_by}", join(' ', 'invitation', $res->json('/email'), 'Admin'), '  by who has sent it now';
    isnt $fresh, $token, '  with a link of its own';

    my $grace = $t->user('grace', columns => { is_email_verified => 't' })->with(key => $key);
    error_is $grace->post('/api/v1/organizations/accept-invitation', { token => $token }), 400, 'TOKEN_INVALID', name => '  and the one from before works no more';
    status_is $grace->post('/api/v1/organizations/accept-invitation', { token => $fresh }), 200, 'it is accepted';
    is role_of($grace), 'developer 1';
    json_is $owner->get($path), '/invitations', [], '  and pending no more';
    error_is $owner->post("$path/$id/resend"), 409, 'CONFLICT', name => '  so it is not sent again';

    my $other = $owner->post($path, { email => 'hal@example.com', role => 'member' })->json('/id');
    ($mail) = reverse $t->mails;
    $t->keep_secret($mail->{secrets}{token});
    $t->db->do(q{UPDATE invitations SET expires_at = now() - interval '1 second' WHERE id = ?}, undef, $other);
    json_is $owner->get($path), '/invitations/0/status', 'expired', 'one that has expired is said to be so';
    audited();
    error_is $owner->delete("$base/$beacon/invitations/$other"), 404, 'NOT_FOUND', name => 'it is of its organization';
    status_is $owner->delete("$path/$other"), 204;
    error_is $owner->delete("$path/$other"), 404, 'NOT_FOUND';
    is_deeply audited(), [ 'invitation.cancel team ' . $owner->id ];
    error_is $owner->post("$path/$other/resend"), 409, 'CONFLICT', name => 'nor is one that is cancelled';
    my $hal = $t->user('hal', columns => { is_email_verified => 't' })->with(key => $key);
    error_is $hal->post('/api/v1/organizations/accept-invitation', { token => $mail->{secrets}{token} }), 400, 'TOKEN_INVALID', name => 'its link does not work any more';
};
