use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Collector;

my $TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
my $SPAN  = '00f067aa0ba902b7';
my $base  = '/api/v1/app/projects';

my $c   = Ashlar::Collector->start;
my $t   = Api->start($c->settings(OTEL_EXPORTER_OTLP_PROTOCOL => 'http/json', OTEL_EXPORTER_OTLP_HEADERS => 'x-team=a%20b%2Cc,authorization=Bearer%20collector-key',
    OTEL_RESOURCE_ATTRIBUTES => 'deployment.environment.name=test%20bed,service.name=lost', OTEL_SERVICE_NAME => 'shop'), worker => 1, realtime => 1);
my $ann = $t->user('ann');

# A traceparent of a trace of its own.
my $n = 0;
sub trace_id { return sprintf '%032x', 0xabc000 + ++$n }
sub parent ($trace, $flags = '01') { return (traceparent => "00-$trace-$SPAN-$flags") }

sub of_trace ($trace) { return grep { $_->{trace} eq $trace } $c->spans }
sub server ($trace) { return $c->wait_for(sub ($s) { $s->{trace} eq $trace && $s->{kind} eq 'server' }) }

subtest 'a request is a span, by the conventions for HTTP servers' => sub {
    my $trace = trace_id();
    my $res   = $ann->post($base, { name => 'x' }, headers => { parent($trace), tracestate => 'rojo=1,congo=2' });
    status_is $res, 201;
    my $s = server($trace) // return fail 'it came';
    is $s->{name}, "POST $base";
    is $s->{parent}, $SPAN, 'a part of what the caller does';
    is $s->{remote}, 1, '  who is another program';
    is $s->{state}, 'rojo=1,congo=2', '  with its state';
    is $s->{error}, 0;
    my ($host, $port) = $t->{env}{PUBLIC_URL} =~ m{//(.*):(\d+)};
    is_deeply $s->{attr}, {
        'http.request.method' => 'POST', 'http.route' => $base, 'url.path' => $base, 'http.response.status_code' => 201, 'url.scheme' => 'https',
        'server.address' => $host, 'server.port' => $port, 'ashlar.tenant.id' => $ann->tenant_id, 'ashlar.process' => 'api-main',
    }, 'its attributes';
    cmp_ok $s->{end}, '>=', $s->{start};
    cmp_ok abs($s->{start} / 1e9 - time), '<', 60, 'times are since 1970';
    is $s->{resource}{'service.name'}, 'shop';
    is $s->{resource}{'deployment.environment.name'}, 'test bed';
    like $s->{resource}{'service.version'}, qr/^\d+\.\d+\.\d+$/;
    ok length $s->{resource}{'host.name'}, 'host.name';
    is $s->{scope}{name}, 'ashlar';
    my $line = $t->log_of($res);
    is $line->{trace_id}, $trace, 'the log line has the trace';
    is $line->{span_id}, $s->{id}, '  and the span';

    my @queries = grep { $_->{kind} eq 'client' } of_trace($trace);
    is scalar @queries, 1, 'its query is a span, too';
    is $queries[0]{name}, 'project_create';
    is $queries[0]{parent}, $s->{id}, '  a part of it';
    is $queries[0]{remote}, 0;
    is_deeply $queries[0]{attr}, { 'db.system.name' => 'postgresql', 'db.query.summary' => 'project_create', 'db.namespace' => $t->{database}, 'ashlar.process' => 'api-main' },
        '  by the conventions for databases';
    cmp_ok $queries[0]{start}, '>=', $s->{start};
    cmp_ok $queries[0]{end}, '<=', $s->{end};
};

subtest 'the collector gets the headers that are set' => sub {
    my ($first) = $c->requests;
    is $first->{headers}{'x-team'}, 'a b,c';
    is $first->{headers}{authorization}, 'Bearer collector-key';
    is $first->{headers}{'content-type'}, 'application/json';
    ok !exists $first->{headers}{traceparent}, 'to export is not traced';
    $t->keep_secret('collector-key');
};

subtest 'without a caller who has one, a trace begins here' => sub {
    my $res   = $ann->get("$base?search=sought");
    my $trace = $t->log_of($res)->{trace_id};
    my $s     = server($trace);
    is $s->{name}, "GET $base";
    is $s->{parent}, undef, 'it is a part of nothing';
    is $s->{remote}, 0;
    is $s->{state}, '';
};

subtest 'what is malformed is as if it had not been sent' => sub {
    for my $bad ("00-$TRACE-$SPAN", "00-$TRACE-$SPAN-01-x", "ff-$TRACE-$SPAN-01", "00-$TRACE-0000000000000000-01", "00-\U$TRACE\E-$SPAN-01", 'x') {
        my $trace = $t->log_of($ann->get($base, headers => { traceparent => $bad, tracestate => 'a=1' }))->{trace_id};
        isnt $trace, $TRACE, $bad;
        my $s = server($trace);
        is $s->{parent}, undef, '  a trace of our own';
        is $s->{state},  '',    '  without a state';
    }
    my $trace = trace_id();
    $ann->get($base, headers => { parent($trace), tracestate => 'A=1' });
    is server($trace)->{state}, '', 'of a good traceparent with a bad tracestate only that one';
};

subtest 'the caller decides whether it is recorded' => sub {
    my ($no, $yes) = (trace_id(), trace_id());
    my $res = $ann->get($base, headers => { parent($no, '00') });
    $ann->get($base, headers => { parent($yes) });
    ok server($yes), 'sampled';
    is scalar of_trace($no), 0, 'not sampled';
    is $t->log_of($res)->{trace_id}, $no, '  its log line has the trace all the same';
};

subtest 'a refusal is told, and is no error of ours; a failure is one' => sub {
    my ($bad, $none, $away, $broken) = map { trace_id() } 1 .. 4;
    $ann->post($base, { name => '' }, headers => { parent($bad) });
    my $s = server($bad);
    is $s->{attr}{'error.type'}, 'VALIDATION_ERROR';
    is $s->{attr}{'http.response.status_code'}, 422;
    is $s->{error}, 0, 'a client\'s mistake';
    $ann->get("$base/00000000-0000-7000-8000-00000000dead", headers => { parent($none) });
    $s = server($none);
    is $s->{name}, "GET $base/{project_id}", 'the name is the pattern';
    is $s->{attr}{'url.path'}, "$base/00000000-0000-7000-8000-00000000dead", 'an id is told';
    is $s->{error}, 0;
    $ann->get('/api/v1/nothing/at/all', headers => { parent($away) });
    $s = server($away);
    is $s->{name}, 'GET', 'of a path that is none only the method';
    is_deeply [ grep { /path|route/ } keys %{ $s->{attr} } ], [], '  and nothing of it';
    $t->expect_log(qr/"status":500/);
    $t->db->do(q{ALTER TABLE projects ADD CONSTRAINT made_up CHECK (name <> 'breaks') NOT VALID});
    $ann->post($base, { name => 'breaks' }, headers => { parent($broken) });
    $t->db->do('ALTER TABLE projects DROP CONSTRAINT made_up');
    $s = server($broken);
    is $s->{error}, 1, 'a 500 is an error';
    is $s->{attr}{'error.type'}, 'INTERNAL_ERROR';
    my ($query) = grep { $_->{name} eq 'project_create' } of_trace($broken);
    is $query->{error}, 1, '  and so is its query';
    is $query->{attr}{'db.response.status_code'}, '23514';
    is $query->{attr}{'error.type'}, '23514';
};

subtest 'what clients entrust to us, or write, is in no span' => sub {
    my @secret = qw(the-name-in-a-body the-text-in-a-query the-secret-of-a-token the-agent-of-a-browser the-value-of-a-header the-path-of-nothing the-token-of-a-path);
    my $last   = trace_id();
    $ann->post($base, { name => 'the-name-in-a-body' });
    $ann->get("$base?search=the-text-in-a-query");
    $t->client->get($base, headers => { Authorization => 'Bearer the-secret-of-a-token', 'User-Agent' => 'the-agent-of-a-browser', 'X-Request-ID' => 'the-value-of-a-header', Cookie => 'the-value-of-a-header' });
    $ann->get('/api/v1/the-path-of-nothing');
    $ann->get('/api/v1/invitations/the-token-of-a-path');
    $ann->get("$base/the-token-of-a-path");
    $ann->get("$base?token=" . $ann->token, headers => { parent($last) });
    ok server($last), 'all have come';
    my $all = join "\n", map { $_->{body} } $c->requests;
    unlike $all, qr/\Q$_\E/, $_ for @secret, $ann->token, $ann->email, '127\.0\.0\.1';
};

subtest 'metrics tell what became of spans' => sub {
    cmp_ok $t->metric('ashlar_spans_total', outcome => 'sent'), '>', 10, 'sent';
    is $t->metric('ashlar_spans_total', outcome => $_), 0, $_ for qw(failed dropped);
    ok defined $t->metric('ashlar_spans_waiting'), 'waiting';
};

subtest 'a job is a span, and its log line has the trace' => sub {
    my $job = $t->db->selectrow_array(q{SELECT set_config('app.tenant_id', ?, false), job_add('ashlar', 'noop', '{}')}, undef, $ann->tenant_id);
    ok $job, 'a job';
    my $s = $c->wait_for(sub ($s) { $s->{kind} eq 'consumer' && $s->{attr}{'ashlar.job.kind'} ne 'jobs.retention' });
    ok $s, 'it is a span' or return;
    is $s->{attr}{'ashlar.process'}, 'worker';
    is $s->{name}, 'process ashlar';
    is $s->{attr}{'messaging.system'}, 'ashlar';
    is $s->{attr}{'messaging.operation.type'}, 'process';
    is $s->{attr}{'messaging.destination.name'}, 'ashlar';
    my ($line) = grep { ($_->{message} // '') eq 'job' && ($_->{trace_id} // '') eq $s->{trace} } $t->log;
    is $line->{span_id}, $s->{id}, 'the line that ends it has trace and span';
};

subtest 'a WebSocket is a span of realtime' => sub {
    my $trace = trace_id();
    status_is $t->client->get('/api/v1/app/ws', headers => { parent($trace) }), 401;
    my $s = server($trace);
    is $s->{name}, 'GET /api/v1/app/ws';
    is $s->{attr}{'ashlar.process'}, 'realtime';
    is $s->{attr}{'http.response.status_code'}, 401;
};

subtest 'in protobuf the same is told' => sub {
    my $pb   = Ashlar::Collector->start;
    my $u    = Api->start($pb->settings, worker => 1);
    my $bob  = $u->user('bob');
    my $trace = trace_id();
    $bob->post($base, { name => 'x' }, headers => { parent($trace), tracestate => 'rojo=1' });
    my $s = $pb->wait_for(sub ($s) { $s->{trace} eq $trace && $s->{kind} eq 'server' }) // return fail 'it came';
    my ($first) = $pb->requests;
    is $first->{headers}{'content-type'}, 'application/x-protobuf', 'it is the default';
    is $s->{name}, "POST $base";
    is $s->{state}, 'rojo=1';
    is $s->{parent}, $SPAN;
    is $s->{remote}, 1;
    is $s->{attr}{'http.response.status_code'}, 201;
    is $s->{resource}{'service.name'}, 'ashlar', 'without a name it is this one';
    my ($query) = grep { $_->{trace} eq $trace && $_->{kind} eq 'client' } $pb->spans;
    is $query->{parent}, $s->{id};
    is $query->{attr}{'db.query.summary'}, 'project_create';
};

subtest 'to Zipkin, in its JSON' => sub {
    my $z    = Ashlar::Collector->start;
    my $u    = Api->start($z->settings(OTEL_TRACES_EXPORTER => 'zipkin', OTEL_EXPORTER_OTLP_HEADERS => 'authorization=none-of-its'), worker => 1);
    my $bob  = $u->user('bob');
    my $trace = trace_id();
    $bob->post($base, { name => '' }, headers => { parent($trace) });
    my $s = $z->wait_for(sub ($s) { $s->{trace} eq $trace && $s->{kind} eq 'server' }) // return fail 'it came';
    my ($first) = $z->requests;
    is $first->{path}, '/api/v2/spans';
    is $first->{headers}{'content-type'}, 'application/json';
    ok !exists $first->{headers}{authorization}, 'what is for the collector is not sent there';
    is $s->{name}, "POST $base";
    is $s->{parent}, $SPAN;
    is $s->{service}, 'ashlar';
    is $s->{error}, 0;
    is $s->{attr}{'http.response.status_code'}, 422, 'attributes are tags';
    is $s->{attr}{'otel.scope.name'}, 'ashlar';
    $u->expect_log(qr/"status":500/);
    $u->db->do(q{ALTER TABLE projects ADD CONSTRAINT made_up CHECK (name <> 'breaks') NOT VALID});
    $bob->post($base, { name => 'breaks' }, headers => { parent($trace = trace_id()) });
    $s = $z->wait_for(sub ($s) { $s->{trace} eq $trace && $s->{kind} eq 'server' });
    is $s->{attr}{error}, 'INTERNAL_ERROR', 'an error is its tag';
    is $s->{attr}{'otel.status_code'}, 'ERROR';
};

subtest 'to the log, a line each' => sub {
    my $u    = Api->start(OTEL_ENABLED => 'true', OTEL_EXPORTER => 'console', OTEL_BSP_SCHEDULE_DELAY => 50, worker => 1);
    my $bob  = $u->user('bob');
    my $trace = trace_id();
    $bob->get($base, headers => { parent($trace) });
    my @lines;
    eventually { @lines = grep { ($_->{message} // '') eq 'span' && $_->{trace_id} eq $trace } $u->log; @lines >= 2 } 20, 'they are there';
    is_deeply [ sort map { $_->{span}{name} } @lines ], [ "GET $base", 'project_list' ], 'as OTLP\'s JSON has them';
    is_deeply [ map { $_->{span}{spanId} } @lines ], [ map { $_->{span_id} } @lines ], '  with the ids that all lines have';
};
