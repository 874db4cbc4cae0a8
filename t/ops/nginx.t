# nginx by itself, in front of a FastCGI application that answers with what it
# was sent: transport, limits, error pages, headers, aliases, static pages.

use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin, "$FindBin::Bin/../lib";
use Ashlar::Tls;
use Cpanel::JSON::XS qw(decode_json);
use File::Temp qw(tempdir);
use IO::Socket::INET;
use Test::More;
use Time::HiRes qw(sleep time);
use Responder;

my $root = "$FindBin::Bin/../..";
my $uuid = qr/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

# Every public error: status -> [code, message], and the names of err.def.
my %err = do {
    open my $def, '<', "$root/lib/base/err.def" or die "err.def: $!";
    map { /^ERR[(](\w+), *(\d+), *"(\w+)", *"(.*)"[)]/ ? ($1 => { status => $2, code => $3, message => $4 }) : () } <$def>;
};

# ------------------------------------------------------------------ an instance

sub free_port {
    my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "no free port: $!";
    return $s->sockport;
}

sub write_file {
    my ($path, $text) = @_;
    open my $f, '>', $path or die "$path: $!";
    print {$f} $text;
    close $f or die "$path: $!";
    return;
}

sub read_file {
    my ($path) = @_;
    open my $f, '<', $path or return '';
    local $/ = undef;
    return <$f>;
}

my @running;

# A directory whose name holds what shells and configuration files trip over.
sub instance {
    my (%env) = @_;
    my $top = tempdir(CLEANUP => 1);
    chmod 0755, $top;
    my $dir = "$top/a dir & more";
    mkdir "$dir" or die;
    mkdir "$dir/doc";
    mkdir "$dir/doc/$_" for qw(assets console);
    write_file("$dir/doc/index.html",    "<h1>guide</h1>\n");
    write_file("$dir/doc/404.html",      "<h1>no such page</h1>\n");
    write_file("$dir/doc/docs.html",     "<h1>reference</h1>\n");
    write_file("$dir/doc/console/index.html", "<h1>the console</h1>\n");
    write_file("$dir/doc/console/main-AB12CD34.js", "1;\n");
    write_file("$dir/doc/openapi.json",  '{"openapi":"3.1.0","x":"' . 'y' x 3000 . '"}');
    write_file("$dir/doc/assets/app.js", '"use strict";' . ' ' x 3000);
    write_file("$dir/doc/.secret",       "hidden\n");
    system('openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost '
            . "-keyout '$dir/key.pem' -out '$dir/cert.pem' 2>/dev/null") == 0
        or die 'openssl';
    %env = (
        RUN_DIR     => $dir,
        DOC_ROOT    => "$dir/doc",
        SOCKET_MAIN => "$top/main.sock",
        SOCKET_SLOW => "$top/slow.sock",
        CERT        => "$dir/cert.pem",
        CERT_KEY    => "$dir/key.pem",
        HTTPS_PORT  => free_port(),
        HTTP_PORT   => free_port(),
        LIMIT_RATE  => 0,
        NGINX_USER  => $> == 0 ? 'root' : '',
        ASHLAR      => "$top/ashlar",
        %env
    );
    write_file("$top/ashlar", "#!/bin/sh\n[ \"\$*\" != 'routes --nginx' ] || echo '\"~^[A-Z]+ /api/v1/slow(?:[/?]|\$)\" slow;'\n");
    chmod 0755, "$top/ashlar";
    local @ENV{ keys %env } = values %env;
    system("$root/nginx/render", "$dir/conf") == 0 or die 'render';
    my $pid = fork // die "fork: $!";

    if (!$pid) {
        exec 'nginx', '-c', "$dir/conf/nginx.conf", '-g', 'daemon off;' or POSIX::_exit(127);
    }
    my $self = { %env, dir => $dir, pid => $pid, owner => $$ };
    push @running, $self;
    for (1 .. 100) {
        last if IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $env{HTTPS_PORT});
        sleep 0.05;
    }
    return $self;
}

sub stop {
    my ($self) = @_;
    my $pid = delete $self->{pid} or return;
    kill 'TERM', $pid;
    waitpid $pid, 0;
    return;
}

END {
    local $?;
    stop($_) for grep { $_->{owner} == $$ } @running;
}

# ------------------------------------------------------------------ a client

sub connection {
    my ($n) = @_;
    return Ashlar::Tls->connect($n->{CERT}, PeerPort => $n->{HTTPS_PORT});
}

# Send bytes and read until the server closes (or the answer is whole).  socket: on this connection.
sub raw {
    my ($n, $bytes, %o) = @_;
    my $s = $o{socket} ? $o{socket}
        : $o{plain} ? IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $o{port} // $n->{HTTP_PORT})
        : connection($n);
    die "connect: $!" if !$s;
    local $SIG{PIPE} = 'IGNORE';
    local $SIG{ALRM} = sub { die "no answer in time\n" };
    alarm 20;
    print {$s} $bytes;
    my $got = '';
    while (sysread $s, my $part, 65536) { $got .= $part }
    alarm 0;
    my ($head, $body) = split /\r\n\r\n/, $got, 2;
    my ($status, @lines) = split /\r\n/, $head // '';
    my %headers;
    for (@lines) {
        my ($name, $value) = split /: */, $_, 2;
        push @{ $headers{ lc $name } }, $value;
    }
    $body //= '';
    if (($headers{'transfer-encoding'} // [''])->[0] eq 'chunked') {
        my $whole = '';
        while ($body =~ s/^([0-9a-f]+)\r\n//i && (my $size = hex $1)) { $whole .= substr $body, 0, $size + 2, ''; chop $whole; chop $whole }
        $body = $whole;
    }
    return { status => ($status // '') =~ /^\S+ (\d+)/ ? $1 : 0, headers => \%headers, body => $body };
}

sub ask {
    my ($n, $method, $path, %o) = @_;
    my $body = $o{body} // '';
    my @head = ("$method $path HTTP/1.1", 'Host: localhost', 'Connection: close');
    push @head, 'Content-Length: ' . length $body if length $body;
    push @head, @{ $o{headers} // [] };
    return raw($n, join("\r\n", @head, '', '') . $body, %o);
}

sub header { my ($r, $name) = @_; return ($r->{headers}{ lc $name } // [])->[0] }
sub echo { my ($r) = @_; return decode_json($r->{body}) }

# The whole of an answer that nginx makes itself; origin, of the page that asked.
sub error_ok {
    my ($r, $name, $what, $origin) = @_;
    my $e = $err{$name} // die $name;
    return subtest $what => sub {
        is $r->{status}, $e->{status}, 'status';
        like header($r, 'Content-Type'), qr{^application/json\b}, 'JSON';
        my $json = eval { decode_json($r->{body}) } // {};
        my $details = delete $json->{error}{details};
        is ref $details, 'HASH', 'details is an object';
        is_deeply $json, { error => { code => $e->{code}, message => $e->{message} }, detail => $e->{message} }, 'shape';
        my %one = (
            'X-Request-ID'            => $uuid,
            'X-API-Version'           => qr/^v[12]$/,
            'X-API-Latest-Version'    => qr/^v2$/,
            'X-Content-Type-Options'  => qr/^nosniff$/,
            'X-Frame-Options'         => qr/^DENY$/,
            'Content-Security-Policy' => qr/default-src 'self'/,
        );
        $one{'Access-Control-Allow-Origin'} = $origin ? qr/^(?:\Q$origin\E|[*])$/ : qr/^[*]$/;
        $one{Vary} = qr/^Origin$/;
        for my $h (sort keys %one) {
            is scalar @{ $r->{headers}{ lc $h } // [] }, 1, "one $h";
            like header($r, $h), $one{$h}, "$h";
        }
        unlike header($r, 'Server'), qr/\d/, 'no version of nginx';
    };
}

my $n    = instance();
my $pool = Responder->start($n->{SOCKET_MAIN});
my $slow = Responder->start($n->{SOCKET_SLOW});

# ------------------------------------------------------------------ TLS

subtest 'TLS 1.2 and 1.3 with forward secrecy, nothing older' => sub {
    my %tls = (
        'TLS 1.0'              => [0, '-tls1 -cipher DEFAULT@SECLEVEL=0'],
        'TLS 1.1'              => [0, '-tls1_1 -cipher DEFAULT@SECLEVEL=0'],
        'TLS 1.2'              => [1, '-tls1_2'],
        'TLS 1.3'              => [1, '-tls1_3'],
        'a CBC suite'          => [0, '-tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES128-SHA'],
        'a suite without ECDHE' => [0, '-tls1_2 -cipher AES128-GCM-SHA256'],
        'chacha20'             => [1, '-tls1_2 -cipher ECDHE-ECDSA-CHACHA20-POLY1305'],
    );
    for (sort keys %tls) {
        my ($works, $how) = @{ $tls{$_} };
        my $out = `openssl s_client $how -connect 127.0.0.1:$n->{HTTPS_PORT} </dev/null 2>&1`;
        is $out =~ /Cipher is (?!\(NONE\))/ ? 1 : 0, $works, $_ . ($works ? ' works' : ' is refused');
    }
    like `openssl s_client -alpn h2,http/1.1 -connect 127.0.0.1:$n->{HTTPS_PORT} </dev/null 2>&1`, qr/ALPN protocol: h2/, 'HTTP/2 is offered';
    unlike `openssl s_client -tls1_2 -connect 127.0.0.1:$n->{HTTPS_PORT} </dev/null 2>&1`, qr/session ticket:/i, 'no session tickets';
};

# ------------------------------------------------------------------ plain http

subtest 'the API is refused over plain http, the pages redirect' => sub {
    for my $path ('/api', '/api/v1/app/users/me', '/v1/app/projects?a=b', '/v4/traces', '/opsboard', '//api/v1/x', '/%61pi/v1') {
        error_ok ask($n, GET => $path, plain => 1, headers => ['Authorization: Bearer secret']), 'HTTPS_REQUIRED', "GET $path";
    }
    error_ok ask($n, POST => '/api/v1/app/projects', plain => 1, body => '{}'), 'HTTPS_REQUIRED', 'POST';
    my $r = ask($n, GET => '/docs?a=b', plain => 1);
    is $r->{status}, 301, 'the reference moved';
    is header($r, 'Location'), "https://localhost:$n->{HTTPS_PORT}/docs?a=b", 'to https, its port and query kept';
    is header($r, 'Strict-Transport-Security'), undef, 'HSTS means nothing over http';
    is ask($n, GET => '/apixy', plain => 1)->{status}, 301, 'a name that only begins like /api is a page';
    mkdir "$n->{dir}/acme/.well-known" and mkdir "$n->{dir}/acme/.well-known/acme-challenge";
    write_file("$n->{dir}/acme/.well-known/acme-challenge/tok", 'proof');
    is ask($n, GET => '/.well-known/acme-challenge/tok', plain => 1)->{body}, 'proof', 'an ACME challenge is answered';
    error_ok ask($n, GET => '/api/v1/x', plain => 1, port => $n->{HTTPS_PORT}), 'HTTPS_REQUIRED', 'http spoken to the https port';
};

# ------------------------------------------------------------------ what the api is told

subtest 'the api gets the listed parameters and nothing else' => sub {
    my $r = ask($n, POST => '/api/v1/app/pro%6aects/?skip=1&x=%20', body => '{"a":1}', headers => ['Content-Type: application/json', 'X-Request-ID: mine']);
    my $got = echo($r);
    my $p   = $got->{params};
    is $got->{body_bytes}, 7, 'the body';
    like delete $p->{REQUEST_ID},   qr/^[0-9a-f]{32}$/,   'REQUEST_ID';
    like delete $p->{REQUEST_MSEC}, qr/^\d{10}[.]\d{3}$/, 'REQUEST_MSEC';
    is_deeply $p,
        {
        REQUEST_METHOD      => 'POST',
        REQUEST_URI         => '/api/v1/app/pro%6aects/?skip=1&x=%20',
        CONTENT_TYPE        => 'application/json',
        CONTENT_LENGTH      => 7,
        REMOTE_ADDR         => '127.0.0.1',
        HTTPS               => 'on',
        HTTP_HOST           => 'localhost',
        HTTP_CONNECTION     => 'close',
        HTTP_CONTENT_TYPE   => 'application/json',
        HTTP_CONTENT_LENGTH => 7,
        HTTP_X_REQUEST_ID   => 'mine',
        },
        'parameters, the address raw';
    is_deeply $r->{headers}{'x-request-id'}, ['from-api'], "the api's headers are its own";
    is header($r, 'X-API-Version'), undef, 'nginx adds none to them';

    $r = raw($n, "PATCH /api/v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    is echo($r)->{params}{CONTENT_LENGTH}, 5, 'a chunked body arrives with its length';
};

subtest 'headers that claim to come from a proxy change nothing' => sub {
    my @claims = ('X-Real-IP: 6.6.6.6', 'X-Forwarded-For: 6.6.6.6, 7.7.7.7', 'X-User-Id: root', 'Proxy: http://evil', 'Forwarded: for=6.6.6.6',
        'X-Forwarded-Proto: http', 'X_Real_IP: 6.6.6.6', 'X-Real_IP: 6.6.6.6', 'HTTPS: off', 'X-Fine: yes');
    my $p = echo(ask($n, GET => '/api/v1/x', headers => \@claims))->{params};
    is $p->{REMOTE_ADDR}, '127.0.0.1', 'REMOTE_ADDR';
    is $p->{HTTPS}, 'on', 'HTTPS';
    is $p->{HTTP_X_FINE}, 'yes', 'an honest header arrives';
    is_deeply [grep { /PROXY|FORWARDED|REAL|USER_ID/ } sort keys %$p], [], 'the others do not';

    my $t = instance(REAL_IP_FROM => '127.0.0.0/8, ::1');
    my $r = Responder->start($t->{SOCKET_MAIN});
    is echo(ask($t, GET => '/api/v1/x', headers => ['X-Forwarded-For: 6.6.6.6, 7.7.7.7', 'X-Real-IP: 8.8.8.8']))->{params}{REMOTE_ADDR},
        '7.7.7.7', 'a trusted proxy is believed about its own client, and no further';
    stop($t);
};

subtest 'aliases without /api' => sub {
    is echo(ask($n, GET => "/$_->[0]"))->{params}{REQUEST_URI}, "/api/$_->[0]", "/$_->[0]"
        for ['v1/app/projects?limit=2'], ['v4/otlp'], ['v4'], ['opsboard/traces/%2f'];
    is echo(ask($n, POST => '/v1/slow/ai?x=1', body => 'abc'))->{params}{REQUEST_URI}, '/api/v1/slow/ai?x=1', 'of a slow route';
    is echo(ask($n, GET => 'https://localhost/v1/x?a'))->{params}{REQUEST_URI}, '/api/v1/x?a', 'in the absolute form of a request line';
    error_ok ask($n, GET => $_), 'NOT_FOUND', "$_ is not one" for '/v2/app', '/v1x', '/opsboards';
};

# ------------------------------------------------------------------ pools

subtest 'reads travel on kept connections, writes and slow routes on fresh ones' => sub {
    my @reads = map { echo(ask($n, GET => '/api/v1/x')) } 1 .. 8;
    cmp_ok((sort { $b <=> $a } map { $_->{requests} } @reads)[0], '>', 1, 'a connection served several reads');
    my @writes = map { echo(ask($n, $_ => '/api/v1/x', body => '{}'))->{requests} } qw(POST PATCH PUT DELETE POST);
    is_deeply \@writes, [1, 1, 1, 1, 1], 'each write had a connection of its own';
    my $r = ask($n, GET => '/api/v1/slow/thing');
    is $r->{status}, 200, 'a slow route answers';
    $slow->stop;
    error_ok ask($n, GET => '/api/v1/slow/thing'), 'BAD_GATEWAY', 'and falls with the slow pool';
    is ask($n, GET => '/api/v1/slowly')->{status}, 200, 'a name that only begins like it is main';
    is ask($n, GET => '/api/v1/x')->{status}, 200, 'main does not fall with it';
    $slow = Responder->start($n->{SOCKET_SLOW});
};

subtest 'a read that lost its kept connection is sent again, a write never' => sub {
    ask($n, GET => '/api/v1/x') for 1 .. 3;
    $pool->stop;
    $pool = Responder->start($n->{SOCKET_MAIN});
    is ask($n, GET => '/api/v1/x')->{status}, 200, "GET after the pool's restart" for 1 .. 3;
    error_ok ask($n, $_ => '/api/v1/die?die=1', body => '{}'), 'BAD_GATEWAY', "$_ whose child died" for qw(POST PATCH PUT DELETE);
    error_ok ask($n, GET => '/api/v1/die?die=1'), 'BAD_GATEWAY', 'a read that kills everyone who tries it ends, too';
    my @died;
    for (1 .. 100) {
        @died = grep { $_->{path} eq '/api/v1/die' } map { decode_json($_) } split /\n/, read_file("$n->{dir}/access.log");
        last if @died == 5;
        sleep 0.1;
    }
    # Each nginx worker writes its lines when it comes to it.
    is_deeply [ sort map { "$_->{method} $_->{upstream_status} $_->{level}" } grep { $_->{method} ne 'GET' } @died ],
        [ map { "$_ 502 error" } qw(DELETE PATCH POST PUT) ], 'each write was tried once';
    is $died[0]{upstream}, "unix:$n->{SOCKET_MAIN}", 'and the log says where';
};

# ------------------------------------------------------------------ errors of nginx's own

subtest 'error pages' => sub {
    my $long = 'a' x 9000;
    error_ok ask($n, GET => '/nowhere'), 'NOT_FOUND', '404: no such page';
    error_ok ask($n, GET => '/nowhere.html'), 'NOT_FOUND', '404 is JSON whatever the name ends in';
    error_ok ask($n, GET => '/.secret'), 'NOT_FOUND', '404: a hidden file';
    error_ok ask($n, GET => '/-/NOT_FOUND'), 'NOT_FOUND', '404: the error pages themselves';
    error_ok ask($n, GET => '/-/slow/x'), 'NOT_FOUND', '404: the internal way to the slow pool';
    error_ok ask($n, GET => '/assets/'), 'NOT_FOUND', '404: a directory is not listed';
    error_ok ask($n, GET => '/%2e%2e/cert.pem'), 'BAD_REQUEST', '400: above the root';
    my $r = ask($n, POST => '/docs', body => 'x');
    error_ok $r, 'METHOD_NOT_ALLOWED', '405: POST to a page';
    is header($r, 'Allow'), 'GET, HEAD', 'Allow of a page';
    $r = ask($n, TRACE => '/api/v1/x');
    error_ok $r, 'METHOD_NOT_ALLOWED', '405: TRACE';
    like header($r, 'Allow'), qr/^GET, .*PATCH/, 'Allow of the API';
    is ask($n, POST => '/api/v1/x', body => 'x' x 2097152)->{status}, 200, 'a body of 2 MiB passes';
    error_ok ask($n, POST => '/api/v1/x', body => 'x' x 2097153), 'PAYLOAD_TOO_LARGE', '413: a byte more';
    error_ok raw($n, "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n200001\r\n" . 'x' x 0x200001 . "\r\n0\r\n\r\n"), 'PAYLOAD_TOO_LARGE', '413: chunked';
    is ask($n, GET => '/api/v1/' . 'a' x 8000)->{status}, 200, 'an address of 8,000 bytes passes';
    error_ok ask($n, GET => "/api/v1/$long"), 'URI_TOO_LONG', '414: a longer one';
    is ask($n, GET => '/api/v1/x', headers => ['X-Long: ' . 'a' x 8000])->{status}, 200, 'a header of 8,000 bytes passes';
    error_ok ask($n, GET => '/api/v1/x', headers => ["X-Long: $long"]), 'HEADERS_TOO_LARGE', '431: one long header';
    error_ok ask($n, GET => '/api/v1/x', headers => [map { "X-H$_: " . 'a' x 1000 } 1 .. 40]), 'HEADERS_TOO_LARGE', '431: many headers';
    is ask($n, GET => '/api/v1/x', headers => [map { "X-H$_: " . 'a' x 1000 } 1 .. 24])->{status}, 200, 'as many as get in get through FastCGI';
    isnt ask($n, GET => '/api/v1/x', headers => [map { 'a:' } 1 .. 6700])->{status}, 500, 'also when they are tiny';

    my %bad = (
        'no request line'         => "nonsense\r\n\r\n",
        'a bad method'            => "G=T /api HTTP/1.1\r\nHost: a\r\n\r\n",
        'no Host'                 => "GET /api HTTP/1.1\r\n\r\n",
        'two Hosts'               => "GET /api HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        'a bad Host'              => "GET /api HTTP/1.1\r\nHost: a/b\r\n\r\n",
        'NUL in a header'         => "GET /api HTTP/1.1\r\nHost: a\r\nX-A: b\0c\r\n\r\n",
        'NUL in the address'      => "GET /api/%00 HTTP/1.1\r\nHost: a\r\n\r\n",
        'length and chunks'       => "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        'two lengths'             => "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        'a negative length'       => "POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        'no chunk size'           => "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        'an unknown coding'       => "POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
        'a version of the future' => "GET /api HTTP/3.0\r\nHost: a\r\n\r\n",
    );
    error_ok raw($n, $bad{$_}), 'BAD_REQUEST', "400: $_" for sort keys %bad;

    $r = ask($n, GET => '/api/v1/x?status=404');
    is $r->{status}, 404, "the api's own errors pass";
    is echo($r)->{params}{REQUEST_METHOD}, 'GET', 'with their own body';
    error_ok ask($n, GET => '/api/v1/x?big_header=40000'), 'BAD_GATEWAY', '502: an answer that nginx cannot read';
    is ask($n, HEAD => '/nowhere')->{body}, '', 'HEAD has no body';
};

subtest 'pools that are away, or silent' => sub {
    my $t = instance(MAIN_TIMEOUT => '1s', SLOW_TIMEOUT => '30s');
    error_ok ask($t, GET => '/api/v1/x'), 'BAD_GATEWAY', '502: no pool';
    my @r = map { Responder->start($t->{$_}) } qw(SOCKET_MAIN SOCKET_SLOW);
    error_ok ask($t, GET => '/api/v1/x?sleep=3'), 'TIMEOUT', '504: no answer in time';
    is ask($t, GET => '/api/v1/slow/x?sleep=2')->{status}, 200, 'the slow pool has more time';
    stop($t);
};

subtest 'floods from one address' => sub {
    my $t = instance(LIMIT_RATE => 1, LIMIT_CONN => 20);
    my $r = Responder->start($t->{SOCKET_MAIN});
    # Connected first and then asked all at once: on a busy machine handshakes alone are slower than the limit.
    my @flood = map { connection($t) } 1 .. 8;
    print {$_} "GET /api/v1/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" for @flood;
    my @got = map { raw($t, '', socket => $_) } @flood;
    cmp_ok scalar(grep { $_->{status} == 200 } @got), '>=', 3, 'a burst passes';
    my ($refused) = grep { $_->{status} != 200 } @got;
    error_ok $refused, 'RATE_LIMIT', '429 beyond it';
    is header($refused, 'Retry-After'), 1, 'Retry-After';
    is echo($refused)->{error}{details}{retry_after}, 1, 'and in the details';
    sleep 1.5;
    is ask($t, GET => '/api/v1/x')->{status}, 200, 'a second later there is room again';
    stop($t);

    $t = instance(LIMIT_CONN => 3);
    $r = Responder->start($t->{SOCKET_MAIN});
    my @open = map { connection($t) } 1 .. 3;
    print {$_} "GET /api/v1/x?sleep=3 HTTP/1.1\r\nHost: a\r\n\r\n" for @open;
    sleep 0.5;
    error_ok ask($t, GET => '/api/v1/x'), 'RATE_LIMIT', '429: too many at once';
    close $_ for @open;
    stop($t);
};

subtest 'request id and version of nginx\'s answers' => sub {
    is header(ask($n, GET => '/nowhere', headers => ['X-Request-ID: my-id_1.2']), 'X-Request-ID'), 'my-id_1.2', "the client's id";
    like header(ask($n, GET => '/nowhere', headers => ["X-Request-ID: $_"]), 'X-Request-ID'), $uuid, 'not an insane one'
        for 'a b', 'a"b', 'x' x 129;
    my %version = ('/api/v2/x' => 'v2', '/api/v1/x' => 'v1', '/v1/x' => 'v1', '/api/v22' => 'v1', '/api' => 'v1');
    $pool->stop;
    is header(ask($n, GET => $_), 'X-API-Version'), $version{$_}, "$_ is $version{$_}" for sort keys %version;
    is header(ask($n, GET => '/api/x', headers => ['Accept-Version: v2']), 'X-API-Version'), 'v2', 'Accept-Version';
    is header(ask($n, GET => '/api/x', headers => ['X-API-Version: 2']), 'X-API-Version'), 'v2', 'X-API-Version';
    is header(ask($n, GET => '/api/v1/x', headers => ['Accept-Version: v2']), 'X-API-Version'), 'v1', 'the path comes first';
    is header(ask($n, GET => '/api/x'), 'Strict-Transport-Security'), 'max-age=31536000; includeSubDomains', 'HSTS';
    $pool = Responder->start($n->{SOCKET_MAIN});
};

# ------------------------------------------------------------------ bytes

subtest 'compression' => sub {
    my @gzip = (headers => ['Accept-Encoding: gzip']);
    my $r = ask($n, GET => '/api/v1/x?pad=20000', @gzip);
    is header($r, 'Content-Encoding'), 'gzip', 'a page of JSON is compressed';
    cmp_ok length $r->{body}, '<', 2000, 'and small';
    is header($r, 'Vary'), 'Accept-Encoding', 'caches are told';
    is header(ask($n, GET => '/api/v1/x', @gzip), 'Content-Encoding'), undef, 'a tiny one is not';
    is header(ask($n, GET => '/api/v1/x?pad=20000'), 'Content-Encoding'), undef, 'nor one for a client that cannot';
    is header(ask($n, GET => '/openapi.json', @gzip), 'Content-Encoding'), 'gzip', 'a page is';
    is length(echo(ask($n, GET => '/api/v1/x?pad=500000'))->{pad}), 500000, 'a large answer arrives whole';
};

subtest 'HTTP/2' => sub {
    my $curl = "curl -sk --http2 --max-time 20 -o '$n->{dir}/out' -w '%{http_version} %{http_code}' https://localhost:$n->{HTTPS_PORT}";
    is `$curl/api/v1/x?pad=20000`, '2 200', 'the API';
    is length decode_json(read_file("$n->{dir}/out"))->{pad}, 20000, 'whole';
    is `$curl/nowhere`, '2 404', 'an error page';
    my $long = 'a' x 10000;    # one header may be longer here: bytes count as they travel, and HPACK packs them
    like `$curl/api/v1/x -H 'X-A: $long' -H 'X-B: $long' -H 'X-C: $long'`, qr/ (?:431|000)$/, 'too many bytes of headers';
    is `$curl/api/v1/x`, '2 200', 'which hurts nobody else';
};

# What a page of another origin gets to see of nginx's own errors, in both versions of HTTP.
subtest 'errors over HTTP/1.1 and HTTP/2' => sub {
    my $page = 'https://app.example.com';
    my $t    = instance(MAIN_TIMEOUT => '1s', LIMIT_CONN => 1);
    my $r    = Responder->start($t->{SOCKET_MAIN});
    write_file("$t->{dir}/body", 'x' x 2097153);
    my $curl = sub {
        my ($version, $what) = @_;
        my $ports = "https://localhost:$t->{HTTPS_PORT}";
        $what =~ s{^((?:-\S+ (?:'[^']*'|\S+) )*)/}{$1$ports/};
        my $said = qx(curl -sk --$version --max-time 20 -D '$t->{dir}/head' -o '$t->{dir}/out' -H 'Origin: $page' -w '%{http_version} %{http_code}' $what);
        my ($head) = reverse grep { length } split /\r\n\r\n/, read_file("$t->{dir}/head");
        my %headers;
        for (split /\r\n/, $head // '') { push @{ $headers{ lc $1 } }, $2 if /^([^:]+): (.*)/ }
        return ({ status => $said =~ / (\d+)$/ ? $1 : 0, headers => \%headers, body => read_file("$t->{dir}/out") }, $said);
    };
    my %case = (
        PAYLOAD_TOO_LARGE  => "-X POST --data-binary '\@$t->{dir}/body' /api/v1/x",
        METHOD_NOT_ALLOWED => '-X TRACE /api/v1/x',
        NOT_FOUND          => '/nowhere',
        BAD_GATEWAY        => '/api/v1/slow/x',
        TIMEOUT            => '/api/v1/x?sleep=3',
        BAD_REQUEST        => '-X POST /api/%00',
    );
    for my $version (qw(http1.1 http2)) {
        for my $name (sort keys %case) {
            my ($answer, $said) = $curl->($version, $case{$name});
            like $said, $version eq 'http2' ? qr/^2 / : qr/^1[.]1 /, "$version: $name";
            error_ok $answer, $name, "$version: $name", $page;
            is header($answer, 'Access-Control-Allow-Origin'), $page, '  for the page that asks' if $name ne 'BAD_REQUEST';
            like header($answer, 'Access-Control-Expose-Headers'), qr/\bRetry-After\b/, '  with its headers';
        }
    }
    my $long = 'a' x 9000;
    error_ok(($curl->('http1.1', "/api/v1/$long"))[0], 'URI_TOO_LONG', 'http1.1: URI_TOO_LONG', $page);
    error_ok(($curl->('http1.1', "-H 'X-Long: $long' /api/v1/x"))[0], 'HEADERS_TOO_LARGE', 'http1.1: HEADERS_TOO_LARGE', $page);
    my $held = connection($t);
    print {$held} "POST /api/v1/x HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n";
    for my $version (qw(http1.1 http2)) {
        my $answer;
        for (1 .. 50) {
            ($answer) = $curl->($version, '/api/v1/x');
            last if $answer->{status} == 429;
        }
        error_ok $answer, 'RATE_LIMIT', "$version: RATE_LIMIT", $page;
    }
    close $held;
    stop($t);
};

# ------------------------------------------------------------------ pages

subtest 'guide and reference' => sub {
    my %page = ('/' => 'guide', '/docs' => 'reference', '/index.html' => 'guide');
    for my $path (sort keys %page) {
        my $r = ask($n, GET => $path);
        is $r->{status}, 200, $path;
        like $r->{body}, qr/$page{$path}/, 'its text';
        is header($r, 'Content-Type'), 'text/html; charset=utf-8', 'HTML';
        is header($r, 'Cache-Control'), 'no-cache', 'asked for again each time';
        my $etag = header($r, 'ETag') // '';
        is ask($n, GET => $path, headers => ["If-None-Match: $etag"])->{status}, 304, 'and answered 304';
        my $csp = header($r, 'Content-Security-Policy');
        like $csp, qr/default-src 'self'/, 'nothing leaves this host';
        unlike $csp, qr{https?:|\*|unsafe-eval|script-src[^;]*unsafe}, 'without exception';
        is scalar @{ $r->{headers}{'content-security-policy'} }, 1, 'one policy';
        like header($r, 'X-Request-ID'), $uuid, 'X-Request-ID';
        is header($r, 'Strict-Transport-Security'), 'max-age=31536000; includeSubDomains', 'HSTS';
    }
    is header(ask($n, GET => '/docs/'), 'Location'), '/docs', 'a trailing slash is taken away';
    like header(ask($n, GET => '/openapi.json'), 'Content-Type'), qr{^application/json}, 'the API description';
    is header(ask($n, GET => '/openapi.json'), 'Cache-Control'), 'no-cache', 'is fresh';
    is header(ask($n, GET => '/assets/app.js'), 'Cache-Control'), 'public, max-age=3600', 'an asset may be kept';
};

subtest 'the console' => sub {
    for my $path ('/console', '/console/', '/console/users/a.b%40c.d', '/console/api-keys?page=2') {
        my $r = ask($n, GET => $path);
        is $r->{status}, 200, $path;
        like $r->{body}, qr/the console/, '  is its page';
        is header($r, 'Cache-Control'), 'no-cache', '  asked for again each time';
        my $csp = header($r, 'Content-Security-Policy');
        like $csp, qr/default-src 'none'; script-src 'self'; /, '  which scripts of this host run on';
        unlike $csp, qr/unsafe|https?:|data:|\*/, '  and nothing else';
        is scalar @{ $r->{headers}{'content-security-policy'} }, 1, '  one policy';
        is header($r, 'Cross-Origin-Opener-Policy'), 'same-origin', '  nor has another page a way to it';
    }
    my $r = ask($n, GET => '/console/main-AB12CD34.js');
    is header($r, 'Cache-Control'), 'public, max-age=3600', 'what it is made of may be kept';
    like header($r, 'Content-Security-Policy'), qr/require-trusted-types-for 'script'/, '  and a worker has the policy, too';
    is ask($n, GET => $_)->{status}, 404, "$_ is nothing" for '/console/main-00000000.js', '/consoles';
};

subtest 'a browser\'s 404' => sub {
    my @browser = (headers => ['Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8']);
    for my $path ('/nowhere', '/.secret', '/assets/', '/docs.htm?token=x', '/apixy') {
        my $r = ask($n, GET => $path, @browser);
        is $r->{status}, 404, "$path is 404";
        like header($r, 'Content-Type'), qr{^text/html; charset=utf-8}, '  as a page';
        like $r->{body}, qr/no such page/, '  that says so';
        is scalar @{ $r->{headers}{'content-security-policy'} // [] }, 1, '  under the policy of pages';
    }
    error_ok ask($n, GET => $_, @browser), 'NOT_FOUND', "$_ is the API's" for '/-/slow/x', '/-/NOT_FOUND';
    error_ok ask($n, GET => '/nowhere', headers => ["Accept: $_"]), 'NOT_FOUND', "JSON for $_" for 'application/json', '*/*', 'image/png', 'text/htmlx';
};

subtest 'it listens on IPv4 and IPv6' => sub {
    my $site = tempdir(CLEANUP => 1);
    system("$root/nginx/render", '--site', $site) == 0 or die 'render';
    my $text = read_file("$site/sites-available/ashlar");
    like $text, qr/listen [*]:443 ssl http2;/, 'in production';
    my $has = read_file('/proc/net/if_inet6');
    my $any = $has ? qr/listen \[::\]:443 ssl http2;/ : qr/\A(?!.*\[::\])/s;
    like $text, $any, '  on both, as far as the machine has them';
    SKIP: {
        skip 'no IPv6 here', 2 if $has !~ /^0+1 /m;
        my $s = Ashlar::Tls->connect($n->{CERT}, PeerHost => '::1', PeerPort => $n->{HTTPS_PORT});
        ok $s, 'here, too';
        my $r = raw($n, "GET /api/v1/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", socket => $s);
        is echo($r)->{params}{REMOTE_ADDR}, '::1', 'and the api is told who it is';
    }
    my $t = instance(LISTEN => '127.0.0.1');
    is ask($t, GET => '/')->{status}, 200, 'or where it is told to';
    ok !Ashlar::Tls->connect($t->{CERT}, PeerHost => '::1', PeerPort => $t->{HTTPS_PORT}), '  and nowhere else';
    stop($t);
};

subtest 'a development instance asks no browser for HSTS' => sub {
    my $t = instance(HSTS => '');
    is header(ask($t, GET => '/'), 'Strict-Transport-Security'), undef, 'none';
    stop($t);
};

# ------------------------------------------------------------------ what nobody asked for

stop($n);
my $access = read_file("$n->{dir}/access.log");
my @text   = split /\n/, $access;
my @lines  = map { eval { decode_json($_) } // () } @text;
is scalar @lines, scalar @text, 'each log line is JSON';
cmp_ok scalar @lines, '>', 30, 'nginx logs what it answers itself';
is scalar(grep { $_->{status} == 200 && $_->{path} =~ m{^/(?:api|v1|v4)/} } @lines), 0, 'and leaves the rest to the api';
is_deeply [grep { /[?]|Bearer|Authorization/ } @text], [], 'no query strings and no credentials in it';
my @alerts = grep { /\[(?:emerg|alert|crit)\]/ && !/SSL_do_handshake|connect[(][)] to unix/ } split /\n/, read_file("$n->{dir}/error.log");
is_deeply \@alerts, [], 'nothing worse than an error in the log';

done_testing;
