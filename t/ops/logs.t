use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Token 'mint';

my $t    = Api->start;
my $ann  = $t->user('ann');
my $base = '/api/v1/app/projects';

subtest 'a request is one line with all that is worth knowing' => sub {
    my $res  = $ann->post($base, { name => 'x' });
    my $line = $t->log_of($res);
    is scalar(grep { ($_->{request_id} // '') eq $res->header('X-Request-ID') } $t->log), 1, 'one line';
    like $line->{timestamp}, $TIME;
    is $line->{level},   'info';
    ok length $line->{message}, 'message';
    is $line->{method},  'POST';
    is $line->{route},   '/api/v1/app/projects';
    is $line->{status},  201;
    is $line->{user},    'user_ann';
    is $line->{tenant},  $ann->tenant_id;
    is $line->{bytes},   length $res->body;
    cmp_ok $line->{db_ms}, '>', 0, 'db_ms';
    cmp_ok $line->{duration_ms}, '>=', $line->{db_ms}, 'duration_ms';
    like $line->{trace_id}, qr/^[0-9a-f]{32}$/;
    like $line->{span_id},  qr/^[0-9a-f]{16}$/;
    like $line->{process},  qr/main/;
    ok +(grep { $_ eq $line->{pid} } $t->children), 'pid';
};

subtest 'of many good answers a share is written, of the others each' => sub {
    my $few  = Api->start(slow => 0, LOG_SAMPLE => 4);
    my $eve  = $few->user('eve');
    my $lines = sub ($trace) { return grep { ($_->{trace_id} // '') eq $trace } $few->log };
    my @traces = map { sprintf '%032x', $_ * 7919 } 1 .. 64;
    for my $trace (@traces) {
        status_is $eve->get($base, headers => { traceparent => "00-$trace-00f067aa0ba902b7-01" }), 200 for 1 .. 2;
    }
    my $last = $few->log_of($eve->post($base, { name => '' }));
    is $last->{status}, 422, 'a refusal is written';
    ok !exists $last->{sample}, '  and stands for itself';
    my %n = map { my $trace = $_; $trace => scalar $lines->($trace) } @traces;
    is_deeply [ grep { $_ == 1 } values %n ], [], 'of one trace all is written, or nothing';
    my $written = grep { $_ } values %n;
    cmp_ok $written, '>', 64 / 4 - 14, "about a quarter: $written of 64";
    cmp_ok $written, '<', 64 / 4 + 14, '  and no more';
    is_deeply [ grep { ($_->{sample} // 0) != 4 } map { $lines->($_) } @traces ], [], 'each says that it stands for four';
};

subtest 'the route is the pattern, not the path' => sub {
    my $id   = $ann->last->json('/id');
    my $line = $t->log_of($ann->get("$base/$id?x=1"));
    is $line->{route}, '/api/v1/app/projects/{project_id}';
    is $t->log_of($ann->get('/api/v1/app/nothing/at/all'))->{status}, 404;
    is $t->log_of($ann->get('/api/v2/app/projects'))->{status}, 200;
};

subtest 'refusals are lines too, with their code' => sub {
    my $line = $t->log_of($ann->post($base, { name => '' }));
    is $line->{status}, 422;
    is $line->{code},   'VALIDATION_ERROR';
    is $line->{field},  'name';
    is $line->{level},  'info', 'a client\'s mistake is no error of ours';
    $line = $t->log_of($t->get($base));
    is $line->{status}, 401;
    ok !exists $line->{user}, 'nobody';
    $line = $t->log_of($t->client(token => 'a.b.c')->get($base));
    ok length $line->{reason}, 'a bad token\'s line says what was wrong with it' or diag explain $line;
};

# Every text below is looked for in all logs when the file ends.
subtest 'what a client entrusts to us is in no log, whatever happens' => sub {
    $t->keep_secret(qw(the-name-in-a-body the-text-after-an-error the-text-in-a-query the-secret-of-a-bad-token the-basic-password
        the-key-of-a-repeat the-invalid-id the-large-text));
    status_is $ann->post($base, { name => 'the-name-in-a-body' }), 201;
    $ann->post($base, undef, raw => '{"name":"the-text-after-an-error", nonsense');
    $ann->post($base, { name => 'x', description => 'the-large-text' x 1000 });
    $ann->get("$base?search=the-text-in-a-query");
    $ann->get("$base?limit=the-text-in-a-query");
    $t->client(headers => { Authorization => 'Basic ' . 'the-basic-password' })->get($base);
    $t->client->get($base, headers => { Authorization => 'Bearer x.y.the-secret-of-a-bad-token' });
    $ann->get("$base?token=" . $ann->token);
    $ann->get("/api/v1/nothing?access_token=" . $ann->token);
    $ann->get('/nothing?access_token=' . $ann->token);
    $ann->get($base, headers => { Cookie => 'session=the-secret-of-a-bad-token', 'X-API-Key' => 'the-secret-of-a-bad-token' });
    $ann->post($base, { name => 'x' }, headers => { 'Idempotency-Key' => 'the-key-of-a-repeat' }) for 1 .. 2;

    # An error inside PostgreSQL, whose own message would quote the value.
    $t->db->do(q{ALTER TABLE projects ADD CONSTRAINT made_up CHECK (name <> 'the-name-in-a-body') NOT VALID});
    $t->expect_log(qr/"status":500/);
    error_is $ann->post($base, { name => 'the-name-in-a-body' }), 500, 'INTERNAL_ERROR';
    body_unlike $ann->last, qr/made_up/;
    $t->db->do('ALTER TABLE projects DROP CONSTRAINT made_up');
    my $line = $t->log_of($ann->last);
    like $line->{reason}, qr/made_up/, 'the log names the constraint';
};

subtest 'what is logged cannot forge a line' => sub {
    my $forged = '{"level":"error","message":"forged"}';
    $ann->get("/api/v1/x%0a$forged");
    $ann->get('/api/v1/x', headers => { 'User-Agent' => "x\x1b[31m\"}$forged", 'X-Request-ID' => 'x"}' });
    $t->fcgi->request('GET', "/api/v1/x\n$forged", params => { HTTP_X_REQUEST_ID => "x\n$forged", REMOTE_ADDR => "1.2.3.4\n$forged", REQUEST_METHOD => "GET\n$forged" });
    is scalar(grep { ($_->{message} // '') eq 'forged' } $t->log), 0;
};

subtest 'LOG_LEVEL chooses what is written' => sub {
    my $quiet = Api->start(LOG_LEVEL => 'error');
    $quiet->get('/api/v1/public/health') for 1 .. 3;
    is scalar $quiet->log, 0, 'error: nothing about what went well';
};

subtest 'development adds Server-Timing, production does not' => sub {
    header_absent $ann->get($base), 'Server-Timing';
    my $dev = Api->start(ENVIRONMENT => 'development');
    header_like $dev->user('bob')->get($base), 'Server-Timing', qr/\bdb;dur=[\d.]+.*\btotal;dur=[\d.]+/;
};
