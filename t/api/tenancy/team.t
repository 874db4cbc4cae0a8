# The team of a tenant: /api/v1/dashboard/team.

use v5.36;
use lib 't/lib';
use Api;

my $t      = Api->start(main => 3);
my $base   = '/api/v1/dashboard/team';
my $owner  = $t->team('owner', role => 'owner', tenant => 'acme');
my $admin  = $t->team('admin', role => 'admin', tenant => 'acme');
my $member = $t->team('member', tenant => 'acme');
my $other  = $t->team('other', role => 'owner', tenant => 'other');
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub row ($id) { return $t->db->selectrow_hashref('SELECT * FROM team_members WHERE id = ?', undef, $id) }

sub last_audit ($like) {
    return $t->db->selectrow_hashref('SELECT * FROM audit_events WHERE tenant_id = ? AND action LIKE ? ORDER BY seq DESC LIMIT 1', undef, $owner->tenant_id, $like);
}

sub invite ($who, $email, $role = 'member') {
    my $res = $who->post("$base/invitations", { email => $email, role => $role });
    $t->keep_secret(map { $_->{secrets}{token} } $t->mails) if $res->status == 201;
    return $res;
}

sub token_for ($email) { return (grep { $_->{to} eq $email } $t->mails)[-1]{secrets}{token} }

sub me ($who) { return $who->get('/api/v1/tenant-auth/me') }

subtest 'who may do what' => sub {
    my @changes = ([ POST => "$base/invitations", { email => 'x@example.com', role => 'member' } ], [ PUT => "$base/" . $admin->id, { role => 'member' } ], [ DELETE => "$base/" . $admin->id ]);
    for (@changes) {
        my ($method, $path, $body) = @$_;
        error_is $t->request($method, $path, json => $body), 401, 'AUTHENTICATION_ERROR';
        error_is $member->request($method, $path, json => $body), 403, 'AUTHORIZATION_ERROR';
        error_is $other->request($method, $path, json => $body), 404, 'NOT_FOUND', name => "$method: not of another tenant" if $method ne 'POST';
    }
    error_is $t->get($base), 401, 'AUTHENTICATION_ERROR';
    status_is $_->get($base), 200 for $owner, $admin, $member;
    is row($admin->id)->{role}, 'admin', 'nothing was changed';
};

subtest 'the list' => sub {
    my $res = $member->get($base);
    is_deeply [ keys %{ $res->json } ], ['members'];
    is_deeply [ map { $_->{email} } @{ $res->json('/members') } ], [ map { "$_\@team.example.com" } qw(owner admin member) ], 'owners first, then by joining; nobody of others';
    json_is $res, '/members/0', {
        id => $owner->id, email => 'owner@team.example.com', display_name => 'Owner', role => 'owner', status => 'active',
        invited_by => undef, invited_at => undef, joined_at => $TIME, last_login_at => undef, has_second_factor => false,
    };
    is scalar @{ $member->get("$base?limit=1")->json('/members') }, 1;
    json_is $member->get("$base?skip=1&limit=1"), '/members/0/email', 'admin@team.example.com';
    body_is $member->get($base, headers => { 'X-Test-Mode' => 'true' }), $res->body, 'there is one team for both modes';
};

subtest 'an invitation' => sub {
    error_is $admin->post("$base/invitations", { email => 'ann@example.com', role => $_ }), 422, 'VALIDATION_ERROR', field => 'role', name => "not as $_" for 'owner', 'king';
    error_is $admin->post("$base/invitations", { role => 'member' }), 422, 'VALIDATION_ERROR', field => 'email';
    error_is invite($admin, $_), 409, 'CONFLICT', field => 'email', name => "$_ has a team already" for 'MEMBER@team.example.com', 'other@team.example.com';
    is scalar(my @none = $t->mails), 0, 'none of them sent a mail';
    is $t->db->selectrow_array(q{SELECT tries FROM rate_limits WHERE name = 'team_invite'}), 2, 'but what was refused counts';

    my $res = invite($admin, 'Ann@Example.com', 'admin');
    status_is $res, 201;
    json_is $res, '', {
        id => $UUID, email => 'ann@example.com', display_name => undef, role => 'admin', status => 'invited',
        invited_by => $admin->id, invited_at => $TIME, joined_at => undef, last_login_at => undef, has_second_factor => false,
    };
    my ($mail) = $t->mails;
    is "$mail->{template} $mail->{to} $mail->{tenant}", 'team_invitation ann@example.com acme';
    is_deeply $mail->{data}, { tenant => 'acme', inviter => 'Admin', role => 'admin' }, 'the mail says who invites, and whereto';
    is $mail->{secrets}{link}, "https://localhost:$t->{https_port}/team-accept-invitation.html?token=$mail->{secrets}{token}";
    json_is $owner->get($base), '/members/3/status', 'invited', 'who is invited comes last';
    my $event = last_audit('team.%');
    is "$event->{action} $event->{resource_type} $event->{resource_id} $event->{actor_id} $event->{actor_type}",
        'team.invite team_member ' . $res->json('/id') . ' ' . $admin->id . ' team', 'it is put down';

    my $first = token_for('ann@example.com');
    my $again = invite($owner, 'ann@example.com', 'member');
    status_is $again, 201;
    is $again->json('/id'), $res->json('/id'), 'invited again it is the same one';
    json_is $again, '/role', 'member', '  with the role of today';
    json_is $again, '/invited_by', $owner->id;
    my $second = token_for('ann@example.com');
    isnt $second, $first, '  and a fresh token';
    my %with = (password => 'Correct-horse-7');
    error_is $t->post('/api/v1/tenant-auth/accept-invitation', { token => $first, %with }), 400, 'TOKEN_INVALID', name => 'the first one is void';
    my $joined = $t->post('/api/v1/tenant-auth/accept-invitation', { token => $second, %with });
    status_is $joined, 201;
    json_is $joined, '/user/role', 'member';
    error_is invite($owner, 'ann@example.com'), 409, 'CONFLICT', field => 'email', name => 'who has joined is not invited';
};

subtest 'an invitation can be withdrawn' => sub {
    my $id = invite($admin, 'bob@example.com')->json('/id');
    my $token = token_for('bob@example.com');
    status_is $admin->delete("$base/$id"), 204;
    error_is $t->post('/api/v1/tenant-auth/accept-invitation', { token => $token, password => 'Correct-horse-7' }), 400, 'TOKEN_INVALID';
    ok !(grep { $_->{id} eq $id } @{ $owner->get($base)->json('/members') }), 'it is in no list';
    my $new = invite($other, 'bob@example.com');
    status_is $new, 201, 'the address is free, for others too';
    isnt $new->json('/id'), $id;
    error_is $t->post('/api/v1/tenant-auth/accept-invitation', { token => $token, password => 'Correct-horse-7' }), 400, 'TOKEN_INVALID', name => 'the old token is of no use';
};

subtest 'one that is deactivated lets nobody in' => sub {
    my $id = invite($admin, 'cyd@example.com')->json('/id');
    my $token = token_for('cyd@example.com');
    json_is $admin->put("$base/$id", { is_active => false }), '/status', 'deactivated';
    error_is $t->post('/api/v1/tenant-auth/accept-invitation', { token => $token, password => 'Correct-horse-7' }), 400, 'TOKEN_INVALID';
    json_is invite($admin, 'cyd@example.com'), '/status', 'invited', 'until it is sent again';
};

subtest 'twenty invitations an hour for a tenant' => sub {
    $t->db->do('DELETE FROM rate_limits');
    status_is invite($admin, "u$_\@example.com"), 201 for 1 .. 20;
    error_is invite($owner, 'u21@example.com'), 429, 'RATE_LIMIT_EXCEEDED', name => 'whoever invites';
    cmp_ok $owner->last->header('Retry-After'), '>', 3500, 'until the hour is over';
    status_is invite($other, 'u21@example.com'), 201, 'other tenants are not affected';
    $t->db->do(q{UPDATE rate_limits SET tries = 30 WHERE name = 'mail_to' AND subject = 'account:u21@example.com'});
    $t->db->do(q{UPDATE rate_limits SET tries = 0 WHERE name = 'team_invite'});
    error_is invite($owner, 'U21@example.com'), 429, 'RATE_LIMIT_EXCEEDED', name => 'but an address gets thirty a day from the teams of all';
    is $t->db->selectrow_array(q{SELECT count(*) FROM rate_limits WHERE name = 'mail_to' AND tenant_id <> ?}, undef, $t->tenant_id), 0, 'so nothing of it is counted in their tenants';

    my $new = $t->team('newcomer', role => 'owner', tenant => 'fresh', columns => { is_email_verified => 'f' });
    status_is invite($new, "v$_\@example.com"), 201 for 1 .. 5;
    error_is invite($new, 'v6@example.com'), 429, 'RATE_LIMIT_EXCEEDED', name => 'who has not proved to read mail has five an hour';
    $t->db->do('UPDATE tenant_settings SET email_verification_required = true WHERE tenant_id = ?', undef, $new->tenant_id);
    error_is invite($new, 'v6@example.com'), 403, 'AUTHORIZATION_ERROR', message => qr/verify your own/, name => 'and none where the tenant asks for verification';
    $t->db->do(q{DELETE FROM team_members WHERE email LIKE 'u%' AND NOT EXISTS (SELECT FROM one_time_tokens o WHERE o.member_id = team_members.id)});
};

subtest 'roles change' => sub {
    my $path = "$base/" . $member->id;
    error_is $admin->put($path, { role => 'king' }), 422, 'VALIDATION_ERROR', field => 'role';
    error_is $admin->put($path, { role => 'owner' }), 403, 'AUTHORIZATION_ERROR', name => 'an admin makes no owner';
    error_is $admin->put("$base/" . $admin->id, { role => 'owner' }), 403, 'AUTHORIZATION_ERROR', name => 'least of all himself';
    for ({ role => 'member' }, { is_active => false }, {}) {
        error_is $admin->put("$base/" . $owner->id, $_), 403, 'AUTHORIZATION_ERROR', name => 'nor changes an owner';
    }
    error_is $admin->delete("$base/" . $owner->id), 403, 'AUTHORIZATION_ERROR', name => 'nor removes one';
    error_is $admin->put("$base/$nobody", { role => 'member' }), 404, 'NOT_FOUND', resource => 'TeamMember', id => $nobody;
    error_is $admin->delete("$base/$nobody"), 404, 'NOT_FOUND', resource => 'TeamMember';
    is row($member->id)->{role}, 'member', 'nothing was changed';

    json_is $admin->put($path, { role => 'admin' }), '/role', 'admin';
    my $event = last_audit('team.%');
    is "$event->{action} $event->{resource_id}", 'team.update ' . $member->id;
    like $event->{details}, qr/"role": "admin".*"old_role": "member"/;
    status_is $member->get('/api/v1/dashboard/api-keys'), 200, 'it counts at once';
    json_is $admin->put($path, { role => 'member' }), '/role', 'member';
    error_is $member->get('/api/v1/dashboard/api-keys'), 403, 'AUTHORIZATION_ERROR';
    my $seq = last_audit('%')->{seq};
    json_is $admin->patch($path, {}), '/role', 'member', 'nothing to change is no error';
    is last_audit('%')->{seq}, $seq, '  and not put down';

    json_is $owner->put($path, { role => 'owner' }), '/role', 'owner', 'an owner makes another';
    json_is $owner->put($path, { role => 'member' }), '/role', 'member', '  and takes it away';
};

subtest 'a deactivated or removed member is out at the next request' => sub {
    my $dan = $t->team('dan', role => 'admin', tenant => 'acme');
    status_is me($dan), 200;
    json_is $admin->put("$base/" . $dan->id, { is_active => false }), '/status', 'deactivated';
    error_is me($dan), 401, 'AUTHENTICATION_ERROR';
    error_is $dan->get($base), 401, 'AUTHENTICATION_ERROR';
    json_is $admin->put("$base/" . $dan->id, { is_active => true }), '/status', 'active';
    status_is me($dan), 200;
    my $res = $admin->delete("$base/" . $dan->id);
    status_is $res, 204;
    body_is $res, '';
    error_is me($dan), 401, 'AUTHENTICATION_ERROR';
    error_is $admin->delete("$base/" . $dan->id), 404, 'NOT_FOUND';
    error_is $admin->put("$base/" . $dan->id, { role => 'member' }), 404, 'NOT_FOUND';
    ok row($dan->id)->{deleted_at}, 'the row stays';
    my $event = last_audit('team.%');
    is "$event->{action} $event->{resource_id}", 'team.remove ' . $dan->id;
    $t->db->do('DELETE FROM rate_limits');
    status_is invite($admin, $dan->email), 201, 'the address is free again';
};

subtest 'the last owner stays' => sub {
    my $path = "$base/" . $owner->id;
    error_is $owner->put($path, { role => 'admin' }), 409, 'CONFLICT', message => qr/last owner/;
    error_is $owner->put($path, { is_active => false }), 409, 'CONFLICT', message => qr/last owner/;
    error_is $owner->delete($path), 409, 'CONFLICT', message => qr/last owner/;
    json_is $owner->put($path, { role => 'owner', is_active => true }), '/role', 'owner', 'what changes nothing is taken';

    my $fay = $t->team('fay', role => 'owner', tenant => 'acme');
    $t->db->do('UPDATE team_members SET is_active = false WHERE id = ?', undef, $fay->id);
    error_is $owner->put($path, { role => 'admin' }), 409, 'CONFLICT', name => 'one who is deactivated does not count';
    $t->db->do('UPDATE team_members SET is_active = true, joined_at = NULL WHERE id = ?', undef, $fay->id);
    error_is $owner->delete($path), 409, 'CONFLICT', name => 'nor one who has not joined';
    $t->db->do('UPDATE team_members SET joined_at = now() WHERE id = ?', undef, $fay->id);
    json_is $owner->put($path, { role => 'admin' }), '/role', 'admin', 'with another one it may go';
    error_is $owner->put($path, { role => 'owner' }), 403, 'AUTHORIZATION_ERROR', name => 'and cannot come back by itself';
    json_is $fay->put($path, { role => 'owner' }), '/role', 'owner';
    status_is $fay->delete("$base/" . $fay->id), 204, 'one of two may leave';
};

# Both at once, stepped: the test holds a row that both want.
my $n = 0;
for my $case (
    [ 'two owners who demote each other' => sub ($client, $target) { $client->put("$base/$target", { role => 'member' }) } ],
    [ 'two owners who remove each other' => sub ($client, $target) { $client->delete("$base/$target") } ],
) {
    my ($name, $do) = @$case;
    subtest "$name leave one" => sub {
        my $slug = 'race-' . ++$n;
        my @two  = map { $t->team("$_-$n", role => 'owner', tenant => $slug) } qw(gus hal);
        my $lock = $t->lock('SELECT FROM team_members WHERE tenant_id = ? FOR UPDATE', $two[0]->tenant_id);
        my @loads = map {
            my ($me, $you) = @two[ $_, 1 - $_ ];
            $t->load(clients => 1, requests => 1, make => sub { $t->client(token => $me->token) }, each => sub ($client, $) { $do->($client, $you->id) });
        } 0, 1;
        eventually { $t->waiting == 2 } 5, 'both wait';
        $lock->commit;
        $lock->disconnect;
        my @statuses = sort map { $_->[0] } map { $_->finish } @loads;
        like $statuses[0], qr/^20[04]$/, 'the first is done';
        like $statuses[1], qr/^40[139]$/, 'the second is no owner any more';
        is $t->db->selectrow_array('SELECT count(*) FROM team_members WHERE tenant_id = ? AND access = 3', undef, $two[0]->tenant_id), 1, 'one owner is left';
    };
}

subtest 'two owners who leave at once leave one' => sub {
    my @two  = map { $t->team("$_-leaves", role => 'owner', tenant => 'leaving') } qw(ida joe);
    my $lock = $t->lock('SELECT FROM team_members WHERE tenant_id = ? FOR UPDATE', $two[0]->tenant_id);
    my @loads = map {
        my $me = $_;
        $t->load(clients => 1, requests => 1, make => sub { $t->client(token => $me->token) }, each => sub ($client, $) { $client->delete("$base/" . $me->id) });
    } @two;
    eventually { $t->waiting == 2 } 5, 'both wait';
    $lock->commit;
    $lock->disconnect;
    is_deeply [ sort map { $_->[0] } map { $_->finish } @loads ], [ 204, 409 ], 'the second is the last one';
};
