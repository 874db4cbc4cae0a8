# Waking the processes that wait for rows: notices of transactions, the host's notifier, NOTIFY.

use v5.36;
use lib 't/lib';
use Api;
use Time::HiRes qw(sleep time);

my $t   = Api->start(main => 2);
my $db  = $t->db;
my $ear = $t->{cluster}->connect($t->{database});
$ear->do("LISTEN ashlar_$_") for qw(jobs deliveries realtime);

# The channels that are heard within so many seconds.
sub heard ($seconds) {
    my $until = time + $seconds;
    my %seen;
    do {
        while (my $n = $ear->pg_notifies) { $seen{ $n->[0] }++ }
        sleep 0.01 if !%seen;
    } until %seen || time > $until;
    return \%seen;
}

# The notifier of a master: its child that does not answer requests.
sub notifier ($master) {
    return grep { my $pid = $_; open my $in, '<', "/proc/$pid/comm"; defined $in && <$in> eq "ashlar-notifier\n" } $master->children;
}

# A request that adds a job, of a mail without a recipient.
my $anybody = $t->client(key => $t->key);
sub forgot () { state $n = 0; $db->do('DELETE FROM rate_limits'); return $anybody->post('/api/v1/auth/forgot-password', { email => 'nobody' . ++$n . '@example.com' }) }

subtest 'a request that adds a job is heard of once it has committed' => sub {
    status_is forgot(), 200;
    is_deeply heard(10), { ashlar_jobs => 1 }, 'on its channel, once';
    is $db->selectrow_array('SELECT count(*) FROM jobs'), 1, 'there is a job';
};

subtest 'one that adds none is not' => sub {
    status_is $t->user('ann')->get('/api/v1/app/users/me'), 200;
    error_is $anybody->post('/api/v1/auth/forgot-password', {}), 422, 'VALIDATION_ERROR', field => 'email';
    is_deeply heard(0.3), {}, 'silence';
};

subtest 'a transaction that is rolled back wakes nobody' => sub {
    $db->do('ALTER TABLE jobs ADD CONSTRAINT jobs_none CHECK (false) NOT VALID');
    $t->expect_log(qr/jobs_none/);
    status_is forgot(), 500;
    is_deeply heard(0.3), {}, 'silence';
    $db->do('ALTER TABLE jobs DROP CONSTRAINT jobs_none');
};

subtest 'when the notifier dies another one takes over' => sub {
    my $second = $t->start_pool('slow');    # whose housekeeper is no notifier
    my ($first) = notifier($t->master);
    ok $first, 'the main pool has one';
    is_deeply [ notifier($second) ], [], 'the slow pool none';
    $t->expect_log(qr/child $first ended: signal 9/);
    kill 'KILL', $first;
    eventually { my ($now) = notifier($t->master); $now && $now != $first } 10, 'the master replaces it';
    status_is forgot(), 200;
    is_deeply heard(10), { ashlar_jobs => 1 }, 'and it notifies';
};

subtest 'of two on one host one waits, and takes over at once' => sub {
    local $t->{size}{main} = 1;
    my $file = "$t->{dir}/shared.notifier";
    ok -e $file, 'the lock lies beside the shared memory';
    my $other = Ashlar::Process->start(
        name => 'another main pool', log => "$t->{dir}/api-other.log", env => $t->{env},
        cmd  => [ "$Ashlar::Cluster::BUILD/ashlar", 'api', '--processes', 1, '--socket', "$t->{dir}/other.sock" ]);
    eventually { notifier($other) } 10, 'it has a notifier, too';
    status_is forgot(), 200;
    is_deeply heard(10), { ashlar_jobs => 1 }, 'but one alone notifies';
    my ($first) = notifier($t->master);
    $t->expect_log(qr/child $first ended: signal 9/);
    kill 'KILL', $first;
    status_is forgot(), 200;
    ok heard(10)->{ashlar_jobs}, 'the other one, or the new one, goes on';
    ok $other->stop, 'the other pool stops';
};
