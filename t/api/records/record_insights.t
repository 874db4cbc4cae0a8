use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# What was found out about records, what became of it; and the figures of a recordset.
my $t    = Api->start(main => 2);
my $db   = $t->db;
my $at   = '/api/v1/record-tracking';
my $sets = '/api/v1/recordsets';
my $none = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $eve) = (@$w{qw(ann bob carl)}, $x->{eve});
my $set = $bob->post($sets, { name => 'Customers' })->json('/id');

sub made ($title, $who = $bob, $in = $set) { return $who->post('/api/v1/records', { recordset_id => $in, title => $title })->json('/id') }
sub share ($who, @flags) { return status_is $bob->post("$sets/$set/access", { member_id => $w->member_id($who), map { $_ => true } @flags }), 201, "$who: @flags" }

sub insight ($record, %with) {
    my %row = (insight_type => 'risk', title => 'They are silent', description => 'No answer since May.', priority => 1, confidence => 0.75, suggested_action => 'Call them', source => 'ai', created_at => 'now()', %with);
    return scalar $db->selectrow_array(q{INSERT INTO record_insights (tenant_id, organization_id, recordset_id, content_id, record_id, insight_type, title, description, priority, confidence, suggested_action, source, created_at)
        SELECT tenant_id, organization_id, recordset_id, content_id, id, ?, ?, ?, ?, ?, ?, ?, ?::timestamptz FROM records WHERE id = ? RETURNING id}, undef, @row{qw(insight_type title description priority confidence suggested_action source created_at)}, $record);
}
sub titles ($res) { return join ' ', map { $_->{title} } @{ $res->json('/items') } }

subtest 'who may' => sub {
    my $id  = made('Mole');
    my $one = insight($id);
    for ([ GET => "/$id/insights" ], [ POST => "/insights/$one/action", {} ], [ POST => "/insights/$one/dismiss", {} ], [ GET => "/$set/dashboard" ]) {
        my ($method, $path, $body) = @$_;
        error_is $eve->request($method, "$at$path", json => $body), 404, 'NOT_FOUND', name => "$path: another workspace's";
        error_is $carl->request($method, "$at$path", json => $body), 403, 'AUTHORIZATION_ERROR', message => qr/can_view/, name => "$path: without can_view";
        error_is $bob->request($method, "$at" . ($path =~ s/\Q$id\E|\Q$one\E|\Q$set\E/$none/r), json => $body), 404, 'NOT_FOUND', id => $none, name => "$path: one that is not there";
    }
    share(carl => qw(can_create can_edit_own));
    status_is $carl->get("$at/$id/insights"), 200, 'to see is to read';
    status_is $carl->get("$at/$set/dashboard"), 200;
    error_is $carl->post("$at/insights/$one/$_", {}), 403, 'AUTHORIZATION_ERROR', message => qr/can_edit/, name => "can_edit_own: not $_ of another's record" for qw(action dismiss);
    my $own = insight(made('Own', $carl));
    status_is $carl->post("$at/insights/$own/$_", {}), 200, "but $_ of an own one" for qw(action dismiss);
};

subtest 'the list' => sub {
    my $id = made('List');
    insight($id, title => 'old', created_at => '2026-01-01T00:00:00Z');
    insight($id, title => 'trend', insight_type => 'trend', created_at => '2026-01-02T00:00:00Z');
    my $gone = insight($id, title => 'gone', created_at => '2026-01-03T00:00:00Z');
    status_is $bob->post("$at/insights/$gone/dismiss", {}), 200;
    my $path = "$at/$id/insights";
    my $res  = $bob->get($path);
    is titles($res), 'trend old', 'the newest first, without what was dismissed';
    json_is $res, '/items/1', { id => $UUID, record_id => $id, recordset_id => $set, insight_type => 'risk', title => 'old', description => 'No answer since May.', priority => 'high', confidence => 0.75, suggested_action => 'Call them', source => 'ai',
        is_dismissed => false, dismissed_at => undef, dismiss_reason => undef, is_actioned => false, actioned_at => undef, action_taken => undef, created_at => '2026-01-01T00:00:00.000000Z' };
    is titles($bob->get($path, query => { include_dismissed => 'true' })), 'gone trend old', '  unless asked for';
    is titles($bob->get($path, query => { insight_type => 'trend' })), 'trend', 'of one type';
    $res = $bob->get($path, query => { page => 2, page_size => 1 });
    is titles($res), 'old', 'in pages';
    json_is $res, "/$_->[0]", $_->[1] for [ total => 2 ], [ total_pages => 2 ];
    error_is $bob->get($path, query => { $_->[0] => $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not $_->[0] $_->[1]" for [ page => 0 ], [ page_size => 201 ], [ insight_type => 'idea' ], [ include_dismissed => 'perhaps' ];
};

subtest 'dismissed once' => sub {
    my $one = insight(made('Light'));
    error_is $bob->post("$at/insights/$one/dismiss", { reason => 'x' x 501 }), 422, 'VALIDATION_ERROR', field => 'reason';
    my $res = $bob->post("$at/insights/$one/dismiss", { reason => 'x' x 500 });
    status_is $res, 200;
    json_is $res, "/$_->[0]", $_->[1] for [ is_dismissed => true ], [ dismissed_at => $MICRO ], [ dismiss_reason => 'x' x 500 ], [ is_actioned => false ];
    my $stored = sub { scalar $db->selectrow_array('SELECT to_jsonb(i)::text FROM record_insights i WHERE id = ?', undef, $one) };
    my $was    = $stored->();
    is_deeply $bob->post("$at/insights/$one/dismiss", { reason => 'another' })->json, $res->json, 'to repeat it changes nothing';
    is $stored->(), $was, '  at all';
};

subtest 'what was done' => sub {
    my $id  = made('Buoy');
    my $one = insight($id);
    error_is $bob->post("$at/insights/$one/action", $_->[1]), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not that $_->[0]" for [ action_taken => { action_taken => 'x' x 2001 } ], [ create_task => { create_task => 'yes' } ];
    my $res = $bob->post("$at/insights/$one/action", { action_taken => 'x' x 2000 });
    status_is $res, 200;
    json_is $res, "/$_->[0]", $_->[1] for [ is_actioned => true ], [ actioned_at => $MICRO ], [ action_taken => 'x' x 2000 ], [ is_dismissed => false ];
    is $bob->get("$at/$id/tasks")->json('/total'), 0, 'no task, unless it is wanted';
    my $again = $bob->post("$at/insights/$one/action", { create_task => true });
    is $again->json('/actioned_at'), $res->json('/actioned_at'), 'the first time stays';
    is $again->json('/action_taken'), 'x' x 2000, '  and what was said, where nothing else is';
    my $tasks = $bob->get("$at/$id/tasks");
    is_deeply [ map { $tasks->json("/items/0/$_") } qw(title description task_type priority status assigned_to_id created_by_id record_id) ],
        [ 'They are silent', 'Call them', 'follow_up', 'high', 'todo', ($w->member_id('bob')) x 2, $id ], 'the caller gets a task of it';
    $bob->post("$at/insights/$one/action", { create_task => true, action_taken => 'called' });
    is $bob->get("$at/$id/tasks")->json('/total'), 1, '  once';
    json_is $bob->get("$at/$id/insights"), '/items/0/action_taken', 'called';
    status_is $bob->delete("$at/tasks/" . $tasks->json('/items/0/id')), 200, 'the task may go';
    status_is $bob->post("$at/insights/$one/action", {}), 200;
};

subtest 'two at once' => sub {
    my $id   = made('Race');
    my $one  = insight($id);
    my $race = sub ($what, $body) {
        my $lock = $t->lock('SELECT FROM record_insights WHERE id = ? FOR UPDATE', $one);
        my @load = map { my $who = $_; $t->load(clients => 1, requests => 1, make => sub { $t->client(token => $who->token, headers => { 'X-Workspace-Id' => $w->id }) }, each => sub ($c, $n) { $c->post("$at/insights/$one/$what", $body) }) } $bob, $ann;
        eventually { $t->waiting == 2 } 60, "$what: both wait";
        $lock->commit;
        is join(' ', sort map { $_->[0] } map { $_->finish } @load), '200 200';
    };
    $race->(action => { create_task => true, action_taken => 'called' });
    is $bob->get("$at/$id/tasks")->json('/total'), 1, 'one task comes of it';
    $race->(dismiss => { reason => 'no' });
    is $bob->get("$at/$id/insights", query => { include_dismissed => 'true' })->json('/items/0/dismiss_reason'), 'no';
};

subtest 'the figures of a recordset' => sub {
    my $in   = $bob->post($sets, { name => 'Figures' })->json('/id');
    my $zero = { recordset_id => $in, total_records => 0, tracked_records => 0, interactions => { total => 0, last_7_days => 0, last_30_days => 0, by_type => {} },
        tasks => { open => 0, overdue => 0, due_today => 0, due_this_week => 0, completed_last_30_days => 0, by_priority => {} }, insights => { active => 0, by_type => {}, by_priority => {} },
        needs_attention => [], recent_interactions => [], upcoming_tasks => [] };
    json_is $bob->get("$at/$in/dashboard"), '', $zero, 'of nothing';
    my ($a, $b, $c, $d, $gone) = map { made($_, $bob, $in) } qw(a b c d gone);
    my $ago = sub ($interval) { scalar $db->selectrow_array(q{SELECT to_char((now() - ?::interval) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')}, undef, $interval) };
    my $log  = sub ($id, $type, $when) { status_is $bob->post("$at/$id/interactions", { interaction_type => $type, subject => "$type of $when", occurred_at => $ago->($when) }), 200 };
    my $task = sub ($id, $title, %with) { return $bob->post("$at/$id/tasks", { title => $title, %with })->json('/id') };
    $log->($a, call => '1 day');
    $log->($a, call => '10 days');
    $log->($a, email => '40 days');
    $log->($b, meeting => '20 days');
    $log->($d, meeting => '60 days');
    $log->($a, meeting => '-3 days');
    $log->($gone, call => '1 day');
    $task->($c, 'late', due_date => $ago->('2 days'), priority => 'urgent');
    $task->($c, 'later', due_date => $ago->('1 day'), priority => 'low');
    $task->($a, 'next', due_date => $ago->('-3 days'));
    $task->($a, 'far', due_date => $ago->('-30 days'));
    $task->($a, 'some day');
    my $today = $task->($b, 'today');
    $db->do(q{UPDATE tasks SET due_at = date_trunc('day', now(), 'UTC') + interval '1 day' - interval '1 second' WHERE id = ?}, undef, $today);
    $bob->post("$at/tasks/" . $task->($b, 'done') . '/complete', {});
    $bob->put("$at/tasks/" . $task->($b, 'off'), { status => 'cancelled' });
    my $old = $task->($b, 'long done');
    $bob->post("$at/tasks/$old/complete", {});
    $db->do(q{UPDATE tasks SET completed_at = now() - interval '31 days' WHERE id = ?}, undef, $old);
    $task->($gone, 'never', due_date => $ago->('1 day'));
    insight($a, insight_type => 'trend', priority => 0);
    insight($b);
    insight($gone);
    my ($dropped, $did) = map { insight($b) } 1, 2;
    $bob->post("$at/insights/$dropped/dismiss", {});
    $bob->post("$at/insights/$did/action", {});
    status_is $bob->delete("/api/v1/records/$gone"), 204;
    my $got = $bob->get("$at/$in/dashboard");
    json_is $got, "/$_->[0]", $_->[1]
        for [ total_records => 4 ], [ tracked_records => 4 ], [ interactions => { total => 6, last_7_days => 1, last_30_days => 3, by_type => { call => 2, email => 1, meeting => 3 } } ],
            [ tasks => { open => 6, overdue => 2, due_today => 1, due_this_week => 2, completed_last_30_days => 1, by_priority => { urgent => 1, low => 1, medium => 4 } } ],
            [ insights => { active => 2, by_type => { trend => 1, risk => 1 }, by_priority => { urgent => 1, high => 1 } } ],
            [ needs_attention => [
                { record_id => $c, title => 'c', days_since_interaction => undef, overdue_tasks => 2 }, { record_id => $d, title => 'd', days_since_interaction => 60, overdue_tasks => 0 },
                { record_id => $b, title => 'b', days_since_interaction => 20,    overdue_tasks => 0 } ] ];
    is join(', ', map { $_->{subject} } @{ $got->json('/recent_interactions') }), 'call of 1 day, call of 10 days, meeting of 20 days, email of 40 days, meeting of 60 days', 'the last ones, of records that are there, and not what is to come';
    is join(' ', map { $_->{title} } @{ $got->json('/upcoming_tasks') }), 'today next far', 'what is due next, not what is overdue or has no time';
    json_is $got, '/upcoming_tasks/0/assigned_to', $w->ref_of('bob', 'member');
    $log->($a, note => "$_ minutes") for 1 .. 11;
    is scalar @{ $bob->get("$at/$in/dashboard")->json('/recent_interactions') }, 10, 'ten at most';
    status_is $bob->delete("$sets/$in"), 204;
    error_is $bob->get("$at/$in/dashboard"), 404, 'NOT_FOUND', id => $in, name => 'in the trash it has none';
};

subtest 'what goes takes them along' => sub {
    my $id  = made('Gone');
    my $one = insight($id);
    status_is $bob->delete("/api/v1/records/$id"), 204;
    error_is $bob->get("$at/$id/insights"), 404, 'NOT_FOUND';
    error_is $bob->post("$at/insights/$one/$_", {}), 404, 'NOT_FOUND', id => $one for qw(action dismiss);
    status_is $bob->post('/api/v1/records/bulk-delete', { all => true, recordset_id => $set }), 200;
    $t->start_worker(children => 1);
    eventually { !$db->selectrow_array('SELECT count(*) FROM record_insights i WHERE recordset_id = ?', undef, $set) } 60, 'they go with their records';
};
