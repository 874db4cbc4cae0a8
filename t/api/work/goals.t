use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Goals of a workspace and their key results: whose they are to change, what is
# computed, who is told.
my $t     = Api->start(main => 3);
my $db    = $t->db;
my $base  = '/api/v1/goals';
my $none  = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

my $w = workspace($t, ann => 'owner', adam => 'admin', bob => 'member', carl => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $vera, $eve) = (@$w{qw(ann bob carl vera)}, $x->{eve});
my $team  = $ann->post('/api/v1/teams', { name => 'Sales' })->json('/id');
my ($today) = $db->selectrow_array(q{SELECT (now() AT TIME ZONE 'UTC')::date});

sub made (%with) { return $bob->post($base, { title => 'x', %with })->json }
sub day ($n) { return scalar $db->selectrow_array(q{SELECT (now() AT TIME ZONE 'UTC')::date + ?::int}, undef, $n) }
sub titles ($res) { return join ' ', map { $_->{title} } @{ $res->json('/items') } }
sub notes ($name) { return join ' ', @{ $db->selectcol_arrayref('SELECT event_type FROM notifications WHERE member_id = ? ORDER BY id', undef, $w->member_id($name)) } }

my %goal = (
    id => $UUID, workspace_id => $w->id, title => 'x', description => undef, level => 'individual', status => 'on-track', progress => 0, owner_id => $w->member_id('bob'), owner => $w->ref_of('bob', 'member'),
    team_id => undef, team => undef, parent_goal_id => undef, start_date => $today, due_date => undef, key_results => [], created_by => $w->member_id('bob'), completed_at => undef, created_at => $MICRO, updated_at => $MICRO,
);
my %key_result = (
    id => $UUID, goal_id => $UUID, title => 'k', description => undef, metric_type => 'number', unit => undef, start_value => 0, target_value => 10, current_value => 0, weight => 1, progress => 0, is_completed => false,
    due_date => undef, owner_id => undef, position => 0, created_at => $MICRO, updated_at => $MICRO,
);

subtest 'who may' => sub {
    my $goal = made(key_results => [ { title => 'k', target_value => 1 } ]);
    my $id   = $goal->{id};
    my $report = { goal_id => $id, key_results => [ { id => $goal->{key_results}[0]{id}, current_value => 1 } ] };
    for ([ GET => '' ], [ POST => '', { title => 'x' } ], [ PUT => '/progress', $report ], [ PATCH => '', { goal_id => $id, title => 'y' } ], [ DELETE => "/$id" ]) {
        my ($method, $path, $body) = @$_;
        error_is $t->request($method, "$base$path", json => $body, headers => { 'X-Workspace-Id' => $w->id }), 401, 'AUTHENTICATION_ERROR', name => "$method $path: nobody";
        error_is $eve->request($method, "$base$path", json => $body, headers => { 'X-Workspace-Id' => $w->id }), 403, 'AUTHORIZATION_ERROR', name => "$method $path: no member";
        next if $method =~ /GET|POST/;
        error_is $eve->request($method, "$base$path", json => $body), 404, 'NOT_FOUND', id => $id, name => "$method $path: another workspace's";
        error_is $vera->request($method, "$base$path", json => $body), 403, 'AUTHORIZATION_ERROR', name => "$method $path: a viewer";
        error_is $carl->request($method, "$base$path", json => $body), 403, 'AUTHORIZATION_ERROR', name => "$method $path: another member's";
    }
    error_is $vera->post($base, { title => 'x' }), 403, 'AUTHORIZATION_ERROR', name => 'a viewer makes none';
    status_is $vera->get($base), 200, '  but sees them';
    is titles($eve->get($base)), '', 'another workspace\'s list has none';
    error_is $carl->patch($base, { goal_id => $none, title => 'x' }), 404, 'NOT_FOUND', id => $none;
    json_is $ann->patch($base, { goal_id => $id, owner_id => $w->member_id('carl') }), '/owner', $w->ref_of('carl', 'member');
    error_is $carl->patch($base, { goal_id => $id, title => 'y' }), 403, 'AUTHORIZATION_ERROR', name => 'its owner may not change it';
    json_is $bob->patch($base, { goal_id => $id, title => 'y' }), '/title', 'y', '  who made it may';
    $db->do('INSERT INTO role_permissions (tenant_id, organization_id, role, permission, is_granted) VALUES (?, ?, ?, ?, ?)', undef, $ann->tenant_id, $w->id, @$_)
        for [ member => can_edit_own_goal => 0 ], [ viewer => can_delete_goal => 1 ], [ viewer => can_view_goal => 0 ];
    error_is $bob->patch($base, { goal_id => $id, title => 'z' }), 403, 'AUTHORIZATION_ERROR', name => 'unless the workspace says otherwise';
    error_is $vera->get($base), 403, 'AUTHORIZATION_ERROR';
    status_is $vera->delete("$base/$id"), 204;
    $db->do('DELETE FROM role_permissions');
};

subtest 'create' => sub {
    error_is $bob->post($base, { title => 'x', %{ $_->[1] } }), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not a $_->[0] such as that"
        for [ title => { title => '' } ], [ title => { title => undef } ], [ title => { title => 'x' x 256 } ], [ description => { description => 'x' x 5001 } ], [ level => { level => 'x' } ],
            [ status => { status => 'on_track' } ], (map { [ progress => { progress => $_ } ] } -1, 100.01, '5'), [ start_date => { start_date => '2026-02-30' } ], [ due_date => { due_date => 'x' } ],
            [ due_date => { start_date => '2026-02-02', due_date => '2026-02-01' } ], [ due_date => { due_date => day(-1) } ], [ team_id => { level => 'team' } ], [ owner_id => { owner_id => $none } ],
            [ owner_id => { owner_id => $x->member_id('eve') } ], [ team_id => { team_id => $none } ], [ parent_goal_id => { parent_goal_id => $none } ], [ key_results => { key_results => {} } ],
            [ key_results => { key_results => [ ({ title => 'x', target_value => 1 }) x 51 ] } ];
    my $with = sub (@list) { $bob->post($base, { title => 'x', key_results => [ map { { title => 'k', target_value => 10, %$_ } } @list ] }) };
    error_is $with->({}, $_->[1]), 422, 'VALIDATION_ERROR', field => "key_results[1].$_->[0]", name => "nor a key result with a $_->[0] such as that"
        for [ title => { title => '' } ], [ title => { title => undef } ], [ metric_type => { metric_type => 'x' } ], [ unit => { unit => 'x' x 21 } ], [ target_value => { target_value => '1' } ], [ target_value => { target_value => undef } ],
            [ target_value => { target_value => 1e16 } ], (map { [ weight => { weight => $_ } ] } -1, 1001), [ position => { position => -1 } ], [ position => { position => 1.5 } ], [ due_date => { due_date => 'x' } ];
    error_is $bob->post($base, { title => 'x', key_results => [ { title => 'k' } ] }), 422, 'VALIDATION_ERROR', field => 'key_results[0].target_value', name => 'a number needs a target';
    error_is $with->({ owner_id => $none }), 422, 'VALIDATION_ERROR', field => 'key_results';
    is titles($bob->get($base)), '', 'none of these';

    my $res = $bob->post($base, { title => 'x' });
    status_is $res, 201;
    json_is $res, '', \%goal, 'the least';
    my $parent = $res->json('/id');
    $res = $bob->post($base, { title => 't' x 255, description => 'd' x 5000, level => 'team', status => 'behind', owner_id => $w->member_id('carl'), team_id => $team, parent_goal_id => $parent,
        start_date => '2026-01-01', due_date => '2026-01-01', progress => 33.335 });
    json_is $res, '', { %goal, title => 't' x 255, description => 'd' x 5000, level => 'team', status => 'behind', owner_id => $w->member_id('carl'), owner => $w->ref_of('carl', 'member'), team_id => $team,
        team => { id => $team, name => 'Sales' }, parent_goal_id => $parent, start_date => '2026-01-01', due_date => '2026-01-01', progress => 33.34 }, 'the most; a status that is given stands';
    $res = $with->({ id => $none, description => 'd', unit => 'u', due_date => '2027-01-01', owner_id => $w->member_id('ann'), weight => 0.5 }, { position => 7, start_value => -5.5, target_value => -6 }, { metric_type => 'percentage', target_value => 80 });
    my @list = ({ %key_result, description => 'd', unit => 'u', due_date => '2027-01-01', owner_id => $w->member_id('ann'), weight => 0.5 },
        { %key_result, metric_type => 'percentage', target_value => 80, position => 2 }, { %key_result, position => 7, start_value => -5.5, target_value => -6, current_value => -5.5 });
    json_is $res, '/key_results', \@list, 'key results in their order';
    isnt $res->json('/key_results/0/id'), $none, '  an id means nothing there';
    json_is $bob->get($base), '/items', sub ($items) { my ($i) = grep { $_->{id} eq $res->json('/id') } @$items; ref $i eq 'HASH' && "@{[ map { $_->{id} } @{ $i->{key_results} } ]}" eq "@{[ map { $_->{id} } @{ $res->json('/key_results') } ]}" }, 'the list has them, too';
    status_is $bob->delete("$base/$_->{id}"), 204 for @{ $bob->get($base)->json('/items') };
};

subtest 'the list' => sub {
    my $top = made(title => 'c1', level => 'company')->{id};
    made(title => 'i1', parent_goal_id => $top);
    made(title => 't1', level => 'team', team_id => $team, owner_id => $w->member_id('ann'));
    made(title => 'i2', status => 'at-risk');
    made(title => 'c2', level => 'company', owner_id => $w->member_id('ann'));
    is titles($vera->get($base)), 'c2 c1 t1 i2 i1', 'by level, the newest first';
    json_is $vera->get($base), '/total', 5;
    is titles($vera->get($base, query => $_->[0])), $_->[1], join ', ', %{ $_->[0] }
        for [ { level => 'company' } => 'c2 c1' ], [ { status => 'at-risk' } => 'i2' ], [ { owner_id => $w->member_id('ann') } => 'c2 t1' ], [ { team_id => $team } => 't1' ], [ { parent_goal_id => $top } => 'i1' ],
            [ { level => 'company', owner_id => $w->member_id('ann') } => 'c2' ], [ { level => 'team', status => 'behind' } => '' ], [ { owner_id => $none } => '' ];
    error_is $vera->get($base, query => { $_ => 'x' }), 422, 'VALIDATION_ERROR', field => $_ for qw(level status owner_id team_id parent_goal_id);
    status_is $bob->delete("$base/$top"), 204;
    json_is $vera->get($base, query => { level => 'individual' }), '/items/1/parent_goal_id', undef, 'what is below a deleted goal moves to the top';
    error_is $bob->delete("$base/$top"), 404, 'NOT_FOUND', id => $top;
    is titles($vera->get($base)), 'c2 t1 i2 i1';
    $db->do('DELETE FROM goals');
};

subtest 'progress is computed' => sub {
    for (
        # metric, start, target, current => progress, completed
        [ number => 0, 10, 5, 50, 0 ], [ number => 10, 2, 6, 50, 0 ], [ number => 10, 2, 2, 100, 1 ], [ number => 10, 2, 1, 100, 1 ], [ number => 10, 2, 11, 0, 0 ], [ number => 0, 10, -1, 0, 0 ], [ number => 0, 10, 11, 100, 1 ],
        [ number => 0, 3, 1, 33.33, 0 ], [ number => 0, 3, 2, 66.67, 0 ], [ number => 0, 200, 1.01, 0.51, 0 ], [ number => 0, 8, 0.01, 0.13, 0 ], [ number => 0, 3, 2.99999, 100, 0 ], [ number => 5, 5, 4.9, 0, 0 ], [ number => 5, 5, 5, 100, 1 ],
        [ boolean => 7, 9, 0.9, 0, 0 ], [ boolean => 7, 9, 1, 100, 1 ], [ currency => 0.1, 0.3, 0.2, 50, 0 ], [ percentage => 0, undef, 12.345, 12.35, 0 ], [ number => 0, 1e15, 5e14, 50, 0 ],
    ) {
        my ($metric, $start, $target, $current, $progress, $done) = @$_;
        my $k = made(key_results => [ { title => 'k', metric_type => $metric, start_value => $start, current_value => $current, defined $target ? (target_value => $target) : () } ])->{key_results}[0];
        is "$k->{progress} " . ($k->{is_completed} ? 1 : 0), "$progress $done", "$metric from $start to " . ($target // 'the default') . ": $current";
    }
    my $of = sub (@list) { made(progress => 77, key_results => [ map { { title => 'k', metric_type => 'percentage', current_value => $_->[0], weight => $_->[1] } } @list ])->{progress} };
    is $of->([ 50, 1 ], [ 100, 3 ]), 87.5, 'a goal\'s is their mean, by weight';
    is $of->([ 50, 0 ], [ 75, 0 ]), 62.5, '  a plain one where all weigh nothing';
    is $of->([ 50, 0 ], [ 75, 0.001 ]), 75;
    is made(key_results => [ map { { title => 'k', target_value => 3, current_value => 1 } } 1 .. 3 ])->{progress}, 33.33, '  of what is not rounded';
    is made(progress => 12.5)->{progress}, 12.5, 'without key results it is what was given';
    $db->do('DELETE FROM goals');
};

subtest 'status is found out' => sub {
    my $is = sub ($from, $to, $progress) { my $g = made(start_date => day($from), (defined $to ? (due_date => day($to)) : ()), progress => $progress); return $g->{status} . ($g->{completed_at} ? '!' : '') };
    is $is->(-100, undef, 0), 'on-track', 'nothing is due';
    is $is->(-100, -50, 100), 'completed!', 'all is done';
    is $is->(-100, -50, 99.99), 'on-track', 'over, and almost done';
    is $is->(-100, -50, 89), 'at-risk';
    is $is->(-100, -50, 69.9), 'behind';
    is $is->(5, 10, 0), 'on-track', 'not begun';
    is $is->(-500, 499, 55), 'on-track', 'half of the time is over';
    is $is->(-500, 499, 38), 'at-risk';
    is $is->(-500, 499, 15), 'behind';
    my $g = made(start_date => day(-500), due_date => day(499), progress => 15);
    json_is $bob->patch($base, { goal_id => $g->{id}, title => 'z' }), '/status', 'behind', 'of a change of its name it stays';
    json_is $bob->patch($base, { goal_id => $g->{id}, status => 'on-track' }), '/status', 'on-track', 'what is given stands';
    json_is $bob->patch($base, { goal_id => $g->{id}, description => 'z' }), '/status', 'on-track';
    json_is $bob->patch($base, { goal_id => $g->{id}, due_date => day(498) }), '/status', 'behind', 'until what it depends on is another one';
    my $done = $bob->patch($base, { goal_id => $g->{id}, progress => 100 });
    json_is $done, '/completed_at', $MICRO;
    json_is $bob->patch($base, { goal_id => $g->{id}, title => 'y' }), '/completed_at', $done->json('/completed_at'), 'the time of it stays';
    json_is $bob->patch($base, { goal_id => $g->{id}, progress => 50 }), '/completed_at', undef;
    $db->do('DELETE FROM goals');
};

subtest 'reports' => sub {
    my $g = made(key_results => [ map { { title => $_, target_value => 10, weight => 1 } } qw(a b) ]);
    my ($a, $b) = map { $_->{id} } @{ $g->{key_results} };
    my $foreign = made(key_results => [ { title => 'f', target_value => 1 } ])->{key_results}[0]{id};
    my $put = sub ($who, @list) { $who->put("$base/progress", { goal_id => $g->{id}, key_results => \@list, note => 'so far' }) };
    error_is $bob->put("$base/progress", { goal_id => $g->{id}, %$_ }), 422, 'VALIDATION_ERROR', field => 'key_results' for {}, { key_results => [] }, { key_results => [ ({ id => $a, current_value => 1 }) x 51 ] };
    error_is $bob->put("$base/progress", { key_results => [ { id => $a, current_value => 1 } ] }), 422, 'VALIDATION_ERROR', field => 'goal_id';
    error_is $put->($bob, @{ $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0]
        for [ 'key_results[0].id' => [ { current_value => 1 } ] ], [ 'key_results[0].id' => [ { id => $none, current_value => 1 } ] ], [ 'key_results[1].id' => [ { id => $a, current_value => 1 }, { id => $foreign, current_value => 1 } ] ],
            [ 'key_results[0].id' => [ { id => $a, current_value => 1 }, { id => uc $a, current_value => 2 } ] ], [ 'key_results[0].current_value' => [ { id => $a } ] ], [ 'key_results[0].current_value' => [ { id => $a, current_value => 'x' } ] ];
    error_is $bob->put("$base/progress", { goal_id => $g->{id}, key_results => [ { id => $a, current_value => 1 } ], note => 'x' x 1001 }), 422, 'VALIDATION_ERROR', field => 'note';
    json_is $put->($bob, { id => $a, current_value => 5 }), '/progress', 25, 'one of two, half done';
    json_is $put->($bob, { id => $a, current_value => 5 }), '/progress', 25, 'again is harmless';
    json_is $put->($w->{adam}, { id => $b, is_completed => true }), '/key_results/1/current_value', 10, 'done is the target';
    json_is $put->($bob, { id => $a, is_completed => true }, { id => $b, is_completed => true }), '/status', 'completed';
    json_is $put->($bob, { id => $a, is_completed => false }, { id => $b, current_value => 3, is_completed => true }), '/progress', 15, 'not done is the start; a value goes before it';
    json_is $put->($bob, { id => $b, is_completed => false }), '/key_results/1/current_value', 3, '  where it was not reached it stays';
    json_is $bob->patch($base, { goal_id => $g->{id}, status => 'behind' }), '/status', 'behind';
    json_is $put->($bob, { id => $b, current_value => 4 }), '/status', 'on-track', 'a report finds the status out again';
    $db->do('DELETE FROM goals');
};

subtest 'a change' => sub {
    my $g = made(title => 'a', description => 'd', team_id => $team, key_results => [ { title => 'k1', target_value => 10, current_value => 5, unit => 'u' }, { title => 'k2', target_value => 10 } ]);
    my ($one, $two) = @{ $g->{key_results} };
    my $patch = sub (%with) { $bob->patch($base, { goal_id => $g->{id}, %with }) };
    error_is $bob->patch($base, { title => 'x' }), 422, 'VALIDATION_ERROR', field => 'goal_id';
    error_is $patch->(%{ $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0]
        for [ title => { title => undef } ], [ level => { level => undef } ], [ status => { status => undef } ], [ progress => { progress => 5 } ], [ owner_id => { owner_id => $x->member_id('eve') } ], [ due_date => { due_date => day(-1) } ],
            [ 'key_results[0].id' => { key_results => [ { id => $none, title => 'x' } ] } ], [ 'key_results[0].id' => { key_results => [ map { { id => $one->{id}, title => 'x' } } 1, 2 ] } ],
            [ 'key_results[1].target_value' => { key_results => [ { id => $one->{id}, title => 'x' }, { title => 'new' } ] } ], [ 'key_results[0].title' => { key_results => [ { id => $one->{id} } ] } ];
    json_is $patch->(), '/title', 'a', 'of nothing changes nothing';
    json_is $patch->(title => 'b', description => undef, owner_id => undef, team_id => undef), '', { %{ made(title => 'b') }, id => $g->{id}, owner_id => undef, owner => undef, progress => 25, key_results => $g->{key_results}, created_at => $g->{created_at}, updated_at => $MICRO },
        'what is not sent stays; null clears';
    error_is $patch->(level => 'team'), 422, 'VALIDATION_ERROR', field => 'team_id';
    json_is $patch->(level => 'team', team_id => $team), '/team/name', 'Sales';
    error_is $patch->(team_id => undef), 422, 'VALIDATION_ERROR', field => 'team_id';
    my $res = $patch->(key_results => [ { title => 'new', metric_type => 'boolean', current_value => 1 }, { id => $one->{id}, title => 'K1' } ]);
    json_is $res, '/key_results', [ { %key_result, title => 'new', metric_type => 'boolean', target_value => 1, current_value => 1, progress => 100, is_completed => true }, { %$one, title => 'K1', position => 1, updated_at => $MICRO } ], 'the list is the new set; of one that stays what is not sent';
    json_is $res, '/progress', 75;
    json_is $patch->(key_results => [], progress => 40), '/progress', 40, 'without any the progress is given';
    json_is $patch->(progress => 41), '/progress', 41;
    status_is $ann->delete("/api/v1/teams/$team"), 204;
    my ($now) = grep { $_->{id} eq $g->{id} } @{ $bob->get($base)->json('/items') };
    is $now->{team}, undef, 'a team that is deleted';
    is $now->{level}, 'team';
    status_is $bob->delete("$base/$g->{id}"), 204;
    is $db->selectrow_array('SELECT count(*) FROM key_results WHERE goal_id = ?', undef, $g->{id}), 0;
};

subtest 'no goal is above itself' => sub {
    my @g = map { made(title => "g$_")->{id} } 0 .. 2;
    $bob->patch($base, { goal_id => $g[$_], parent_goal_id => $g[ $_ - 1 ] }) for 1, 2;
    error_is $bob->patch($base, { goal_id => $g[0], parent_goal_id => $_ }), 422, 'VALIDATION_ERROR', field => 'parent_goal_id' for @g;
    json_is $bob->patch($base, { goal_id => $g[2], parent_goal_id => $g[0] }), '/parent_goal_id', $g[0];
    $db->do('DELETE FROM goals');
};

subtest 'two reports at once' => sub {
    my $g = made(key_results => [ map { { title => $_, target_value => 1 } } 'a', 'b' ]);
    my $lock = $t->lock('SELECT FROM goals WHERE id = ? FOR UPDATE', $g->{id});
    my @pid = map {
        my $k = $_;
        fork // die "fork: $!\n" or do { $t->client(token => $bob->token, headers => { 'X-Workspace-Id' => $w->id })->put("$base/progress", { goal_id => $g->{id}, key_results => [ { id => $k->{id}, is_completed => true } ] }); POSIX::_exit(0) }
    } @{ $g->{key_results} };
    eventually { $t->waiting >= 2 } 10, 'both wait';
    $lock->rollback;
    waitpid $_, 0 for @pid;
    json_is $bob->get($base), '/items/0/progress', 100, 'both count';
    $db->do('DELETE FROM goals');
};

subtest 'the owner is notified' => sub {
    $db->do('DELETE FROM notifications');
    my $g = made(owner_id => $w->member_id('carl'), start_date => day(-10), due_date => day(-1), key_results => [ { title => 'k', target_value => 10, current_value => 9 } ]);
    is notes('carl'), 'goal_assigned', 'of a new goal';
    my $k = $g->{key_results}[0]{id};
    my $report = sub ($who, $n) { $who->put("$base/progress", { goal_id => $g->{id}, key_results => [ { id => $k, current_value => $n } ] }) };
    $db->do('DELETE FROM notifications');
    $report->($bob, 1);
    is notes('carl'), 'goal_progress_updated goal_at_risk';
    $report->($bob, 10);
    is notes('carl'), 'goal_progress_updated goal_at_risk goal_completed', 'what is not read yet is one';
    is $db->selectrow_array(q{SELECT count FROM notifications WHERE event_type = 'goal_progress_updated'}), 2, '  with how often it happened';
    $report->($bob, 10);
    is notes('bob') . notes('ann'), '', 'nobody else is';
    $ann->patch($base, { goal_id => $g->{id}, owner_id => $w->member_id('bob') });
    is notes('bob'), 'goal_assigned', 'a new owner';
    $db->do('DELETE FROM notifications');
    $report->($bob, 1);
    is notes('bob') . notes('carl'), '', 'but not of what they did themselves';
};

subtest 'who has left is null' => sub {
    my $g = made(owner_id => $w->member_id('carl'), key_results => [ { title => 'k', target_value => 1, owner_id => $w->member_id('carl') } ]);
    my $other = $carl->post($base, { title => 'of carl', owner_id => $w->member_id('bob') })->json('/id');
    $db->do('DELETE FROM memberships WHERE id = ?', undef, $w->member_id('carl'));
    my %all = map { $_->{id} => $_ } @{ $bob->get($base)->json('/items') };
    is_deeply [ @{ $all{ $g->{id} } }{qw(owner_id owner)}, $all{ $g->{id} }{key_results}[0]{owner_id} ], [ undef, undef, undef ];
    is $all{$other}{created_by}, undef;
    error_is $bob->delete("$base/$other"), 403, 'AUTHORIZATION_ERROR', name => 'what nobody made is nobody\'s own';
    status_is $ann->delete("$base/$other"), 204;
};
