use v5.36;
use lib 't/lib';
use Api;
use POSIX ();

# Tasks of a tenant: internal rows and public ones show the same table, each in its own words.
my $t      = Api->start(main => 4);
my $db     = $t->db;
my $base   = '/api/tasks';
my $public = '/api/v1/public/tasks';
my $ann    = $t->user('ann', tenant => 'acme', role => 'member');
my $boss   = $t->user('bob', tenant => 'acme', role => 'superadmin');
my $eve    = $t->user('eve', tenant => 'other', role => 'superadmin');
my $org    = $t->organization($ann);
my %key    = map { my ($name, @scopes) = @$_; ($name => $t->client(key => $t->key(type => 'organization', of => $org, by => $ann, columns => { scopes => \@scopes }))) }
    [ all => '*' ], [ reads => 'tasks:read' ], [ writes => 'tasks:write' ];
my $tenant = $ann->tenant_id;

sub ids ($res) { return join ' ', map { $_->{id} } @{ $res->json('/data') } }
sub titles ($res) { return join '|', map { $_->{title} } @{ $res->json('/data') } }
sub logged ($action) { return scalar $db->selectrow_array('SELECT count(*) FROM activity_log WHERE tenant_id = ? AND action = ?', undef, $tenant, "task.$action") }
sub row ($id) { return $db->selectrow_hashref('SELECT * FROM tasks WHERE tenant_id = ? AND number = ?', undef, $tenant, $id) }

status_is $ann->post('/api/products', { name => 'Tide tables' }), 201;
my $product = $ann->last->json('/data/id');
status_is $eve->post('/api/products', { name => 'Elsewhere' }), 201;
my $foreign = $eve->last->json('/data/id');

subtest 'making one' => sub {
    error_is $t->client->post($base, { title => 'X' }), 401, 'AUTHENTICATION_ERROR';
    error_is $t->user($_, tenant => 'acme', role => $_)->post($base, { title => 'X' }), 403, 'AUTHORIZATION_ERROR', name => "$_ makes none" for qw(viewer demo);
    error_is $key{writes}->post($base, { title => 'X' }), 403, 'INSUFFICIENT_SCOPE';
    error_is $ann->post($base, undef, raw => '['), 400, 'VALIDATION_ERROR';
    error_is $ann->post($base, {}), 400, 'VALIDATION_ERROR', field => 'title';
    error_is $ann->post($base, { title => $_ }), 400, 'VALIDATION_ERROR', field => 'title' for '', '   ', 'x' x 301, 7, undef;
    error_is $ann->post($base, { title => 'X', @$_ }), 400, 'VALIDATION_ERROR', field => $_->[0]
        for [ description => 'x' x 20_001 ], [ status => 'cancelled' ], [ status => 'completed' ], [ priority => 'critical' ], [ priority => 'P4' ], [ assignee => '' ], [ assignee => 'x' x 101 ],
        [ product_slug => 'none' ], [ product_slug => 'elsewhere' ];
    json_is $ann->get($base), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } }, 'there is none yet';
    my $res = $ann->post($base, { title => 'Print it', product_slug => 'tide-tables', assignee => 'theo' });
    status_is $res, 201;
    json_is $res, '', { data => { id => qr/\A\d+\z/, title => 'Print it', description => undef, status => 'todo', priority => 'P2', assignee => 'theo', product => 'tide-tables', category => undef, tags => undef,
        estimated_minutes => undef, due_date => undef, created_at => $TIME, updated_at => $TIME }, meta => { deduplicated => false, reason => undef } };
    is logged('created'), 1;
    status_is $key{all}->post($base, { title => 'x' x 300, description => 'x' x 20_000, assignee => 'x' x 100, status => 'done', priority => 'P3' }), 201, 'the longest; by a key';
    ok row($key{all}->last->json('/data/id'))->{completed_at}, 'what is made done is stamped';
    status_is $boss->delete("$base/" . $key{all}->last->json('/data/id')), 200;
};

subtest 'a second one is the first' => sub {
    my $first = $ann->get($base)->json('/data/0');
    my $res = $ann->post($base, { title => '  PRINT it ', product_slug => 'tide-tables', assignee => 'theo', priority => 'P0', description => 'other' });
    status_is $res, 201;
    json_is $res, '', { data => $first, meta => { deduplicated => true, reason => qr/same title, product and assignee/ } }, 'as the row has it';
    is logged('created'), 2, 'and nothing is written down';
    for my $other ({ assignee => 'theo' }, { product_slug => 'tide-tables' }, { product_slug => 'tide-tables', assignee => 'Theo' }, { title => 'Print it!', product_slug => 'tide-tables', assignee => 'theo' }) {
        json_is $ann->post($base, { title => 'Print it', %$other }), '/meta/deduplicated', false, 'another one is another one';
        status_is $boss->delete("$base/" . $ann->last->json('/data/id')), 200;
    }
    json_is $eve->post($base, { title => 'Print it', assignee => 'theo' }), '/meta/deduplicated', false, 'nor is another tenant\'s';
    for my $status (qw(done cancelled)) {
        my $made = $ann->post($base, { title => "Once $status" })->json('/data/id');
        json_is $ann->post($base, { title => "once $status" }), '/data/id', $made;
        status_is $ann->patch("$public/$made", { status => $status }), 200;
        json_is $ann->post($base, { title => "once $status" }), '/meta/deduplicated', false, "nor one that is $status";
        status_is $boss->delete("$base/$_"), 200 for $made, $ann->last->json('/data/id');
    }
    my $old = $ann->post($base, { title => 'Of yesterday' })->json('/data/id');
    $db->do(q{UPDATE tasks SET created_at = now() - interval '25 hours' WHERE tenant_id = ? AND number = ?}, undef, $tenant, $old);
    json_is $ann->post($base, { title => 'Of yesterday' }), '/meta/deduplicated', false, 'nor one of a day ago';
    status_is $boss->delete("$base/$_"), 200 for $old, $ann->last->json('/data/id');
};

subtest 'looking' => sub {
    error_is $t->client->get($_), 401, 'AUTHENTICATION_ERROR' for $base, "$base/1";
    error_is $key{reads}->get($base), 403, 'INSUFFICIENT_SCOPE';
    error_is $ann->get("$base?$_->[0]"), 400, 'VALIDATION_ERROR', field => $_->[1]
        for [ 'status=x', 'status[0]' ], [ 'priority=critical', 'priority[0]' ], [ 'limit=0', 'limit' ], [ 'offset=-1', 'offset' ], [ 'next=true', 'assignee' ], [ 'q=' . 'x' x 201, 'q' ];
    my %id;
    for ([ one => 'P0', 'mia' ], [ two => 'P2', 'mia' ], [ three => 'P2', 'mia' ], [ four => 'P1', undef ]) {
        $id{ $_->[0] } = $ann->post($base, { title => "Task $_->[0]", priority => $_->[1], description => "an A_\x{e4}rdvark", $_->[2] ? (assignee => $_->[2]) : () })->json('/data/id');
    }
    my $viewer = $t->user('vic', tenant => 'acme', role => 'viewer');
    is titles($viewer->get($base)), 'Task one|Task four|Task three|Task two|Print it', 'by priority, then the newest';
    json_is $viewer->last, '/meta', { total => 5, limit => 50, offset => 0 };
    is titles($viewer->get("$base?limit=2&offset=1")), 'Task four|Task three';
    json_is $viewer->last, '/meta', { total => 5, limit => 2, offset => 1 };
    json_is $viewer->get("$base?limit=500"), '/meta/limit', 200;
    is titles($viewer->get("$base?offset=5")), '', 'behind the end there is nothing';
    is titles($viewer->get("$base?assignee=mia&priority=P2")), 'Task three|Task two';
    json_is $viewer->last, '/meta/total', 2, 'what matches is counted';
    is titles($viewer->get("$base?product=tide-tables")), 'Print it';
    is titles($viewer->get("$base?product=$_")), '', 'a product that is none' for 'none', 'elsewhere';
    is titles($viewer->get("$base?status=done,%20todo,&assignee=theo")), 'Print it';
    is titles($viewer->get("$base?status=done")), '';
    is titles($viewer->get("$base?q=$_->[0]")), $_->[1], "q=$_->[0]"
        for [ 'A_%C3%84', 'Task one|Task four|Task three|Task two' ], [ 'THREE', 'Task three' ], [ 'task%20two', 'Task two' ], [ '%25', '' ], [ 't&priority=P0', 'Task one' ], [ 'none', '' ];
    is titles($viewer->get("$base?q=aardvark")), '';
    is ids($viewer->get("$base?next=true&assignee=mia&status=done&q=none")), $id{one}, 'the most urgent, whatever else is asked for';
    status_is $ann->patch("$public/$id{one}", { status => 'in_progress' }), 200;
    is ids($viewer->get("$base?next=true&assignee=mia")), $id{two}, 'then the oldest';
    json_is $viewer->last, '/meta/total', 1;
    is titles($viewer->get("$base?next=true&assignee=nobody")), '';
    json_is $ann->post($base, { title => 'Mine', assignee => 'me' }), '/data/assignee', 'ann', 'me is the caller';
    is titles($key{all}->get("$base?assignee=me")), 'Mine', 'and of a key its maker';
    is titles($eve->get($base)), 'Print it', 'another tenant has its own';

    my $path = "$base/$id{two}";
    error_is $ann->get("$base/x"), 400, 'VALIDATION_ERROR';
    error_is $ann->get("$base/999999"), 404, 'NOT_FOUND';
    error_is $eve->get($path), 404, 'NOT_FOUND';
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $tenant);
    $db->do('INSERT INTO task_dependencies (tenant_id, blocked_number, blocker_number) VALUES (?, ?, ?)', undef, $tenant, $id{two}, $id{four});
    $db->commit;
    my $res = $ann->get($path);
    json_is $res, "/data/$_->[0]", $_->[1], $_->[0]
        for [ status => 'blocked' ], [ is_blocked => true ], [ blocked_by => [ { id => $id{four}, title => 'Task four', status => 'todo' } ] ], [ blocking => [] ], [ type => 'other' ], [ completed_at => undef ];
    json_is $ann->get("$base/$id{four}"), '/data/blocking', [ { id => $id{two}, title => 'Task two', status => 'blocked' } ];
    status_is $ann->patch("$public/$id{four}", { status => 'done' }), 200;
    json_is $ann->get($path), '/data/status', 'todo', 'what waited goes on';
    json_is $ann->last, '/data/is_blocked', false;
};

subtest 'what one waits for ends, or is gone' => sub {
    my $made = sub ($title) { return $ann->post($public, { title => $title })->json('/data/id') };
    my $link = sub ($blocked, @blockers) {
        $db->begin_work;
        $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $tenant);
        $db->do('INSERT INTO task_dependencies (tenant_id, blocked_number, blocker_number) VALUES (?, ?, ?)', undef, $tenant, $blocked, $_) for @blockers;
        $db->commit;
    };
    my ($waits, $first, $last) = map { $made->($_) } 'Waits', 'First', 'Last';
    $link->($waits, $first, $last);
    status_is $boss->delete("$base/$first"), 200;
    is row($waits)->{status}, 'blocked', 'another one holds it';
    status_is $boss->delete("$base/$last"), 200;
    is row($waits)->{status}, 'todo', 'one that is deleted holds nothing';
    my @held;
    for my $n (1 .. 10) {
        my ($one, $two, $three) = map { $made->("$_ of $n") } qw(One Two Three);
        $link->($one, $two, $three);
        my @pids = map {
            my $pid = fork // die "fork: $!\n";
            POSIX::_exit($ann->with(http => $t->http)->patch("$public/$_", { status => 'done' })->status != 200) if !$pid;
            $pid
        } $two, $three;
        for my $pid (@pids) { waitpid $pid, 0; is $?, 0 }
        push @held, $one if row($one)->{status} ne 'todo';
    }
    is_deeply \@held, [], 'two that end at once let go of it';
};

subtest 'as programs see them' => sub {
    error_is $t->client->get($public), 401, 'AUTHENTICATION_ERROR';
    error_is $key{writes}->get($public), 403, 'INSUFFICIENT_SCOPE';
    error_is $key{reads}->post($public, { title => 'X' }), 403, 'INSUFFICIENT_SCOPE';
    error_is $t->user($_ . 2, tenant => 'acme', role => $_)->post($public, { title => 'X' }), 403, 'AUTHORIZATION_ERROR' for qw(viewer demo);
    error_is $ann->post($public, { title => 'X', @$_ }), 400, 'VALIDATION_ERROR', field => $_->[0]
        for [ title => '' ], [ title => ' ' ], [ priority => 'P0' ], [ status => 'archived' ], [ type => 'x' ], [ product_id => $foreign ], [ product_id => 'x' ], [ max_duration_seconds => 0 ], [ max_duration_seconds => 604_801 ];
    my $res = $key{writes}->post($public, { title => 'By a program', type => 'ops', priority => 'critical', assigned_to => 'bot', product_id => $product, max_duration_seconds => 604_800 });
    status_is $res, 201;
    my $one = $res->json('/data');
    json_is $res, '/data', { id => qr/\A\d+\z/, title => 'By a program', description => undef, type => 'ops', priority => 'critical', status => 'todo', assigned_to => 'bot', product_id => $product, resolution => undef,
        max_duration_seconds => 604_800, created_at => $TIME, updated_at => $TIME };
    json_is $key{writes}->post($public, { title => 'By a program', assigned_to => 'bot', product_id => $product }), '/data/priority', 'medium', 'of the same title are two';
    my $path = "$public/$one->{id}";
    is titles($key{reads}->get("$public?assigned_to=bot&priority=critical")), 'By a program';
    json_is $key{reads}->last, '/meta', { total => 1, limit => 50, offset => 0 };
    is $key{reads}->get("$public?product_id=$product")->json('/meta/total'), 3;
    error_is $ann->get("$public?$_"), 400, 'VALIDATION_ERROR' for 'status=archived', 'priority=P0', 'product_id=x', 'limit=x';
    json_is $key{reads}->get($path), '/data', $one;
    json_is $ann->get("$base/$one->{id}"), '/data/priority', 'P0', 'the same row in other words';
    error_is $key{writes}->get($path), 403, 'INSUFFICIENT_SCOPE';
    error_is $_->[0]->get($_->[1]), $_->[2], $_->[3] for [ $ann, "$public/x", 400, 'VALIDATION_ERROR' ], [ $ann, "$public/999999", 404, 'NOT_FOUND' ], [ $eve, $path, 404, 'NOT_FOUND' ];

    error_is $key{reads}->patch($path, { title => 'Y' }), 403, 'INSUFFICIENT_SCOPE';
    error_is $eve->patch($path, { title => 'Y' }), 404, 'NOT_FOUND';
    error_is $ann->patch($path, $_), 400, 'VALIDATION_ERROR' for {}, { unknown => 1 }, { title => undef }, { title => ' ' }, { type => undef }, { status => 'archived' }, { priority => 'P1' }, { product_id => $foreign },
        { resolution => 'x' x 5001 }, { max_duration_seconds => 0 };
    $res = $key{writes}->patch($path, { status => 'done', resolution => 'Done it', priority => 'low' });
    json_is $res, "/data/$_->[0]", $_->[1] for [ status => 'done' ], [ resolution => 'Done it' ], [ priority => 'low' ], [ title => 'By a program' ];
    ok row($one->{id})->{completed_at}, 'done is stamped';
    json_is $ann->patch($path, { status => 'review', description => undef, assigned_to => undef, product_id => undef, resolution => undef, max_duration_seconds => undef }), "/data/$_", undef, "null clears $_"
        for qw(description assigned_to product_id resolution max_duration_seconds);
    is row($one->{id})->{completed_at}, undef, 'and not any more';

    error_is $key{reads}->delete($path), 403, 'INSUFFICIENT_SCOPE';
    error_is $eve->delete($path), 404, 'NOT_FOUND';
    my $before = logged('cancelled');
    for (1, 2) {
        json_is $key{writes}->delete($path), '', { data => { id => $one->{id}, status => 'cancelled' }, meta => { message => qr/./ } };
    }
    is logged('cancelled'), $before + 1, 'once more is nothing new';
    json_is $ann->get($path), '/data/status', 'cancelled', 'it stays';
    $db->do(q{UPDATE tasks SET status = 'archived' WHERE tenant_id = ? AND number = ?}, undef, $tenant, $one->{id});
    json_is $ann->get($path), '/data/status', 'cancelled', 'what is archived is shown as cancelled';
    is ids($ann->get("$public?status=cancelled")), $one->{id}, 'and found as that';
    json_is $ann->get("$base/$one->{id}"), '/data/status', 'archived', 'but inside it is archived';
};

subtest 'deleting one' => sub {
    my $id = $ann->post($base, { title => 'To go' })->json('/data/id');
    error_is $t->client->delete("$base/$id"), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->delete("$base/$id"), 403, 'AUTHORIZATION_ERROR';
    status_is $key{all}->delete("$base/$id"), 403, 'a key never is an admin';
    error_is $eve->delete("$base/$id"), 404, 'NOT_FOUND';
    error_is $boss->delete("$base/x"), 400, 'VALIDATION_ERROR';
    my $before = logged('deleted');
    json_is $boss->delete("$base/$id"), '', { data => { id => $id, deleted => true }, meta => { message => qr/./ } };
    error_is $boss->delete("$base/$id"), 404, 'NOT_FOUND';
    is logged('deleted'), $before + 1;
    is row($id), undef, 'it is gone';
};

subtest 'counts are those of the rows' => sub {
    is_deeply $db->selectall_arrayref(q{SELECT status, priority, sum(n) FROM task_counts WHERE tenant_id = ? AND assignee = '' AND product_number = 0 GROUP BY 1, 2 HAVING sum(n) <> 0 ORDER BY 1, 2}, undef, $tenant),
        $db->selectall_arrayref(q{SELECT status, priority, count(*) FROM tasks WHERE tenant_id = ? AND kind = 'tenant' GROUP BY 1, 2 ORDER BY 1, 2}, undef, $tenant);
};

subtest 'an archived product takes its open tasks along' => sub {
    my $open = $ann->post($public, { title => 'Of it', product_id => $product })->json('/data/id');
    my $done = $ann->post($public, { title => 'Of it, done', product_id => $product, status => 'done' })->json('/data/id');
    status_is $ann->patch('/api/products/tide-tables', { status => 'archived', tagline => 'Other' }), 200;
    json_is $ann->get("$base?q=brand&product=tide-tables"), '/data/0/category', 'brand', 'what it looks like is carried through by somebody';
    $t->start_worker(children => 1);
    eventually { $ann->get("$base/$open")->json('/data/status') eq 'archived' } 20, 'they are archived';
    json_is $ann->get("$base/$done"), '/data/status', 'done', 'but what has ended';
    $t->{pool}{worker}->stop('TERM', 15);
};

subtest 'fifty at once make one' => sub {
    my @children;
    for my $n (1 .. 50) {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $res = $ann->with(http => $t->http)->post($base, { title => $n % 2 ? 'At once' : ' at ONCE', assignee => 'crowd' });
            POSIX::_exit($res->status == 201 ? 0 : 1);
        }
        push @children, $pid;
    }
    my $bad = grep { waitpid $_, 0; $? } @children;
    is $bad, 0, 'each is answered with a task';
    is titles($ann->get("$base?assignee=crowd")) =~ s/\A /_/r =~ tr/|//, 0, 'it is one';
    json_is $ann->last, '/meta/total', 1;
};

subtest 'sixty a minute' => sub {
    my $few = Api->start(RATE_LIMIT_TASKS => 2);
    my $one = $few->user('one', tenant => 'acme', role => 'member');
    status_is $one->post($base, { title => "Task $_" }), 201 for 1, 2;
    error_is $one->post($base, { title => 'Task 3' }), 429, 'RATE_LIMIT_EXCEEDED';
    status_is $one->get($base), 200, 'looking is not counted with them';
    status_is $one->post($public, { title => 'Task 4' }), 201;
};
