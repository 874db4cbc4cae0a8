# ashlar worker: what becomes of jobs.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Jobs 'obey';
use Time::HiRes qw(sleep time);

my $t      = Api->start(main => 1, slow => 0, WORKER_LEASE_S => 2);
my $db     = $t->db;
my $TENANT = $t->tenant_id;
my $api    = $t->{cluster}->connect($t->{database}, 'ashlar_api');

# Add a job; its id.  Columns are given by name; undefined is the default.
sub job ($kind, %with) {
    my %column = (tenant_id => $TENANT, kind => $kind, %with);
    my @names  = sort keys %column;
    my ($id) = $db->selectrow_array(
        'INSERT INTO jobs (' . join(', ', @names) . ') VALUES (' . join(', ', ('?') x @names) . ') RETURNING id', undef, @column{@names});
    return $id;
}

sub row ($id) { return $db->selectrow_hashref('SELECT * FROM jobs WHERE id = ?', undef, $id) }

sub becomes ($id, $state, $name = $state) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return eventually { row($id)->{state} eq $state } 20, $name;
}

# Call a function as the api does, in the tenant.
sub within ($text, @values) {
    $api->begin_work;
    $api->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $TENANT);
    my @row = eval { $api->selectrow_array($text, undef, @values) };
    my $state = $@ ? $api->state : '';
    $@ ? $api->rollback : $api->commit;
    return $state || $row[0];
}

# A job that runs an SQL statement.
sub sql ($statement, %with) { return job('noop.sql', payload => Cpanel::JSON::XS->new->encode({ sql => $statement }), %with) }

obey($db);

my $worker = $t->start_worker(children => 1);

subtest 'a job is run and completed, at once' => sub {
    my $id = job('noop');
    becomes $id, 'completed';
    my $row = row($id);
    is $row->{attempts}, 1, 'at the first attempt';
    ok $row->{started_at} && $row->{finished_at}, 'its times are there';
    is $row->{last_error}, undef, 'no error';
    my ($line) = grep { ($_->{job} // '') eq $id } $t->log;
    is "@$line{qw(message kind queue outcome attempt tenant)}", "job noop ashlar completed 1 $TENANT", 'one line in the log';
    ok !exists $line->{payload}, 'without its payload';
    is scalar(grep { ($_->{job} // '') eq $id } $t->log), 1, 'and no other';
};

subtest 'what it did and that it is done are one transaction' => sub {
    my $id = sql(q{INSERT INTO effects (job) VALUES ('a')});
    becomes $id, 'completed';
    is $db->selectrow_array(q{SELECT count(*) FROM effects WHERE job = 'a'}), 1, 'it is done';
    my $broken = sql(q{INSERT INTO effects (job) VALUES ('b'); SELECT 1 / 0}, max_attempts => 1);
    $t->expect_log(qr/"job":"$broken"/);
    becomes $broken, 'failed';
    is $db->selectrow_array(q{SELECT count(*) FROM effects WHERE job = 'b'}), 0, 'and of one that fails nothing is left';
};

subtest 'order: priority, then time, then age' => sub {
    # They are there before the worker: one that comes late, behind what was taken last, waits for the next sweep.
    $worker->stop('TERM', 15);
    my $insert = sub ($name, %with) { return sql("INSERT INTO effects (job) VALUES ('$name')", %with) };
    my @ids = (
        $insert->('third', priority => 5),
        $insert->('fourth', priority => 5),
        $insert->('second'),
        $insert->('last', priority => 2_097_152),
        $insert->('first', run_at => '2020-01-01'),
    );
    $worker = $t->start_worker(children => 1);
    becomes $_, 'completed' for @ids;
    is join(' ', @{ $db->selectcol_arrayref(q{SELECT job FROM effects WHERE job NOT IN ('a', 'b') ORDER BY n}) }),
        'first second third fourth last', 'as they ran';
};

subtest 'run_at: not before' => sub {
    my $id = job('noop', run_at => $db->selectrow_array(q{SELECT now() + interval '1.5 s'}));
    is row($id)->{state}, 'scheduled', 'it waits';
    becomes $id, 'completed';
    my ($late) = $db->selectrow_array('SELECT extract(epoch FROM started_at - run_at) FROM jobs WHERE id = ?', undef, $id);
    cmp_ok $late, '>=', 0, 'and was not begun before its time';
};

subtest 'a failed attempt is tried again, later and later' => sub {
    my $id = sql('SELECT 1 / 0', max_attempts => 3, backoff_type => 'exponential', backoff_ms => 300);
    $t->expect_log(qr/"job":"$id"/);
    becomes $id, 'failed', 'until its attempts are used up';
    my $row = row($id);
    is $row->{attempts}, 3, 'three';
    like $row->{last_error}, qr/division by zero/, 'the last error';
    my $errors = Cpanel::JSON::XS->new->decode($row->{errors});
    is_deeply [ map { $_->{attempt} } @$errors ], [ 1, 2, 3 ], 'and all of them';
    my @at = map { $db->selectrow_array('SELECT extract(epoch FROM ?::timestamptz)', undef, $_->{at}) } @$errors;
    # They are written to the millisecond.
    cmp_ok $at[1] - $at[0], '>', 0.299, 'the second after the delay';
    cmp_ok $at[2] - $at[1], '>', 0.599, 'the third after twice that';
    is row($id)->{finished_at} ? 1 : 0, 1, 'a dead letter has ended';
    within('SELECT job_retry(?)', $id);
    eventually { my $now = row($id); $now->{state} eq 'failed' && $now->{attempts} == 3 && @{ Cpanel::JSON::XS->new->decode($now->{errors}) } == 6 } 20,
        'put back it has all its attempts again, and its history';
};

subtest 'delays: fixed, exponential, and ours with jitter' => sub {
    my $delay = sub (@arg) { return $db->selectcol_arrayref('SELECT extract(epoch FROM job_delay(?, ?, ?)) FROM generate_series(1, 200)', undef, @arg) };
    is_deeply [ map { 0 + $_ } @{ $delay->('fixed', 1500, 9) }[ 0, 1 ] ], [ 1.5, 1.5 ], 'fixed';
    is_deeply [ map { 0 + $delay->('exponential', 1000, $_)->[0] } 1 .. 4 ], [ 1, 2, 4, 8 ], 'exponential';
    is 0 + $delay->('exponential', 86_400_000, 25)->[0], 86_400, 'a day at the most';
    for ([ 1, 5 ], [ 2, 15 ], [ 4, 135 ], [ 25, 21_600 ]) {
        my ($attempt, $base) = @$_;
        my @d = sort { $a <=> $b } @{ $delay->(undef, undef, $attempt) };
        cmp_ok $d[0],  '>=', 0.8 * $base, "attempt $attempt: not below $base s less a fifth";
        cmp_ok $d[-1], '<=', 1.2 * $base, '  nor above a fifth more';
        cmp_ok $d[-1] - $d[0], '>', 0.1 * $base, '  and spread';
    }
};

subtest 'a job may say that it gives up, or when to try again' => sub {
    my $id = job('noop.sql', max_attempts => 5, payload => '{"give_up": "there is no point"}');
    $t->expect_log(qr/"job":"$id"/);
    becomes $id, 'failed';
    is row($id)->{attempts}, 1, 'though it had attempts left';
    is row($id)->{last_error}, 'there is no point', 'with the reason';
    $id = job('noop.sql', max_attempts => 2, payload => '{"retry_after": 3600}');
    eventually { row($id)->{state} eq 'scheduled' } 10, 'an hour later';
    my ($s) = $db->selectrow_array('SELECT extract(epoch FROM run_at - now()) FROM jobs WHERE id = ?', undef, $id);
    ok $s > 3500 && $s <= 3600, 'as it said';
};

subtest 'an unknown kind is put back for a worker that knows it' => sub {
    my $id  = job('no.such.kind', max_attempts => 1);
    my $why = 'this program knows no kind of job "no.such.kind"';
    becomes $id, 'scheduled';
    is join(' ', @{ row($id) }{qw(attempts last_error)}), "0 $why", 'as if it had not been tried';
    $db->do(q{UPDATE jobs SET kind = 'noop', run_at = now() WHERE id = ?}, undef, $id);    # as if a new release were here
    becomes $id, 'completed', 'and done by who knows it';
    is row($id)->{attempts}, 1, '  at its first attempt';

    # How long that goes on: each claim, and what becomes of it.
    my ($other) = $db->selectrow_array(q{INSERT INTO jobs (tenant_id, kind, state, run_at) VALUES (?, 'x', 'scheduled', now() + interval '1 day') RETURNING id}, undef, $TENANT);
    my $claimed = sub { $db->do(q{UPDATE jobs SET state = 'running', attempts = attempts + 1, worker = 'w', started_at = now() WHERE id = ?}, undef, $other) };
    my @states;
    for my $n (1 .. 25) {
        $claimed->();
        push @states, within('SELECT jobs_unknown(?, ?, ?, 1, ?)', $TENANT, $other, 'w', $why) . ' '
            . $db->selectrow_array('SELECT attempts || coalesce(round(extract(epoch FROM run_at - updated_at))::text, $$$$) FROM jobs WHERE id = ?', undef, $other) =~ s/^(\d)/$1 after /r;
    }
    is $states[24] =~ s/ after.*//r, 'failed 1', 'an hour and a half later it has failed';
    is_deeply [ @states[ 0 .. 23 ] ], [ map { "scheduled 0 after $_" } 5, 10, 20, 40, 80, 160, (300) x 18 ], '  after it has waited 24 times';
    is row($other)->{last_error}, $why, '  and says why';
    is within('SELECT jobs_unknown(?, ?, ?, 1, ?)', $TENANT, $other, 'w', $why), undef, 'another worker\'s is left alone';
    $db->do('DELETE FROM jobs WHERE id = ?', undef, $other);

    my $last = job('no.such.kind', errors => Cpanel::JSON::XS::encode_json([ map { { attempt => 1, at => 'x', error => $why } } 1 .. 24 ]));
    $t->expect_log(qr/job $last failed: this program knows no kind of job .*, and no other worker does/);
    becomes $last, 'failed', 'the last time';
    eventually { grep { ($_->{message} // '') =~ /job $last failed/ } $t->log } 10, '  it is an error in the log';
};

subtest 'a time-out ends the attempt' => sub {
    my $id = sql(q{INSERT INTO effects (job) VALUES ('slow'); SELECT pg_sleep(60)}, timeout_s => 1, max_attempts => 1);
    $t->expect_log(qr/"job":"$id"/);
    becomes $id, 'failed';
    is row($id)->{last_error}, 'no end after 1 s', 'with its reason';
    is $db->selectrow_array(q{SELECT count(*) FROM effects WHERE job = 'slow'}), 0, 'nothing of it is left';
    becomes job('noop'), 'completed', 'another child is there';
};

subtest 'a child that dies costs an attempt and nothing else' => sub {
    my $id = sql(q{SELECT pg_sleep(CASE (SELECT attempts FROM jobs WHERE payload ->> 'sql' LIKE '%dies%') WHEN 1 THEN 60 ELSE 0 END) -- dies}, backoff_type => 'fixed', backoff_ms => 0);
    $t->expect_log(qr/child \d+ ended: signal 9/);
    eventually { row($id)->{state} eq 'running' } 10, 'it runs';
    # The child that the last test's time-out ended may still be there beside the one that runs this.
    my %killed;
    eventually {
        kill 'KILL', grep { !$killed{$_}++ } $t->children('worker');
        row($id)->{errors} ne '[]'
    } 10, 'its process is killed';
    becomes $id, 'completed', 'and another one completes it';
    my $row = row($id);
    cmp_ok $row->{attempts}, '>=', 2, 'at another attempt';
    like $row->{errors}, qr/the process that ran it ended: signal 9/, 'its history tells';
};

subtest 'cancelled: what has not begun never does, what runs is ended and undone' => sub {
    my $later = job('noop', run_at => $db->selectrow_array(q{SELECT now() + interval '1 hour'}));
    is within('SELECT job_cancel(?)', $later), '', 'a scheduled one';
    is row($later)->{state}, 'cancelled', 'is cancelled';
    my $id = sql(q{INSERT INTO effects (job) VALUES ('cancelled'); SELECT pg_sleep(30)});
    eventually { row($id)->{state} eq 'running' } 10, 'one that runs';
    within('SELECT job_cancel(?)', $id);
    is row($id)->{state}, 'cancelled', 'is cancelled, too';
    becomes job('noop'), 'completed', 'its child is free soon';
    is row($id)->{state}, 'cancelled', 'it stays so';
    is $db->selectrow_array(q{SELECT count(*) FROM effects WHERE job = 'cancelled'}), 0, 'and has done nothing';
    is within('SELECT job_cancel(?)', $id), 'AS409', 'what has ended cannot be cancelled';
    is within('SELECT job_cancel(uuid_v7())'), 'AS404', 'nor what there is not';
};

subtest 'a unique key: not twice while it has not ended' => sub {
    my $one = within(q{SELECT job_add('ashlar', 'noop', '{}', run_at => now() + interval '1 hour', unique_key => 'k')});
    is within(q{SELECT job_add('ashlar', 'noop', '{}', unique_key => 'k')}), $one, 'the one that there is';
    isnt within(q{SELECT job_add('ashlar.mail', 'noop', '{}', unique_key => 'k')}), $one, 'another queue has its own';
    within('SELECT job_cancel(?)', $one);
    isnt within(q{SELECT job_add('ashlar', 'noop', '{}', unique_key => 'k')}), $one, 'a new one when it has ended';
};

subtest 'a report about an attempt that is not the reporter\'s is refused' => sub {
    my ($id) = job('noop', state => 'running', attempts => 2, worker => 'w', lease_until => $db->selectrow_array(q{SELECT now() + interval '1 hour'}), queue => 'elsewhere');
    for my $call ([ 'job_complete(?, ?, ?)', [ $id, 'other', 2 ] ], [ 'job_complete(?, ?, ?)', [ $id, 'w', 1 ] ],
        [ q{job_fail(?, ?, ?, 'x')}, [ $id, 'w', 1 ] ], [ 'job_heartbeat(?, ?, ?)', [ $id, 'w', 3 ] ]) {
        is within("SELECT $call->[0]", @{ $call->[1] }), 'AS409', "$call->[0] as @{ $call->[1] }[1, 2]";
    }
    is within('SELECT job_complete(uuid_v7(), ?, 1)', 'w'), 'AS404', 'of none that there is';
    is within('SELECT job_complete(?, ?, ?)', $id, 'w', 2), '', 'the right one';
    is row($id)->{state}, 'completed', 'is heard';
};

subtest 'many at once, and one by one when they fail' => sub {
    my $gate = sql('SELECT pg_sleep(0.3)');
    eventually { row($gate)->{state} eq 'running' } 10, 'the only child is busy';
    $db->do(q{INSERT INTO jobs (tenant_id, kind) SELECT ?, 'noop.batch' FROM generate_series(1, 400)}, undef, $TENANT);
    eventually { $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'noop.batch' AND state = 'completed'}) == 400 } 20, 'all are completed';
    my @lines = grep { ($_->{kind} // '') eq 'noop.batch' } $t->log;
    cmp_ok scalar(@lines), '<', 400, 'several at once';
    is scalar(grep { ($_->{message} // '') =~ /now one by one/ } $t->log), 0, 'in one statement';
    $db->do(q{CREATE FUNCTION bad() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''bad''; END'});
    $db->do(q{CREATE TRIGGER bad BEFORE UPDATE ON jobs FOR EACH ROW WHEN (NEW.state = 'completed' AND NEW.payload ? 'bad') EXECUTE FUNCTION bad()});
    my @mixed = map { job('noop.batch', payload => $_ == 3 ? '{"bad": true}' : '{}', max_attempts => 1) } 1 .. 5;
    $t->expect_log(qr/"job":"$mixed[2]"/);
    becomes $_, 'completed' for @mixed[ 0, 1, 3, 4 ];
    becomes $mixed[2], 'failed';
};

subtest 'a job sees its own tenant, and nothing of another' => sub {
    my $other = $t->tenant_id('other');
    $t->user('ann');
    $t->user('bob', tenant => 'other');
    my $count = q{INSERT INTO effects (job) SELECT 'sees ' || string_agg(public_id, ' ') FROM users};
    my @ids = (sql($count), sql($count, tenant_id => $other));
    becomes $_, 'completed' for @ids;
    is join(', ', sort @{ $db->selectcol_arrayref(q{SELECT job FROM effects WHERE job LIKE 'sees %'}) }), 'sees user_ann, sees user_bob', 'each its own';
    my $theft = sql("UPDATE jobs SET state = 'failed' WHERE tenant_id = '$TENANT'", tenant_id => $other, max_attempts => 1);
    $t->expect_log(qr/"job":"$theft"/);
    becomes $theft, 'failed', 'and may not change jobs itself';
};

subtest 'a backlog of one tenant does not stand before another\'s job' => sub {
    $worker->stop('TERM', 15);
    $db->do('DELETE FROM effects');
    my @others = map { $t->tenant_id("late$_") } 1 .. 3;
    my $insert = sub ($name) { return Cpanel::JSON::XS->new->encode({ sql => "INSERT INTO effects (job) VALUES ('$name')" }) };
    $db->do(q{INSERT INTO jobs (tenant_id, kind, payload) SELECT ?, 'noop.sql', ? FROM generate_series(1, 4000)}, undef, $TENANT, $insert->('many'));
    my @ids = map { job('noop.sql', tenant_id => $_, payload => $insert->('one')) } @others, @others;
    $worker = $t->start_worker(children => 1);
    becomes $_, 'completed' for @ids;
    eventually { $db->selectrow_array(q{SELECT count(*) FROM effects}) == 4006 } 60, 'all are run, once';
    my ($first, $last) = $db->selectrow_array(q{SELECT min(n) FILTER (WHERE job = 'one') - min(n), max(n) FILTER (WHERE job = 'one') - min(n) FROM effects});
    cmp_ok $first, '<', 1000, 'the first of the others is run early';
    cmp_ok $last,  '<', 2000, 'and the last of them long before the backlog ends';
};

subtest 'a payload of any size' => sub {
    my $long = 'x' x 300_000;
    my $id = sql("INSERT INTO effects (job) VALUES (length('$long')::text)");
    becomes $id, 'completed';
    is $db->selectrow_array(q{SELECT count(*) FROM effects WHERE job = '300000'}), 1, 'arrives';
};

subtest 'what ended long ago is deleted' => sub {
    my $old = sub ($state, $age) { return job('old', state => $state, finished_at => $db->selectrow_array('SELECT now() - ?::interval', undef, $age)) };
    my @gone  = ($old->('completed', '7 days 1 s'),  $old->('cancelled', '7 days 1 s'),  $old->('failed', '30 days 1 s'));
    my @stays = ($old->('completed', '6 days 23 h'), $old->('cancelled', '6 days 23 h'), $old->('failed', '29 days 23 h'));
    becomes job('jobs.retention'), 'completed';
    ok !row($_), 'gone' for @gone;
    ok row($_), 'stays' for @stays;
};

subtest 'metrics' => sub {
    cmp_ok $t->metric('ashlar_jobs_total', outcome => 'completed'), '>=', 30, 'completed';
    cmp_ok $t->metric('ashlar_jobs_total', outcome => 'failed'),    '>=', 4,  'failed';
    cmp_ok $t->metric('ashlar_jobs_total', outcome => 'retried'),   '>=', 3,  'retried';
    cmp_ok $t->metric('ashlar_job_wait_seconds_count'),             '>=', 30, 'waits';
    is $t->metric('ashlar_children', pool => 'worker'), 1, 'its children';
};
