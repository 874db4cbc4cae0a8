use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Token qw(parts);
use Ashlar::Workspace;

# Workspaces: organizations as the workspace surface shows them, and which one is the active one.
my $t     = Api->start(main => 3, hash => 1);
my $db    = $t->db;
my $base  = '/api/v1/workspaces';
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

sub told ($id) { return scalar @{ $db->selectcol_arrayref(q{SELECT payload ->> 'event_type' FROM realtime_messages WHERE channel = ?}, undef, "workspace:$id") } }
sub payload ($token) { return (parts($token))[1] }
sub counts ($id) { return join '/', $db->selectrow_array('SELECT owner_count, member_count FROM organizations WHERE id = ?', undef, $id) }

subtest 'create' => sub {
    my $ann = $t->user('ann');
    error_is $t->post($base, { name => 'x' }), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->post($base, $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not a $_->[0] such as that"
        for [ name => {} ], [ name => { name => '' } ], [ name => { name => 'x' x 256 } ], [ description => { name => 'x', description => 'x' x 2001 } ],
            [ industry => { name => 'x', industry => 'x' x 101 } ], [ website => { name => 'x', website => 'ftp://x' } ], [ logo_url => { name => 'x', logo_url => 'x' } ],
            (map { [ slug => { name => 'x', slug => $_ } ] } 'A', '-a', 'a--b', 'a' x 61),
            (map { [ timezone => { name => 'x', timezone => $_ } ] } 'Mars/Olympus', 'ABC3', 'EST5', "Europe/Berlin'", '+03:00', '');
    my $res = $ann->post("$base?skip_seed=false", { name => 'Ann\'s Boats & more', timezone => 'America/Port-au-Prince', industry => 'Boats', website => 'https://boats.example' });
    status_is $res, 201;
    json_is $res, '', {
        id => $UUID, name => 'Ann\'s Boats & more', slug => 'ann-s-boats-more', description => undef, industry => 'Boats', website => 'https://boats.example', logo_url => undef,
        timezone => 'America/Port-au-Prince', owner_id => $ann->uuid, status => 'active', subscription_tier => undef, subscription_status => undef, member_count => 1, settings => {}, role => 'owner',
        is_current => true, created_at => $MICRO, updated_at => $MICRO,
    }, 'the slug is made of the name; it is the active one of who had none';
    my $id = $res->json('/id');
    is counts($id), '1/1', 'its owner is counted';
    is $db->selectrow_array('SELECT count(*) FROM departments WHERE organization_id = ? AND is_default', undef, $id), 1, 'it has a department, as those of other surfaces';
    json_is $ann->get("$base/$id"), '', $res->json;
    json_is $ann->post($base, { name => 'Ann\'s  boats, MORE' }), '/slug', "ann-s-boats-more-$_", "a derived slug that is taken gets -$_" for 2, 3;
    json_is $ann->post($base, { name => '!?' }), '/slug', 'workspace', 'and a name without words has one, too';
    error_is $ann->post($base, { name => 'x', slug => 'ann-s-boats-more' }), 409, 'CONFLICT', field => 'slug', name => 'a given one is not changed';
    json_is $ann->post($base, { name => 'x', slug => 'a' x 60 }), '/is_current', false, 'the next one is not the active one';
    is scalar @{ $db->selectcol_arrayref(q{SELECT id FROM audit_events WHERE action = 'organization.create' AND resource_id = ?}, undef, $id) }, 1, 'it is put down';
};

subtest 'who sees what' => sub {
    my $w   = workspace($t, ann => 'owner', adam => 'admin', dora => 'developer', vera => 'viewer', bea => 'business_user');
    my $eve = $t->user('eve');
    error_is $t->get("$base/" . $w->id), 401, 'AUTHENTICATION_ERROR';
    error_is $eve->get("$base/" . $w->id), 403, 'AUTHORIZATION_ERROR', name => 'nobody else';
    error_is $eve->get("$base/$none"), 404, 'NOT_FOUND', id => $none;
    my $far = $t->user('far', tenant => 'another');
    error_is $far->get("$base/" . $w->id), 404, 'NOT_FOUND', name => 'another tenant\'s is not there';
    my %shown = (ann => 'owner', adam => 'admin', dora => 'member', vera => 'viewer', bea => 'viewer');
    json_is $w->{$_}->get("$base/" . $w->id), '/role', $shown{$_}, "$_ reads as $shown{$_}" for sort keys %shown;
    json_is $t->user('chief', role => 'admin')->get("$base/" . $w->id), '/role', undef, 'administrators of the tenant read any';
    json_is $w->{vera}->get("$base/" . $w->id), '/member_count', 5;
    $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, $w->member_id('vera'));
    error_is $w->{vera}->get("$base/" . $w->id), 403, 'AUTHORIZATION_ERROR', name => 'nor who is no active member';
    is counts($w->id), '1/4';

    my $zed = $t->user('zed');
    my %id  = map { $_ => $zed->post($base, { name => $_ })->json('/id') } qw(beta Alpha gamma);
    my $list = $zed->get($base);
    is join(' ', map { $_->{name} } @{ $list->json('/workspaces') }), 'Alpha beta gamma', 'the list is by name, whatever its case';
    json_is $list, '/total', 3;
    ok defined $id{ (grep { $_->{is_current} } @{ $list->json('/workspaces') })[0]{name} }, 'one is the active one';
    json_is $list, '/current_workspace_id', (grep { $_->{is_current} } @{ $list->json('/workspaces') })[0]{id};
    json_is $eve->get($base), '', { workspaces => [], total => 0, current_workspace_id => undef }, 'who is in none';
    $db->do('UPDATE organizations SET deleted_at = now() WHERE id = ?', undef, $id{Alpha});
    json_is $zed->get($base), '/total', 2, 'a deleted one is not there';
};

subtest 'a change' => sub {
    my $w   = workspace($t, ann => 'owner', adam => 'admin', bob => 'member');
    my $one = "$base/" . $w->id;
    error_is $w->{bob}->put($one, { name => 'x' }), 403, 'AUTHORIZATION_ERROR', name => 'not by a member';
    error_is $t->user('eve2')->put($one, { name => 'x' }), 403, 'AUTHORIZATION_ERROR';
    error_is $w->{ann}->put("$base/$none", { name => 'x' }), 404, 'NOT_FOUND';
    error_is $w->{ann}->put($one, $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0]
        for [ name => { name => undef } ], [ timezone => { timezone => 'Nowhere/Else' } ], [ settings => { settings => [] } ], [ settings => { settings => { x => 'x' x 65_536 } } ];
    my $before = $w->{ann}->get($one);
    json_is $w->{adam}->put($one, { settings => { a => 1, b => { c => 2 } }, industry => 'Rope' }), '/settings', { a => 1, b => { c => 2 } }, 'an admin may';
    json_is $w->{adam}->patch($one, { settings => { b => 3 }, name => 'New name' }), '', { %{ $before->json }, role => 'admin', settings => { a => 1, b => 3 }, industry => 'Rope', name => 'New name',
        is_current => false, updated_at => $MICRO }, 'settings are merged by member, and the slug stays';
    json_is $w->{ann}->put($one, { industry => undef }), '/industry', undef, 'null clears';
    error_is $w->{ann}->put($one, { name => 'x' }, headers => { 'If-Match' => '"0"' }), 412, 'PRECONDITION_FAILED';
    ok told($w->id) >= 3, 'everybody who is connected is told';
    my $at = $w->{ann}->get($one)->json('/updated_at');
    $t->member($w->id, $t->user('late'), 'member');
    json_is $w->{ann}->get($one), '/updated_at', $at, 'that somebody comes is no change of it';
};

subtest 'which one is active' => sub {
    my $password = 'Correct-Horse-7';
    $t->keep_secret($password);
    my $login = sub ($email) { my $res = $t->post('/api/v1/auth/login', { email => $email, password => $password }); status_is $res, 200, 'signed in'; $t->keep_secret($res->json("/$_")) for qw(access_token refresh_token); $res };
    my $sign  = $t->post('/api/v1/auth/register', { email => 'mia@example.com', password => $password });
    status_is $sign, 201;
    $t->keep_secret($sign->json("/$_")) for qw(access_token refresh_token);
    my $mia = $t->client(token => $sign->json('/access_token'));
    ok !exists payload($sign->json('/access_token'))->{wid}, 'a token of who is in none names none';
    error_is $mia->get('/api/v1/members/me'), 400, 'BAD_REQUEST', field => 'X-Workspace-Id', name => 'and so nothing is meant';
    my ($one, $two) = map { $mia->post($base, { name => "Mia $_" })->json('/id') } 1, 2;
    json_is $mia->get('/api/v1/members/me'), '/workspace_id', $one, 'the first one is active at once, though the token is older';

    my $phone = $login->('mia@example.com');
    is payload($phone->json('/access_token'))->{wid}, $one, 'who signs in begins there';
    my $desk = $login->('mia@example.com');
    my $on = sub ($res) { $t->client(token => $res->json('/access_token')) };
    error_is $on->($desk)->post("$base/switch", { workspace_id => $_->[0] }), $_->[1], $_->[2] for [ $none, 404, 'NOT_FOUND' ], [ $t->organization($t->user('zoe')), 403, 'AUTHORIZATION_ERROR' ];
    error_is $on->($desk)->post("$base/switch", {}), 422, 'VALIDATION_ERROR', field => 'workspace_id';
    my $switched = $on->($desk)->post("$base/switch", { workspace_id => $two });
    status_is $switched, 200;
    $t->keep_secret($switched->json("/$_")) for qw(access_token refresh_token);
    is join(' ', sort keys %{ $switched->json }), 'access_token expires_in member refresh_token token_type workspace', 'tokens, the workspace, and the caller in it';
    json_is $switched, '/workspace', { %{ $mia->get("$base/$two")->json }, is_current => true };
    json_is $switched, '/member/workspace_id', $two;
    my ($old, $new) = map { payload($_->json('/access_token')) } $desk, $switched;
    is $new->{wid}, $two, 'the token names it';
    is $new->{auth_time}, $old->{auth_time}, '  and is as old as its session';
    json_is $on->($switched)->get('/api/v1/members/me'), '/workspace_id', $two, 'what is asked with it is about it';
    json_is $on->($phone)->get('/api/v1/members/me'), '/workspace_id', $one, '  while another device is where it was';
    json_is $on->($phone)->get($base), '/current_workspace_id', $one;
    json_is $on->($switched)->get($base), '/current_workspace_id', $two;
    json_is $t->client(token => $switched->json('/access_token'), headers => { 'X-Workspace-Id' => $one })->get('/api/v1/members/me'), '/workspace_id', $one, 'the header goes before it';

    for my $device ([ $phone, $one ], [ $switched, $two ]) {
        my $next = $t->post('/api/v1/auth/refresh', { refresh_token => $device->[0]->json('/refresh_token') });
        $t->keep_secret($next->json("/$_")) for qw(access_token refresh_token);
        is payload($next->json('/access_token'))->{wid}, $device->[1], 'refreshing keeps it';
    }
    is payload($login->('mia@example.com')->json('/access_token'))->{wid}, $two, 'later sign-ins begin where one was last';

    my $user = $db->selectrow_array(q{SELECT id FROM users WHERE email = 'mia@example.com'});
    $db->do('DELETE FROM memberships WHERE organization_id = ? AND user_id = ?', undef, $two, $user);
    error_is $on->($switched)->get('/api/v1/members/me'), 400, 'BAD_REQUEST', field => 'X-Workspace-Id', name => 'one whose membership has ended counts as none';
    json_is $on->($switched)->get($base), '/current_workspace_id', undef;
    json_is $on->($phone)->get('/api/v1/members/me'), '/workspace_id', $one, '  on that device alone';
};

subtest 'the last owner stays, whatever the way' => sub {
    my $w = workspace($t, ann => 'owner', otto => 'owner', adam => 'admin');
    is counts($w->id), '2/3';
    my $put = sub ($who, $whom, $body) { $w->{$who}->put('/api/v1/members/' . $w->member_id($whom), $body) };
    status_is $put->(ann => 'otto', { role => 'admin' }), 200;
    is counts($w->id), '1/3';
    error_is $put->(ann => 'ann', $_), 400, 'BAD_REQUEST', message => qr/last owner/ for { role => 'member' }, { is_active => false };
    status_is $put->(ann => 'otto', { role => 'owner' }), 200, 'an owner makes another one';
    status_is $put->(ann => 'ann', { is_active => false }), 200, 'and may go then';
    is counts($w->id), '1/2';
    error_is $put->(otto => 'otto', { role => 'viewer' }), 400, 'BAD_REQUEST';
    status_is $put->(otto => 'ann', { is_active => true }), 200;

    # Two who demote each other: the second waits for the first, and finds no other owner.
    my $lock = $t->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $w->id);
    my @waiting = map { my ($who, $whom) = @$_; fork_put($w, $who, $whom, { role => 'member' }) } [ qw(ann otto) ], [ qw(otto ann) ];
    eventually { $t->waiting == 2 } 10, 'both wait';
    $lock->rollback;
    is join(' ', sort map { $_->() } @waiting), '200 403', 'one is done; who was demoted meanwhile may no more';
    is counts($w->id), '1/3';
};

# Two who go themselves at once, each while the other is there.
subtest 'two owners who leave at once' => sub {
    my $w    = workspace($t, ann => 'owner', otto => 'owner');
    my $lock = $t->lock('SELECT FROM organizations WHERE id = ? FOR UPDATE', $w->id);
    my @waiting = map { fork_put($w, $_, $_, { role => 'member' }) } qw(ann otto);
    eventually { $t->waiting == 2 } 10, 'both wait';
    $lock->rollback;
    is join(' ', sort map { $_->() } @waiting), '200 400', 'one is done, the other is the last';
    is counts($w->id), '1/2';
};

# Ask in a separate process; ->() waits, and has the status.
sub fork_put ($w, $who, $whom, $body) {
    my $path = '/api/v1/members/' . $w->member_id($whom);
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my $res = $t->client(token => $w->{$who}->token, headers => { 'X-Workspace-Id' => $w->id })->put($path, $body, fresh => 1);
        syswrite $to, $res->status;
        POSIX::_exit(0);
    }
    close $to;
    return sub { my $status = <$from>; waitpid $pid, 0; return $status };
}
