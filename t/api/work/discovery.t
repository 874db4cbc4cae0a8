use v5.36;
use lib 't/lib';
use Api;

# Discovery engines: their schedules, and runs that are jobs, which a worker takes from the task queue.
my $t      = Api->start(main => 4);
my $db     = $t->db;
my $base   = '/api/discovery-engines';
my $ed     = $t->user('ed', role => 'editor');
my $agent  = $t->user('agent', role => 'agent');
my $viewer = $t->user('viewer', role => 'viewer');
my $member = $t->user('member');
my $demo   = $t->user('demo', role => 'demo');
my $theirs = $t->user('theirs', role => 'superadmin', tenant => 'other');
my $narrow = $t->client(key => $t->key(type => 'organization', of => $t->organization($ed), by => $ed, columns => { scopes => [ 'agents:read', 'agents:write' ] }));
my $DAY    = 86_400_000;

sub make (%engine) { return $ed->post($base, { name => 'Chart scout', layer => 'content', %engine }) }
sub slugs ($res) { return join ' ', map { $_->{slug} } @{ $res->json('/data') } }
sub one ($slug) { return $ed->get("$base/$slug") }
sub run ($slug, $who = $ed) { return $who->post("$base/$slug/run") }
sub claim () { return $agent->post('/api/task-queue/claim', { worker_id => 'w', queue_name => 'discovery' })->json('/data') }
sub report ($job, $how, %with) { return status_is $agent->post("/api/task-queue/$job->{id}/$how", { worker_id => 'w', attempt => $job->{attempt} // $job->{attempts} // 1, %with }), 200, $how }
sub schedules ($slug) { return $db->selectall_arrayref(q{SELECT id, every_ms FROM job_schedules WHERE queue = 'discovery' AND kind = ?}, { Slice => {} }, $slug) }
sub waiting ($slug) { return $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE queue = 'discovery' AND kind = ? AND state IN ('scheduled', 'queued')}, undef, $slug) }

subtest 'who may' => sub {
    error_is $t->get($_), 401, 'AUTHENTICATION_ERROR' for $base, "$base/efficiency", "$base/x";
    error_is $t->post($_, {}), 401, 'AUTHENTICATION_ERROR' for $base, "$base/x/run";
    error_is $t->client->patch("$base/x", {}), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client->delete("$base/x"), 401, 'AUTHENTICATION_ERROR';
    for my $who ($member, $demo, $theirs) {
        error_is $who->get($_), 403, 'AUTHORIZATION_ERROR', name => $who->email . ' does not read' for $base, "$base/efficiency", "$base/x";
        error_is run('x', $who), 403, 'AUTHORIZATION_ERROR';
    }
    for my $who ($member, $demo, $theirs, $viewer, $agent) {
        error_is $who->post($base, { name => 'x', layer => 'x' }), 403, 'AUTHORIZATION_ERROR', name => $who->email . ' makes none';
        error_is $who->patch("$base/x", { name => 'x' }), 403, 'AUTHORIZATION_ERROR';
        error_is $who->delete("$base/x"), 403, 'AUTHORIZATION_ERROR';
    }
    error_is run('x', $viewer), 403, 'AUTHORIZATION_ERROR', name => 'a viewer runs none';
    error_is run('x', $agent), 404, 'NOT_FOUND', name => 'a machine user would';
    error_is $narrow->get($base), 403, 'INSUFFICIENT_SCOPE', name => 'internal rows need a key for everything';
    status_is $_->get($base), 200, 'and these read' for $viewer, $agent, $t->client(key => $t->key);
    is $db->selectrow_array('SELECT count(*) FROM discovery_engines'), 0;
};

subtest 'what is refused' => sub {
    error_is make(name => $_), 400, 'VALIDATION_ERROR', field => 'name' for '', 'x' x 101, 7, undef;
    error_is make(layer => $_), 400, 'VALIDATION_ERROR', field => 'layer' for '', 'x' x 101, undef;
    error_is $ed->post($base, { name => 'x' }), 400, 'VALIDATION_ERROR', field => 'layer';
    error_is make(description => 'x' x 2001), 400, 'VALIDATION_ERROR', field => 'description';
    error_is make(model => 'x' x 101), 400, 'VALIDATION_ERROR', field => 'model';
    error_is make(schedule_interval_ms => $_), 400, 'VALIDATION_ERROR', field => 'schedule_interval_ms' for 59_999, 2_592_000_001, 'x', 60_000.5, undef;
    error_is make(enabled => $_), 400, 'VALIDATION_ERROR', field => 'enabled' for 'yes', undef;
    error_is $ed->post($base, undef, body => '{'), 400, 'VALIDATION_ERROR';
    error_is make(description => 'x' x 2_097_152), 413, 'PAYLOAD_TOO_LARGE';
    error_is one($_), 404, 'NOT_FOUND', name => "no engine $_" for 'none', 'Upper', '1', 'x' x 500;
    error_is $ed->patch("$base/none", { name => 'x' }), 404, 'NOT_FOUND';
    error_is $ed->delete("$base/none"), 404, 'NOT_FOUND';
    error_is run('none'), 404, 'NOT_FOUND';
    is $db->selectrow_array('SELECT count(*) FROM discovery_engines'), 0, 'nothing was written';
    is $db->selectrow_array(q{SELECT count(*) FROM job_schedules WHERE queue = 'discovery'}), 0;
};

my %NONE = (total_runs => 0, completed_runs => 0, failed_runs => 0, findings => 0, avg_duration_ms => undef, total_cost_usd => 0, last_run_at => undef, last_status => undef);

subtest 'made, with its schedule' => sub {
    my $res = make(unknown => 1);
    status_is $res, 201;
    my %shown = (id => qr/\A\d+\z/, name => 'Chart scout', slug => 'chart-scout', description => undef, layer => 'content', schedule_interval_ms => $DAY, model => undef, enabled => true,
        schedule_id => $UUID, next_run_at => $TIME, stats => \%NONE, linked_tasks => 0, created_at => $TIME, updated_at => $TIME);
    json_is $res, '', { data => \%shown };
    json_is one('chart-scout'), '', { data => { %shown, recent_runs => [] } }, 'shown with its runs';
    my $made = schedules('chart-scout');
    is scalar(@$made), 1, 'one schedule';
    is "$made->[0]{id} $made->[0]{every_ms}", $res->json('/data/schedule_id') . " $DAY", '  of this interval';
    is waiting('chart-scout'), 1, '  with a job to come';
    is slugs($ed->get($base)), 'chart-scout', 'it is listed';
    json_is make(), '/data/slug', 'chart-scout-2', 'of the same name the second one';
    json_is make(), '/data/slug', 'chart-scout-3', '  and the third';
    json_is make(name => ' *** '), '/data/slug', 'engine', 'a name without a letter';
    $res = make(name => 'x' x 100, layer => 'y' x 100, description => 'd' x 2000, model => 'm' x 100, schedule_interval_ms => 2_592_000_000, enabled => false);
    json_is $res, '/data/schedule_id', undef, 'one that is off has no schedule';
    json_is $res, '/data/next_run_at', undef;
    is scalar @{ schedules($res->json('/data/slug')) }, 0;
    json_is $ed->get($base), '/meta', { total => 5, limit => 1000, offset => 0 }, 'all are listed';
    is slugs($viewer->get($base)), slugs($ed->get($base)), 'for a viewer, too';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'discovery_engine.create'}), 5, 'and in the audit log';
    status_is $ed->delete("$base/$_"), 200 for 'chart-scout-2', 'chart-scout-3', 'engine', 'x' x 60;
};

subtest 'changed, and its schedule follows' => sub {
    my $at = "$base/chart-scout";
    error_is $ed->patch($at, $_), 400, 'VALIDATION_ERROR', name => 'nothing known' for {}, { slug => 'x' }, { unknown => 1 };
    error_is $ed->patch($at, { $_ => undef }), 400, 'VALIDATION_ERROR', field => $_ for qw(name layer schedule_interval_ms enabled);
    error_is $ed->patch($at, { schedule_interval_ms => 59_999 }), 400, 'VALIDATION_ERROR', field => 'schedule_interval_ms';
    my ($id) = map { $_->{id} } @{ schedules('chart-scout') };
    my $res = $ed->patch($at, { name => 'Scout', slug => 'other', description => 'd', model => 'm' });
    json_is $res, '/data/slug', 'chart-scout', 'a slug is for good';
    json_is $res, '/data/schedule_id', $id, 'the schedule is the same';
    json_is $ed->patch($at, { description => undef, model => undef }), "/data/$_", undef, "$_ is cleared" for qw(description model);
    my $next = $ed->last->json('/data/next_run_at');
    $res = $ed->patch($at, { schedule_interval_ms => 60_000 });
    isnt $res->json('/data/next_run_at'), $next, 'another interval moves the next run';
    is join(' ', map { $_->{every_ms} } @{ schedules('chart-scout') }), '60000', '  of one schedule';
    is waiting('chart-scout'), 1, '  and one job';
    $res = $ed->patch($at, { enabled => false });
    json_is $res, '/data/schedule_id', undef, 'off';
    is scalar @{ schedules('chart-scout') }, 0, '  there is none';
    is waiting('chart-scout'), 0, '  nor a job';
    json_is $ed->patch($at, { schedule_interval_ms => 120_000 }), '/data/schedule_id', undef, 'an interval of one that is off';
    $res = $ed->patch($at, { enabled => true });
    json_is $res, '/data/schedule_id', $UUID, 'on again';
    is join(' ', map { $_->{every_ms} } @{ schedules('chart-scout') }), '120000';
};

subtest 'a run by hand' => sub {
    my $res = run('chart-scout');
    status_is $res, 200;
    json_is $res, '', { data => { run_id => qr/\A\d+\z/, engine_slug => 'chart-scout', status => 'queued', job_id => $UUID, already_queued => false, queued_at => $TIME } };
    my ($run, $id) = map { $res->json("/data/$_") } qw(run_id job_id);
    json_is run('chart-scout', $agent), '/data', { run_id => $run, engine_slug => 'chart-scout', status => 'queued', job_id => $id, already_queued => true, queued_at => $TIME }, 'once more is that one';
    is $db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'discovery_engine.run'}), 1, 'put down once';
    my $job = claim();
    is $job->{id}, $id, 'a worker takes it';
    is $job->{payload}{trigger}, 'manual';
    json_is run('chart-scout'), '/data/status', 'running', 'it runs';
    json_is $ed->last, '/data/already_queued', true;
    json_is one('chart-scout'), '/data/stats/last_status', 'running';
    $db->do(q{INSERT INTO tasks (tenant_id, organization_id, kind, number, subject_id, recordset_id, content_id, title, status, completed_at)
        SELECT ?, ?, 'record', n, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 't', CASE n WHEN 900001 THEN 'completed' ELSE 'todo' END, CASE n WHEN 900001 THEN now() END
        FROM generate_series(900001, 900002) n}, undef, $ed->tenant_id, $t->organization($ed));
    report $job, 'complete', result => { findings => 3, task_ids => [ 900_001, 900_002, 900_002, 999_999, 'x', -1 ], cost_usd => 0.25 };
    $res = one('chart-scout');
    json_is $res, '/data/stats', { total_runs => 1, completed_runs => 1, failed_runs => 0, findings => 3, avg_duration_ms => qr/\A\d+\z/, total_cost_usd => 0.25, last_run_at => $TIME, last_status => 'completed' };
    json_is $res, '/data/linked_tasks', 2, 'tasks that are there, each once';
    json_is $res, '/data/recent_runs', [ { id => $run, engine_slug => 'chart-scout', status => 'completed', trigger => 'manual', findings => 3, tasks_created => 2, cost_usd => 0.25,
        duration_ms => qr/\A\d+\z/, error => undef, started_at => $TIME, finished_at => $TIME, created_at => $TIME } ];
    is scalar @{ schedules('chart-scout') }, 1, 'and its schedule is where it was';
};

subtest 'one that fails, and one whose worker reports anything' => sub {
    my $run = run('chart-scout')->json('/data/run_id');
    my $job = claim();
    report $job, 'fail', error => 'no network', retry => true, retry_after_seconds => 0;
    json_is one('chart-scout'), '/data/recent_runs/0/status', 'queued', 'it is tried again';
    $db->do(q{UPDATE jobs SET state = 'queued', run_at = now() WHERE id = ? AND state = 'scheduled'}, undef, $job->{id});
    report claim(), 'fail', error => 'no network', retry => false;
    my $res = one('chart-scout');
    json_is $res, '/data/recent_runs/0/status', 'failed';
    json_is $res, '/data/recent_runs/0/id', $run, '  the same run';
    json_is $res, '/data/recent_runs/0/error', 'no network';
    json_is $res, '/data/stats/failed_runs', 1;
    for my $result (undef, 7, [], 'x', { findings => 'many', task_ids => 'x', cost_usd => -1 }, { findings => 1e300, task_ids => [ {}, [], '9' x 30 ], cost_usd => 1e300 }) {
        run('chart-scout');
        my $next = claim();
        ok $next, 'taken';
        report $next, 'complete', defined $result ? (result => ref $result eq 'HASH' ? $result : { x => $result }) : ();
        json_is one('chart-scout'), '/data/recent_runs/0/status', 'completed', 'whatever is reported';
    }
    json_is one('chart-scout'), '/data/stats/total_runs', 8;
};

subtest 'a run of the schedule' => sub {
    my $id = $db->selectrow_array(q{SELECT next_job_id FROM job_schedules WHERE queue = 'discovery' AND kind = 'chart-scout'});
    $db->do(q{UPDATE jobs SET state = 'queued', run_at = now() - interval '1 second' WHERE id = ?}, undef, $id);
    my $res = run('chart-scout');
    json_is $res, '/data/job_id', $id, 'one that is due is that run';
    json_is $res, '/data/already_queued', true;
    my $job = claim();
    is $job->{id}, $id, 'a worker takes it';
    report $job, 'complete', result => { findings => 1 };
    json_is one('chart-scout'), '/data/recent_runs/0/trigger', 'schedule';
    is waiting('chart-scout'), 1, 'and the next one waits';
    $id = $db->selectrow_array(q{SELECT next_job_id FROM job_schedules WHERE queue = 'discovery' AND kind = 'chart-scout'});
    $db->do(q{UPDATE jobs SET state = 'queued', run_at = now() - interval '1 second' WHERE id = ?}, undef, $id);
    report claim(), 'complete';
    json_is one('chart-scout'), '/data/recent_runs/0/trigger', 'schedule', 'also of one that nobody has asked for';
};

subtest 'efficiency' => sub {
    make(name => 'Idle', enabled => false);
    my $res = $viewer->get("$base/efficiency");
    json_is $res, '/meta', { total => 2, limit => 1000, offset => 0 };
    json_is $res, '/data', [
        { slug => 'chart-scout', name => 'Scout', runs => 10, compute_minutes => qr/\A[\d.]+\z/, cost_usd => sub ($n) { $n > 0 }, tasks_created => 2, tasks_done => 1, wasted_runs => 8,
            waste_percent => 80, cost_per_task_usd => sub ($n) { $n > 0 } },
        { slug => 'idle', name => 'Idle', runs => 0, compute_minutes => 0, cost_usd => 0, tasks_created => 0, tasks_done => 0, wasted_runs => 0, waste_percent => 0, cost_per_task_usd => undef },
    ], 'who wastes most first';
    $db->do(q{UPDATE discovery_run_days SET day = day - 30});
    $db->do(q{UPDATE discovery_tasks SET created_at = now() - interval '31 days'});
    json_is $viewer->get("$base/efficiency"), '/data/0/runs', 0, 'older than 30 days is nothing';
    json_is $viewer->last, "/data/0/$_", 0 for qw(tasks_done waste_percent);
};

subtest 'at most twenty runs are shown' => sub {
    $db->do(q{INSERT INTO discovery_runs (tenant_id, engine_number, job_id, status, trigger, finished_at)
        SELECT tenant_id, number, gen_random_uuid(), 'completed', 'manual', now() FROM discovery_engines, generate_series(1, 25) WHERE slug = 'idle'});
    my $runs = one('idle')->json('/data/recent_runs');
    is scalar @$runs, 20;
    is_deeply [ map { $_->{id} } @$runs ], [ sort { $b <=> $a } map { $_->{id} } @$runs ], 'the newest first';
};

subtest 'deleted' => sub {
    my $id = run('idle')->json('/data/job_id');
    my $n  = one('idle')->json('/data/id');
    json_is $ed->delete("$base/idle"), '', { data => { id => $n, deleted => true }, meta => { message => 'Engine deleted' } };
    is $db->selectrow_array('SELECT state FROM jobs WHERE id = ?', undef, $id), 'cancelled', 'its job does not run';
    error_is one('idle'), 404, 'NOT_FOUND';
    error_is $ed->delete("$base/idle"), 404, 'NOT_FOUND', name => 'once more';
    run('chart-scout');
    my $job = claim();
    status_is $ed->delete("$base/chart-scout"), 200, 'one that runs';
    is scalar @{ schedules('chart-scout') }, 0, 'its schedule is gone';
    is waiting('chart-scout'), 0, 'and jobs that waited';
    report $job, 'complete', result => { findings => 1 };
    is $db->selectrow_array('SELECT count(*) FROM discovery_runs') + $db->selectrow_array('SELECT count(*) FROM discovery_tasks'), 0, 'its history is gone';
    is $db->selectrow_array('SELECT count(*) FROM tasks WHERE number IN (900001, 900002)'), 2, 'and the tasks stay';
    json_is make(), '/data/slug', 'chart-scout', 'its slug is free again';
};

subtest 'two at once get two slugs, and of two runs at once there is one' => sub {
    my $load = $t->load(clients => 4, requests => 8, each => sub ($client, $n) { return $client->with(token => $ed->token)->post($base, { name => 'Twin', layer => 'x', enabled => true }) });
    is_deeply [ grep { $_->[0] != 201 } $load->finish ], [], 'all are made';
    is $db->selectrow_array(q{SELECT count(DISTINCT slug) FROM discovery_engines WHERE name = 'Twin'}), $db->selectrow_array(q{SELECT count(*) FROM discovery_engines WHERE name = 'Twin'});
    $load = $t->load(clients => 4, requests => 8, each => sub ($client, $n) { return $client->with(token => $ed->token)->post("$base/twin/run") });
    is_deeply [ grep { $_->[0] != 200 } $load->finish ], [], 'all are answered';
    is $db->selectrow_array(q{SELECT count(*) FROM discovery_runs r JOIN discovery_engines e ON e.number = r.engine_number WHERE e.slug = 'twin'}), 1, 'one run';
};
