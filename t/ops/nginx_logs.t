# What nginx writes down of requests that it answers itself: never a query string, and never a secret that
# stands in a path.  Over all routes, whichever name they are called by and whatever goes wrong.

use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Rows qw(rows);
use Cpanel::JSON::XS qw(decode_json);
use IO::Socket::INET;

my $query  = 'QueryMarker7f3a';
my $secret = 'PathMarker9c1e';
my $plain  = 'PlainMarker2b5d';
my @rows   = grep { !$_->{static} } rows();

sub path_of ($row) {
    my $path = $row->{path} =~ s/\{(\w+)\}/$1 =~ m{(?:^|_)(?:token|secret|code)$} ? $secret : $plain/ger;
    return "$path?token=$query";
}

# Every name that a path goes by, and spellings that only look like one.
sub names_of ($path) {
    return (
        $path,
        ($path =~ s{^/api/v1/}{/api/v2/}r) x !!($path =~ m{^/api/v1/}),
        ($path =~ s{^/api/v1/}{/api/}r) x !!($path =~ m{^/api/v1/}),
        $path =~ s{^/api/(v\d)/}{/$1/}r, $path =~ s{[?]}{/?}r,
        $path =~ s{/([a-z])([a-z-]*)/}{sprintf '/%%%02x%s/', ord $1, $2}er, "/$path", $path =~ s{/api/}{/api/./}r,
    );
}

sub lines ($t, $at_least) {
    my @lines;
    eventually { @lines = map { decode_json($_) } split /\n/, slurp("$t->{dir}/run/access.log"); @lines >= $at_least } 20, 'they are in the log';
    return @lines;
}

sub slurp ($file) {
    open my $in, '<', $file or return '';
    local $/ = undef;
    return scalar(<$in>) // '';
}

# Everything under an instance's directory that is a log.
sub logs ($t) { return join '', map { slurp($_) } glob "$t->{dir}/*.log $t->{dir}/run/*.log" }

sub nothing_told ($t) {
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my $logs = logs($t);
    unlike $logs, qr/$query/,  'no query string in any log';
    unlike $logs, qr/$secret/, 'no secret of a path';
    return;
}

subtest 'pools that are away' => sub {
    my $t = Api->start(nginx => { LIMIT_CONN => 1000 });
    $t->expect_log(qr/./);
    $t->keep_secret($query, $secret);
    my $health = $t->client;
    $t->master($_)->stop('TERM', 15) for qw(main slow hash);
    my %status;
    for my $row (@rows) {
        $status{ $health->request($row->{method}, $_, ($row->{method} eq 'GET' ? () : (json => {})))->status }++ for names_of(path_of($row));
    }
    cmp_ok $status{502}, '>=', 3 * @rows, 'every route, by all of its names, is 502';
    my @lines = lines($t, 3 * @rows);
    my %path = map { $_->{path} => $_ } @lines;
    ok $path{"/api/v1/invitations/{invitation_token}"} || (grep { /\{invitation_token\}/ } keys %path), 'a secret goes by its name';
    ok((grep { /$plain/ } keys %path), 'and an id is an id');
    is scalar(grep { $_->{status} == 502 && ($_->{level} ne 'error' || !$_->{upstream}) } @lines), 0, 'a failure has a level, and says whose it was';
    nothing_told($t);
    $t->start_pool($_) for qw(main slow hash);
};

subtest 'floods' => sub {
    my $t = Api->start(nginx => { LIMIT_RATE => 1 });
    $t->expect_log(qr/./);
    $t->keep_secret($query, $secret);
    my $client = $t->client;
    my $n = 0;
    for my $row (@rows) { $n += $client->request($row->{method}, path_of($row))->status == 429 }
    cmp_ok $n, '>', @rows / 2, 'most of them are refused';
    my @refused = grep { $_->{status} == 429 } lines($t, $n);
    is scalar(grep { $_->{level} ne 'warning' || $_->{limit} ne 'rate' } @refused), 0, 'and the log says by which limit';
    nothing_told($t);
};

subtest 'requests that nginx cannot read, or will not' => sub {
    my $t = Api->start(nginx => { LIMIT_CONN => 2 });
    $t->expect_log(qr/./);
    $t->keep_secret($query, $secret);
    my ($row) = grep { $_->{path} =~ /token\}/ } @rows;
    my $path = path_of($row);
    my @head = ('Host: localhost', 'Connection: close');
    my @bytes = (
        "GET $path HTTP/3.0\r\n\r\n", "GET $path HTTP/1.1\r\n\r\n", "G=T $path HTTP/1.1\r\n\r\n",
        "GET $path&" . 'x' x 9000 . " HTTP/1.1\r\n\r\n",
        join("\r\n", "GET $path HTTP/1.1", @head, 'X-Long: ' . 'x' x 9000, '', ''),
        join("\r\n", "POST $path HTTP/1.1", @head, 'Content-Length: 3000000', '', ''),
        join("\r\n", "POST $path HTTP/1.1", @head, 'Transfer-Encoding: chunked', '', 'zz', '', ''),
        join("\r\n", "TRACE $path HTTP/1.1", @head, '', ''),
        join("\r\n", "GET /nowhere/$path HTTP/1.1", @head, '', ''),
    );
    for my $bytes (@bytes) {
        for my $s (
            Ashlar::Tls->connect("$t->{dir}/cert.pem", PeerPort => $t->{https_port}),
            IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $t->{http_port})
        ) {
            local $SIG{PIPE} = 'IGNORE';
            print {$s} $bytes;
            1 while sysread $s, my $part, 65536;
        }
    }
    lines($t, 2 * @bytes);
    nothing_told($t);
};
