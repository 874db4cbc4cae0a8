use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Workspace;

# Tasks about records: whose they are to change, in which order they come, what follows from their status, who is told.
my $t    = Api->start(main => 2);
my $db   = $t->db;
my $at   = '/api/v1/record-tracking';
my $sets = '/api/v1/recordsets';
my $none = '00000000-0000-7000-8000-00000000dead';
my $MICRO = qr/\A20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z\z/;

my $w = workspace($t, ann => 'owner', bob => 'member', carl => 'member', dora => 'member', eric => 'member', gus => 'member', vera => 'viewer');
my $x = workspace($t, eve => 'owner');
my ($ann, $bob, $carl, $dora, $eric, $gus, $eve) = (@$w{qw(ann bob carl dora eric gus)}, $x->{eve});
my $set = $bob->post($sets, { name => 'Customers' })->json('/id');

sub id_of ($name) { return $w->member_id($name) }
sub made ($title, $who = $bob, %with) { return $who->post('/api/v1/records', { recordset_id => $set, title => $title, %with })->json('/id') }
sub share ($who, @flags) { return status_is $bob->post("$sets/$set/access", { member_id => id_of($who), map { $_ => true } @flags }), 201, "$who: @flags" }
sub task ($record, $who = $bob, %with) { return $who->post("$at/$record/tasks", { title => 'Call', %with }) }
sub change ($id, $who, %with) { return $who->put("$at/tasks/$id", \%with) }
sub complete ($id, $who, %with) { return $who->post("$at/tasks/$id/complete", \%with) }
sub titles ($res) { return join ' ', map { $_->{title} } @{ $res->json('/items') } }
sub told ($name, $event) { return scalar $db->selectrow_array('SELECT coalesce(sum(count), 0) FROM notifications WHERE member_id = ? AND event_type = ?', undef, id_of($name), $event) }
sub all_told ($name) { return join ' ', map { $_ =~ s/task_//r } @{ $db->selectcol_arrayref(q{SELECT event_type FROM notifications WHERE member_id = ? AND event_type LIKE 'task\_%' ORDER BY id}, undef, id_of($name)) } }
sub at ($interval) { return scalar $db->selectrow_array(q{SELECT to_char((now() + ?::interval) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')}, undef, $interval) }

my %bare = (id => $UUID, recordset_id => $set, title => 'Call', description => undef, task_type => 'follow_up', status => 'todo', priority => 'medium', due_date => undef, is_overdue => false, assigned_to_id => id_of('bob'),
    assigned_to => $w->ref_of('bob', 'member'), outcome => undef, outcome_notes => undef, completed_at => undef, completed_by_id => undef, created_by_id => id_of('bob'), created_at => $MICRO, updated_at => $MICRO);

subtest 'who may' => sub {
    my $id  = made('Mole');
    my $one = task($id)->json('/id');
    my @asks = ([ GET => "/$id/tasks" ], [ POST => "/$id/tasks", { title => 'x' } ], [ PUT => "/tasks/$one", { title => 'x' } ], [ POST => "/tasks/$one/complete", {} ], [ DELETE => "/tasks/$one" ]);
    for (@asks) {
        my ($method, $path, $body) = @$_;
        error_is $eve->request($method, "$at$path", json => $body), 404, 'NOT_FOUND', name => "$method $path: another workspace's";
        error_is $carl->request($method, "$at$path", json => $body), 403, 'AUTHORIZATION_ERROR', message => qr/can_view/, name => "$method $path: without can_view";
        error_is $bob->request($method, "$at" . ($path =~ s/\Q$id\E|\Q$one\E/$none/r), json => $body), 404, 'NOT_FOUND', id => $none, name => "$method $path: one that is not there";
    }
    share(carl => 'can_view');
    status_is $carl->get("$at/$id/tasks"), 200, 'to see is to read';
    error_is $carl->request($_->[0], "$at$_->[1]", json => $_->[2]), 403, 'AUTHORIZATION_ERROR', message => qr/can_edit/, name => "$_->[0] $_->[1]: but not to write" for @asks[ 1 .. 4 ];
    share(carl => qw(can_create can_edit_own));
    error_is task($id, $carl), 403, 'AUTHORIZATION_ERROR', name => 'can_edit_own: not about another\'s record';
    my $own = made('Own', $carl);
    my $his = task($own, $carl, assigned_to_id => id_of('bob'));
    status_is $his, 200, 'about an own one';
    my $mine = task($own)->json('/id');
    error_is change($mine, $carl, title => 'x'), 403, 'AUTHORIZATION_ERROR', name => 'another\'s task is not theirs to change, even about their own record';
    error_is $carl->delete("$at/tasks/$mine"), 403, 'AUTHORIZATION_ERROR', name => '  nor to delete';
    json_is complete($mine, $carl), '/completed_by_id', id_of('carl'), '  but to complete';
    json_is change($his->json('/id'), $carl, title => 'y'), '/title', 'y', 'who made it may change it';

    my $given = task($id, $bob, assigned_to_id => id_of('dora'))->json('/id');
    error_is $dora->get("$at/$id/tasks"), 403, 'AUTHORIZATION_ERROR', name => 'to have a task is not to see the record';
    json_is change($given, $dora, status => 'in_progress'), '/status', 'in_progress', '  but whose it is may change it';
    error_is $dora->delete("$at/tasks/$given"), 403, 'AUTHORIZATION_ERROR', name => '  not delete it';
    json_is complete($given, $dora), '/status', 'completed', '  and complete it';
    share(eric => 'can_edit');
    json_is change($given, $eric, title => 'z'), '/title', 'z', 'who has can_edit may change each';
    status_is $eric->delete("$at/tasks/$given"), 200, '  and delete it';
    status_is $bob->delete("$sets/$set/access/members/" . id_of('carl')), 204;
    error_is change($his->json('/id'), $carl, title => 'x'), 403, 'AUTHORIZATION_ERROR', message => qr/can_view/, name => 'who made it, and may see the record no more, may not';
};

subtest 'what one is' => sub {
    my $id = made('Pier');
    error_is task($id, $bob, %{ $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not that $_->[0]"
        for [ title => { title => undef } ], [ title => { title => '' } ], [ title => { title => 'x' x 501 } ], [ description => { description => 'x' x 10001 } ], [ task_type => { task_type => 'fax' } ], [ priority => { priority => 'P0' } ],
            [ due_date => { due_date => 'tomorrow' } ], [ assigned_to_id => { assigned_to_id => 'x' } ];
    error_is $bob->post("$at/$id/tasks", {}), 422, 'VALIDATION_ERROR', field => 'title';
    error_is task($id, $bob, assigned_to_id => $_), 404, 'NOT_FOUND', id => $_, name => 'a member of another workspace, or nobody' for $none, $x->member_id('eve');
    my $res = task($id);
    status_is $res, 200;
    json_is $res, '', { %bare, record_id => $id }, 'a title is enough: it is the caller\'s';
    my %whole = (title => 'x' x 500, description => 'x' x 10000, task_type => 'review', priority => 'urgent', due_date => '2031-02-03T04:05:06.000000Z', assigned_to_id => id_of('ann'));
    $res = task($id, $bob, %whole, due_date => '2031-02-03T05:05:06+01:00');
    json_is $res, '', { %bare, %whole, record_id => $id, assigned_to => $w->ref_of('ann', 'owner') }, 'all there is to say';
    my $one = $res->json('/id');
    json_is change($one, $bob, priority => 'low'), '', { %bare, %whole, priority => 'low', record_id => $id, assigned_to => $w->ref_of('ann', 'owner') }, 'what is not sent stays';
    json_is change($one, $bob, description => undef, due_date => undef, assigned_to_id => undef), '', { %bare, %whole, priority => 'low', description => undef, due_date => undef, record_id => $id, assigned_to_id => undef, assigned_to => undef }, 'null takes away what may be away';
    error_is change($one, $bob, @$_), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not that $_->[0]" for [ title => '' ], [ title => undef ], [ status => 'done' ], [ status => undef ], [ priority => undef ], [ task_type => 'fax' ];
    error_is change($one, $bob, assigned_to_id => $_), 404, 'NOT_FOUND', id => $_ for $none, $x->member_id('eve');
    $db->do('UPDATE memberships SET is_active = false WHERE id = ?', undef, id_of('gus'));
    error_is task($id, $bob, assigned_to_id => id_of('gus')), 404, 'NOT_FOUND', id => id_of('gus'), name => 'nor one who is switched off';
    error_is $bob->put("$at/tasks/$one", { title => 'x' }, headers => { 'If-Match' => '"1"' }), 412, 'PRECONDITION_FAILED';
    $res = $bob->delete("$at/tasks/$one");
    status_is $res, 200, 'not 204';
    json_is $res, '', { message => 'Task deleted', id => $one };
    error_is $bob->delete("$at/tasks/$one"), 404, 'NOT_FOUND', resource => 'Task', id => $one;
};

subtest 'a status, and what follows from it' => sub {
    my $id  = made('Light');
    my $one = task($id)->json('/id');
    json_is change($one, $bob, status => $_), '/completed_at', undef, $_ for qw(in_progress blocked cancelled todo);
    error_is complete($one, $bob, @$_), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not that $_->[0]" for [ outcome => 'x' x 256 ], [ outcome_notes => 'x' x 5001 ];
    my $res = complete($one, $eric, outcome => 'x' x 255, outcome_notes => 'x' x 5000);
    status_is $res, 200;
    json_is $res, '', { %bare, record_id => $id, status => 'completed', outcome => 'x' x 255, outcome_notes => 'x' x 5000, completed_at => $MICRO, completed_by_id => id_of('eric') };
    error_is complete($one, $bob), 409, 'CONFLICT';
    json_is change($one, $bob, title => 'y'), '/completed_by_id', id_of('eric'), 'another change leaves that';
    json_is change($one, $bob, status => 'completed'), '/completed_by_id', id_of('eric'), '  and so does the same status';
    $res = change($one, $bob, status => 'todo');
    is_deeply [ map { $res->json("/$_") } qw(status completed_at completed_by_id) ], [ 'todo', undef, undef ], 'to go on takes it back';
    $res = change($one, $bob, status => 'completed');
    is_deeply [ map { $res->json("/$_") } qw(status completed_by_id) ], [ 'completed', id_of('bob') ], 'a change of status completes, too';
    like $res->json('/completed_at'), $MICRO;
    my @late = map { task($id, $bob, due_date => at($_))->json } '-1 minute', '1 hour';
    is_deeply [ map { $_->{is_overdue} } @late ], [ true, false ], 'what is past is overdue';
    json_is complete($late[0]{id}, $bob), '/is_overdue', false, '  while it is open';
};

subtest 'two at once' => sub {
    my $one  = task(made('Race'))->json('/id');
    my $lock = $t->lock('SELECT FROM tasks WHERE id = ? FOR UPDATE', $one);
    my @load = map { my $who = $_; $t->load(clients => 1, requests => 1, make => sub { $t->client(token => $who->token, headers => { 'X-Workspace-Id' => $w->id }) }, each => sub ($c, $n) { $c->post("$at/tasks/$one/complete", {}) }) } $bob, $ann;
    eventually { $t->waiting == 2 } 60, 'both wait';
    $lock->commit;
    is join(' ', sort map { $_->[0] } map { $_->finish } @load), '200 409', 'one completes it, and the other is told so';
};

subtest 'the list' => sub {
    my $id = made('List');
    my @made = map { my ($title, %with) = @$_; task($id, $bob, title => $title, %with)->json('/id') }
        [ 'none-high' => (priority => 'high') ], [ 'late' => (due_date => at('3 days')) ], [ 'soon-low' => (due_date => '2031-01-01T00:00:00Z', priority => 'low') ], [ 'soon-urgent' => (due_date => '2031-01-01T00:00:00Z', priority => 'urgent') ],
        [ 'none' => () ], [ 'done' => () ], [ 'off' => () ];
    complete($made[5], $bob);
    change($made[6], $bob, status => 'cancelled');
    my $path = "$at/$id/tasks";
    my $list = sub (%query) { return titles($bob->get($path, query => \%query)) };
    is $list->(), 'late soon-urgent soon-low none-high none', 'by when it is due, without a time last, then the most urgent; what is over is left out';
    is $list->(include_completed => 'true'), 'late soon-urgent soon-low none-high none done off', '  unless asked for';
    is $list->(status => 'completed'), 'done', '  or by its status';
    is $list->(status => 'cancelled', include_completed => 'false'), 'off';
    is $list->(status => 'todo', priority => 'low'), 'soon-low', 'both hold';
    is $list->(priority => 'urgent'), 'soon-urgent';
    my $res = $bob->get($path, query => { page => 2, page_size => 2 });
    is titles($res), 'soon-low none-high', 'in pages';
    json_is $res, "/$_->[0]", $_->[1] for [ total => 5 ], [ page => 2 ], [ page_size => 2 ], [ total_pages => 3 ];
    error_is $bob->get($path, query => { $_->[0] => $_->[1] }), 422, 'VALIDATION_ERROR', field => $_->[0], name => "not $_->[0] $_->[1]" for [ page => 0 ], [ page_size => 201 ], [ status => 'done' ], [ priority => 'P0' ], [ include_completed => 'perhaps' ];
};

subtest 'who is told' => sub {
    $db->do('DELETE FROM notifications');
    my $id  = made('Buoy');
    my $one = task($id, $bob, assigned_to_id => id_of('carl'))->json('/id');
    is all_told('carl'), 'assigned', 'who gets it';
    my ($data, $link) = $db->selectrow_array('SELECT data, link FROM notifications WHERE member_id = ?', undef, id_of('carl'));
    like $data, qr/"title": "Call"/, 'with its title';
    is $link, "/records/$id";
    is all_told('bob'), '', 'nobody is told of their own';
    task($id);
    is all_told('bob'), '', '  nor who keeps it';
    change($one, $bob, title => 'x', priority => 'high');
    is all_told('carl'), 'assigned', 'that another member changed something is no news';
    change($one, $bob, status => 'blocked');
    is all_told('carl'), 'assigned status_changed', '  its status is';
    change($one, $bob, assigned_to_id => id_of('dora'), status => 'todo');
    is all_told('dora'), 'assigned', 'who has it next';
    complete($one, $dora);
    is all_told('bob'), 'completed', 'who made it';
    change($one, $eric, status => 'todo');
    is all_told('bob'), 'completed reopened';
    is all_told('dora'), 'assigned status_changed';
    my $heard = sub { scalar $db->selectrow_array(q{SELECT count(*) FROM realtime_messages WHERE channel = 'records:' || ?}, undef, $set) };
    my $was = $heard->();
    status_is $bob->delete("$at/tasks/$one"), 200;
    is $heard->(), $was + 1, 'open pages hear of it';
};

subtest 'what is due is told once' => sub {
    $db->do('DELETE FROM notifications');
    $db->do('UPDATE tasks SET due_told = 2');
    my $run = sub { return scalar $db->selectrow_array('SELECT tasks_due(100)') };
    my $id  = made('Due');
    my $one = task($id, $bob, assigned_to_id => id_of('eric'), due_date => at('25 hours'))->json('/id');
    $db->do('DELETE FROM notifications');
    is $run->(), 0, 'a day before there is nothing to tell';
    change($one, $bob, due_date => at('23 hours'));
    my $changed = $bob->get("$at/$id/tasks")->json('/items/0/updated_at');
    is $run->(), 1;
    is all_told('eric'), 'due_soon', 'from 24 hours on';
    is $bob->get("$at/$id/tasks")->json('/items/0/updated_at'), $changed, 'which is no change of the task';
    is $run->(), 0, 'once';
    $db->do(q{UPDATE tasks SET due_at = now() - interval '1 second', due_told = 1 WHERE id = ?}, undef, $one);
    $db->do(q{UPDATE tasks SET due_told = 1 WHERE id = ?}, undef, $one);
    is $run->(), 1;
    is all_told('eric'), 'due_soon overdue', 'and when it has passed';
    is $run->(), 0;
    change($one, $bob, due_date => at('2 hours'));
    is $run->(), 1, 'of another time it is due anew';
    is told('eric', 'task_due_soon'), 2;
    change($one, $bob, due_date => at('-2 hours'), status => 'cancelled');
    is $run->(), 0, 'what is over is not due';
    my $gone = made('Gone');
    task($gone, $bob, assigned_to_id => id_of('eric'), due_date => at('-1 hour'));
    status_is $bob->delete("/api/v1/records/$gone"), 204;
    my $before = told('eric', 'task_overdue');
    $run->();
    is told('eric', 'task_overdue'), $before, 'nor what is about a record that is deleted';
    task($id, $bob, assigned_to_id => id_of('eric'), due_date => at('-1 hour'));
    $t->start_worker(children => 1);
    eventually { $db->do(q{UPDATE jobs SET run_at = now() WHERE state = 'scheduled' AND kind = 'tasks.due'}); told('eric', 'task_overdue') == $before + 1 } 60, 'the worker asks';
};

subtest 'whose they are when a member goes' => sub {
    my $of  = '/api/v1/members/' . id_of('eric');
    my $id  = made('Kept');
    $db->do(q{DELETE FROM tasks WHERE assignee_id = ?}, undef, id_of('eric'));
    my @ids = map { task($id, $bob, title => "t$_", assigned_to_id => id_of('eric'), due_date => "2031-01-0${_}T00:00:00Z")->json('/id') } 1 .. 3;
    complete($ids[0], $bob);
    my $gone = made('Gone too');
    task($gone, $bob, assigned_to_id => id_of('eric'));
    status_is $bob->delete("/api/v1/records/$gone"), 204;
    my $owned = $ann->get("$of/owned-items");
    json_is $owned, '/totals/record_tasks', 2, 'what is open, of records that are there';
    json_is $owned, '/items/record_tasks/0', { id => $ids[1], type => 'record_task', title => 't2', relation => 'assignee', status => 'todo', url => "/records/$id" }, 'what is due first';
    json_is $ann->post("$of/reassign", { to_member_id => id_of('carl'), item_types => ['record_tasks'] }), '/reassigned/record_tasks', 2;
    is_deeply [ map { $db->selectrow_array('SELECT assignee_id FROM tasks WHERE id = ?', undef, $_) } @ids ], [ id_of('eric'), id_of('carl'), id_of('carl') ], 'what is over stays whose it was';
    status_is $ann->delete($of), 204;
    json_is $bob->get("$at/$id/tasks", query => { status => 'completed' }), '/items/0/assigned_to_id', undef, '  until they are nobody';
};

subtest 'what goes takes them along' => sub {
    my $id  = made('Last');
    my $one = task($id)->json('/id');
    status_is $bob->delete("$sets/$set"), 204;
    error_is change($one, $bob, title => 'x'), 404, 'NOT_FOUND', id => $one, name => 'of a recordset in the trash there are none, not even for whose they are';
    error_is $bob->get("$at/$id/tasks"), 404, 'NOT_FOUND';
    status_is $ann->post("$sets/trash/$set/restore"), 200;
    status_is change($one, $bob, title => 'x'), 200;
    status_is $bob->post('/api/v1/records/bulk-delete', { all => true, recordset_id => $set }), 200;
    error_is complete($one, $bob), 404, 'NOT_FOUND', id => $one;
    eventually { !$db->selectrow_array('SELECT count(*) FROM tasks') } 60, 'they go with their records';
};
