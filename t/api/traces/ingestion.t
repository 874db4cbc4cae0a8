# Spans come in by OTLP: from OpenTelemetry's own exporters, and as nobody should send them.

use v5.36;
use lib 't/lib';
use Api;
use Compress::Zlib ();
use Cpanel::JSON::XS ();
use Time::HiRes 'time';

my $t       = Api->start;
my $path    = '/api/v1/traces';
my $alias   = '/api/otlp/v1/traces';
my $ann     = $t->user('ann');
my $org     = $t->organization($ann);
my $project = $t->trace_project($org);
my $json    = Cpanel::JSON::XS->new->utf8->canonical;
my $stored  = Cpanel::JSON::XS->new;    # what the database gives is characters

sub slurp ($file) { open my $in, '<:raw', $file or die "$file: $!\n"; local $/ = undef; return scalar <$in> }
sub rows ($of = $project) {
    return $t->db->selectall_arrayref('SELECT * FROM spans WHERE project_id = ? ORDER BY start_ns, span_id', { Slice => {} }, $of->uuid);
}
sub row_of ($trace, $name) {
    return $t->db->selectrow_hashref('SELECT * FROM spans WHERE trace_id = ?::uuid AND name = ?', undef, $trace, $name);
}

# A span that started this many seconds ago; more members of it behind.
my $n = 0;
sub span (%more) {
    my $ago   = delete $more{ago} // 60;
    my $start = int(time - $ago) . '000000000';
    return { traceId => sprintf('%032x', 0xabc0000 + ++$n), spanId => sprintf('%016x', $n), name => 'work', startTimeUnixNano => "$start", endTimeUnixNano => "$start", %more };
}
sub request_of (@spans) { return { resourceSpans => [ { resource => { attributes => [ { key => 'service.name', value => { stringValue => 'tests' } } ] }, scopeSpans => [ { spans => \@spans } ] } ] } }
sub send_to ($who, @spans) { return $who->post($path, request_of(@spans)) }
sub raw ($body, $type = 'application/x-protobuf', %headers) { return $project->post($path, undef, raw => $body, type => $type, headers => \%headers) }

# Of a google.rpc.Status in protobuf: its code and message.
sub status_of ($res) { return [ unpack 'xC x C/a', $res->body ] }

subtest 'OpenTelemetry\'s SDK for Node sends them, in each encoding' => sub {
    local $ENV{NODE_EXTRA_CA_CERTS} = "$t->{dir}/cert.pem";
    my @how = qw(proto json proto+gzip json+gzip);
    open my $node, '-|', 'node', 't/clients/otlp.mjs', "https://localhost:$t->{https_port}$alias", $project->token, @how or die "node: $!\n";
    my $said = do { local $/ = undef; <$node> };
    ok close $node, 'it comes to its end' or return;
    for my $sent (@{ $json->decode($said) }) {
        my ($how, $trace) = @$sent{qw(how trace)};
        is_deeply $sent->{results}, [ { code => 0 } ], "$how: the exporter is content" or diag $said;
        my ($root, $child) = map { row_of($trace, $_) } 'POST /orders', 'chat gpt-4o';
        is $root->{parent_id}, undef, "$how: the root is one";
        is $child->{parent_id}, $root->{span_id}, "$how: its child knows it";
        is_deeply [ @$child{qw(kind status status_message model prompt_tokens completion_tokens total_tokens prompt_cost completion_cost total_cost flags)} ],
            [ 3, 2, 'cut off', 'gpt-4o', 1200, 345, 1545, 30000, 34500, 64500, 0 ], "$how: what it says";
        is_deeply $stored->decode($root->{attributes}), { 'http.response.status_code' => 201, ratio => 0.25, ok => Cpanel::JSON::XS::true(), words => [qw(a b)], text => "Gr\x{fc}\x{df}e", 'observability.tags' => '["sdk"]' },
            "$how: attributes keep their types";
        is $stored->decode($child->{events})->[0]{name}, 'first token', "$how: events";
        my $of = $t->db->selectrow_hashref('SELECT * FROM traces WHERE trace_id = ?::uuid', undef, $trace);
        is_deeply [ @$of{qw(span_count error_count session_id service root_name)}, @{ $of->{tags} } ], [ 2, 1, $how, 'shop', 'POST /orders', 'sdk' ], "$how: the trace";
    }
    is $t->db->selectrow_array(q{SELECT count(*) FROM span_resources WHERE project_id = ? AND attributes::text ~ 'another'}, undef, $project->uuid), 0, 'which project a resource names is left out';
};

subtest 'success has nothing to say, in the encoding of the request' => sub {
    my $res = send_to($project, span());
    status_is $res, 200;
    json_is $res, '', {};
    header_like $res, 'Content-Type', qr{\Aapplication/json\b};
    $res = raw('');
    status_is $res, 200, 'an empty request';
    header_is $res, 'Content-Type', 'application/x-protobuf';
    is $res->body, '', 'has an empty answer';
    status_is $project->post($path, {}), 200;
    json_is $project->post($path), '', {}, 'nothing at all is without spans, too';
    status_is $project->post('/v1/traces', request_of(span())), 200, 'without /api, too';
    status_is raw($json->encode(request_of(span())), 'application/json; charset=utf-8'), 200, 'a type with a parameter';
    is scalar(@{ rows() }), 8 + 3, 'they are there';
};

subtest 'a token of the project, or its key in either header' => sub {
    my $before = @{ rows() };
    status_is send_to($project->with(token => $t->project_token($project)), span()), 200;
    status_is send_to($project->with(token => undef, key => $project->token), span()), 200;
    is scalar(@{ rows() }), $before + 2;
    error_is send_to($t->nobody, span()), 401, 'AUTHENTICATION_ERROR';
    error_is send_to($ann, span()), 401, 'AUTHENTICATION_ERROR', name => 'a user\'s';
    my $res = $t->post($path, undef, raw => 'x', type => 'application/x-protobuf');
    status_is $res, 401;
    header_is $res, 'Content-Type', 'application/x-protobuf';
    is status_of($res)->[0], 16, 'UNAUTHENTICATED, as a google.rpc.Status';
    my $other = $t->trace_project($org);
    for my $meant ([ query => { project_id => $other->uuid } ], [ headers => { 'X-Project-Id' => $other->uuid } ]) {
        error_is $project->post($path, request_of(span()), @$meant), 403, 'AUTHORIZATION_ERROR', field => qr/\A(?:project_id|X-Project-Id)\z/, message => qr/another project/;
    }
    status_is $project->post($path, request_of(span()), query => { project_id => $project->uuid }), 200, 'one\'s own';
    status_is $project->post($path, request_of(span()), headers => { 'X-Project-Id' => uc $project->uuid }), 200;
    is scalar(@{ rows($other) }), 0, 'nothing came to the other one';
    my $gone = $t->trace_project($org);
    status_is send_to($gone, span()), 200;
    $t->db->do('UPDATE trace_projects SET deleted_at = now() WHERE id = ?', undef, $gone->uuid);
    error_is send_to($gone, span()), 401, 'AUTHENTICATION_ERROR', name => 'a deleted project takes none, at once';
};

subtest 'what is sent again is not there twice' => sub {
    my @spans  = map { span() } 1 .. 3;
    my $before = @{ rows() };
    json_is send_to($project, @spans), '', {};
    json_is send_to($project, @spans, $spans[0]), '', {};
    is scalar(@{ rows() }), $before + 3;
};

subtest 'some are refused, and counted with the reason; the others are taken' => sub {
    my $good = span();
    my $res  = send_to($project, $good, span(traceId => '12'), span(spanId => '00'), span(traceId => '0' x 32), span(traceId => 'x' x 32), span(ago => 86400 * 500), span(ago => -86400 * 2));
    status_is $res, 200;
    json_is $res, '/partialSuccess/rejectedSpans', '6';
    like $res->json('/partialSuccess/errorMessage'), qr/4 have an id that is zero.*; 1 started before all that is kept; 1 start or end more than a day from now/;
    ok row_of($good->{traceId}, 'work'), 'the good one is there';
    my $start = int(time) - 5;
    $good = span(startTimeUnixNano => "${start}000000000", endTimeUnixNano => ($start - 1) . '000000000');
    json_is send_to($project, $good), '', {}, 'an end before the start is no reason';
    my $row = row_of($good->{traceId}, 'work');
    is "$row->{flags} $row->{duration_ns}", '1 0', 'it is marked';
    $good = span(attributes => [ { key => 'long', value => { stringValue => 'x' x 5000 } }, map { +{ key => "k$_", value => { intValue => $_ } } } 1 .. 200 ]);
    json_is send_to($project, $good), '', {}, 'nor are attributes beyond measure';
    $row = row_of($good->{traceId}, 'work');
    is $row->{flags}, 2, 'it is marked';
    my $kept = $stored->decode($row->{attributes});
    is keys %$kept, 128, '128 of them are kept';
    is length $kept->{long}, 4096, 'of 4 KiB';
    # ExportTracePartialSuccess: field 1 is the number, field 2 the reason.
    $res = raw("\x0a\x04\x12\x02\x12\x00");
    status_is $res, 200, 'in protobuf';
    my (undef, $partial) = unpack 'C C/a', $res->body;
    my ($rejected, $why) = unpack 'x C x C/a', $partial;
    is $rejected, 1;
    like $why, qr/\A1 have an id/;
};

subtest 'what would be removed at once is too old: by the organization\'s plan' => sub {
    my %kept = (free => 30, pro => 90, enterprise => 400);
    for my $plan (sort keys %kept) {
        my $of = $t->organization($t->user("of-$plan"));
        $t->db->do('UPDATE organizations SET prem_status = ? WHERE id = ?', undef, $plan, $of);
        my $res = send_to($t->trace_project($of), span(ago => 86400 * $kept{$plan} - 600), span(ago => 86400 * $kept{$plan} + 600));
        json_is $res, '/partialSuccess', { rejectedSpans => '1', errorMessage => '1 started before all that is kept' }, $plan;
    }
};

subtest 'what is no request is not to be sent again' => sub {
    my $before = @{ rows() };
    my $deep   = { intValue => 1 };
    $deep = { arrayValue => { values => [$deep] } } for 1 .. 64;
    for my $bad ('', '[]', '{"resourceSpans":1}', '{"resourceSpans":[}', "{\"\xff", $json->encode(request_of(span(attributes => [ { key => 'x', value => $deep } ])))) {
        my $res = raw($bad, 'application/json');
        error_is $res, 400, 'BAD_REQUEST', name => substr($bad, 0, 30) . ' as JSON';
        json_is $res, '/code', 3, 'INVALID_ARGUMENT';
        is $res->json('/message'), $res->json('/detail'), 'and why';
    }
    for my $bad ("\x0a\x05", "\x0a\xff\xff\xff\xff\x0f", "\x0a\x80", "\x0b", "\x08\x01", "\x0a\x04\x12\x02\x12\x7f", slurp('t/fuzz/corpus/otlp/js_exporter.json')) {
        my $res = raw($bad);
        status_is $res, 400, sprintf('%vx', substr $bad, 0, 8) . ' as protobuf';
        header_is $res, 'Content-Type', 'application/x-protobuf';
        is status_of($res)->[0], 3, 'INVALID_ARGUMENT';
    }
    error_is raw('x', $_), 415, 'UNSUPPORTED_MEDIA_TYPE', name => $_ // 'no type' for 'text/plain', 'application/grpc', undef;
    is scalar(@{ rows() }), $before, 'nothing of it is there';
};

subtest 'gzip is understood, as far as it goes' => sub {
    my $body = $json->encode(request_of(my $one = span()));
    status_is raw(Compress::Zlib::memGzip($body), 'application/json', 'Content-Encoding' => 'gzip'), 200;
    ok row_of($one->{traceId}, 'work');
    status_is raw($json->encode(request_of(span())), 'application/json', 'Content-Encoding' => 'identity'), 200;
    for my $bad ($body, '', substr(Compress::Zlib::memGzip($body), 0, 40), Compress::Zlib::memGzip($body) . 'x') {
        error_is raw($bad, 'application/json', 'Content-Encoding' => 'gzip'), 400, 'BAD_REQUEST', name => 'none, or a damaged one';
    }
    my $res = raw(Compress::Zlib::memGzip($body), 'application/json', 'Content-Encoding' => 'zstd');
    error_is $res, 415, 'UNSUPPORTED_MEDIA_TYPE';
    header_is $res, 'Accept-Encoding', 'gzip';
    # 20 MiB, and one byte more, of what is passed over.
    my $room = 20 * 1024 * 1024 - length '{"x":""}';
    my $bomb = sub ($more) { Compress::Zlib::memGzip('{"x":"' . ('a' x ($room + $more)) . '"}') };
    status_is raw($bomb->(0), 'application/json', 'Content-Encoding' => 'gzip'), 200, '20 MiB are taken';
    error_is raw($bomb->(1), 'application/json', 'Content-Encoding' => 'gzip'), 413, 'PAYLOAD_TOO_LARGE', name => 'one more is not';
    status_is raw(Compress::Zlib::memGzip("\0" x 200_000_000), 'application/x-protobuf', 'Content-Encoding' => 'gzip'), 413, 'nor a bomb';
    status_is raw('{"x":"' . ('a' x $room) . '"}', 'application/json'), 200, 'as they are, too';
    status_is raw('{"x":"' . ('a' x ($room + 1)) . '"}', 'application/json'), 413;
};

subtest 'a flood is refused for its project alone, and for a while' => sub {
    my $few  = Api->start(SPAN_RATE_FREE => 1);
    my $org2 = $few->organization($few->user('bob'));
    my ($loud, $quiet) = map { $few->trace_project($org2) } 1, 2;
    my @many = map { span() } 1 .. 150;
    status_is send_to($loud, @many), 200, 'a batch is never too large by itself';
    my $res = send_to($loud, span());
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED', message => qr/more than 10 spans a second/;
    header_like $res, 'Retry-After', qr/\A[1-5]\z/;
    json_is $res, '/code', 14, 'UNAVAILABLE: it may come again';
    $res = $loud->post($path, undef, raw => '', type => 'application/x-protobuf');
    status_is $res, 429, 'in protobuf, too';
    is status_of($res)->[0], 14;
    status_is send_to($loud->with(token => $few->project_token($loud)), span()), 429, 'a token of it is the same project';
    status_is send_to($quiet, span()), 200, 'another project is not concerned';
    eventually { send_to($loud, span())->status == 200 } 20, 'and it passes';
};
