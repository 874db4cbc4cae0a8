use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Collector;
use Time::HiRes 'time';

# What becomes of spans when the collector is slow, refuses or is away: requests never notice, what can be sent
# later is, and the rest is counted.

my $SPAN = '00f067aa0ba902b7';
my $base = '/api/v1/app/projects';
my $c    = Ashlar::Collector->start;

# Where nothing else is said, a collector that is slow is the machine that is busy.
my $GIVEN_UP = 4000;
my $t   = Api->start($c->settings(OTEL_EXPORTER_OTLP_TIMEOUT => $GIVEN_UP), worker => 1);
my $ann = $t->user('ann');

my $n = 0;
sub ask () {
    my $trace = sprintf '%032x', 0xdef000 + ++$n;
    status_is $ann->get($base, headers => { traceparent => "00-$trace-$SPAN-01" }), 200;
    return $trace;
}
sub came ($trace, $name) { return ok $c->wait_for(sub ($s) { $s->{trace} eq $trace && $s->{kind} eq 'server' }, 60), $name }
sub counted ($outcome) { return $t->metric('ashlar_spans_total', outcome => $outcome) }

# The requests that brought a trace.
sub tries ($trace) {
    return grep { index($_->{body}, pack 'H*', $trace) >= 0 } $c->requests;
}

# One batch is sent at a time, and those behind it wait for as long as it is refused: whose it is (a job of the worker's may be the first) does
# not matter.  So what is looked at is the batch in hand: all tries of the one that came first behind so many requests.
sub held ($behind) {
    my @all = $c->requests;
    return grep { $_->{body} eq $all[$behind]{body} } @all[ $behind .. $#all ];
}
sub again ($behind, $times, $name) { return eventually { held($behind) >= $times } 60, $name }

# They are sent in the order in which they ended, so what was recorded until now has been answered when as many have.  (To ask for a figure is
# a request, and a span more.)
sub answered ($name) {
    my $recorded = $t->metric('ashlar_spans_recorded_total');
    return eventually { counted('sent') + counted('failed') >= $recorded } 60, $name;
}

came(ask(), 'all is well');

for my $status (429, 502, 503, 504) {
    subtest "$status: it is sent again" => sub {
        $c->answer(status => $status);
        my $behind = $c->requests;
        my $trace  = ask();
        again $behind, 2, 'twice, and no answer yet';
        my $failed = counted('failed');
        $c->answer(status => 200);
        answered('and once it is taken, what waited behind it is, too');
        ok scalar(tries($trace)), 'this one among it';
        my @tries = held($behind);
        cmp_ok scalar @tries, '>=', 3, 'once more, then: the same bytes';
        is counted('failed'), $failed, 'nothing is lost';
    };
}

subtest 'Retry-After is heeded' => sub {
    $c->answer(status => 429, headers => { 'Retry-After' => 4 });
    my $behind = $c->requests;
    my $trace  = ask();
    again $behind, 1, 'refused for four seconds';
    $c->answer(status => 200);
    answered('sent again');
    ok scalar(tries($trace)), '  this one, too';
    my @tries = held($behind);
    cmp_ok $tries[1]{at} - $tries[0]{at}, '>=', 4, '  not before';
};

for my $status (400, 401, 413, 500) {
    subtest "$status: it is not taken, and counted" => sub {
        $c->answer(status => $status);
        my $failed = counted('failed');
        my $trace  = ask();
        eventually { counted('failed') >= $failed + 2 } 30, 'both spans have failed';
        $c->answer(status => 200);
        came(ask(), 'what comes behind is taken');
        is scalar(() = tries($trace)), 1, 'it was sent once';
    };
}

subtest 'a collector that takes a part says so' => sub {
    my $failed = counted('failed');
    $c->answer(status => 200, body => "\x0a\x07\x08\x01\x12\x03why", headers => { 'Content-Type' => 'application/x-protobuf' });
    ask();
    eventually { counted('failed') >= $failed + 1 } 30, 'the part that was refused is counted';
    eventually { grep { ($_->{message} // '') =~ /\Aspans are not taken: 1 of \d+: why\z/ } $t->log } 10, 'and its reason logged';
    $c->answer(status => 200);
    came(ask(), 'the next ones are taken');
};

subtest 'one that is slow, or does not answer, delays no request' => sub {
    answered('what was sent is taken');
    $c->answer(delay => 60);
    my $behind = $c->requests;
    my $trace  = ask();
    again $behind, 1, 'it is on its way';
    my ($from, $failed) = map { counted($_) } qw(sent failed);
    my $slow = 0;
    for (1 .. 20) {
        my $line = $t->log_of($ann->get($base));
        $slow++ if $line->{duration_ms} >= $GIVEN_UP;
    }
    is $slow, 0, 'none waited as long as it takes to give up the collector';
    is counted('sent'), $from, 'nothing was taken meanwhile';
    again $behind, 2, 'what was not answered in time is sent again';
    $c->answer(status => 200);
    came(ask(), 'and what comes behind is taken, when it has been');
    ok scalar(tries($trace)), 'all of it';
    is counted('failed'), $failed, 'nothing was lost';
};

subtest 'an outage is one line, and its end another one' => sub {
    my @said = map { $_->{message} } grep { ($_->{message} // '') =~ /\Aspans are / } $t->log;
    my @twice = grep { ($said[$_] =~ /not taken/) == ($said[ $_ - 1 ] =~ /not taken/) } 1 .. $#said;
    is_deeply \@twice, [], 'never the same twice';
    ok +(grep { $_ eq 'spans are taken again' } @said), 'that they are taken again';
};

subtest 'a worker that is killed loses no more than its batch' => sub {
    $t->master('worker')->kill_group;
    my @traces = map { ask() } 1 .. 5;
    cmp_ok $t->metric('ashlar_spans_waiting'), '>=', 10, 'they wait in the memory';
    $t->start_worker(children => 1);
    came($_, 'sent by the next one') for @traces;
};

subtest 'one that is told to end sends what is there' => sub {
    my $late = Ashlar::Collector->start;
    my $u    = Api->start($late->settings(OTEL_BSP_SCHEDULE_DELAY => 60000), worker => 1);
    my $bob  = $u->user('bob');
    $bob->get($base, headers => { traceparent => '00-' . 'a' x 32 . "-$SPAN-01" });
    is scalar $late->spans, 0, 'not yet';
    ok $u->master('worker')->stop, 'it ends well';
    ok $late->wait_for(sub ($s) { $s->{trace} eq 'a' x 32 }), 'and they have come';
};

subtest 'without a worker the memory fills, and the rest is counted' => sub {
    my $u   = Api->start($c->settings);
    my $bob = $u->user('bob');
    # Health asks nothing of a user: one query, two spans.
    my $fcgi = $u->fcgi;
    my $want = 8192 / 2 + 20;
    $fcgi->request('GET', '/api/v1/public/health') for 1 .. $want;
    is $u->metric('ashlar_spans_waiting'), 8192, 'it is full';
    cmp_ok $u->metric('ashlar_spans_total', outcome => 'dropped'), '>=', 40, 'what found no room is counted';
    status_is $bob->get($base), 200, 'and requests are answered';
};
