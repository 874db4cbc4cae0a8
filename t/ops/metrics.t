use v5.36;
use lib 't/lib';
use Api;

my $path = '/api/v1/public/metrics';
my %text = (Accept => 'text/plain');
my $t    = Api->start(main => 3, slow => 2, nginx => { REAL_IP_FROM => '127.0.0.1' });
my $ann  = $t->user('ann');
my $me   = '/api/v1/app/users/me';

subtest 'who may read them is configured' => sub {
    error_is $t->client->get($path, headers => { %text, 'X-Forwarded-For' => '198.51.100.7' }), 403, 'AUTHORIZATION_ERROR';
    error_is $t->client->get('/api/v2/public/metrics', headers => { %text, 'X-Forwarded-For' => '198.51.100.7' }), 403, 'AUTHORIZATION_ERROR';
    error_is $t->client->get($path, headers => { %text, 'X-Forwarded-For' => '127.0.0.1, 198.51.100.7' }), 403, 'AUTHORIZATION_ERROR',
        name => 'whatever the client put in front';
    status_is $t->client->get($path, headers => {%text}), 200, 'this host by default';
    my $open = Api->start(METRICS_ALLOW => '198.51.100.7', nginx => { REAL_IP_FROM => '127.0.0.1' });
    status_is $open->client->get($path, headers => { %text, 'X-Forwarded-For' => '198.51.100.7' }), 200, 'another one when configured';
    error_is $open->client->get($path, headers => {%text}), 403, 'AUTHORIZATION_ERROR', name => '  and then not this one';
    my $net = Api->start(METRICS_ALLOW => '198.51.100.0/25,2001:db8:1::/47', nginx => { REAL_IP_FROM => '127.0.0.1' });
    for (['198.51.100.0', 200], ['198.51.100.127', 200], ['198.51.100.128', 403], ['198.51.99.255', 403], ['2001:db8:1::1', 200], ['2001:db8:0:ffff::', 200],
        ['2001:db8:2::', 403], ['127.0.0.1', 403]) {
        status_is $net->client->get($path, headers => { %text, 'X-Forwarded-For' => $_->[0] }), $_->[1], "of a network: $_->[0]";
    }
    my $all = Api->start(METRICS_ALLOW => '*', nginx => { REAL_IP_FROM => '127.0.0.1' });
    status_is $all->client->get($path, headers => { %text, 'X-Forwarded-For' => '203.0.113.1' }), 200, '* is everybody';
};

# Read the text format (version 0.0.4) as strictly as it is described.
sub parse ($text) {
    my (%type, %help, %sample, @wrong);
    push @wrong, 'no newline at the end' if $text !~ /\n\z/;
    for my $line (split /\n/, $text) {
        if ($line =~ /^# HELP ([a-zA-Z_:][\w:]*) \S/) {
            push @wrong, "HELP twice: $1" if $help{$1}++;
        }
        elsif ($line =~ /^# TYPE ([a-zA-Z_:][\w:]*) (counter|gauge|histogram)$/) {
            push @wrong, "TYPE twice: $1" if $type{$1};
            $type{$1} = $2;
        }
        elsif ($line =~ /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\+Inf|NaN)$/) {
            my ($name, $labels, $value) = ($1, $2 // '', $3);
            my $family = $name =~ s/_(?:bucket|sum|count)$//r;
            $family = $name if !$type{$family};
            push @wrong, "no TYPE before $name" if !$type{$family};
            push @wrong, "twice: $name$labels" if exists $sample{"$name$labels"};
            push @wrong, "a counter whose name does not end in _total: $name" if ($type{$family} // '') eq 'counter' && $name !~ /_total$/;
            $sample{"$name$labels"} = $value;
        }
        else {
            push @wrong, "not a line of the format: $line";
        }
    }
    return (\%sample, \%type, @wrong);
}

subtest 'the text is what Prometheus reads' => sub {
    $ann->get($me);
    $ann->get('/api/v1/nothing');
    my $res = $t->client->get($path, headers => {%text});
    header_like $res, 'Content-Type', qr{^text/plain; version=0\.0\.4};
    my ($sample, $type, @wrong) = parse($res->body);
    is join("\n", @wrong), '', 'every line';
    for my $name (qw(ashlar_requests_total ashlar_request_duration_seconds ashlar_requests_in_flight ashlar_children ashlar_db_seconds_total ashlar_child_respawns_total)) {
        ok $type->{$name}, $name;
    }
    my @buckets = grep { /^ashlar_request_duration_seconds_bucket\{.*route="\Q$me\E"/ && /method="GET"/ } map { /^(\S+) / ? $1 : () } split /\n/, $res->body;
    my @values = map { $sample->{$_} } @buckets;
    is "@values", join(' ', sort { $a <=> $b } @values), 'buckets are cumulative';
    like $buckets[-1], qr/le="\+Inf"/, 'and the last is +Inf';
    my ($count) = grep { /^ashlar_request_duration_seconds_count\{.*route="\Q$me\E"/ && /method="GET"/ } keys %$sample;
    is $sample->{$count}, $values[-1], 'which is the count';
};

subtest 'requests are counted by route and status, over all children of all pools' => sub {
    my %ok     = (route => $me, method => 'GET', status => 200);
    my $before = $t->metric('ashlar_requests_total', %ok) // 0;
    my %params = (params => { HTTP_AUTHORIZATION => 'Bearer ' . $ann->token });
    for (1 .. 10) {
        $t->fcgi('main')->request('GET', $me, %params);
        $t->fcgi('slow')->request('GET', $me, %params);
    }
    eventually { $t->metric('ashlar_requests_total', %ok) == $before + 20 } 3, 'twenty more';
    my $refused = $t->metric('ashlar_requests_total', route => $me, status => 401) // 0;
    $t->get($me);
    eventually { $t->metric('ashlar_requests_total', route => $me, status => 401) == $refused + 1 } 3, 'a refusal';
    my $missing = $t->metric('ashlar_requests_total', status => 404) // 0;
    $ann->get("/api/v1/nothing/$_") for 1 .. 5;
    eventually { $t->metric('ashlar_requests_total', status => 404) == $missing + 5 } 3, 'paths that are none, all under one name';
    $ann->get('/api/v1/app/projects/00000000-0000-7000-8000-00000000dead');
    my $text = $t->client->get($path, headers => {%text})->body;
    unlike $text, qr/dead|nothing/, 'and no series is made of what clients ask for';
};

subtest 'gauges say what is' => sub {
    is $t->metric('ashlar_children', pool => 'main'), 3;
    is $t->metric('ashlar_children', pool => 'slow'), 2;
    cmp_ok $t->metric('ashlar_requests_in_flight', pool => 'main'), '>=', 1, 'this very request';
    cmp_ok $t->metric('ashlar_db_seconds_total', pool => 'main'), '>', 0;
};

subtest 'counters survive children and pools' => sub {
    my %ok     = (route => $me, method => 'GET', status => 200);
    my $before = $t->metric('ashlar_requests_total', %ok);
    my @old    = $t->children;
    $t->master->signal('HUP');
    eventually { my %old = map { $_ => 1 } @old; my @now = $t->children; @now == 3 && !grep { $old{$_} } @now } 10, 'reloaded';
    is $t->metric('ashlar_requests_total', %ok), $before, 'children';
    $t->master->stop;
    $t->start_pool('main');
    is $t->metric('ashlar_requests_total', %ok), $before, 'and a restart of the pool';
    $t->expect_log(qr/connect\(\) to unix/);
};
