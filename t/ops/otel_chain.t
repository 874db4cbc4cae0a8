use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Collector;
use Ashlar::Models;
use Ashlar::Receiver;
use Ashlar::Workspace;

# A trace goes on behind the request: into calls to others, jobs, what these call, and webhooks.

my $SPAN   = '00f067aa0ba902b7';
my $base   = '/api/v1/app/projects';
my $c      = Ashlar::Collector->start;
my $crm    = Ashlar::Receiver->start;
my $models = Ashlar::Models->start;
my $t      = Api->start($c->settings, $models->settings, worker => 2, CONTACT_WEBHOOK_URL => $crm->url('/crm?key=the-key-of-a-url'),
    CONTACT_WEBHOOK_SECRET => 'a secret of the CRM', HTTP_ALLOW_PRIVATE => $crm->address, WEBHOOK_ALLOW_HTTP => 'true');
my $ann    = $t->user('ann');
$t->keep_secret($_) for $models->secrets, 'the-key-of-a-url';

my $n = 0;
sub trace_id { return sprintf '%032x', 0xcba000 + ++$n }
sub from ($trace, $flags = '01') { return (headers => { traceparent => "00-$trace-$SPAN-$flags", tracestate => 'rojo=1' }) }
sub of_trace ($trace, $is_it) { return $c->wait_for(sub ($s) { $s->{trace} eq $trace && $is_it->($s) }) }
sub server ($trace) { return of_trace($trace, sub ($s) { $s->{kind} eq 'server' }) }

subtest 'request, query, job, its query, its call: one trace' => sub {
    my $trace = trace_id();
    status_is $t->client->post('/api/v1/public/contact', { name => 'Ada Lovelace', email => 'ada@example.com', message => 'Can it weave patterns?' }, from($trace)), 200;
    my $job    = of_trace($trace, sub ($s) { ($s->{attr}{'ashlar.job.kind'} // '') eq 'contact.webhook' }) // return fail 'the job came';
    my $server = server($trace);
    is $server->{parent}, $SPAN;
    is $job->{kind}, 'consumer';
    is $job->{parent}, $server->{id}, 'the job is a part of the request';
    is $job->{remote}, 1, '  in another process';
    is $job->{name}, 'process ashlar';
    is $job->{attr}{'ashlar.job.attempt'}, 1;
    like $job->{attr}{'messaging.message.id'}, qr/^[0-9a-f-]{36}$/;
    is $job->{attr}{'ashlar.tenant.id'}, $ann->tenant_id;
    my $call = of_trace($trace, sub ($s) { $s->{kind} eq 'client' && exists $s->{attr}{'http.request.method'} });
    is $call->{parent}, $job->{id}, 'what it calls is a part of it';
    is $call->{name}, 'POST';
    is $call->{attr}{'ashlar.provider'}, 'contact_webhook';
    is $call->{attr}{'url.full'}, $crm->url('/crm'), '  without the query';
    is $call->{attr}{'server.address'}, '127.0.0.1';
    is $call->{attr}{'http.response.status_code'}, 200;
    is $call->{error}, 0;
    my $query = of_trace($trace, sub ($s) { $s->{name} eq 'contact_event' });
    is $query->{parent}, $job->{id}, '  and so is what it asks';
    my ($got) = $crm->requests('/crm?key=the-key-of-a-url');
    is $got->{headers}{traceparent}, "00-$trace-$call->{id}-01", 'who is called is told which call it is';
    ok !exists $got->{headers}{tracestate}, '  a job has no state';
    my ($line) = grep { ($_->{message} // '') eq 'job' && ($_->{kind} // '') eq 'contact.webhook' } $t->log;
    is $line->{trace_id}, $trace, 'the line of the job has the trace';
    is $line->{span_id}, $job->{id};
    unlike +(join "\n", map { $_->{body} } $c->requests), qr/Lovelace|ada\@example|weave|the-key-of-a-url|secret of the CRM/, 'and nothing of what was sent';
};

subtest 'an attempt that fails is an error, and the next one a part of the same request' => sub {
    $crm->answer('/crm?key=the-key-of-a-url', status => 500);
    my $trace = trace_id();
    $t->expect_log(qr/contact\.webhook/);
    status_is $t->client->post('/api/v1/public/contact', { name => 'Bob Byron', email => 'bob@example.com', message => 'Again, and once more.' }, from($trace)), 200;
    my $first = of_trace($trace, sub ($s) { ($s->{attr}{'ashlar.job.attempt'} // 0) == 1 && $s->{attr}{'ashlar.job.kind'} eq 'contact.webhook' });
    is $first->{error}, 1;
    is $first->{attr}{'error.type'}, 'EXTERNAL_SERVICE_ERROR';
    my $call = of_trace($trace, sub ($s) { $s->{kind} eq 'client' && ($s->{attr}{'http.response.status_code'} // 0) == 500 });
    is $call->{error}, 1;
    is $call->{attr}{'error.type'}, '500';
    $crm->answer('/crm?key=the-key-of-a-url', status => 200);
    eventually { $t->db->do(q{UPDATE jobs SET run_at = now() WHERE kind = 'contact.webhook' AND state IN ('queued', 'scheduled')}) > 0 } 60, 'it waits for its next attempt';
    my $second = of_trace($trace, sub ($s) { ($s->{attr}{'ashlar.job.attempt'} // 0) == 2 && $s->{attr}{'ashlar.job.kind'} eq 'contact.webhook' });
    is $second->{parent}, server($trace)->{id};
    is $second->{error}, 0;
};

subtest 'a provider is told trace and state' => sub {
    my $trace = trace_id();
    status_is $ann->post('/api/v1/app/ai/completions', { messages => [ { role => 'user', content => 'the-question-of-a-user' } ] }, from($trace)), 200;
    my $call = of_trace($trace, sub ($s) { $s->{kind} eq 'client' && ($s->{attr}{'ashlar.provider'} // '') eq 'openai' }) // return fail 'the call came';
    my $server = server($trace);
    is $call->{parent}, $server->{id};
    is $server->{attr}{'ashlar.process'}, 'api-slow';
    like $call->{attr}{'url.full'}, qr{^http://127\.0\.0\.1:\d+/\S+$};
    my ($got) = $models->requests('openai');
    is $got->{headers}{traceparent}, "00-$trace-$call->{id}-01";
    is $got->{headers}{tracestate}, 'rojo=1';
    unlike +(join "\n", map { $_->{body} } $c->requests), qr/the-question-of-a-user|sk-openai-stub/, 'what was asked, and with which key, is in no span';

    $trace = trace_id();
    status_is $ann->post('/api/v1/app/ai/completions', { messages => [ { role => 'user', content => 'x' } ] }, from($trace, '00')), 200;
    my $last = ($models->requests('openai'))[-1];
    like $last->{headers}{traceparent}, qr/^00-$trace-[0-9a-f]{16}-00$/, 'one that is not recorded is passed on as such';
};

subtest 'a webhook is a part of the request that it tells of; its receiver gets the traceparent alone' => sub {
    my $ann = workspace($t, ada => 'owner')->{ada};
    for ('/hook', '/other') {
        status_is $ann->post('/api/v1/webhooks', { name => $_, url => $crm->url($_), events => ['*'], $_ eq '/other' ? (headers => { Traceparent => 'their-own' }) : () }), 201, "an endpoint at $_";
        $t->keep_secret($ann->last->json('/secret'));
    }
    my $trace = trace_id();
    status_is $ann->post('/api/v1/goals', { title => 'the-goal-of-a-user' }, from($trace)), 201;
    my $sent = of_trace($trace, sub ($s) { $s->{kind} eq 'client' && ($s->{attr}{'messaging.message.id'} // '') =~ /^msg_/ && $s->{attr}{'http.response.status_code'} }) // return fail 'it was sent';
    is $sent->{parent}, server($trace)->{id};
    is $sent->{attr}{'ashlar.process'}, 'worker';
    is $sent->{attr}{'url.full'}, $crm->url('/'), 'of the URL there is no path';
    eventually { 2 == grep { $crm->requests($_) } '/hook', '/other' } 60, 'both have come';
    my ($got) = $crm->requests('/hook');
    like $got->{headers}{traceparent}, qr/^00-$trace-[0-9a-f]{16}-01$/;
    ok +(grep { $_->{id} eq substr $got->{headers}{traceparent}, 36, 16 } grep { $_->{trace} eq $trace } $c->spans), '  of this very call';
    ok !exists $got->{headers}{tracestate}, 'and no state';
    is +($crm->requests('/other'))[0]{headers}{traceparent}, 'their-own', 'one of the owner\'s own takes its place';
    unlike +(join "\n", map { $_->{body} } $c->requests), qr/the-goal-of-a-user/;
};

subtest 'many jobs at once are linked to what made each' => sub {
    # How many a worker takes at once is its affair: one alone is a part of its trace.  It is given more until it has taken some together.
    my (@traces, @batches, @alone);
    my $db = $t->db;
    while (!@batches && @traces < 240) {
        my @more = map { trace_id() } 1 .. 12;
        push @traces, @more;
        $db->begin_work;
        $db->do(q{SELECT set_config('app.tenant_id', ?, true)}, undef, $ann->tenant_id);
        for (@more) {
            $db->do(q{SELECT set_config('app.request', json_build_object('trace', ?::text)::text, true)}, undef, "00-$_-$SPAN-01");
            $db->do(q{SELECT job_add('ashlar', 'noop.batch', '{}')});
        }
        $db->commit;
        eventually {
            my @runs = grep { ($_->{attr}{'ashlar.job.kind'} // '') eq 'noop.batch' } $c->spans;
            @batches = grep { $_->{attr}{'messaging.batch.message_count'} } @runs;
            @alone   = grep { !$_->{attr}{'messaging.batch.message_count'} } @runs;
            @alone + map({ @{ $_->{links} } } @batches) == @traces
        } 30, 'all have run';
    }
    cmp_ok scalar @batches, '>', 0, 'many at once among them';
    is_deeply [ grep { $_->{parent} } @batches ], [], 'a trace of its own';
    is_deeply [ grep { @{ $_->{links} } != $_->{attr}{'messaging.batch.message_count'} } @batches ], [], 'with a link for each job';
    is_deeply [ sort((map { $_->{trace} } @alone), map { $_->{trace} } map { @{ $_->{links} } } @batches) ], [ sort @traces ], 'to what made it';
    is_deeply [ grep { $_->{id} ne $SPAN } map { @{ $_->{links} } } @batches ], [], 'the very span';
};

subtest 'what a job makes is a part of the same trace' => sub {
    my $trace = trace_id();
    my $db    = $t->db;
    my ($made) = $db->selectrow_array(q{SELECT set_config('app.tenant_id', ?, false), set_config('app.request', json_build_object('trace', ?::text)::text, false), job_add('elsewhere', 'x', '{}')}, undef, $ann->tenant_id, "00-$trace-$SPAN-01");
    $db->do(q{UPDATE jobs SET state = 'running', worker = 'w', attempts = 1 WHERE queue = 'elsewhere'});
    my $id = $db->selectrow_array(q{SELECT id FROM jobs WHERE queue = 'elsewhere'});
    $db->do(q{SELECT set_config('app.request', '', false)});
    is $db->selectrow_array(q{SELECT t.trace_context FROM (SELECT job_add('elsewhere', 'y', '{}') AS id) j LEFT JOIN job_traces t ON t.job_id = j.id}), undef, 'without a trace there is none';
    $db->begin_work;
    $db->do(q{SELECT job_enter(?, ?, 'w', 1)}, undef, $ann->tenant_id, $id);
    my $inner = $db->selectrow_array(q{SELECT current_setting('app.request')::jsonb ->> 'trace'});
    $db->rollback;
    is $inner, "00-$trace-$SPAN-01", 'the job has gone into it';
    $db->do(q{DELETE FROM jobs WHERE queue = 'elsewhere'});
};
