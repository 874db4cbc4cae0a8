use v5.36;
use lib 't/lib';
use Api;
use POSIX ();

# The queue in BullMQ's words: jobs, schedules, queues and counts.
my $t      = Api->start(main => 6);
my $db     = $t->db;
my $base   = '/api/bull-queue';
my $ed     = $t->user('ed', role => 'editor');
my $viewer = $t->user('viewer', role => 'viewer');
my $user   = $t->user('user');
my $theirs = $t->user('theirs', role => 'admin', tenant => 'other');
my %JOB    = (queue => 'q', name => 'n', data => {});

sub submit (%job)   { return $ed->post("$base/submit", { %JOB, %job })->json('/data') }
sub schedule (%job) { return $ed->post("$base/submit-scheduled", { %JOB, %job })->json('/data') }
sub claim ($queue)  { return $ed->post('/api/task-queue/claim', { worker_id => 'w', queue_name => $queue })->json('/data') }
sub fail_it ($id)   { return $ed->post("/api/task-queue/$id/fail", { worker_id => 'w', error => 'x' }) }

# What is now due in a queue, since the test does not wait.
sub make_due ($queue) { return $db->do(q{UPDATE jobs SET run_at = now() - interval '1 second' WHERE queue = ? AND state = 'scheduled'}, undef, $queue) }

sub stats (%query) { return $viewer->get("$base/stats", query => \%query)->json('/data') }
sub names ($res) { return join ' ', map { $_->{data}{n} // '-' } @{ $res->json('/data') } }

subtest 'who may' => sub {
    error_is $t->post("$base/submit", \%JOB), 401, 'AUTHENTICATION_ERROR', name => 'nobody';
    for my $who ($viewer, $user) {
        error_is $who->post("$base/submit", \%JOB), 403, 'AUTHORIZATION_ERROR', name => $who->email . ' submits nothing';
        error_is $who->post("$base/submit-scheduled", { %JOB, every => 1000 }), 403, 'AUTHORIZATION_ERROR', name => '  nor a schedule';
        error_is $who->post("$base/q/pause"), 403, 'AUTHORIZATION_ERROR', name => '  nor pauses';
    }
    status_is $viewer->get("$base/$_"), 200, "a viewer reads $_" for 'stats', 'q/jobs', 'schedules';
    error_is $user->get("$base/$_"), 403, 'AUTHORIZATION_ERROR', name => "a member does not read $_" for 'stats', 'q/jobs', 'schedules';
    for my $queue ('ashlar', 'ashlar.mail') {
        error_is $ed->post("$base/submit", { %JOB, queue => $queue }), 403, 'AUTHORIZATION_ERROR', field => 'queue', name => "$queue is the server's own: no job";
        error_is $ed->post("$base/submit-scheduled", { %JOB, queue => $queue, every => 1000 }), 403, 'AUTHORIZATION_ERROR', field => 'queue', name => '  no schedule';
        error_is $ed->post("$base/$queue/pause"), 403, 'AUTHORIZATION_ERROR', field => 'queue', name => '  and no pause';
    }
    $db->do(q{INSERT INTO jobs (tenant_id, kind, payload) VALUES (?, 'mail', '{"token":"secret"}')}, undef, $ed->tenant_id);
    json_is $ed->get("$base/ashlar/jobs"), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } }, 'its jobs are not listed';
    is_deeply stats()->{queues}, [], '  nor counted';
};

subtest 'a job that is submitted' => sub {
    my $res = $ed->post("$base/submit", { queue => 'new', name => 'resize', data => { image => 7 }, attempts => 3, backoff => { type => 'exponential', delay => 1000 } });
    status_is $res, 201;
    json_is $res, '/data', {
        id => $UUID, queue => 'new', name => 'resize', data => { image => 7 }, status => 'waiting', priority => 0, delay => 0, attempts => 3, attempts_made => 0,
        backoff => { type => 'exponential', delay => 1000 }, schedule_id => undef, result => undef, failed_reason => undef, run_at => $TIME, created_at => $TIME,
        started_at => undef, finished_at => undef, deduplicated => false,
    }, 'is all there';
    json_is $ed->post("$base/submit", \%JOB), '/data', sub ($d) { return $d->{attempts} == 1 && !defined $d->{backoff} }, 'what is left out';
    error_is $ed->post("$base/submit", { %JOB, queue => 'a b' }), 400, 'VALIDATION_ERROR', field => 'queue', name => 'a queue called a b';
    for my $bad ({ type => 'fixed' }, { delay => 1 }, { type => 'linear', delay => 1 }, { type => 'fixed', delay => -1 }, { type => 'fixed', delay => 86_400_001 }, 'fixed') {
        error_is $ed->post("$base/submit", { %JOB, backoff => $bad }), 400, 'VALIDATION_ERROR', name => 'such a back-off is refused';
    }
    for my $name (qw(queue name data)) {
        my %job = %JOB;
        delete $job{$name};
        error_is $ed->post("$base/submit", \%job), 400, 'VALIDATION_ERROR', field => $name, name => "not without $name";
    }
    is submit(priority => 3)->{status}, 'prioritized', 'with a priority it reads prioritized';
    my $delayed = submit(delay => 60_000);
    is "@$delayed{qw(status delay)}", 'delayed 60000', 'with a delay delayed';
    cmp_ok $delayed->{run_at}, 'gt', $delayed->{created_at}, '  and runs later';
    $db->do(q{DELETE FROM jobs WHERE queue = 'q'});
};

subtest 'priorities and delays decide what is taken' => sub {
    submit(queue => 'p', priority => $_->[1], data => { n => $_->[0] }) for [ c => 9 ], [ a => 0 ], [ b => 1 ];
    submit(queue => 'p', delay => 60_000, data => { n => 'd' });
    is join('', map { claim('p')->{payload}{n} } 1 .. 3), 'abc', 'none first, then the lower ones';
    is claim('p'), undef, 'what is delayed is held back';
    make_due('p');
    is claim('p')->{payload}{n}, 'd', 'until its time has come';
};

subtest 'attempts and their back-off' => sub {
    my $waits = sub ($id) {
        my ($ms) = $db->selectrow_array(q{SELECT floor(extract(epoch FROM run_at - (errors -> -1 ->> 'at')::timestamptz) * 1000) FROM jobs WHERE id = ?}, undef, $id);
        return $ms;
    };
    for my $case ([ { type => 'exponential', delay => 1000 }, 1000, 2000, 4000 ], [ { type => 'fixed', delay => 500 }, 500, 500, 500 ], [ undef, 0, 0, 0 ]) {
        my ($backoff, @want) = @$case;
        my $job = submit(queue => 'b', attempts => 4, $backoff ? (backoff => $backoff) : ());
        my @got;
        for (1 .. 3) {
            make_due('b');
            claim('b');
            fail_it($job->{id});
            push @got, $waits->($job->{id});
        }
        is "@got", "@want", $backoff ? "$backoff->{type} of $backoff->{delay}" : 'without one there is no wait';
        make_due('b');
        claim('b');
        json_is fail_it($job->{id}), '/data/status', 'failed', '  and four attempts are all';
    }
};

subtest 'a job_id makes the id' => sub {
    my $first = submit(queue => 'ids', job_id => 'order 7', data => { n => 1 });
    is $first->{id}, 'order 7';
    my $res = $ed->post("$base/submit", { queue => 'ids', name => 'other', job_id => 'order 7', data => { n => 2 } });
    status_is $res, 201;
    json_is $res, '/data', sub ($d) { return $d->{deduplicated} && $d->{name} eq 'n' && $d->{data}{n} == 1 }, 'there is one of it in a queue';
    is submit(queue => 'ids2', job_id => 'order 7')->{deduplicated}, false, 'another queue has its own';
    json_is $theirs->post("$base/submit", { %JOB, queue => 'ids', job_id => 'order 7' }), '/data/deduplicated', false, 'and another tenant';
    like submit(queue => 'ids')->{id}, $UUID, 'without one it is a UUID';

    pipe my $out, my $in or die "pipe: $!\n";
    my @pids = map {
        my $pid = fork // die "fork: $!\n";
        if (!$pid) {
            my $http = $t->http;
            my $res  = $ed->with(http => $http, api => undef)->post("$base/submit", { %JOB, queue => 'race', job_id => 'r' });
            syswrite $in, $res->status . ($res->json('/data/deduplicated') ? " again\n" : " new\n");
            POSIX::_exit(0);
        }
        $pid;
    } 1 .. 8;
    close $in or die "close: $!\n";
    my @got = sort <$out>;
    waitpid $_, 0 for @pids;
    is join('', @got), "201 again\n" x 7 . "201 new\n", 'of eight at once one makes it';
};

subtest 'scheduled jobs: what is asked for' => sub {
    error_is $ed->post("$base/submit-scheduled", \%JOB), 400, 'VALIDATION_ERROR', field => 'repeat', name => 'none of delay, repeat and every';
    error_is $ed->post("$base/submit-scheduled", { %JOB, repeat => '* * * * *', every => 1000 }), 400, 'VALIDATION_ERROR', field => 'every', name => 'both repeat and every';
    for my $rule ('x', '* * * *', '60 * * * *', '0 0 31 2 *', '* * * * * * *') {
        error_is $ed->post("$base/submit-scheduled", { %JOB, repeat => $rule }), 400, 'VALIDATION_ERROR', field => 'repeat', name => "the rule $rule";
    }
    error_is $ed->post("$base/submit-scheduled", { %JOB, queue => 'a b', every => 1000 }), 400, 'VALIDATION_ERROR', field => 'queue', name => 'a queue called a b';
    my $one = schedule(queue => 's1', delay => 60_000, data => { n => 1 });
    is_deeply [ @$one{qw(schedule_id delay repeat every)} ], [ undef, 60_000, undef, undef ], 'a delay alone is no schedule';
    like $one->{job_id}, $UUID, '  but one delayed job';
    is schedule(queue => 's1', delay => 0)->{schedule_id}, undef, 'of no delay too';
    is stats(queue => 's1')->{totals}{delayed} . stats(queue => 's1')->{totals}{waiting}, '11', '  and they are there';
};

subtest 'a schedule' => sub {
    my $made = $ed->post("$base/submit-scheduled", { queue => 'cron', name => 'report', data => { n => 1 }, repeat => '30 6 * * *' });
    status_is $made, 201;
    json_is $made, '/data', { schedule_id => $UUID, job_id => $UUID, queue => 'cron', name => 'report', delay => undef, repeat => '30 6 * * *', every => undef, next_run_at => qr/T06:30:00\.000Z\z/ },
        'in UTC';
    like schedule(queue => 'cron', repeat => '15 30 6 * * *')->{next_run_at}, qr/T06:30:15\.000Z\z/, 'a rule of six fields begins with the second';

    my $every = schedule(queue => 'every', every => 3_600_000);
    my ($in) = $db->selectrow_array('SELECT round(extract(epoch FROM ?::timestamptz - created_at)) FROM jobs WHERE id = ?', undef, @$every{qw(next_run_at job_id)});
    is $in, 3600, 'every so many milliseconds, from now';
    my $held = schedule(queue => 'held', every => 3_600_000, delay => 5000);
    ($in) = $db->selectrow_array('SELECT round(extract(epoch FROM ?::timestamptz - created_at)) FROM jobs WHERE id = ?', undef, @$held{qw(next_run_at job_id)});
    is $in, 5, 'delay holds back the first run';
    my ($later) = $db->selectrow_array(q{SELECT ?::timestamptz > now() + interval '9 days'}, undef, schedule(queue => 'held', repeat => '* * * * *', delay => 10 * 86_400_000)->{next_run_at});
    ok $later, '  of a cron rule too';

    my $again = $ed->post("$base/submit-scheduled", { queue => 'cron', name => 'report', data => { n => 2 }, repeat => '30  6 * * *', delay => 3 * 86_400_000 });
    json_is $again, '/data/schedule_id', $made->json('/data/schedule_id'), 'one schedule per queue, name and rule: submitting it again replaces it';
    cmp_ok $again->json('/data/next_run_at'), 'gt', $made->json('/data/next_run_at'), '  with the delay';
    is $viewer->get("$base/cron/jobs?status=delayed")->json('/meta/total'), 2, '  and its job, of which there is one';
    make_due('cron');
    is_deeply [ sort map { claim('cron')->{payload}{n} // 0 } 1 .. 2 ], [ 0, 2 ], '  with the new data';
    isnt schedule(queue => 'cron', name => 'other', repeat => '30 6 * * *')->{schedule_id}, $made->json('/data/schedule_id'), 'another name is another one';
};

subtest 'the next job is made when one is taken' => sub {
    my $schedule = schedule(queue => 'beat', every => 60_000, data => { n => 'x' });
    is claim('beat'), undef, 'nothing is due';
    # As after two hours of downtime.
    $db->do(q{UPDATE job_schedules SET next_run_at = next_run_at - interval '2 hours' WHERE queue = 'beat'});
    $db->do(q{UPDATE jobs SET run_at = run_at - interval '2 hours' WHERE queue = 'beat'});
    my $first = claim('beat');
    is $first->{payload}{n}, 'x', 'after a downtime it fires';
    is claim('beat'), undef, '  once, not once for each tick';
    my ($n, $soon) = $db->selectrow_array(q{SELECT count(*), bool_and(run_at > now() AND run_at <= now() + interval '1 minute') FROM jobs WHERE queue = 'beat' AND state = 'scheduled'});
    is "$n $soon", '1 1', 'and one is to come, within the next interval';
    my ($job) = $db->selectrow_array(q{SELECT id FROM jobs WHERE queue = 'beat' AND state = 'scheduled'});
    json_is $viewer->get("$base/schedules?queue=beat"), '/data/0', {
        schedule_id => $schedule->{schedule_id}, queue => 'beat', name => 'n', data => { n => 'x' }, repeat => undef, every => 60_000, job_id => $job, next_run_at => $TIME,
        created_at => $TIME, updated_at => $TIME,
    }, 'which the schedule shows';
    json_is fail_it($first->{id}), '/data/status', 'failed', 'a job that fails';
    $ed->post("/api/task-queue/$first->{id}/retry");
    claim('beat');
    is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE queue = 'beat' AND state = 'scheduled'}), 1, '  and is tried again makes no second one';
};

subtest 'schedules are listed and deleted' => sub {
    $db->do('DELETE FROM job_schedules');
    my @id = map { schedule(queue => 'list', name => "n$_", every => 60_000)->{schedule_id} } 1 .. 3;
    $db->do(q{INSERT INTO job_schedules (tenant_id, queue, kind, every_ms) VALUES (?, 'ashlar', 'own', 1000)}, undef, $ed->tenant_id);
    my ($own) = $db->selectrow_array(q{SELECT id FROM job_schedules WHERE kind = 'own'});
    my $res = $viewer->get("$base/schedules?limit=2");
    is join(' ', map { $_->{schedule_id} } @{ $res->json('/data') }), "@id[2, 1]", 'newest first';
    json_is $res, '/meta', { total => 3, limit => 2, offset => 0 }, 'without the server\'s own';
    json_is $viewer->get("$base/schedules?limit=2&offset=2"), '/data/0/schedule_id', $id[0], 'a second page';
    json_is $viewer->get("$base/schedules?limit=201"), '/meta/limit', 200, 'a limit above the top is lowered to it';
    json_is $viewer->get("$base/schedules?limit=200"), '/meta/limit', 200, 'the top is fine';
    json_is $viewer->get("$base/schedules?offset=99"), '', { data => [], meta => { total => 3, limit => 50, offset => 99 } }, 'an offset past the end is an empty list';
    error_is $viewer->get("$base/schedules?limit=$_"), 400, 'VALIDATION_ERROR', field => 'limit', name => "a limit of '$_'" for 0, -1, 'x', '';
    json_is $viewer->get("$base/schedules?queue=nothing"), '/data', [], 'those of one queue';
    json_is $theirs->get("$base/schedules"), '/data', [], 'another tenant has none of them';
    error_is $theirs->delete("$base/schedules/$id[0]"), 404, 'NOT_FOUND', name => '  and deletes none';
    error_is $ed->delete("$base/schedules/$own"), 404, 'NOT_FOUND', name => 'nor does anybody the server\'s own';
    $res = $ed->delete("$base/schedules/$id[0]");
    status_is $res, 200;
    json_is $res, '', { data => { id => $id[0], deleted => true }, meta => { message => 'the schedule is deleted' } };
    error_is $ed->delete("$base/schedules/$id[0]"), 404, 'NOT_FOUND', name => 'once';
    is $viewer->get("$base/list/jobs?status=cancelled")->json('/meta/total'), 1, 'its job to come is cancelled';
};

subtest 'a paused queue' => sub {
    submit(queue => 'pause', data => { n => $_ }, priority => $_ == 2 ? 5 : 0, delay => $_ == 3 ? 60_000 : 0) for 1 .. 4;
    my $running = claim('pause');
    my $res = $ed->post("$base/pause/pause");
    status_is $res, 200;
    json_is $res, '', { data => { success => true, queue => 'pause', is_paused => true }, meta => { message => 'the queue is paused' } };
    is claim('pause'), undef, 'gives nothing';
    json_is $viewer->get("/api/task-queue/$running->{id}"), '/data/status', 'active', 'what runs goes on';
    is submit(queue => 'pause', data => { n => 5 })->{status}, 'paused', 'what is submitted waits, paused';
    my $stats = stats(queue => 'pause')->{queues}[0];
    is_deeply $stats, { queue => 'pause', is_paused => true, waiting => 0, active => 1, completed => 0, failed => 0, delayed => 0, paused => 4, prioritized => 0, cancelled => 0 },
        'each job counts once';
    is names($viewer->get("$base/pause/jobs?status=paused")), '5 4 3 2', 'and is listed as paused';
    json_is $viewer->get("$base/pause/jobs?status=$_"), '/meta/total', 0, "  and not as $_" for qw(waiting prioritized delayed);
    json_is $theirs->get("$base/stats?queue=pause"), '/data/queues/0/is_paused', false, 'another tenant\'s queue of that name is not';
    status_is $ed->post("$base/pause/pause"), 200, 'pausing twice is fine';
    json_is $ed->post("$base/pause/resume"), '/data/is_paused', false, 'resumed';
    is claim('pause')->{payload}{n}, 4, 'it gives again';
    status_is $ed->post("$base/never-used/pause"), 200, 'a queue can be paused before it is used';
    is claim('never-used'), undef;
    error_is $ed->post("$base/a%20b/pause"), 400, 'VALIDATION_ERROR', field => 'queue', name => 'but must be a name';
    is_deeply $db->selectcol_arrayref(q{SELECT action || ' ' || resource_id FROM audit_events WHERE resource_type = 'queue' ORDER BY seq}),
        [ 'queue.pause pause', 'queue.resume pause', 'queue.pause never-used' ], 'changes are put down';
};

subtest 'the list' => sub {
    submit(queue => 'l', data => { n => $_ }) for 1 .. 5;
    submit(queue => 'l', data => { n => 6 }, priority => 1);
    submit(queue => 'l', data => { n => 7 }, delay => 60_000);
    my $first = claim('l');
    $ed->post("/api/task-queue/$first->{id}/complete", { worker_id => 'w', result => 42 });
    fail_it(claim('l')->{id});
    claim('l');
    my $res = $viewer->get("$base/l/jobs");
    is names($res), '7 6 5 4 3 2 1', 'newest first, all of them';
    json_is $res, '/meta', { total => 7, limit => 50, offset => 0 };
    is join(' ', map { $_->{status} } @{ $res->json('/data') }), 'delayed prioritized waiting waiting active failed completed', 'with their statuses';
    json_is $res, '/data/6', sub ($d) { return $d->{result} == 42 && $d->{attempts_made} == 1 && $d->{started_at} && $d->{finished_at} }, 'and what has become of them';
    json_is $res, '/data/5/failed_reason', 'x';
    my %of = (waiting => '5 4', active => '3', completed => '1', failed => '2', delayed => '7', prioritized => '6', paused => '', cancelled => '');
    is names($viewer->get("$base/l/jobs?status=$_")), $of{$_}, $_ for sort keys %of;
    $res = $viewer->get("$base/l/jobs?start=2&end=3");
    is names($res), '5 4', 'from the third to the fourth';
    json_is $res, '/meta', { total => 7, limit => 2, offset => 2 };
    json_is $viewer->get("$base/l/jobs?start=50&end=60"), '/data', [], 'past the end';
    error_is $viewer->get("$base/l/jobs?start=3&end=2"), 400, 'VALIDATION_ERROR', field => 'end', name => 'end before start';
    status_is $viewer->get("$base/l/jobs?start=0&end=199"), 200, 'a span of 200';
    error_is $viewer->get("$base/l/jobs?start=0&end=200"), 400, 'VALIDATION_ERROR', field => 'end', name => 'of more than that';
    error_is $viewer->get("$base/l/jobs?status=done"), 400, 'VALIDATION_ERROR', field => 'status', name => 'an unknown status';
    json_is $viewer->get("$base/nothing/jobs"), '', { data => [], meta => { total => 0, limit => 50, offset => 0 } }, 'an unknown queue is an empty list';
    json_is $theirs->get("$base/l/jobs"), '/data', [], 'so is another tenant\'s';
};

subtest 'the counts' => sub {
    my $all  = stats();
    my @rows = @{ $all->{queues} };
    is_deeply [ map { $_->{queue} } @rows ], [ sort map { $_->{queue} } @rows ], 'by name';
    ok scalar(grep { $_->{queue} eq 'never-used' } @rows), 'a queue that is paused is there, though empty';
    is_deeply [ grep { $_->{queue} eq 'l' } @rows ],
        [ { queue => 'l', is_paused => false, waiting => 2, active => 1, completed => 1, failed => 1, delayed => 1, paused => 0, prioritized => 1, cancelled => 0 } ], 'each job once';
    for my $status (qw(waiting active completed failed delayed paused prioritized cancelled)) {
        my $sum = 0;
        $sum += $_->{$status} for @rows;
        is $all->{totals}{$status}, $sum, "the total of $status";
    }
    is_deeply [ map { $_->{queue} } @{ stats(queue => 'l')->{queues} } ], ['l'], 'of one queue';
    is stats(queue => 'l')->{totals}{waiting}, 2;
    is_deeply stats(queue => 'nothing')->{queues}, [ { queue => 'nothing', is_paused => false, map { $_ => 0 } qw(waiting active completed failed delayed paused prioritized cancelled) } ],
        'an unknown one shows zeros';
    $db->do(q{INSERT INTO jobs (tenant_id, queue, kind, state, finished_at) SELECT ?, 'heap', 'n', 'completed', now() FROM generate_series(1, 10500)}, undef, $ed->tenant_id);
    is stats(queue => 'heap')->{totals}{completed}, 10_001, 'nobody counts further than 10,001';
    json_is $theirs->get("$base/stats?queue=l"), '/data/totals/waiting', 0, 'another tenant counts its own';
};
