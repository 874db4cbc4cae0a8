# The realtime server dies, and stops, while messages are published and clients are
# connected: they come back and have everything, once and in order.  And the stream
# of a job, which begins with what was told before and ends with the job.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Ws;
use POSIX ();
use Time::HiRes qw(sleep time);

my $t   = Api->start(slow => 0, realtime => 1, REALTIME_PING_S => 5);
my $ann = $t->user('ann');
my $dir = $t->{dir};
my $ws  = '/api/v1/app/ws?token=' . $ann->token;
my @channels = map { 'project:' . $ann->post('/api/v1/app/projects', { name => "p$_" })->json('/id') } 1 .. 3;

# Killing it is this test's doing.
$t->expect_log(qr/realtime\.sock|upstream|notifier|realtime/);

sub child ($file, $code) {
    my $pid = fork // die "fork: $!\n";
    return $pid if $pid;
    open STDOUT, '>', $file or POSIX::_exit(2);
    STDOUT->autoflush;
    my $ok = eval { $code->(); 1 };
    print "died: $@" if !$ok;
    POSIX::_exit($ok ? 0 : 1);
}

sub lines ($file) {
    open my $in, '<', $file or return;
    my @lines = <$in>;
    close $in or die "$file: $!\n";
    chomp @lines;
    return @lines;
}

# Publishes until it is told to stop; a quarter of it is rolled back.
sub publisher () {
    my $db   = $t->{cluster}->connect($t->{database}, 'ashlar_api');
    my $stop = 0;
    local $SIG{TERM} = sub { $stop = 1 };
    srand $$;
    while (!$stop) {
        $db->begin_work;
        $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
        $db->do('SELECT realtime_publish(?, ?)', undef, $channels[ rand @channels ], '{"n":1}');
        sleep rand 0.01;
        rand() < 0.25 ? $db->rollback : $db->commit;
        sleep rand 0.02;
    }
    $db->disconnect;
    return;
}

# A client: on all channels, again and again, each time from where it was.
sub client () {
    my %last;
    while (1) {
        my $s = eval { Ashlar::Ws->open($t, $ws) };
        if (!$s || $s->status != 101) {
            sleep 0.1;
            next;
        }
        print "connected\n";
        for my $channel (@channels) {
            $s->say({ type => 'subscribe', channel => $channel, exists $last{$channel} ? (last_event_id => $last{$channel}) : () });
        }
        while (my $m = $s->next(undef, 60)) {
            last if $m->{close};
            if ($m->{type} eq 'subscribed') {
                print exists $last{ $m->{channel} } ? 'again ' . ($m->{recovered} ? 'all' : 'not all') : "from $m->{channel} $m->{event_id}", "\n";
                $last{ $m->{channel} } //= $m->{event_id};
            } elsif ($m->{type} eq 'channel_message') {
                return if $m->{data}{end};
                print "got $m->{channel} $m->{event_id}\n";
                $last{ $m->{channel} } = $m->{event_id};
            } elsif ($m->{type} eq 'error') {
                print "error $m->{code}\n";
            }
        }
    }
}

subtest 'clients miss nothing when the server is killed, and when it is stopped' => sub {
    my @publishers = map { child("$dir/p$_", \&publisher) } 1 .. 4;
    my %client = map { $_ => child("$dir/c$_", \&client) } 1 .. 4;
    my $each = sub ($what, $times) { return !grep { my $n = $_; $times > grep { /^$what/ } lines("$dir/c$n") } keys %client };
    eventually { $each->('got', 10) } 30, 'all clients get messages';
    for my $signal (qw(KILL TERM KILL)) {
        my $server = $t->master('realtime');
        my $before = () = map { /^connected/ ? 1 : () } lines("$dir/c1");
        $signal eq 'KILL' ? $server->signal('KILL') : $server->stop;
        $server->wait_for(10);
        sleep 0.3;    # so that something is published that no process tells
        $t->start_realtime;
        eventually { $each->('connected', $before + 1) && $each->('again', 3 * $before) } 30, "they are back after SIG$signal";
    }
    kill 'TERM', @publishers;
    waitpid $_, 0 for @publishers;
    my $db = $t->db;
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
    my %want = map { $_ => $db->selectcol_arrayref('SELECT id FROM realtime_messages WHERE channel = ? ORDER BY id', undef, $_) } @channels;
    $db->do('SELECT realtime_publish(?, ?)', undef, $_, '{"end":true}') for @channels;
    $db->commit;
    for my $n (sort keys %client) {
        waitpid $client{$n}, 0;
        is $?, 0, "client $n has come to the end";
        my @lines = lines("$dir/c$n");
        my @wrong;
        for my $channel (@channels) {
            my ($from) = map { /^from \Q$channel\E (\d+)/ ? $1 : () } @lines;
            my @got  = map { /^got \Q$channel\E (\d+)/ ? $1 : () } @lines;
            my @want = grep { $_ > $from } @{ $want{$channel} };
            push @wrong, "$channel: @got | @want" if "@got" ne "@want";
        }
        is_deeply \@wrong, [], '  and has each message once, in order';
        is_deeply [ grep { /not all|error|died/ } @lines ], [], '  and was never told that something is missing';
    }
};

subtest 'who comes while it starts waits in the socket' => sub {
    my $s      = Api->start(main => 1, slow => 0, hash => 0);
    my $socket = $s->listen_for('realtime');
    my @early  = map { IO::Socket::UNIX->new("$s->{dir}/realtime.sock") } 1 .. 3;
    print {$_} "GET /api/v1/app/ws HTTP/1.1\r\nHost: localhost\r\nX-Real-IP: 127.0.0.1\r\n\r\n" for @early;
    $s->start_realtime(realtime => on_socket => $socket);
    for my $peer (@early) { like scalar(<$peer>), qr{^HTTP/1.1 401}, 'and is asked who it is' }
};

# ------------------------------------------------------------------ jobs

sub in_tenant ($text, @value) {
    my $db = $t->db;
    $db->begin_work;
    $db->do(q{SELECT set_config('app.tenant_id', ?, true), set_config('app.user_id', ?, true)}, undef, $ann->tenant_id, $ann->uuid);
    my ($result) = $db->selectrow_array($text, undef, @value);
    $db->commit;
    return $result;
}

# The events of a stream until it ends: names and data.
sub stream ($user, $job, $meanwhile = sub { }, %header) {
    my $s = Ashlar::Ws->open($t, "/api/v1/app/events?channel=job:$job&token=" . $user->token, Upgrade => undef, Connection => 'close', %header);
    return $s->status if $s->status != 200;
    my $until = time + 20;
    my $is_told;
    while (time < $until) {
        $meanwhile->() if !$is_told && $s->{in} =~ /^event: subscribed/m && !$is_told++;
        last if !defined $s->_read(0.3) && $s->{in} =~ /^event: (?:completed|failed|cancelled|done|error)\n/m;
    }
    my @told;
    for my $event (split /\n\n/, $s->{in}) {
        my ($name) = $event =~ /^event: (\S+)$/m or next;
        my ($n) = $event =~ /"n": ?(\d+)/;
        push @told, defined $n ? "$name($n)" : $name if $name !~ /^(?:connected|subscribed|unsubscribed)$/;
    }
    return "@told";
}

subtest 'the stream of a job' => sub {
    my $job = in_tenant(q{SELECT job_follow(job_add('ashlar', 'noop', '{}', now() + interval '1 hour'))});
    in_tenant(q{SELECT job_progress(?, 'progress', '{"n":1}')}, $job);
    like stream($t->user('bob'), $job), qr/\A(?:40[34]|error)?\z/, 'is for who made it';
    my $got = stream($ann, $job, sub {
        in_tenant(q{SELECT job_progress(?, 'progress', '{"n":2}')}, $job);
        $t->db->do(q{UPDATE jobs SET state = 'completed', finished_at = now() WHERE id = ?}, undef, $job);
    });
    is $got, 'progress(1) progress(2) completed', 'begins with what was told, and ends with the job';
    is stream($ann, $job), 'progress(1) progress(2) completed', 'whoever comes later gets the same';
    my $other = in_tenant(q{SELECT job_follow(job_add('ashlar', 'noop', '{}', now() + interval '1 hour'))});
    in_tenant(q{SELECT job_progress(?, 'done', '{"n":3}', true)}, $other);
    is stream($ann, $other), 'done(3)', 'or with an event that says that it is the last';
};
