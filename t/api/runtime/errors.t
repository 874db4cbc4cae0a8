use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Http;

my $t    = Api->start;
my $ann  = $t->user('ann');
my $base = '/api/v1/app/projects';
my $made = $ann->post($base, { name => 'one' })->json;

subtest 'unknown paths are 404' => sub {
    for my $path ('/api', '/api/', '/api/v1', '/api/v1/', '/api/v1/app', '/api/v1/app/nothing', '/api/v3/app/projects', '/api/v1/app/projects/x/y',
        '/api/v1/app/Projects', '/api/v1/app//projects', '/api/v1/app/projects//', '/api/v1/%61pp/projects/x/y', '/api/v1/app/projectsx') {
        error_is $ann->get($path), 404, 'NOT_FOUND';
        error_is $t->get($path), 404, 'NOT_FOUND', name => "$path, for nobody";
    }
    error_is $ann->get('/nothing-here'), 404, 'NOT_FOUND', name => 'beside the API, in the same form' if -d 'build/docs';
};

subtest 'a trailing slash is accepted' => sub {
    status_is $ann->get("$base/"), 200;
    status_is $ann->get("$base/?limit=1"), 200;
    status_is $ann->get("$base/$made->{id}/"), 200;
    status_is $t->get('/api/v1/public/health/'), 200;
};

subtest 'a wrong method is 405 and told the right ones' => sub {
    my $res = $ann->delete($base);
    error_is $res, 405, 'METHOD_NOT_ALLOWED';
    header_like $res, 'Allow', qr/^(?=.*\bGET\b)(?=.*\bHEAD\b)(?=.*\bPOST\b)(?=.*\bOPTIONS\b)(?!.*\b(?:DELETE|PATCH|PUT)\b)/;
    $res = $ann->post("$base/$made->{id}", {});
    error_is $res, 405, 'METHOD_NOT_ALLOWED';
    header_like $res, 'Allow', qr/^(?=.*\bGET\b)(?=.*\bPATCH\b)(?=.*\bDELETE\b)(?!.*\bPOST\b)/;
    for my $method (qw(TRACE CONNECT PROPFIND FOO get)) {
        my $got = $ann->request($method, $base);
        cmp_ok $got->status, '>=', 400, "$method is refused";
        cmp_ok $got->status, '<',  500, '  as the client\'s mistake';
    }
};

subtest 'OPTIONS tells the methods of a path' => sub {
    my $res = $t->request('OPTIONS', $base);
    status_is $res, 204;
    header_like $res, 'Allow', qr/^(?=.*\bGET\b)(?=.*\bPOST\b)/;
    error_is $t->request('OPTIONS', '/api/v1/nothing'), 404, 'NOT_FOUND';
};

subtest 'malformed JSON is 400 with its position' => sub {
    my @bad = (
        '{', '}', '{"name":}', '{"name":"x"', '{"name":"x"}}', '{"name":"x"} x', '{name:"x"}', "{'name':'x'}", '{"name":"x",}', '{"name" "x"}',
        '{"name":"\x"}', '{"name":"' . "\n" . '"}', '{"name":"\u12"}', '{"name":"\ud800"}', '{"name":01}', '{"name":+1}', '{"name":.5}',
        '{"name":1.}', '{"name":NaN}', '{"name":Infinity}', '{"name":tru}', '/* c */{"name":"x"}', "\x{0}", '{"name":"x"}' . "\0", ' ',
    );
    for my $bad (@bad) {
        my $res = $ann->post($base, undef, raw => $bad);
        error_is $res, 400, 'BAD_REQUEST', name => 'malformed: ' . $bad =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger;
    }
    error_is $ann->post($base, undef, raw => '{"name": x}'), 400, 'BAD_REQUEST', message => qr/\b(?:9|10|11)\b/, name => 'the message has the position';
    error_is $ann->post($base, undef, raw => $_), 400, 'BAD_REQUEST', message => qr/object/, name => "$_ is no object"
        for '[]', '"x"', '1', 'null', 'true';
};

subtest 'a name that stands twice is refused' => sub {
    error_is $ann->post($base, undef, raw => '{"name":"a","name":"b"}'), 400, 'BAD_REQUEST', message => qr/name|duplicate|twice/;
    error_is $ann->post($base, undef, raw => '{"name":"a","x":{"y":1,"y":2}}'), 400, 'BAD_REQUEST', name => 'however deep';
    error_is $ann->post($base, undef, raw => '{"name":"a","n\u0061me":"b"}'), 400, 'BAD_REQUEST', name => 'however it is written';
};

subtest 'JSON may be 32 levels deep' => sub {
    # The object itself is the first level.
    my $nested = sub ($levels) { '{"name":"deep","x":' . '[' x ($levels - 1) . ']' x ($levels - 1) . '}' };
    status_is $ann->post($base, undef, raw => $nested->(32)), 201, '32 levels';
    error_is $ann->post($base, undef, raw => $nested->(33)), 400, 'BAD_REQUEST', name => '33 levels';
    my $objects = '{"x":' x 33 . '1' . '}' x 33;
    error_is $ann->post($base, undef, raw => $objects), 400, 'BAD_REQUEST', name => '33 objects';
    error_is $ann->post($base, undef, raw => '[' x 500_000), 400, 'BAD_REQUEST', name => 'half a million, never closed';
};

subtest 'text must be UTF-8, without NUL' => sub {
    my %broken = (
        'a lone continuation byte' => "\x80",
        'a cut sequence'           => "\xe2\x82",
        'an overlong slash'        => "\xc0\xaf",
        'a surrogate'              => "\xed\xa0\x80",
        'above U+10FFFF'           => "\xf4\x90\x80\x80",
        'five bytes'               => "\xf8\x88\x80\x80\x80",
        '0xFF'                     => "\xff",
    );
    for my $what (sort keys %broken) {
        error_is $ann->post($base, undef, raw => qq({"name":"$broken{$what}"})), 400, 'BAD_REQUEST', name => "$what in a value";
        error_is $ann->post($base, undef, raw => qq({"name":"x","$broken{$what}":1})), 400, 'BAD_REQUEST', name => "$what in a name";
        my $query = join '', map { sprintf '%%%02X', ord } split //, $broken{$what};
        my $res   = $ann->get("$base?search=$query");
        ok $res->status == 400 || $res->status == 422, "$what in the query string" or diag $res->describe;
    }
    my $res = $ann->get("$base?search=a%00b");
    ok $res->status == 400 || $res->status == 422, 'NUL in the query string' or diag $res->describe;
    error_is $ann->post($base, undef, raw => "{\"name\":\"a\0b\"}"), 400, 'BAD_REQUEST', name => 'a NUL byte in the body';
    for my $path ("/api/v1/app/projects/%00", "/api/v1/app/projects/$made->{id}%00", '/api/v1/app/projects/%ff', '/api/v1/app/projects/%', '/api/v1/app/projects/%zz') {
        my $got = $ann->get($path);
        ok $got->status == 400 || $got->status == 404, "GET $path" or diag $got->describe;
    }
};

subtest 'a malformed query string' => sub {
    for my $query ('search=%', 'search=%4', 'search=%zz') {
        error_is $ann->get("$base?$query"), 400, 'BAD_REQUEST';
    }
    error_is $ann->get("$base?limit=1&limit=2"), 422, 'VALIDATION_ERROR', field => 'limit', name => 'a parameter given twice';
    status_is $ann->get("$base?$_"), 200, "but not: ?$_" for '', '&', 'limit=1&', '&&limit=1', 'limit=%31';
    error_is $ann->get("$base?$_"), 422, 'VALIDATION_ERROR', name => "nor one that is not known: ?$_" for 'unknown=1', '=', 'x';
    json_is $ann->get("$base?search=o+n%65"), '/total', 0, '+ is a blank';
};

subtest 'the content type of a body' => sub {
    for my $type ('text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/xml', 'application/jsonx', 'json', '', undef) {
        my $res = $ann->post($base, undef, raw => '{"name":"x"}', type => $type);
        error_is $res, 415, 'UNSUPPORTED_MEDIA_TYPE', name => 'Content-Type: ' . ($type // 'none');
        header_like $res, 'Accept', qr{application/json}, '  and is told what would do';
    }
    status_is $ann->post($base, undef, raw => '{"name":"x"}', type => $_), 201, $_
        for 'application/json; charset=utf-8', 'APPLICATION/JSON', 'application/json;charset="UTF-8"';
    error_is $ann->post($base, undef), 422, 'VALIDATION_ERROR', field => 'name', name => 'no body is an empty one';
};

subtest 'what the client would accept' => sub {
    for my $accept ('text/html', 'application/xml', 'image/*', 'application/json;q=0') {
        error_is $ann->get($base, headers => { Accept => $accept }), 406, 'NOT_ACCEPTABLE', name => "Accept: $accept";
    }
    status_is $ann->get($base, headers => { Accept => $_ }), 200, 'Accept: ' . ($_ // 'none')
        for '*/*', 'application/*', 'text/html, */*;q=0.1', 'application/json;q=0.5', 'application/problem+json, application/json', undef;
};

subtest 'headers at their limit' => sub {
    my $res = $ann->get($base, headers => { 'X-Large' => 'x' x 6000 });
    status_is $res, 200, 'six thousand bytes';
    for my $size (40_000, 200_000) {
        my $got = $ann->get($base, headers => { 'X-Large' => 'x' x $size }, fresh => 1);
        ok $got->status == 431 || $got->status == 400, "$size bytes" or diag $got->describe;
    }
    my $long = $ann->get("$base?search=" . 'x' x 100_000, fresh => 1);
    ok $long->status == 414 || $long->status == 400, 'a request line of 100,000 bytes' or diag $long->describe;
    my $many = $ann->get($base, headers => { map { ("X-Many-$_" => 'x' x 20) } 1 .. 150 });
    status_is $many, 200, '150 headers';
};

subtest 'a request that is no HTTP' => sub {
    for my $bytes ("\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET $base HTTP/1.1\r\n\r\n", "GET $base HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        "POST $base HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", "POST $base HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
        "GET $base HTTP/9.9\r\nHost: x\r\n\r\n", 'x' x 100 . "\r\n\r\n") {
        my $res = $t->http->send_raw($bytes, fresh => 1);
        ok $res->status >= 400 && $res->status < 600 && $res->status != 500, 'is refused' or diag $res->describe;
    }
    status_is $ann->get($base), 200, 'and the next one is served';
};

subtest 'over plain http nothing is answered and nothing redirected' => sub {
    for my $path ($base, '/api/v1/public/health', '/v1/app/projects') {
        my $res = $t->plain_http->request('GET', $path, headers => [ Authorization => 'Bearer ' . $ann->token ], fresh => 1);
        error_is $res, 403, 'HTTPS_REQUIRED', name => "http, $path";
        header_absent $res, 'Location';
    }
    my $docs = $t->plain_http->request('GET', '/docs', fresh => 1);
    like $docs->status, qr/^30[128]$/, 'the docs redirect';
    header_like $docs, 'Location', qr{^https://};
};

subtest 'who may not call is not told what is wrong with the call' => sub {
    error_is $t->post($base, undef, raw => '{"name":'), 401, 'AUTHENTICATION_ERROR';
    error_is $t->get("$base?limit=0"), 401, 'AUTHENTICATION_ERROR';
    error_is $t->get("$base/not-an-id"), 401, 'AUTHENTICATION_ERROR';
    my $gone = $t->user('gone');
    $t->db->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, $gone->session);
    error_is $gone->get("$base?limit=0"), 401, 'AUTHENTICATION_ERROR', name => 'nor is somebody whose session has ended';
};

subtest 'an error on our side shows its id and nothing else' => sub {
    $t->db->do('REVOKE SELECT ON projects FROM ashlar_api');
    $t->expect_log(qr/"route":"[^"]*projects[^"]*".*"status":500/, qr/permission denied/);
    my $res = $ann->get($base);
    error_is $res, 500, 'INTERNAL_ERROR', request_id => $res->header('X-Request-ID');
    body_unlike $res, qr/projects|permission|SELECT|PostgreSQL|42501/i;
    my $line = $t->log_of($res);
    is $line->{level}, 'error', 'the log has the rest';
    like $line->{reason}, qr/permission denied for table projects/, '  the reason';
    like $line->{while},  qr/project_list/, '  and what was being done';
    $t->db->do('GRANT SELECT ON projects TO ashlar_api');
    status_is $ann->get($base), 200, 'and the next request is served';
};

subtest 'what the database does not have yet is not available' => sub {
    my @missing = (
        [ table    => 'TABLE projects RENAME TO projects_away', 'TABLE projects_away RENAME TO projects' ],
        [ column   => 'TABLE projects RENAME description TO away', 'TABLE projects RENAME away TO description' ],
        [ function => 'FUNCTION like_pattern(text) RENAME TO like_away', 'FUNCTION like_away(text) RENAME TO like_pattern' ],
    );
    for (@missing) {
        my ($what, $take, $give) = @$_;
        $t->db->do("ALTER $take");
        $t->expect_log(qr/"route":"[^"]*projects[^"]*".*"status":503/);
        my $res = $ann->get("$base?search=x");
        error_is $res, 503, 'SERVICE_UNAVAILABLE', request_id => $res->header('X-Request-ID'), name => "a $what";
        header_is $res, 'Retry-After', '1';
        like $t->log_of($res)->{reason}, qr/project|description|like_pattern/, 'the log says what';
        $t->db->do("ALTER $give");
        status_is $ann->get("$base?search=x"), 200, 'until it is there';
    }
};
