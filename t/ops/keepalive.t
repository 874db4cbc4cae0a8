use v5.36;
use lib 't/lib';
use Api;
use Time::HiRes 'time';

# nginx keeps more connections than there are children.  A child that held an
# idle one while others wait would starve the pool: measured without the
# remedy, the third plain request after a burst hangs until its time-out.
my $t    = Api->start(main => 4);
my $ann  = $t->user('ann');
my $path = '/api/v1/app/users/me';

sub slowest (@responses) { return (sort { $b <=> $a } map { $_->seconds } @responses)[0] }

subtest 'after a burst, requests one by one are answered at once' => sub {
    for my $round (1 .. 3) {
        my $load = $t->load(
            clients  => 16,
            requests => 10,
            make     => sub { $t->client(token => $ann->token) },
            each     => sub ($client, $n) { $client->get($path) },
        );
        my @burst = $load->finish;
        is scalar(grep { $_->[0] == 200 } @burst), 160, "burst $round";
        my @after = map { $ann->get($path) } 1 .. 40;
        is scalar(grep { $_->status == 200 } @after), 40, '  forty requests after it';
        cmp_ok slowest(@after), '<', 1, '  none took a second';
        my @fresh = map { $ann->get($path, fresh => 1) } 1 .. 10;
        cmp_ok slowest(@fresh), '<', 1, '  nor on connections of their own';
    }
};

subtest 'reads and writes in turn' => sub {
    my @answers;
    for (1 .. 30) {
        push @answers, $ann->get($path), $ann->patch($path, { full_name => "number $_" });
    }
    is scalar(grep { $_->status == 200 } @answers), 60;
    cmp_ok slowest(@answers), '<', 1;
};

subtest 'idle kept connections, more than children, do not keep others out' => sub {
    my %params = (params => { HTTP_AUTHORIZATION => 'Bearer ' . $ann->token }, keep => 1);
    my @idle;
    for (1 .. 12) {
        my $client = $t->fcgi;
        cmp_ok $client->request('GET', $path, %params)->seconds, '<', 1, "connection $_ is served";
        push @idle, $client;
    }
    my $open = grep { my $socket = $_->connect; !IO::Select->new($socket)->can_read(0) } @idle;
    cmp_ok $open, '<=', 4, 'no more are kept than there are children';
    cmp_ok $open, '>=', 1, 'but some are, while nobody else waits';
    cmp_ok $ann->get($path)->seconds, '<', 1, 'and nginx gets in';
};

subtest 'a kept connection is really kept' => sub {
    my $client = $t->fcgi;
    my %params = (params => { HTTP_AUTHORIZATION => 'Bearer ' . $ann->token }, keep => 1);
    $client->request('GET', $path, %params);
    my $socket = $client->connect;
    status_is $client->request('GET', $path, %params), 200 for 1 .. 5;
    is $client->connect, $socket, 'six requests on one';
    my $close = $t->fcgi;
    $close->request('GET', $path, params => $params{params});
};
