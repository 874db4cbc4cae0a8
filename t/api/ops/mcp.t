use v5.36;
use lib 't/lib';
use Api;
use Cpanel::JSON::XS qw(decode_json encode_json);

# The Model Context Protocol over HTTP: what HTTP adds.  What is answered, t/clients/assistant.t asks with a client.
my $t    = Api->start(CORS_ORIGINS => 'https://app.example.com');
my $path = '/api/v1/mcp';
my $any  = $t->nobody;

sub ask ($method, %arg) {
    my %message = (jsonrpc => '2.0', id => 1, method => $method, (params => $arg{params}) x !!$arg{params});
    return $any->post($path, undef, raw => encode_json($arg{message} // \%message), headers => { 'Content-Type' => 'application/json', Accept => 'application/json, text/event-stream', %{ $arg{headers} // {} } });
}

subtest 'pages of others may not ask' => sub {
    for my $origin ('https://evil.example', 'http://localhost:1234', 'null') {
        error_is ask('ping', headers => { Origin => $origin }), 403, 'ORIGIN_NOT_ALLOWED', name => $origin;
    }
    status_is ask('ping', headers => { Origin => 'https://app.example.com' }), 200, 'those of CORS_ORIGINS may';
    status_is ask('ping', headers => { Origin => $t->{public_url} }), 200, 'and our own' if $t->{public_url};
    status_is ask('ping'), 200, 'and what is no page';
};

subtest 'what HTTP asks is refused by HTTP' => sub {
    for my $method (qw(GET DELETE PUT)) {
        my $res = $any->request($method, $path, headers => { Accept => 'text/event-stream' });
        error_is $res, 405, 'METHOD_NOT_ALLOWED', name => $method;
        is $res->header('Allow'), 'POST, OPTIONS', '  with what there is';
    }
    for my $version ('2024-11-05', '2026-01-01', '', 'x') {
        error_is ask('ping', headers => { 'MCP-Protocol-Version' => $version }), 400, 'BAD_REQUEST', field => 'MCP-Protocol-Version', name => "version '$version'";
    }
    status_is ask('ping', headers => { 'MCP-Protocol-Version' => $_ }), 200, $_ for qw(2025-03-26 2025-06-18 2025-11-25);
    error_is ask('ping', headers => { 'Content-Type' => 'text/plain' }), 415, 'UNSUPPORTED_MEDIA_TYPE';
    error_is ask('ping', headers => { Accept => 'text/html' }), 406, 'NOT_ACCEPTABLE';
    for my $body ('', 'x', '{', '"x"', '7', '{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"ping"}') {
        error_is $any->post($path, undef, raw => $body, headers => { 'Content-Type' => 'application/json' }), 400, 'BAD_REQUEST', name => "the body '$body'";
    }
};

subtest 'what is wrong with a message is its answer' => sub {
    my $error = sub ($res) { status_is $res, 200; return $res->json('/error/code') };
    is $error->(ask('weather')), -32601, 'a method that there is none of';
    is $error->(ask('ping', message => { jsonrpc => '1.0', id => 1, method => 'ping' })), -32600, 'another JSON-RPC';
    is $error->(ask('ping', message => { jsonrpc => '2.0', id => undef, method => 'ping' })), -32600, 'an id that is none';
    is $error->(ask('ping', message => { jsonrpc => '2.0', id => 1.5, method => 'ping' })), -32600, '  or a fraction';
    is $error->(ask('ping', message => { jsonrpc => '2.0', id => 1 })), -32600, 'no method';
    is $error->(ask('tools/call', params => [1])), -32602, 'params that are no object';
    is $error->(ask('tools/call', params => {})), -32602, 'a tool without a name';
    is $error->(ask("$_/list", params => { cursor => 'x' })), -32602, "a page of $_ that there is none of" for qw(tools resources prompts);
    my $res = ask('tools/call', params => { name => 'search_endpoints', arguments => { query => 'x' x 1001 } });
    ok $res->json('/result/isError'), 'an argument that is too long is an error of the tool';
    ok ask('tools/call', params => { name => 'search_endpoints', arguments => { query => 7 } })->json('/result/isError'), '  and so is one of another type';
    ok ask('tools/call', params => { name => 'search_endpoints' })->json('/result/isError'), '  or that is missing';
};

subtest 'the version is agreed upon' => sub {
    my %got = map { $_ => ask('initialize', params => { protocolVersion => $_, capabilities => {}, clientInfo => { name => 'x', version => '1' } })->json('/result/protocolVersion') } qw(2025-03-26 2025-06-18 2025-11-25 2024-11-05 2030-01-01);
    is $got{$_}, $_, $_ for qw(2025-03-26 2025-06-18 2025-11-25);
    is $got{$_}, '2025-11-25', "$_ is offered the newest" for qw(2024-11-05 2030-01-01);
};

subtest 'an answer is JSON, or a stream where only that is wanted' => sub {
    my $json = ask('ping', headers => { Accept => 'application/json' });
    is_deeply $json->json, { jsonrpc => '2.0', id => 1, result => {} }, 'JSON';
    my $res = ask('ping', headers => { Accept => 'text/event-stream' });
    like $res->header('Content-Type'), qr{^text/event-stream}, 'a stream';
    my ($data) = $res->body =~ /\Aevent: message\ndata: (.*)\n\n\z/;
    is_deeply decode_json($data), $json->json, '  with the same message';
};

subtest 'what asks for nothing is answered with nothing' => sub {
    for my $message ({ jsonrpc => '2.0', method => 'notifications/initialized' }, { jsonrpc => '2.0', id => 1, result => {} }, { jsonrpc => '2.0', id => 1, error => { code => 1, message => 'x' } }) {
        my $res = ask('', message => $message);
        is $res->status, 202, encode_json($message);
        is $res->body, '', '  without a body';
    }
};

subtest 'several messages come in one only where the version has that' => sub {
    my @two = map { +{ jsonrpc => '2.0', id => "m$_", method => 'ping' } } 1, 2;
    for my $headers ({}, { 'MCP-Protocol-Version' => '2025-03-26' }) {
        my $res = ask('', message => [ @two, { jsonrpc => '2.0', method => 'notifications/cancelled' } ], headers => $headers);
        status_is $res, 200;
        is_deeply [ map { $_->{id} } @{ $res->json } ], [qw(m1 m2)], 'each has its answer';
    }
    is ask('', message => [ { jsonrpc => '2.0', method => 'notifications/cancelled' } ])->status, 202, 'none where none asks';
    error_is ask('', message => \@two, headers => { 'MCP-Protocol-Version' => $_ }), 400, 'BAD_REQUEST', name => $_ for qw(2025-06-18 2025-11-25);
    error_is ask('', message => []), 400, 'BAD_REQUEST', name => 'none at all';
    error_is ask('', message => [ ($two[0]) x 21 ]), 400, 'BAD_REQUEST', name => 'more than 20';
    is scalar @{ ask('', message => [ ($two[0]) x 20 ])->json }, 20, '20 are taken';
};
