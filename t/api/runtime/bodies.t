use v5.36;
use lib 't/lib';
use Api;

my $t    = Api->start;
my $ann  = $t->user('ann');
my $base = '/api/v1/app/projects';
my $MiB  = 1 << 20;

# nginx says so when it refuses a body.
$t->expect_log(qr/client intended to send too large body/);

# A valid body of exactly n bytes.
sub body_of ($n) {
    my $head = '{"name":"large","ignored":"';
    return $head . 'x' x ($n - length($head) - 2) . '"}';
}

subtest 'a body has at most 1 MiB' => sub {
    status_is $ann->post($base, undef, raw => body_of($MiB)), 201, 'the last size that is accepted';
    error_is $ann->post($base, undef, raw => body_of($MiB + 1), fresh => 1), 413, 'PAYLOAD_TOO_LARGE', name => 'the first that is not';
    error_is $ann->post($base, undef, raw => body_of(5 * $MiB), fresh => 1), 413, 'PAYLOAD_TOO_LARGE', name => 'five times that';
    my $count = $t->db->selectrow_array('SELECT count(*) FROM projects');
    is $count, 1, 'one was stored';
};

subtest 'a pool itself keeps the limit, should nginx not' => sub {
    my %params = (HTTP_AUTHORIZATION => 'Bearer ' . $ann->token);
    my $res    = $t->fcgi->request('POST', $base, body => body_of($MiB + 1), params => \%params);
    error_is $res, 413, 'PAYLOAD_TOO_LARGE';
    my $kept = $t->fcgi;
    error_is $kept->request('POST', $base, body => body_of(3 * $MiB), params => \%params, keep => 1), 413, 'PAYLOAD_TOO_LARGE';
    status_is $kept->request('POST', $base, body => body_of(200), params => \%params, keep => 1), 201, 'the connection stays in step';
    error_is $kept->request('POST', $base, body => body_of(200), params => { %params, CONTENT_LENGTH => 201 }), 400, 'BAD_REQUEST',
        name => 'a body shorter than it says';
};

subtest 'chunked bodies are bodies' => sub {
    my $text = body_of(5000);
    my $chunked = join('', map { sprintf "%x\r\n%s\r\n", length, $_ } unpack '(a1000)*', $text) . "0\r\n\r\n";
    my $res = $ann->post($base, undef, raw => $chunked, headers => { 'Transfer-Encoding' => 'chunked' });
    status_is $res, 201;
};

subtest 'ten million brackets' => sub {
    for my $piece ('[', '{"a":', '[{"a":') {
        my $raw = $piece x (10_000_000 / length $piece);
        my $res = $ann->post($base, undef, raw => $raw, fresh => 1);
        error_is $res, 413, 'PAYLOAD_TOO_LARGE', name => "10 MB of $piece";
        $raw = $piece x ($MiB / length $piece);
        $res = $ann->post($base, undef, raw => $raw);
        error_is $res, 400, 'BAD_REQUEST', name => "1 MiB of $piece";
    }
};

subtest 'large numbers and long strings of digits' => sub {
    for my $number ('9' x 400, '1e400', '-1e400', '1e-400', '0.' . '3' x 5000, '123456789012345678901234567890') {
        my $res = $ann->post($base, undef, raw => qq({"name":$number}));
        ok $res->status == 422 || $res->status == 400, 'a name of ' . substr $number, 0, 20 or diag $res->describe;
        my $ignored = $ann->post($base, undef, raw => qq({"name":"x","ignored":$number}));
        ok $ignored->status == 201 || $ignored->status == 400, '  ignored or refused, in a member that nobody reads' or diag $ignored->describe;
    }
};

subtest 'a great many members are ignored' => sub {
    my $raw = '{"name":"many",' . join(',', map { qq("k$_":$_) } 1 .. 50_000) . '}';
    status_is $ann->post($base, undef, raw => $raw), 201;
};

subtest 'a GET with a body' => sub {
    status_is $ann->get($base, raw => '{"name":"x"}'), 200, 'ignores it';
    status_is $ann->get($base), 200, 'and the connection stays in step';
};

subtest 'every escape of JSON comes back as what it means' => sub {
    my $res = $ann->post($base, undef, raw => '{"name":"\"\\\\\/\b\f\n\r\t\u00e9\ud83e\uddf1\u2028"}');
    status_is $res, 201;
    json_is $res, '/name', "\"\\/\b\f\n\r\t\x{e9}\x{1f9f1}\x{2028}";
};
