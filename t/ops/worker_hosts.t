# Several workers: schedules, leases, stopping.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Jobs 'obey';
use Time::HiRes qw(sleep time);

my $t      = Api->start(main => 1, slow => 0, WORKER_LEASE_S => 2);
my $db     = $t->db;
my $TENANT = $t->tenant_id;
obey($db);

sub row ($id) { return $db->selectrow_hashref('SELECT * FROM jobs WHERE id = ?', undef, $id) }

sub job ($kind, %with) {
    my %column = (tenant_id => $TENANT, kind => $kind, %with);
    my @names  = sort keys %column;
    return scalar $db->selectrow_array(
        'INSERT INTO jobs (' . join(', ', @names) . ') VALUES (' . join(', ', ('?') x @names) . ') RETURNING id', undef, @column{@names});
}

sub sql ($statement, %with) { return job('noop.sql', payload => Cpanel::JSON::XS->new->encode({ sql => $statement }), %with) }

# A schedule of the default tenant; its id and its next job's.
sub schedule ($kind, %rule) {
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $TENANT);
    my @row = $db->selectrow_array(q{SELECT schedule_id, job_id FROM job_schedule_set('ashlar', ?, ?, ?, ?)}, undef,
        $kind, @rule{qw(cron every_ms)}, $rule{payload} // '{}');
    $db->commit;
    return @row;
}

my @workers = map { $t->start_worker(name => "worker$_", children => 2) } 1, 2;

subtest 'an interval fires once per tick over all workers' => sub {
    my ($schedule) = schedule('noop.sql', every_ms => 1000, payload => q({"sql": "INSERT INTO effects (job) VALUES ('tick')"}));
    eventually { $db->selectrow_array(q{SELECT count(*) FROM effects WHERE job = 'tick'}) >= 4 } 30, 'four ticks';
    my $done = $db->selectcol_arrayref(q{SELECT extract(epoch FROM run_at) FROM jobs WHERE schedule_id = ? AND state <> 'scheduled' ORDER BY run_at}, undef, $schedule);
    my @gaps = map { $done->[$_] - $done->[ $_ - 1 ] } 1 .. $#$done;
    is scalar(grep { abs($_ - sprintf '%.0f', $_) > 0.001 || $_ < 0.999 } @gaps), 0, 'each a second, or some, after the one before';
    is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE schedule_id = ? AND state IN ('scheduled', 'queued')}, undef, $schedule), 1, 'and one is to come';
    $db->do(q{SELECT set_config('app.tenant_id', ?, false)}, undef, $TENANT);
    ok $db->selectrow_array('SELECT job_schedule_remove(?)', undef, $schedule), 'it can be removed';
    is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE schedule_id = ? AND state IN ('scheduled', 'queued')}, undef, $schedule), 0, 'and its next job with it';
};

subtest 'a cron expression with seconds' => sub {
    my ($schedule) = schedule('noop', cron => '* * * * * *');
    eventually { $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE schedule_id = ? AND state = 'completed'}, undef, $schedule) >= 3 } 30, 'three ticks';
    is $db->selectrow_array('SELECT count(*) - count(DISTINCT run_at) FROM jobs WHERE schedule_id = ?', undef, $schedule), 0, 'none of them twice';
    is $db->selectrow_array('SELECT count(*) FROM jobs WHERE schedule_id = ? AND run_at <> date_trunc(?, run_at)', undef, $schedule, 'second'), 0, 'on the second';
    $db->selectrow_array('SELECT job_schedule_remove(?)', undef, $schedule);
};

subtest 'after a downtime a schedule fires once' => sub {
    my ($schedule, $job) = schedule('noop', every_ms => 3_600_000);
    $db->do(q{UPDATE jobs SET run_at = now() - interval '100 hours 1 s' WHERE id = ?}, undef, $job);
    $db->do(q{UPDATE job_schedules SET next_run_at = now() - interval '100 hours 1 s' WHERE id = ?}, undef, $schedule);
    eventually { row($job)->{state} eq 'completed' } 20, 'the one that was due';
    is $db->selectrow_array('SELECT count(*) FROM jobs WHERE schedule_id = ?', undef, $schedule), 2, 'and one more is to come';
    my ($s) = $db->selectrow_array(q{SELECT extract(epoch FROM run_at - now()) FROM jobs WHERE schedule_id = ? AND state = 'scheduled'}, undef, $schedule);
    ok $s > 3000 && $s < 3600, 'on its beat';
};

subtest 'a retried job of a schedule makes no further one' => sub {
    my ($schedule, $job) = schedule('noop.sql', every_ms => 3_600_000, payload => '{"sql": "SELECT 1 / 0"}');
    $t->expect_log(qr/"job":"$job"/);
    $db->do(q{UPDATE jobs SET run_at = now(), backoff_type = 'fixed', backoff_ms = 0, max_attempts = 3 WHERE id = ?}, undef, $job);
    eventually { row($job)->{state} eq 'failed' } 20, 'it fails three times';
    is $db->selectrow_array('SELECT count(*) FROM jobs WHERE schedule_id = ?', undef, $schedule), 2, 'one is to come';
};

subtest 'every worker makes sure of our own schedules, and there is one of each' => sub {
    is $db->selectrow_array(q{SELECT count(*) FROM job_schedules WHERE kind = 'jobs.retention'}), 1, 'one schedule';
    is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'jobs.retention' AND state = 'scheduled'}), 1, 'one job to come';
};

subtest 'a worker that is killed loses nothing; its jobs run again after its lease and not before' => sub {
    ok $workers[1]->stop, 'one worker is left';
    my @ids = map { sql("SELECT pg_sleep(CASE (SELECT attempts FROM jobs WHERE payload ->> 'n' = '$_') WHEN 1 THEN 60 ELSE 0 END); INSERT INTO effects (job) VALUES ('long $_')") } 1, 2;
    $db->do(q{UPDATE jobs SET payload = payload || jsonb_build_object('n', right(payload ->> 'sql', 3)::text) WHERE false});
    $db->do(q{UPDATE jobs SET payload = payload || jsonb_build_object('n', substring(payload ->> 'sql' FROM 'long ([0-9])')) WHERE id = ANY (?)}, undef, \@ids);
    eventually { 2 == grep { row($_)->{state} eq 'running' } @ids } 20, 'both run';
    my ($killed_at) = $db->selectrow_array('SELECT clock_timestamp()');
    my @children = $workers[0]->children;
    $t->expect_log(qr/child \d+ ended: signal/);
    kill 'KILL', $workers[0]->pid;
    eventually { !grep { kill 0, $_ } @children } 10, 'its children die with it';
    delete $t->{pool}{worker1};
    $t->start_worker(name => 'worker3', children => 2);
    eventually { 2 == grep { row($_)->{state} eq 'completed' } @ids } 30, 'another worker runs them';
    for my $id (@ids) {
        my $row = row($id);
        is $row->{attempts}, 2, 'at the second attempt';
        like $row->{errors}, qr/the worker \d+ on \S+ died/, 'its history tells';
        ok $db->selectrow_array(q{SELECT ?::timestamptz > ?::timestamptz + interval '0.5 s'}, undef, $row->{started_at}, $killed_at), 'not at once';
    }
    is_deeply $db->selectcol_arrayref(q{SELECT job FROM effects WHERE job LIKE 'long %' ORDER BY 1}), [ 'long 1', 'long 2' ], 'and each has its effect once';
    is $db->selectrow_array('SELECT count(*) FROM job_workers'), 1, 'of the dead one nothing is left';
};

subtest 'a stop lets what runs end and hands back what has not begun' => sub {
    my $third = $t->master('worker3');
    my @slow = map { sql("SELECT pg_sleep(1.5); INSERT INTO effects (job) VALUES ('slow')") } 1 .. 2;
    eventually { 2 == grep { row($_)->{state} eq 'running' } @slow } 20, 'two run';
    my @more = map { sql("INSERT INTO effects (job) VALUES ('more')") } 1 .. 20;
    ok $third->stop, 'it stops';
    is scalar(grep { row($_)->{state} eq 'completed' } @slow), 2, 'what ran has ended well';
    is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE state = 'running'}), 0, 'nothing is left running';
    is $db->selectrow_array('SELECT count(*) FROM job_workers'), 0, 'nor is the worker';
    $t->start_worker(name => 'worker4', children => 2);
    eventually { 20 == grep { row($_)->{state} eq 'completed' } @more } 20, 'the others are another worker\'s';
    is $db->selectrow_array('SELECT max(attempts) FROM jobs WHERE id = ANY (?)', undef, \@more), 1, 'and it cost no attempt';
};

subtest 'what does not end in time is given back' => sub {
    my $hasty = $t->start_worker(name => 'hasty', queues => 'ashlar.mail', children => 1, env => { DRAIN_TIMEOUT_S => 1 });
    $t->master('worker4')->stop;    # which takes of that queue, too
    my $id = sql('SELECT pg_sleep(30)', queue => 'ashlar.mail', max_attempts => 1);
    eventually { row($id)->{state} eq 'running' } 20, 'it runs';
    ok $hasty->stop('TERM', 15), 'the worker stops all the same';
    my $row = row($id);
    is "$row->{state} $row->{attempts}", 'queued 0', 'the job is as if it had not been taken';
    $db->do('DELETE FROM jobs WHERE id = ?', undef, $id);
};

subtest 'a reload replaces the children and loses nothing' => sub {
    my $fifth = $t->start_worker(name => 'worker5', children => 2);
    my $slow  = sql('SELECT pg_sleep(1)');
    eventually { row($slow)->{state} eq 'running' } 20, 'one runs';
    my %before;    # the second one may come only now
    eventually { %before = map { $_ => 1 } $t->children('worker5'); keys %before == 2 } 20, 'two are there';
    $fifth->signal('HUP');
    my @jobs = map { job('noop') } 1 .. 10;
    eventually { my @now = $t->children('worker5'); @now == 2 && !grep { $before{$_} } @now } 20, 'others are there';
    eventually { row($slow)->{state} eq 'completed' } 20, 'what ran has ended well';
    is row($slow)->{attempts}, 1, 'at its first attempt';
    eventually { 10 == grep { row($_)->{state} eq 'completed' } @jobs } 20, 'and so have the others';
};

subtest 'how it is called' => sub {
    my $run = sub (@arg) {
        my $p = Ashlar::Process->start(cmd => [ "$Ashlar::Cluster::BUILD/ashlar", 'worker', @arg ], log => "$t->{dir}/usage.txt", env => $t->{env});
        my $status = $p->wait_for(10) >> 8;
        open my $in, '<', "$t->{dir}/usage.txt" or die $!;
        local $/ = undef;
        return ($status, scalar <$in>);
    };
    for (
        [ 'others\' queues', [ '--queues', 'default' ], qr/Ashlar's own queues.*not "default"/ ],
        [ 'a queue that only begins so', [ '--queues', 'ashlarx' ], qr/own queues/ ],
        [ 'no queue', [ '--queues', ',' ], qr/must name one/ ],
        [ 'no number', [ '--queues', 'ashlar:x' ], qr/must be a whole number/ ],
        [ 'no children', [ '--concurrency', 0 ], qr/--concurrency must be/ ],
    ) {
        my ($name, $arg, $pattern) = @$_;
        my ($status, $text) = $run->(@$arg);
        is $status, 2, $name;
        like $text, $pattern, 'is told';
    }
};
