# Log records come in by OTLP, from OpenTelemetry's own exporters and as nobody should send them, and are read by project and by trace.

use v5.36;
use lib 't/lib';
use Api;
use Compress::Zlib ();
use Cpanel::JSON::XS ();
use Time::HiRes 'time';

my $t       = Api->start(FREEPLAN_LOGS_LINE_LIMIT => 3, SPAN_RATE_FREE => 2);
my $path    = '/api/v1/logs';
my $ann     = $t->user('ann');
my $org     = org($ann, 'pro');
my $project = $t->trace_project($org);
my $json    = Cpanel::JSON::XS->new->utf8->canonical;

sub org ($who, $plan) {
    my $id = $t->organization($who);
    $t->db->do('UPDATE organizations SET prem_status = ? WHERE id = ?', undef, $plan, $id);
    return $id;
}
sub count_of ($of = $project) { return scalar $t->db->selectrow_array('SELECT count(*) FROM log_records WHERE project_id = ?', undef, $of->uuid) }
sub list ($who = $ann, $of = $project, %query) { return $who->get('/api/v4/logs', query => { project_id => $of->uuid, %query }) }
sub bodies (@arg) { return [ map { $_->{body} } @{ list(@arg)->json } ] }

# Nanoseconds of so many seconds ago.
my $now = int time;
sub ns ($ago) { return ($now - $ago) . '000000000' }
sub record ($body, %more) {
    my $ago = delete $more{ago} // 60;
    return { timeUnixNano => ns($ago), severityNumber => 9, body => { stringValue => $body }, %more };
}
sub request_of (@records) {
    return { resourceLogs => [ { resource => { attributes => [ { key => 'service.name', value => { stringValue => 'tests' } } ] }, scopeLogs => [ { scope => { name => 'unit' }, logRecords => \@records } ] } ] };
}
sub send_to ($who, @records) { return $who->post($path, request_of(@records)) }
sub raw ($body, $type = 'application/x-protobuf', %headers) { return $project->post($path, undef, raw => $body, type => $type, headers => \%headers) }

# A trace of which a span was sent.
sub seen ($of, $trace) {
    return $of->post('/api/v1/traces', { resourceSpans => [ { scopeSpans => [ { spans => [ { traceId => $trace, spanId => '00f067aa0ba902b7', name => 'x', startTimeUnixNano => ns(60), endTimeUnixNano => ns(60) } ] } ] } ] });
}

subtest 'OpenTelemetry\'s SDK for Node sends them, in each encoding' => sub {
    local $ENV{NODE_EXTRA_CA_CERTS} = "$t->{dir}/cert.pem";
    my @how = qw(proto json proto+gzip json+gzip);
    open my $node, '-|', 'node', 't/clients/otlp_logs.mjs', "https://localhost:$t->{https_port}/api/otlp/v1/logs", $project->token, @how or die "node: $!\n";
    my $said = do { local $/ = undef; <$node> };
    ok close $node, 'it comes to its end' or return;
    for my $sent (@{ $json->decode($said) }) {
        my ($how, $trace) = @$sent{qw(how trace)};
        is_deeply $sent->{results}, [ { code => 0 } ], "$how: the exporter is content" or diag $said;
        my ($first, $second, @more) = @{ list($ann, $project, trace_id => $trace)->json };
        is scalar @more, 0, "$how: two records of the trace";
        is_deeply [ @$first{qw(body severity_number severity_text service_name scope_name scope_version trace_id span_id event_name was_cut)} ],
            [ "Gr\x{fc}\x{df}e", 9, 'info', 'shop', 'checkout', '1.2.3', $trace, $sent->{span}, undef, Cpanel::JSON::XS::false() ], "$how: what it says";
        is_deeply $first->{attributes}, { status => 201, ratio => 0.25, ok => Cpanel::JSON::XS::true(), words => [qw(a b)] }, "$how: attributes keep their types";
        is_deeply $first->{resource_attributes}, { 'service.name' => 'shop' }, "$how: which project a resource names is left out";
        is_deeply [ @$second{qw(body severity_number severity_text event_name)} ], [ { card => { last4 => '4242' }, tries => 3 }, 18, 'ERROR2', 'payment.failed' ], "$how: an event, whose body is an object";
        my ($none) = grep { $_->{body} eq $how } grep { !ref $_->{body} } @{ list()->json };
        is_deeply [ @$none{qw(trace_id span_id severity_number severity_text)} ], [ undef, undef, 0, 'UNSPECIFIED' ], "$how: one of no trace";
    }
};

subtest 'success has nothing to say, in the encoding of the request' => sub {
    my $before = count_of();
    my $res    = send_to($project, record('one'));
    status_is $res, 200;
    json_is $res, '', {};
    $res = raw('');
    status_is $res, 200, 'an empty request';
    header_is $res, 'Content-Type', 'application/x-protobuf';
    is $res->body, '', 'has an empty answer';
    json_is $project->post($path), '', {}, 'nothing at all is without records, too';
    status_is $project->post('/v1/logs', request_of(record('two'))), 200, 'without /api, too';
    status_is raw(Compress::Zlib::memGzip($json->encode(request_of(record('three')))), 'application/json', 'Content-Encoding' => 'gzip'), 200, 'compressed';
    status_is send_to($project->with(token => $t->project_token($project)), record('four')), 200, 'with a token';
    status_is send_to($project->with(token => undef, key => $project->token), record('five')), 200, 'with the key in its own header';
    is count_of(), $before + 5, 'they are there';
    error_is send_to($t->nobody, record('six')), 401, 'AUTHENTICATION_ERROR';
    error_is send_to($ann, record('six')), 401, 'AUTHENTICATION_ERROR', name => 'a user\'s';
    error_is $project->post($path, request_of(), query => { project_id => $t->trace_project($org)->uuid }), 403, 'AUTHORIZATION_ERROR', field => 'project_id', message => qr/another project/;
};

subtest 'what is sent again is not there twice' => sub {
    my @records = map { record("again $_") } 1 .. 3;
    my $before  = count_of();
    json_is send_to($project, @records), '', {};
    json_is send_to($project, @records), '', {};
    is count_of(), $before + 3;
    json_is send_to($project, (record('the same', ago => 7)) x 3), '', {};
    is count_of(), $before + 6, 'three that say the same in one request are three';
    json_is send_to($project, (record('the same', ago => 7)) x 3), '', {};
    is count_of(), $before + 6, '  however often it comes';
    send_to($project, record('the same', ago => 7, $_->@*))
        for [ severityNumber => 10 ], [ severityText => 'x' ], [ spanId => '00f067aa0ba902b7' ], [ traceId => 'a' x 32 ], [ eventName => 'x' ], [ observedTimeUnixNano => ns(1) ], [ attributes => [ { key => 'a', value => { intValue => 1 } } ] ];
    is count_of(), $before + 13, 'whatever is different makes another one';
    my ($plan) = $t->db->selectrow_array('SELECT prem_status FROM organizations WHERE id = ?', undef, $org);
    for my $another (grep { $_ ne $plan } qw(free pro enterprise)) {
        $t->db->do('UPDATE organizations SET prem_status = ? WHERE id = ?', undef, $another, $org);
        json_is send_to($project, @records), '', {};
        is count_of(), $before + 13, "whichever plan is paid for meanwhile: $another";
    }
    $t->db->do('UPDATE organizations SET prem_status = ? WHERE id = ?', undef, $plan, $org);
};

subtest 'some are refused, and counted with the reason; the others are taken' => sub {
    my $before = count_of();
    my $res    = send_to($project, record('good'), record('bad', traceId => '12'), record('bad', spanId => 'x' x 16), record('old', ago => 86400 * 500), record('new', ago => -86400 * 2));
    status_is $res, 200;
    json_is $res, '/partialSuccess/rejectedLogRecords', '4';
    is $res->json('/partialSuccess/errorMessage'), '2 have an id that is not of 16 bytes for a trace and 8 for a span; 1 are older than all that is kept; 1 are of more than a day from now';
    is count_of(), $before + 1, 'the good one is there';
    # A record whose trace id has one byte.
    $res = raw("\x0a\x07\x12\x05\x12\x03\x4a\x01\x12");
    status_is $res, 200, 'in protobuf';
    my (undef, $partial) = unpack 'C C/a', $res->body;
    my ($rejected, $why) = unpack 'x C x C/a', $partial;
    is $rejected, 1;
    like $why, qr/\A1 have an id/;
    json_is send_to($project, { observedTimeUnixNano => ns(5), body => { stringValue => 'observed' } }), '', {};
    is_deeply [ map { $_->{time_ns} } grep { ($_->{body} // '') eq 'observed' } @{ list()->json } ], [ 0 + ns(5) ], 'without a time it is that of its observation';
    json_is send_to($project, { severityNumber => 99, body => { stringValue => 'of no time' } }), '', {};
    my ($row) = grep { ($_->{body} // '') eq 'of no time' } @{ list()->json };
    cmp_ok $row->{time_ns}, '>=', ns(0), 'without either it is of now';
    is $row->{severity_number}, 0, 'a severity that is none is not said';
    json_is send_to($project, record('x' x 70_000, ago => 3, attributes => [ { key => 'long', value => { stringValue => 'x' x 5000 } } ])), '', {};
    ($row) = grep { $_->{was_cut} } @{ list()->json };
    is length $row->{body}, 65536, 'of a body 64 KiB are kept';
    is length $row->{attributes}{long}, 4096, 'and of an attribute 4';
    is_deeply [ map { $_->{body} } @{ list($ann, $project, end_time => '2001-01-01T00:00:00Z')->json } ], [], 'none is of another time';
};

subtest 'what is no request' => sub {
    my $before = count_of();
    error_is $project->post($path, undef, raw => '{"resourceLogs": [{]}', type => 'application/json'), 400, 'BAD_REQUEST', message => qr/./;
    error_is $project->post($path, { resourceLogs => [ { scopeLogs => [ { logRecords => [ { severityNumber => 'SEVERITY_NUMBER_INFO' } ] } ] } ] }), 400, 'BAD_REQUEST', message => qr/enum's number/;
    is raw("\x0a\xff\xff\xff\xff\x0f")->status, 400, 'a length that is a lie';
    error_is $project->post($path, undef, raw => 'x', type => 'text/plain'), 415, 'UNSUPPORTED_MEDIA_TYPE';
    is raw(Compress::Zlib::memGzip("\0" x (21 << 20)), 'application/x-protobuf', 'Content-Encoding' => 'gzip')->status, 413, 'one that is too large when it is inflated';
    is count_of(), $before, 'nothing of it is there';
};

subtest 'they are listed: by time, by trace, from a severity on, of a service' => sub {
    my $own = $t->trace_project($org);
    my $id  = 'b' x 32;
    send_to($own, record('a', ago => 30), record('b', ago => 20, severityNumber => 13, traceId => $id), record('c', ago => 86400 * 2, traceId => $id), record('d', ago => 10, severityNumber => 17));
    is_deeply bodies($ann, $own), [qw(d b a c)], 'the newest first, over days';
    is_deeply bodies($ann, $own, sort_order => 'ASC'), [qw(c a b d)];
    is_deeply bodies($ann, $own, trace_id => $id), [qw(c b)], 'of a trace the oldest first';
    is_deeply bodies($ann, $own, trace_id => uc $id, sort_order => 'DESC'), [qw(b c)];
    is_deeply bodies($ann, $own, trace_id => 'zz'), [], 'of what is no trace none';
    is_deeply bodies($ann, $own, severity => 'WARN'), [qw(d b)];
    is_deeply bodies($ann, $own, severity => 'FATAL'), [];
    is_deeply bodies($ann, $own, service => 'tests'), [qw(d b a c)];
    is_deeply bodies($ann, $own, service => 'test'), [];
    is_deeply bodies($ann, $own, limit => 2), [qw(d b)], 'a page';
    is_deeply bodies($ann, $own, limit => 2, offset => 2), [qw(a c)], 'and the next one';
    my $from = $t->db->selectrow_array(q{SELECT to_char(to_timestamp(?) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')}, undef, $now - 20);
    is_deeply bodies($ann, $own, start_time => $from), [qw(d b)], 'from a second on';
    is_deeply bodies($ann, $own, end_time => $from), [qw(b a c)], 'and up to one';
    error_is list($ann, $own, severity => 'LOUD'), 422, 'VALIDATION_ERROR', field => 'severity';
    error_is $ann->get('/api/v4/logs'), 422, 'VALIDATION_ERROR', field => 'project_id';
    error_is list($t->user('out'), $own), 404, 'NOT_FOUND', name => 'not for who is no member';
    error_is list($t->user('theirs', tenant => 'other'), $own), 404, 'NOT_FOUND', name => 'nor for another tenant\'s';
    error_is list($t->nobody, $own), 401, 'AUTHENTICATION_ERROR';
    is_deeply bodies($ann, $t->trace_project($org)), [], 'another project has none of them';
};

subtest 'the log of a trace is made of its records where none was stored' => sub {
    my $own = $t->trace_project($org);
    my $id  = 'c' x 32;
    error_is $ann->get("/api/v4/logs/$id"), 403, 'AUTHORIZATION_ERROR', name => 'not of a trace that is not there';
    status_is seen($own, $id), 200;
    error_is $ann->get("/api/v4/logs/$id"), 404, 'NOT_FOUND', name => 'none';
    send_to($own, record("two\nlines \"\x{20ac}\"", ago => 20, traceId => $id), record('first', ago => 30, traceId => $id, severityText => 'notice'), record('other', traceId => 'd' x 32),
        { timeUnixNano => ns(10), traceId => $id, body => { kvlistValue => { values => [ { key => 'a', value => { intValue => 1 } } ] } }, attributes => [ { key => 'k', value => { boolValue => Cpanel::JSON::XS::true() } } ] });
    my $res = $ann->get("/api/v4/logs/$id");
    status_is $res, 200;
    my ($content, %rest) = do { my %all = %{ $res->json }; (delete $all{content}, %all) };
    is_deeply \%rest, { trace_id => $id, freeplan_truncated => Cpanel::JSON::XS::false() };
    is $content =~ s/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z /T /mgr, qq(T notice tests: first\nT INFO tests: two\nlines "\x{20ac}"\nT UNSPECIFIED tests: {"a": 1} {"k": true}\n), 'line by line, in the order of time';
    is $own->request(POST => '/api/v4/logs/upload', type => 'text/plain', headers => { 'Trace-Id' => $id }, raw => "stored\n")->status, 200;
    is $ann->get("/api/v4/logs/$id")->json('/content'), "stored\n", 'one that was stored is shown as it is';
};

subtest 'a free organization sees the first lines' => sub {
    my $free = $t->trace_project(org($ann, 'free'));
    my $id   = 'e' x 32;
    status_is seen($free, $id), 200;
    send_to($free, map { record("$_\n.", ago => 50 - $_, traceId => $id) } 1 .. 5);
    my $res = $ann->get("/api/v4/logs/$id");
    ok $res->json('/freeplan_truncated'), 'it is said';
    like $res->json('/content'), qr/\A\S+ INFO tests: 1\n\.\n\S+ INFO tests: 2\n\z/, 'three lines, whatever records they are of';
    is_deeply bodies($ann, $free, trace_id => $id), [ "1\n.", "2\n.", "3\n." ], 'and three records of a list';
    is_deeply bodies($ann, $free, trace_id => $id, offset => 3), [], '  and none behind them';
};

subtest 'a flood is refused to its project alone, and concerns no spans' => sub {
    my $loud = $t->trace_project(org($ann, 'free'));
    status_is send_to($loud, map { record("r$_") } 1 .. 400), 200, 'what came is taken';
    my $res = send_to($loud, record('more'));
    error_is $res, 429, 'RATE_LIMIT_EXCEEDED', message => qr/more than 20 log records a second/;
    ok $res->header('Retry-After'), 'and when it may be sent again is said';
    status_is seen($loud, 'f' x 32), 200, 'its spans are taken';
    status_is send_to($project, record('quiet')), 200, 'and others\' records';
};

subtest 'a record more than a request may have' => sub {
    my $own = $t->trace_project(org($ann, 'enterprise'));
    my $res = send_to($own, map { record("n$_") } 1 .. 10_001);
    status_is $res, 200;
    json_is $res, '/partialSuccess/rejectedLogRecords', '1';
    json_is $res, '/partialSuccess/errorMessage', '1 were behind the first 10000 of a request';
    is count_of($own), 10_000;
};
