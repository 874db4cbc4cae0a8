use v5.36;
use lib 't/lib';
use Api;
use IO::Socket::SSL;
use Time::HiRes qw(sleep time);

# A client that is slow, or sends too much, holds up no other.
my $t   = Api->start(main => 2);
my $ann = $t->user('ann');
my $me  = '/api/v1/app/users/me';

sub quick ($name) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @answers = map { $ann->get($me), $ann->patch($me, { full_name => "$_" }) } 1 .. 5;
    is scalar(grep { $_->status == 200 && $_->seconds < 1 } @answers), 10, $name;
    return;
}

sub tls () {
    return Ashlar::Tls->connect("$t->{dir}/cert.pem", PeerPort => $t->{https_port})
        // die "cannot connect: $SSL_ERROR\n";
}

subtest 'clients that send their requests slowly' => sub {
    my @slow = map { tls() } 1 .. 8;
    print {$_} "POST /api/v1/app/projects HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " . $ann->token
        . "\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{\"name\":" for @slow;
    quick 'eight bodies half sent hold no child';
    my @headers = map { tls() } 1 .. 8;
    print {$_} "GET $me HTTP/1.1\r\nHost: localhost\r\nX-Slow: " for @headers;
    quick 'nor do eight heads half sent';
    close $_ for @slow, @headers;
};

subtest 'clients that go away' => sub {
    my @gone = map { tls() } 1 .. 20;
    print {$_} "GET $me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " . $ann->token . "\r\n\r\n" for @gone;
    close $_ for @gone;
    quick 'twenty that did not wait for their answer';
    is scalar($t->children), 2, 'the children are all there';
};

subtest 'a pool is not upset by what nginx would never send' => sub {
    my @before = $t->children;
    my @junk   = (
        'x' x 100, "\0" x 1000, "\1\1\0\1\0\10\0\0", "\1\1\0\1\0\10\0\0\0\1\1\0\0\0\0\0", "\1\4\0\1\xff\xff\0\0" . 'x' x 100,
        "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\1\4\0\1\0\4\0\0\xff\xff\xff\xff", "\2\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0",
        "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\1\4\0\1\0\0\0\0", 'GET / HTTP/1.1' . "\r\n\r\n", "\1\11\0\0\0\0\0\0", '',
    );
    for my $bytes (@junk) {
        my $client = $t->fcgi;
        local $SIG{PIPE} = 'IGNORE';
        $client->connect->syswrite($bytes) if length $bytes;
        $client->connect->shutdown(1);
        my $until = time + 1;
        1 while time < $until && IO::Select->new($client->connect)->can_read(0.1) && sysread $client->connect, my $in, 4096;
    }
    quick 'the next ones are served';
    is_deeply [ $t->children ], \@before, 'by the same children';
};

subtest 'parameters of any length' => sub {
    my $fcgi = $t->fcgi;
    for my $n (127, 128, 65535, 65536, 200_000) {
        my $res = $fcgi->request('GET', '/api/v1/public/health', params => { HTTP_X_LONG => 'x' x $n });
        ok $res->status == 200 || $res->status == 431, "$n bytes" or diag $res->describe;
    }
    my $many = $fcgi->request('GET', '/api/v1/public/health', params => { map { ("HTTP_X_$_" => 'y' x 50) } 1 .. 2000 });
    ok $many->status == 200 || $many->status == 431, 'two thousand of them' or diag $many->describe;
    for my $params ({ REQUEST_METHOD => undef }, { REQUEST_URI => undef }, { REMOTE_ADDR => undef }, { REQUEST_METHOD => '' }, { REQUEST_URI => '' },
        { REQUEST_URI => '?' }, { REQUEST_URI => 'http://x/' }, { REQUEST_URI => '/api/v1/public/health#x' }, { CONTENT_LENGTH => '-1' },
        { CONTENT_LENGTH => '99999999999999999999' }, { CONTENT_LENGTH => 'x' }) {
        my $res = $fcgi->request('POST', '/api/v1/app/projects', params => $params);
        cmp_ok $res->status, '>=', 400, join ' ', map { "$_=" . ($params->{$_} // 'none') } keys %$params or diag $res->describe;
        cmp_ok $res->status, '<', 500;
    }
};

subtest 'a child\'s memory does not grow with what it was sent' => sub {
    my $rss = sub {
        my $sum = 0;
        for my $pid ($t->children) {
            open my $in, '<', "/proc/$pid/statm" or next;
            $sum += (split ' ', <$in>)[1] * 4;
        }
        return $sum;
    };
    my $large = '{"name":"' . 'x' x 255 . '","ignored":[' . join(',', 1 .. 100_000) . ']}';
    # A child grows once, with its first large body, which may come late; a leak grows each time.
    my @grown;
    for (1 .. 3) {
        my $before = $rss->();
        $ann->post('/api/v1/app/projects', undef, raw => $large) for 1 .. 80;
        push @grown, $rss->() - $before;
        last if $grown[-1] < 4096;
    }
    cmp_ok $grown[-1], '<', 4096, "eighty large bodies later, in KiB: @grown";
} if !$ENV{SAN};
