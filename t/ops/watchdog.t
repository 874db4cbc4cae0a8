use v5.36;
use lib 't/lib';
use Api;
use Time::HiRes qw(sleep time);

my $t   = Api->start(main => 3, REQUEST_TIMEOUT_S => 2, DATABASE_TIMEOUT_MS => 2000);
my $ann = $t->user('ann');
my $me  = '/api/v1/app/users/me';

$t->expect_log(qr/is stuck/, qr/signal 9/);

# A request whose body never ends: the child that reads it is stuck.
sub unfinished () {
    my $client = $t->fcgi;
    $client->send_unfinished('POST', '/api/v1/app/projects', HTTP_AUTHORIZATION => 'Bearer ' . $ann->token, CONTENT_LENGTH => 100);
    return $client;
}

sub closed_after ($client, $start = time) {
    eval { $client->answer };
    return time - $start;
}

subtest 'a child stuck with one request is replaced after REQUEST_TIMEOUT_S' => sub {
    my @before = $t->children;
    my $start  = time;    # before it can be stuck: what is asked in between takes its time
    my $stuck  = unfinished();
    my @others = map { $ann->get($me) } 1 .. 10;
    is scalar(grep { $_->status == 200 && $_->seconds < 1 } @others), 10, 'the others go on meanwhile';
    my $seconds = closed_after($stuck, $start);
    cmp_ok $seconds, '>', 1.9, 'not too early';
    cmp_ok $seconds, '<', 4,   'and soon';
    my %before = map { $_ => 1 } @before;
    eventually { my @now = $t->children; @now == 3 && 1 == grep { !$before{$_} } @now } 5, 'there are as many children as before, one of them new';
    is $t->metric('ashlar_child_kills_total', pool => 'main'), 1, 'and counted';
    status_is $ann->get($me), 200;
};

subtest 'all of them at once' => sub {
    my @before = $t->children;
    my @stuck  = map { unfinished() } 1 .. 3;
    sleep 0.2;
    my $res = $ann->get($me);
    status_is $res, 200, 'whoever comes then waits for the replacements';
    cmp_ok $res->seconds, '<', 4, '  and not longer';
    my %before = map { $_ => 1 } @before;
    eventually { my @now = $t->children; @now == 3 && !grep { $before{$_} } @now } 5, 'all three were replaced';
};

subtest 'a child that does not react at all is replaced' => sub {
    my $stuck  = unfinished();
    my @before = $t->children;
    sleep 0.1;
    kill 'STOP', @before;    # one of them has the request in hand
    closed_after($stuck);
    kill 'CONT', @before;
    eventually { my %now = map { $_ => 1 } $t->children; keys %now == 3 && 2 == grep { $now{$_} } @before } 5, 'that one, and no other';
    status_is $ann->get($me), 200 for 1 .. 3;
};

subtest 'a child that only waits for work is not stuck' => sub {
    my @before = $t->children;
    my $client = $t->fcgi;
    $client->request('GET', '/api/v1/public/health', keep => 1);
    sleep 3;
    is_deeply [ $t->children ], \@before, 'not even with an idle connection';
};
