# Jobs with effects, workers killed at random, PostgreSQL restarted meanwhile:
# every effect exactly once, none lost.  In a short form; make check-chaos
# (CHAOS=long) does it with 5,000 jobs, 50 kills and two restarts.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Jobs 'obey';
use Time::HiRes qw(sleep time);

my $long = ($ENV{CHAOS} // '') eq 'long';
my ($JOBS, $KILLS, @RESTARTS) = $long ? (5000, 50, 17, 34) : (400, 6, 3);
my $HOSTS = 2;

my $cluster = Ashlar::Cluster->start->template;    # of its own: it is stopped
my $t = Api->start(cluster => $cluster, main => 0, slow => 0, WORKER_LEASE_S => 2);
obey($t->db);

# Half of the work that a job does lies in front of its effect, and half behind it.
my $tenant = $t->tenant_id;
my $add    = q{
    INSERT INTO jobs (tenant_id, kind, payload, priority, max_attempts, backoff_type, backoff_ms)
    SELECT $1, 'noop.sql', jsonb_build_object('sql', format(
               'SELECT pg_sleep(%s); INSERT INTO effects (job) VALUES (%L); SELECT pg_sleep(%s)', s / 2, i, s / 2)),
           i % 3, 25, 'fixed', 100
    FROM (SELECT i, random() * 0.06 AS s FROM generate_series($2::integer, $3::integer) i) r
};
$t->db->do($add, undef, $tenant, 1, $JOBS / 2);

# What a worker says of a child that another kill has taken, and of PostgreSQL when it is away.
$t->expect_log(qr/child \d+ ended: signal/, qr/worker: (?:FATAL|PostgreSQL)/);

my $started = 0;
sub worker () {
    my $name = 'worker' . ++$started;
    return [ $name, $t->start_worker(name => $name, children => 4, no_wait => 1) ];
}
my @workers = map { worker() } 1 .. $HOSTS;

srand 20_261_121;
my $crash = 0;
for my $n (1 .. $KILLS) {
    sleep 0.1 + rand 0.3;
    my $i = int rand @workers;
    my ($name, $worker) = @{ $workers[$i] };
    my @children = $t->children($name);
    if ($n % 3 == 0 && @children) {
        kill 'KILL', $children[ rand @children ];    # a child of it, and its master goes on
    }
    else {
        kill 'KILL', $worker->pid;
        $worker->wait_for(10);
        delete $t->{pool}{$name};
        $workers[$i] = worker();
    }
    if (grep { $_ == $n } @RESTARTS) {
        $cluster->down($crash++ % 2 ? 'INT' : 'QUIT');    # first a crash, then in order
        sleep 0.2;
        $cluster->up;
        $t->db->do($add, undef, $tenant, $JOBS / 2 + 1, $JOBS) if $crash == 1;
    }
}

my $left = sub { scalar $t->db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'noop.sql' AND state NOT IN ('completed', 'failed')}) };
eventually { !$left->() } $long ? 300 : 60, 'all jobs end';

my $db = $t->db;
is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE kind = 'noop.sql' AND state = 'completed'}), $JOBS, "$JOBS jobs are completed";
is $db->selectrow_array('SELECT count(DISTINCT job) FROM effects'), $JOBS, 'no effect is missing';
is $db->selectrow_array('SELECT count(*) FROM effects'), $JOBS, 'and none is there twice';
my ($again) = $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE attempts > 1});
cmp_ok $again, '>', 0, "$again of them needed more than one attempt";
is $db->selectrow_array(q{SELECT count(*) FROM jobs WHERE attempts > 1 AND errors = '[]'}), 0, 'whose history says why';
