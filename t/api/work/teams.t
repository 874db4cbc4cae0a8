use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Teams of a workspace: who may, what is refused, what is told.
my $t     = Api->start(main => 3);
my $db    = $t->db;
my $base  = '/api/v1/teams';
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', carl => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $vera, $eve) = (@$w{qw(ann bob carl vera)}, $x->{eve});

sub made ($name, %with) { return $ann->post($base, { name => $name, %with })->json('/id') }
sub names ($res) { return join ' ', map { $_->{name} } @{ $res->json('/teams') } }
sub roles ($team) { return join ' ', map { "$_->{member}{full_name}:$_->{role}" } @{ $ann->get("$base/$team/members")->json('/members') } }
sub audited ($id) { return join ' ', @{ $db->selectcol_arrayref('SELECT action FROM audit_events WHERE resource_id = ? ORDER BY seq', undef, $id) } }
sub told ($channel) { return $db->selectall_arrayref('SELECT event, payload::text FROM realtime_messages WHERE channel = ? ORDER BY id', undef, $channel) }

subtest 'who may' => sub {
    my $id = made('Core', lead_member_id => $w->member_id('bob'), member_ids => [ $w->member_id('carl') ]);
    my @all = (
        [ GET => '' ], [ GET => "/$id" ], [ GET => "/$id/members" ], [ POST => '', { name => 'x' } ], [ POST => "/$id/members", { member_id => $w->member_id('vera') } ],
        [ PUT => "/$id", { name => 'y' } ], [ PUT => "/$id/members/" . $w->member_id('carl'), { role => 'lead' } ],
        [ DELETE => "/$id/members/" . $w->member_id('carl') ], [ DELETE => "/$id" ],
    );
    for (@all) {
        my ($method, $path, $body) = @$_;
        error_is $t->request($method, "$base$path", json => $body, headers => { 'X-Workspace-Id' => $w->id }), 401, 'AUTHENTICATION_ERROR', name => "$method $path: nobody";
        error_is $eve->request($method, "$base$path", json => $body, headers => { 'X-Workspace-Id' => $w->id }), 403, 'AUTHORIZATION_ERROR', name => "$method $path: no member";
        error_is $eve->request($method, "$base$path", json => $body), 404, 'NOT_FOUND', name => "$method $path: another workspace's" if $path;
    }
    is names($eve->get($base)), '', 'nor in the list of another workspace';
    for my $who ($bob, $vera) {
        status_is $who->get("$base$_"), 200 for '', "/$id", "/$id/members";
        error_is $who->post($base, { name => 'x' }), 403, 'AUTHORIZATION_ERROR', name => 'can_create_team is needed';
        error_is $who->delete("$base/$id"), 403, 'AUTHORIZATION_ERROR', name => 'can_delete_team is needed';
    }
    for my $who ($carl, $vera) {
        error_is $who->put("$base/$id", { name => 'x' }), 403, 'AUTHORIZATION_ERROR', name => 'who does not lead it may not change it';
        error_is $who->post("$base/$id/members", { member_id => $w->member_id('vera') }), 403, 'AUTHORIZATION_ERROR';
        error_is $who->put("$base/$id/members/" . $w->member_id('carl'), { role => 'lead' }), 403, 'AUTHORIZATION_ERROR', name => '  nor make themselves lead';
        error_is $who->delete("$base/$id/members/" . $w->member_id('bob')), 403, 'AUTHORIZATION_ERROR';
        error_is $who->put("$base/$none", { name => 'x' }), 404, 'NOT_FOUND', name => 'of what is not there they learn that';
    }
    is roles($id), 'Bob:lead Carl:member', 'nothing was changed';
    json_is $bob->put("$base/$id", { name => 'Kernel' }), '/name', 'Kernel', 'its lead may';
    status_is $bob->post("$base/$id/members", { member_id => $w->member_id('vera') }), 201;
    status_is $vera->delete("$base/$id/members/" . $w->member_id('vera')), 204, 'everybody may leave';
    error_is $vera->delete("$base/$id/members/" . $w->member_id('vera')), 404, 'NOT_FOUND', name => '  once';
    status_is $w->{adam}->delete("$base/$id"), 204, 'an admin may all of it';
};

subtest 'create' => sub {
    error_is $ann->post($base, $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not a $_->[0] such as that"
        for [ name => {} ], [ name => { name => '' } ], [ name => { name => 'x' x 256 } ], [ name => { name => undef } ], [ description => { name => 'x', description => 'x' x 2001 } ],
            [ icon => { name => 'x', icon => 'x' x 51 } ], (map { [ color => { name => 'x', color => $_ } ] } 'red', '#12345', '#1234567', '#12345g', "#123456\n"),
            [ parent_team_id => { name => 'x', parent_team_id => 'x' } ], [ member_ids => { name => 'x', member_ids => 'x' } ], [ 'member_ids[0]' => { name => 'x', member_ids => ['x'] } ],
            [ is_active => { name => 'x', is_active => 'yes' } ];
    error_is $ann->post($base, { name => 'x', parent_team_id => $none }), 404, 'NOT_FOUND', field => 'parent_team_id';
    error_is $ann->post($base, { name => 'x', lead_member_id => $none }), 404, 'NOT_FOUND', name => 'a lead who is not here';
    error_is $ann->post($base, { name => 'x', member_ids => [ $w->member_id('bob'), $x->member_id('eve') ] }), 404, 'NOT_FOUND', name => 'a member of another workspace';
    my $theirs = $eve->post($base, { name => 'Theirs' })->json('/id');
    error_is $ann->post($base, { name => 'x', parent_team_id => $theirs }), 404, 'NOT_FOUND', field => 'parent_team_id', name => 'another workspace\'s team as parent';
    is names($ann->get($base)), '', 'none of these';

    my $res = $ann->post($base, { name => 'x' x 255, description => 'x' x 2000, icon => 'x' x 50, color => '#a0b1c2', is_active => false });
    status_is $res, 201;
    my %is = (id => $UUID, name => 'x' x 255, description => 'x' x 2000, color => '#a0b1c2', icon => 'x' x 50, parent_team_id => undef, lead_member_id => undef, is_active => false,
        member_count => 0, created_by_id => $w->member_id('ann'), created_at => $MICRO, updated_at => $MICRO);
    json_is $res, '', \%is, 'the longest of each';
    my $parent = $res->json('/id');
    is audited($parent), 'team.create';

    $res = $ann->post($base, { name => 'Child', parent_team_id => $parent, lead_member_id => $w->member_id('bob'), member_ids => [ map { $w->member_id($_) } qw(carl carl bob) ] });
    json_is $res, '', { %is, name => 'Child', description => undef, color => undef, icon => undef, parent_team_id => $parent, lead_member_id => $w->member_id('bob'), is_active => true, member_count => 2 },
        'with members, each once';
    my $child = $res->json('/id');
    is roles($child), 'Bob:lead Carl:member', 'the lead is one of them';
    json_is $ann->get("$base/$parent"), '/child_teams', [ { %is, %{ $res->json } } ], 'its parent has it';
    error_is $ann->post($base, { name => $_ }), 409, 'CONFLICT', field => 'name', name => "$_ is taken" for 'Child', 'cHILD';
    status_is $eve->post($base, { name => 'Child' }), 201, 'but not in another workspace';
    status_is $ann->delete("$base/$_"), 204 for $parent, $child;
};

subtest 'the list' => sub {
    my %id = map { $_ => made($_) } qw(beta Alpha gamma);
    my $sub = made('delta', parent_team_id => $id{Alpha}, is_active => false, description => '50% of beta_x');
    is names($ann->get($base)), 'Alpha beta delta gamma', 'by name, whatever its case';
    json_is $ann->get($base), '/total', 4;
    is names($ann->get($base, query => { search => $_->[0] })), $_->[1], "search: $_->[0]"
        for [ ALPH => 'Alpha' ], [ beta => 'beta delta' ], [ '%' => 'delta' ], [ '_' => 'delta' ], [ '' => 'Alpha beta delta gamma' ], [ nothing => '' ];
    is names($ann->get($base, query => { is_active => $_->[0] })), $_->[1] for [ true => 'Alpha beta gamma' ], [ 0 => 'delta' ];
    is names($ann->get($base, query => { parent_team_id => $id{Alpha} })), 'delta', 'children';
    is names($ann->get($base, query => { parent_team_id => $id{Alpha}, is_active => 'true' })), '', 'filters are one AND';
    error_is $ann->get($base, query => $_), 422, 'VALIDATION_ERROR' for { is_active => 'yes' }, { parent_team_id => 'x' };
    status_is $ann->delete("$base/$_"), 204 for values %id;
    json_is $ann->get("$base/$sub"), '/parent_team_id', undef, 'a child whose parent is deleted moves to the top';
    status_is $ann->delete("$base/$sub"), 204;
    error_is $ann->get("$base/$sub$_"), 404, 'NOT_FOUND', id => $sub for '', '/members';
    is audited($sub), 'team.create team.delete';
};

subtest 'a change' => sub {
    my $id = made('One', description => 'x', lead_member_id => $w->member_id('bob'));
    made('Two');
    my $before = $ann->get("$base/$id");
    json_is $ann->put("$base/$id", {}), '/name', 'One', 'of nothing changes nothing';
    error_is $ann->put("$base/$id", $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0] for [ name => { name => undef } ], [ name => { name => '' } ], [ color => { color => 'red' } ], [ is_active => { is_active => undef } ];
    error_is $ann->put("$base/$id", { name => 'TWO' }), 409, 'CONFLICT', field => 'name';
    status_is $ann->put("$base/$id", { name => 'ONE' }), 200, 'its own name is no other\'s';
    json_is $ann->patch("$base/$id", { description => undef, color => '#000000' }), '', { %{ $before->json }{qw(id icon parent_team_id lead_member_id is_active member_count created_by_id created_at)},
        name => 'ONE', description => undef, color => '#000000', updated_at => $MICRO }, 'what is not sent stays; null clears; PATCH is the same';
    error_is $ann->put("$base/$id", { name => 'x' }, headers => { 'If-Match' => '"0"' }), 412, 'PRECONDITION_FAILED';
    error_is $ann->put("$base/$id", { lead_member_id => $x->member_id('eve') }), 404, 'NOT_FOUND', name => 'a lead of another workspace';
    json_is $ann->put("$base/$id", { lead_member_id => $w->member_id('carl') }), '/member_count', 2, 'a new lead is in it then';
    is roles($id), 'Carl:lead Bob:member', '  and the one before a member like others';
    json_is $ann->get("$base/$id"), '/lead', $w->ref_of('carl', 'member');
    json_is $ann->put("$base/$id", { lead_member_id => undef }), '/lead_member_id', undef;
    is roles($id), 'Bob:member Carl:member';
    is audited($id), 'team.create' . ' team.update' x 5, 'each is put down';
    my ($fields) = $db->selectrow_array(q{SELECT details ->> 'fields' FROM audit_events WHERE resource_id = ? ORDER BY seq DESC LIMIT 1 OFFSET 2}, undef, $id);
    is $fields, '["description", "color"]', '  with what was sent';
};

subtest 'no team is above itself' => sub {
    my @t = map { made("level $_") } 0 .. 3;
    $ann->put("$base/$t[$_]", { parent_team_id => $t[ $_ - 1 ] }) for 1 .. 3;
    error_is $ann->put("$base/$t[0]", { parent_team_id => $_ }), 422, 'VALIDATION_ERROR', field => 'parent_team_id' for @t;
    error_is $ann->put("$base/$t[1]", { parent_team_id => $t[3] }), 422, 'VALIDATION_ERROR', field => 'parent_team_id';
    error_is $ann->put("$base/$t[1]", { parent_team_id => $none }), 404, 'NOT_FOUND', field => 'parent_team_id';
    json_is $ann->put("$base/$t[3]", { parent_team_id => $t[0] }), '/parent_team_id', $t[0], 'to another branch it may';
    json_is $ann->put("$base/$t[1]", { parent_team_id => undef }), '/parent_team_id', undef;

    status_is $ann->put("$base/$t[2]", { parent_team_id => undef }), 200;

    # Two that would close a circle together: the second waits for the first, and sees it.
    my $one = $t->lock('SELECT pg_advisory_xact_lock(hash_record_extended(ROW (?::text, ?::uuid, ?::uuid), 0))', 'workspace_teams', $ann->tenant_id, $w->id);
    my @waiting = map { my ($team, $parent) = @$_; fork_put("$base/$team", { parent_team_id => $parent }) } [ $t[2], $t[1] ], [ $t[1], $t[2] ];
    eventually { $t->waiting == 2 } 10, 'both wait';
    $one->rollback;
    my @status = sort map { $_->() } @waiting;
    is "@status", '200 422', 'one is done, the other refused';
};

# Ask in a separate process; ->() waits, and has the status.
sub fork_put ($path, $body) {
    pipe my $from, my $to or die "pipe: $!\n";
    my $pid = fork // die "fork: $!\n";
    if (!$pid) {
        my $res = $t->client(token => $ann->token, headers => { 'X-Workspace-Id' => $w->id })->put($path, $body, fresh => 1);
        syswrite $to, $res->status;
        POSIX::_exit(0);
    }
    close $to;
    return sub { my $status = <$from>; waitpid $pid, 0; return $status };
}

subtest 'members' => sub {
    my $id = made('Crew');
    my $add = sub ($name, %with) { return $ann->post("$base/$id/members", { member_id => $w->member_id($name), %with }) };
    error_is $ann->post("$base/$id/members", $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0] for [ member_id => {} ], [ member_id => { member_id => 'x' } ], [ role => { member_id => $none, role => 'boss' } ];
    error_is $ann->post("$base/$none/members", { member_id => $w->member_id('bob') }), 404, 'NOT_FOUND', id => $none;
    error_is $ann->post("$base/$id/members", { member_id => $_ }), 404, 'NOT_FOUND', field => 'member_id', name => 'nobody who is not here' for $none, $x->member_id('eve');
    my $res = $add->('vera');
    status_is $res, 201;
    json_is $res, '', { id => $UUID, team_id => $id, member_id => $w->member_id('vera'), role => 'member', member => $w->ref_of('vera', 'viewer'), joined_at => $MICRO };
    error_is $add->('vera'), 409, 'CONFLICT', field => 'member_id', name => 'once';
    json_is $add->('carl', role => 'lead'), '/role', 'lead';
    status_is $add->('bob'), 201;
    is roles($id), 'Carl:lead Bob:member Vera:member', 'leads first, then by name';
    json_is $ann->get("$base/$id/members"), '/total', 3;
    my $team = $ann->get("$base/$id");
    json_is $team, '/member_count', 3;
    json_is $team, '/lead', $w->ref_of('carl', 'member'), 'the first lead is the one to turn to';
    json_is $team, '/members', $ann->get("$base/$id/members")->json('/members'), 'the team shows its members';
    json_is $team, '/child_teams', [];

    my $bobs = "$base/$id/members/" . $w->member_id('bob');
    error_is $ann->put($bobs, $_), 422, 'VALIDATION_ERROR', field => 'role' for {}, { role => 'boss' }, { role => undef };
    error_is $ann->put("$base/$id/members/$_", { role => 'lead' }), 404, 'NOT_FOUND' for $none, $w->member_id('adam'), 'x';
    json_is $ann->put($bobs, { role => 'lead' }), '/role', 'lead';
    json_is $ann->get("$base/$id"), '/lead_member_id', $w->member_id('carl'), 'a second lead changes nothing for the first';
    json_is $ann->put("$base/$id/members/" . $w->member_id('carl'), { role => 'member' }), '/role', 'member';
    json_is $ann->get("$base/$id"), '/lead_member_id', undef, 'who leads no longer is not the lead';
    status_is $ann->delete($bobs), 204;
    error_is $bob->put("$base/$id", { name => 'x' }), 403, 'AUTHORIZATION_ERROR', name => 'what a lead could do ends with being in it';
    is audited($id), 'team.create team.member_add team.member_add team.member_add team.member_role team.member_role team.member_remove';
    $db->do('DELETE FROM memberships WHERE id = ?', undef, $w->member_id('vera'));
    is roles($id), 'Carl:member', 'who leaves the workspace leaves its teams';
};

subtest 'who is added is notified, and everybody is told' => sub {
    $db->do('DELETE FROM notifications');
    my $id = made('News', member_ids => [ map { $w->member_id($_) } qw(ann bob) ]);
    my $note = sub ($name) { $db->selectall_arrayref('SELECT event_type, title, message, entity_type, entity_id, link, actor_id FROM notifications WHERE member_id = ?', { Slice => {} }, $w->member_id($name)) };
    is_deeply $note->('bob'), [ { event_type => 'team_added', title => 'You were added to a team', message => 'News', entity_type => 'team', entity_id => $id, link => "/teams/$id", actor_id => $w->member_id('ann') } ], 'bob';
    is_deeply $note->('ann'), [], 'but nobody of what they did themselves';
    my ($last) = reverse @{ told('member:' . $w->member_id('bob')) };
    is $last->[0], 'notification', 'it is told on bob\'s channel';
    like $last->[1], qr/"entity_id": "$id"/;
    my @events = map { $_->[1] } grep { $_->[1] =~ /$id/ } @{ told('workspace:' . $w->id) };
    is @events, 1, 'one event of the workspace, however many rows';
    like $events[0], qr/"event_type": "teams_updated"/;
    like $events[0], qr/"actor_id": "@{[ $w->member_id('ann') ]}"/;
    unlike join('', map { $_->[1] } @{ told('workspace:' . $x->id) }), qr/$id/, 'and none of another one';
};
