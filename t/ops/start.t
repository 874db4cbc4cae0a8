use v5.36;
use lib 't/lib';
use Api;
use IO::Select;
use Socket qw(SOCK_DGRAM);
use Time::HiRes 'time';

# How a pool starts, what it tells systemd, and what keeps it from starting.
my $t    = Api->start(main => 2);
my $ann  = $t->user('ann');
my $me   = '/api/v1/app/users/me';
my $path = "$t->{dir}/notify";

# What arrives at a notification socket until a message matches, or undef.
sub told ($socket, $pattern, $seconds = 5) {
    my $until = time + $seconds;
    while ((my $left = $until - time) > 0) {
        IO::Select->new($socket)->can_read($left) or next;
        defined $socket->recv(my $text, 4096) or next;
        return $text if $text =~ $pattern;
    }
    return;
}

subtest 'systemd is told: ready, alive, reloading, stopping (sd_notify(3))' => sub {
    for my $name ($path, "\0ashlar-test-notify-$$") {
        my $socket = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $name) // die "notify: $!\n";
        $t->master->stop;
        $t->start_pool('main', env => { NOTIFY_SOCKET => $name =~ s/^\0/@/r });
        ok told($socket, qr/^READY=1$/m), 'READY' . ($name =~ /^\0/ ? ', in the abstract namespace' : '');
        ok told($socket, qr/^WATCHDOG=1$/m), 'WATCHDOG';
        $t->master->signal('HUP');
        like told($socket, qr/^RELOADING=1$/m) // '', qr/^MONOTONIC_USEC=\d+$/m, 'RELOADING, and since when';
        ok told($socket, qr/^READY=1$/m), 'READY again';
        $t->master->signal('TERM');
        ok told($socket, qr/^STOPPING=1$/m), 'STOPPING';
        is $t->master->wait_for(10), 0;
        unlink $path;
    }
    $t->start_pool('main', env => { NOTIFY_SOCKET => '/nonexistent/notify' });
    status_is $ann->get($me), 200, 'a socket that is not there stops nobody';
};

subtest 'a pool that cannot listen says so and ends' => sub {
    my %wrong = (
        'no socket at all'  => [ [],                                           qr/--socket/ ],
        'no such folder'    => [ [ '--socket', "$t->{dir}/no/where.sock" ],    qr/No such file/ ],
        'too long a path'   => [ [ '--socket', "$t->{dir}/" . 'x' x 200 ],     qr/too long/i ],
        'an unknown pool'   => [ [ '--pool', 'other', '--socket', $path ],     qr/main, slow or hash/ ],
        'no children'       => [ [ '--processes', 0, '--socket', $path ],      qr/--processes/ ],
        'too many children' => [ [ '--processes', 100_000, '--socket', $path ], qr/--processes/ ],
        'an unknown option' => [ [ '--sockte', $path ],                        qr/sockte/ ],
        'an operand'        => [ [ '--socket', $path, 'x' ],                   qr/operand/ ],
    );
    for my $why (sort keys %wrong) {
        my ($options, $says) = @{ $wrong{$why} };
        my $log = "$t->{dir}/wrong.txt";
        unlink $log;
        my $run = Ashlar::Process->start(cmd => [ "$Ashlar::Cluster::BUILD/ashlar", 'api', @$options ], log => $log, env => $t->{env});
        my $status = $run->wait_for(5);
        ok $status, "$why: it ends with a failure";
        open my $in, '<', $log or die "$log: $!\n";
        like join('', <$in>), $says, '  and says why';
        $run->stop;
    }
};

subtest 'a configuration with mistakes is explained, one line each' => sub {
    my $log = "$t->{dir}/mistakes.txt";
    my $run = Ashlar::Process->start(
        cmd => [ "$Ashlar::Cluster::BUILD/ashlar", 'api', '--socket', $path ],
        log => $log,
        env => { %{ $t->{env} }, RATE_LIMIT_DEFAULT => 'many', JWT_SECRET => 'short', LOG_LEVEL => 'loud' },
    );
    ok $run->wait_for(5), 'it does not start';
    open my $in, '<', $log or die "$log: $!\n";
    my $text = join '', <$in>;
    like $text, qr/^\Q$_\E: /m, $_ for qw(RATE_LIMIT_DEFAULT JWT_SECRET LOG_LEVEL);
    unlike $text, qr/short$/m, 'a secret is not repeated, not even a bad one';
};

subtest 'an old socket at the path is replaced, and the path is removed at the end' => sub {
    $t->master->signal('KILL');
    eventually { !$t->master->alive } 5, 'killed, it could remove nothing';
    ok -S "$t->{dir}/main.sock", 'so its socket is left';
    $t->start_pool('main');
    status_is $ann->get($me), 200, 'the next one listens there';
    $t->master->stop;
    ok !-e "$t->{dir}/main.sock", 'and leaves nothing behind';
    $t->expect_log(qr/connect\(\) to unix/);
    $t->start_pool('main');
};

subtest 'a pool starts without a database, and finds it later' => sub {
    my $env = { DATABASE_URL => "postgresql:///nothing?host=$t->{dir}&user=ashlar_api" };
    $t->master->stop;
    $t->start_pool('main', env => $env, no_wait => 1);
    eventually { $ann->get($me)->status == 503 } 5, 'it answers';
    error_is $ann->last, 503, 'SERVICE_UNAVAILABLE';
    $t->master->stop;
    $t->start_pool('main');
    status_is $ann->get($me), 200;
};

subtest 'it answers within 300 ms of being started' => sub {
    $t->master->stop;
    my $start = time;
    $t->start_pool('main');
    my $took = time - $start;
    # A busy machine is no slow program: the limit here is for something being badly wrong.
    cmp_ok $took, '<', 2, sprintf 'it took %.0f ms', $took * 1000;
};
