use v5.36;
use lib 't/lib';
use Api;
use Time::HiRes qw(sleep time);

my $t    = Api->start(main => 3);
my $ann  = $t->user('ann');
my $path = '/api/v1/app/users/me';

# A child that was killed takes its request along: that is all it may take.
$t->expect_log(qr/signal 9/, qr/upstream prematurely closed connection|Connection reset by peer|Broken pipe/);

subtest 'a child that is killed costs at most its own request' => sub {
    my $load = $t->load(
        clients => 3,
        make    => sub { $t->client(token => $ann->token) },
        each    => sub ($client, $n) { $client->get($path) },
    );
    my $kills = 0;
    for (1 .. 5) {
        sleep 0.3;
        my ($victim) = $t->children;
        $kills += kill 'KILL', $victim if $victim;
    }
    sleep 0.3;
    my @results = $load->finish;
    my @failed  = grep { $_->[0] != 200 } @results;
    cmp_ok $kills, '==', 5, 'five were killed';
    cmp_ok @results - @failed, '>', 50, 'meanwhile requests were served';
    cmp_ok scalar @failed, '<=', $kills, 'each took at most one request along' or diag explain \@failed;
    is join(' ', grep { $_ != 502 } map { $_->[0] } @failed), '', 'which was answered by 502';
    cmp_ok((sort { $b <=> $a } map { $_->[1] } @results)[0], '<', 3, 'and nobody waited long');
};

subtest 'killed children are replaced' => sub {
    my @before = $t->children;
    is scalar @before, 3;
    my $count = $t->metric('ashlar_child_respawns_total', pool => 'main');
    kill 'KILL', @before;
    eventually { my %old = map { $_ => 1 } @before; my @now = $t->children; @now == 3 && !grep { $old{$_} } @now } 10, 'all three, by three others';
    status_is $ann->get($path), 200;
    is $t->metric('ashlar_child_respawns_total', pool => 'main') - $count, 3, 'and counted';
};

subtest 'a child that keeps dying young is tried less and less often' => sub {
    my %seen;
    my $until = time + 3;
    while (time < $until) {
        for my $pid ($t->children) {
            kill 'KILL', $pid if !$seen{$pid}++;
        }
        sleep 0.005;
    }
    # Without back-off it would be hundreds; doubling from 0.1 s makes 5 a place.
    cmp_ok scalar keys %seen, '<=', 24, 'in three seconds, not over and over';
    eventually { $t->children == 3 } 10, 'and when they live again there are three';
    eventually { $ann->get($path)->status == 200 } 10, 'which answer';
};

subtest 'a child is replaced after its requests, and none is lost' => sub {
    my $short = Api->start(main => 2, MAX_REQUESTS => 20);
    my $bob   = $short->user('bob');
    my @first = $short->children;
    my $load  = $short->load(
        clients  => 2,
        requests => 100,
        make     => sub { $short->client(token => $bob->token) },
        each     => sub ($client, $n) { $client->get($path) },
    );
    my @failed = grep { $_->[0] != 200 } $load->finish;
    is_deeply \@failed, [], 'two hundred requests';
    my %first = map { $_ => 1 } @first;
    ok !(grep { $first{$_} } $short->children), 'none of the first children is left';
};

subtest 'children do not outlive their master' => sub {
    my $orphan = Api->start(main => 2, slow => 0);
    my @pids   = $orphan->children;
    kill 'KILL', $orphan->master->pid;
    eventually { !$orphan->master->alive } 5, 'the master is gone';
    eventually { !grep { kill 0, $_ } @pids } 5, 'and so are they';
    $orphan->start_pool('main');
    status_is $orphan->get('/api/v1/public/health'), 200, 'another one takes over the socket';
    $orphan->expect_log(qr/connect\(\) to unix|upstream prematurely closed/);
};
