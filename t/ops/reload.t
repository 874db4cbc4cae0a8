use v5.36;
use lib 't/lib';
use Api;
use File::Temp ();
use Time::HiRes qw(sleep time);

my $t   = Api->start(main => 3);
my $ann = $t->user('ann');
my $me  = '/api/v1/app/users/me';

# Reads on kept connections and writes on fresh ones, until told to stop.
sub busy ($api, $user) {
    return $api->load(
        clients => 4,
        make    => sub { $api->client(token => $user->token) },
        each    => sub ($client, $n) {
            return $n =~ /[05]$/ ? $client->post('/api/v1/app/projects', { name => $n }) : $client->get($me);
        },
    );
}

sub none_lost (@results) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @lost = grep { $_->[0] !~ /^20[01]$/ } @results;
    cmp_ok scalar @results, '>', 50, 'there was load';
    is_deeply \@lost, [], 'no request was lost';
    cmp_ok((sort { $b <=> $a } map { $_->[1] } @results)[0], '<', 5, 'and none waited long');
    return;
}

subtest 'SIGHUP replaces every child under load' => sub {
    my $load   = busy($t, $ann);
    my $master = $t->master->pid;
    for (1 .. 5) {
        sleep 0.3;
        my %old = map { $_ => 1 } $t->children;
        $t->master->signal('HUP');
        eventually { my @now = $t->children; @now == 3 && !grep { $old{$_} } @now } 10, "reload $_";
    }
    sleep 0.2;
    none_lost $load->finish;
    is $t->master->pid, $master, 'the master is the same';
    is $t->metric('ashlar_reloads_total', pool => 'main'), 5, 'and counted them';
};

subtest 'a reload with a key file that is broken goes on with the old keys' => sub {
    my $dir = File::Temp->newdir;
    my $pem = "$dir/key.pem";
    is system("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 2>/dev/null | openssl pkey -pubout -out $pem"), 0, 'a key';
    my $s   = Api->start(main => 2, slow => 0, OIDC_ISSUER => 'https://id.example.com', OIDC_PEM_FILE => $pem);
    my $bob = $s->user('bob');
    unlink $pem;
    $s->expect_log(qr/OIDC_PEM_FILE/, qr/keys cannot be read/);
    my %old = map { $_ => 1 } $s->children;
    $s->master->signal('HUP');
    eventually { my @now = $s->children; @now == 2 && !grep { $old{$_} } @now } 10, 'the children are replaced';
    ok $s->master->alive, 'the master lives';
    status_is $bob->get($me), 200;
};

subtest 'restarted on an inherited socket, as systemd does it' => sub {
    my $s      = Api->start(main => 0);
    my $socket = $s->listen_for('main');
    $s->{size}{main} = 3;
    $s->start_pool('main', on_socket => $socket);
    my $bob  = $s->user('bob');
    my $load = busy($s, $bob);
    for (1 .. 4) {
        sleep 0.3;
        my $old = $s->master;
        ok $old->stop('TERM', 10), "stop $_: in order";
        # No process accepts now: a client that comes waits in the socket's queue.
        sleep 0.1;
        $s->start_pool('main', on_socket => $socket);
    }
    sleep 0.2;
    none_lost $load->finish;
};

subtest 'a pool with a socket of its own is replaced by a second one' => sub {
    my $load = busy($t, $ann);
    for (1 .. 3) {
        sleep 0.2;
        my $old = $t->master;
        $t->start_pool('main');    # takes over the path, then the first one goes
        ok $old->stop('TERM', 10), "the old one stops ($_)";
    }
    sleep 0.2;
    none_lost $load->finish;
};

subtest 'a request in hand is finished before the pool stops' => sub {
    my $lock = $t->lock('SELECT FROM users WHERE id = ? FOR UPDATE', $ann->uuid);
    my $load = $t->load(
        clients  => 1,
        requests => 1,
        make     => sub { $t->client(token => $ann->token) },
        each     => sub ($client, $n) { $client->patch($me, { full_name => 'in hand' }) },
    );
    eventually { $t->waiting == 1 } 5, 'it waits for a lock';
    my $old = $t->master;
    $old->signal('TERM');
    sleep 0.5;
    ok $old->alive, 'the pool waits for it';
    $lock->commit;
    $lock->disconnect;
    is_deeply [ map { $_->[0] } $load->finish ], [200];
    is $old->wait_for(10), 0, 'and then ends';
    is $t->db->selectrow_array('SELECT full_name FROM users WHERE id = ?', undef, $ann->uuid), 'in hand';
    $t->start_pool('main');
    status_is $ann->get($me), 200;
};

subtest 'one that is not finished in time does not hold the pool up for ever' => sub {
    my $s    = Api->start(main => 1, slow => 0, DRAIN_TIMEOUT_S => 1);
    my $bob  = $s->user('bob');
    my $lock = $s->lock('SELECT FROM users WHERE id = ? FOR UPDATE', $bob->uuid);
    my $load = $s->load(
        clients  => 1,
        requests => 1,
        make     => sub { $s->client(token => $bob->token) },
        each     => sub ($client, $n) { $client->patch($me, { full_name => 'too late' }) },
    );
    eventually { $s->waiting == 1 } 5, 'it waits for a lock';
    $s->expect_log(qr/signal 9/, qr/upstream prematurely closed|recv\(\) failed/);
    my $start = time;
    $s->master->signal('TERM');
    is $s->master->wait_for(10), 0, 'the pool ends';
    cmp_ok time - $start, '<', 5, 'after DRAIN_TIMEOUT_S';
    is_deeply [ map { $_->[0] } $load->finish ], [502], 'its client is told';
    $lock->commit;
    $lock->disconnect;
    $s->start_pool('main');
};
