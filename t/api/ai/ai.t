use v5.36;
use lib 't/lib';
use utf8;
use Api;
use Ashlar::Models;
use POSIX ();

my $models = Ashlar::Models->start;
my $t      = Api->start($models->settings, slow => 4, AI_HEARTBEAT_S => 1, AI_TIMEOUT_S => 20, SLOW_PER_TENANT => 3, SLOW_PER_CALLER => 3);
my $ann    = $t->user('ann');
my $base   = '/api/v1/app/ai';
$t->keep_secret($_) for $models->secrets;

my $said = "A harbour is where ships are säfe 😀.\n";
my @ask  = (messages => [ { role => 'user', content => 'What is a harbour?' } ]);

# The text of an event stream's events without a name, and those that have one.
sub events ($res) {
    my (@text, %named);
    for my $event (split /\n\n/, $res->body) {
        my ($name) = $event =~ /^event: (.*)/m;
        my @lines = $event =~ /^data: ?(.*)$/mg or next;
        push @{ $name ? $named{$name} : \@text }, join "\n", @lines;
    }
    return (\@text, \%named);
}
sub body ($res) { return Cpanel::JSON::XS->new->utf8->decode($res->body) }
sub calls () { return @{ $t->db->selectall_arrayref('SELECT * FROM ai_calls ORDER BY id', { Slice => {} }) } }
sub last_call () { return (calls())[-1] }
sub held () { return $t->db->selectrow_array(q{SELECT count(*) FROM usage_operations WHERE state = 'reserved'}) }

subtest 'which models there are' => sub {
    error_is $t->get("$base/status"), 401, 'AUTHENTICATION_ERROR';
    json_is $ann->get("$base/status"), '', { available => true, providers => [qw(openai anthropic perplexity)], default_provider => 'openai', default_model => 'gpt-4o' };
};

subtest 'a completion' => sub {
    $models->answer($_, {}) for qw(openai anthropic pplx);
    error_is $t->post("$base/completions", {@ask}), 401, 'AUTHENTICATION_ERROR';
    error_is $ann->post("$base/completions", {}), 422, 'VALIDATION_ERROR', field => 'messages';
    error_is $ann->post("$base/completions", { messages => [] }), 422, 'VALIDATION_ERROR', field => 'messages';
    error_is $ann->post("$base/completions", { messages => [ { role => 'tool', content => 'x' } ] }), 422, 'VALIDATION_ERROR';
    error_is $ann->post("$base/completions", { @ask, temperature => 2.1 }), 422, 'VALIDATION_ERROR', field => 'temperature';
    error_is $ann->post("$base/completions", { @ask, model => 'gpt-0' }), 422, 'VALIDATION_ERROR', field => 'model', name => 'an unknown model';
    is_deeply [ grep { /gpt-4o\z|claude-opus|embedding/ } @{ $ann->last->json('/error/details/models') } ], [qw(gpt-4o claude-opus-4-1)], 'with those there are';
    is scalar($models->requests('openai')), 0, 'nothing was asked';
    my $res = $ann->post("$base/completions", { @ask, temperature => 2, max_tokens => 50 });
    status_is $res, 200;
    my $body = body($res);
    cmp_ok delete $body->{latency_ms}, '>=', 0;
    is_deeply $body, { content => $said, model => 'gpt-4o', provider => 'openai', finish_reason => 'stop', usage => { prompt_tokens => 12, completion_tokens => 7, total_tokens => 19 } };
    my ($seen) = $models->requests('openai');
    is_deeply $seen->{body}, { model => 'gpt-4o', messages => [ { role => 'user', content => 'What is a harbour?' } ], max_tokens => 50, temperature => 2 }, 'what was asked';
    my $call = last_call();
    is_deeply { map { $_ => $call->{$_} } qw(purpose provider model input_tokens output_tokens cost outcome is_estimated user_id prompt_version) },
        { purpose => 'app.ai.create_completion', provider => 'openai', model => 'gpt-4o', input_tokens => 12, output_tokens => 7, cost => 100, outcome => 'answered', is_estimated => 0, user_id => $ann->uuid, prompt_version => undef },
        'it is put down: 12 tokens of 2.50 dollars a million and 7 of 10 are 100 millionths';
    is held(), 0, 'nothing is held any more';
    is $t->db->selectrow_array('SELECT sum(cost) FROM ai_daily'), 100, 'and it is in the sums of the day';
    is_deeply $t->db->selectcol_arrayref('SELECT metric || \' \' || quantity FROM usage_events ORDER BY metric'),
        [ 'ai_input_tokens 12', 'ai_output_tokens 7', 'ai_requests 1', 'ai_tokens 19', 'cost_usd 100', 'messages 1' ], 'and of the usage';
    my $v2 = body($ann->post('/api/v2/app/ai/completions', {@ask}));
    is $v2->{data}{content}, $said;
    is $v2->{meta}{version}, 'v2';
};

subtest 'each provider in its own form' => sub {
    $models->answer(anthropic => { usage => [ 30, 9, 10 ] });
    my $system = { role => 'system', content => 'Be short.' };
    my $res = $ann->post("$base/completions", { messages => [ $system, { role => 'user', content => 'a' }, { role => 'user', content => 'b' }, { role => 'assistant', content => 'c' }, { role => 'user', content => 'd' } ], model => 'claude-sonnet', temperature => 1.5 });
    is body($res)->{content}, $said;
    json_is $res, '/model', 'claude-sonnet-4-5';
    json_is $res, '/usage/prompt_tokens', 30;
    my ($seen) = $models->requests('anthropic');
    my $part = sub { +{ type => 'text', text => shift } };
    is_deeply $seen->{body}, {
        model => 'claude-sonnet-4-5', max_tokens => 1000, temperature => 1, system => 'Be short.',
        messages => [ { role => 'user', content => [ map { $part->($_) } 'a', 'b' ] }, { role => 'assistant', content => [ $part->('c') ] }, { role => 'user', content => [ $part->('d') ] } ],
    };
    is last_call()->{cost}, 20 * 3 + 10 * 0.3 + 9 * 15, 'what was read of a cache is cheaper';
    $models->answer(pplx => {});
    is body($ann->post("$base/chat", { prompt => 'News?', system => 'Be short.', model => 'sonar' }))->{content}, $said;
    is_deeply [ map { $_->{role} } @{ ($models->requests('pplx'))[0]{body}{messages} } ], [qw(system user)];
};

subtest 'a stream, however it is cut into pieces' => sub {
    for my $model (qw(gpt-4o claude-sonnet sonar)) {
        for my $chunk (undef, 1, 3, 7) {
            my $name = "$model in chunks of " . ($chunk // 'events');
            my $provider = { 'gpt-4o' => 'openai', 'claude-sonnet' => 'anthropic', sonar => 'pplx' }->{$model};
            $models->answer($provider => { chunk => $chunk, pings => 1, text => [ "  A ", "h\xe4rbour", "\nis", "\n\n", '[DONE]', " or \r\n not" ] });
            my $res = $ann->post("$base/chat", { prompt => 'x', model => $model, stream => true });
            status_is $res, 200, $name;
            is $res->header('Content-Type'), 'text/event-stream';
            my ($text) = events($res);
            is pop @$text, '[DONE]', 'the last one';
            is scalar(grep { $_ eq '[DONE]' } @$text), 0, 'and the only one of that kind';
            my $whole = join '', @$text;
            utf8::decode($whole);
            is $whole, "  A h\xe4rbour\nis\n\n[DONE] or \n not";
            is last_call()->{outcome}, 'answered';
            is last_call()->{input_tokens}, 12;
            is last_call()->{output_tokens}, 7;
        }
    }
    is held(), 0;
};

subtest 'a stream of version 2' => sub {
    $models->answer(openai => {});
    my ($text, $named) = events($ann->post('/api/v2/app/ai/chat', { prompt => 'x', stream => true }));
    is_deeply $text, [];
    is join('', map { Cpanel::JSON::XS->new->utf8->decode($_)->{content} } @{ $named->{delta} }), $said;
    is scalar @{ $named->{done} }, 1;
    is Cpanel::JSON::XS->new->utf8->decode($named->{done}[0])->{usage}{total_tokens}, 19;
};

subtest 'a provider that fails' => sub {
    my $n = calls();
    $t->expect_log(qr{"route":"/api/v1/app/ai/});
    for my $case (
        [ { status => 500 }, 502, 'EXTERNAL_SERVICE_ERROR' ], [ { status => 529 }, 502, 'EXTERNAL_SERVICE_ERROR' ], [ { status => 401 }, 502, 'EXTERNAL_SERVICE_ERROR' ],
        [ { status => 429, headers => { 'Retry-After' => 17 } }, 503, 'SERVICE_UNAVAILABLE' ],
        [ { status => 400, body => { error => { message => 'This model\'s maximum context length is 128000 tokens', type => 'invalid_request_error', code => 'context_length_exceeded' } } }, 422, 'VALIDATION_ERROR' ],
        [ { status => 200, body => 'no JSON' }, 502, 'EXTERNAL_SERVICE_ERROR' ], [ { status => 200, body => { choices => [] } }, 502, 'EXTERNAL_SERVICE_ERROR' ],
    ) {
        my ($how, $status, $code) = @$case;
        $models->answer(openai => $how);
        my $res = $ann->post("$base/completions", {@ask});
        error_is $res, $status, $code, name => "status $how->{status}";
        is $res->header('Retry-After'), 17 if $how->{headers};
        is scalar($models->requests('openai')), 1, 'it is asked once';
    }
    is last_call()->{outcome}, 'failed';
    is $t->db->selectrow_array(q{SELECT count(*) FROM usage_events WHERE metric = 'ai_requests'}), scalar(grep { $_->{outcome} eq 'answered' } calls()), 'what has used nothing is no usage';
    is held(), 0;
    $models->answer(openai => { status => 529 });
    error_is $ann->post("$base/completions", { @ask, stream => true }), 502, 'EXTERNAL_SERVICE_ERROR', name => 'before its beginning a stream is an answer like others';
};


# Have a stream begin, and its text so far be there; then do something, and read the rest.
sub begun ($path, $body, $user = $ann) {
    my $http = $t->http;
    my $text = Cpanel::JSON::XS->new->utf8->encode($body);
    my $head = $http->request(POST => $path, head => 'kept', body => $text, headers => [ Authorization => 'Bearer ' . $user->token, 'Content-Type' => 'application/json' ]);
    status_is $head, 200;
    return $http;
}

subtest 'a stream that breaks off' => sub {
    for my $case ([ openai => 'gpt-4o' ], [ anthropic => 'claude-sonnet' ]) {
        my ($provider, $model) = @$case;
        for my $how ({ cut => 2 }, { error => 2 }) {
            $models->answer($provider => $how);
            my $res = $ann->post("$base/completions", { @ask, model => $model, stream => true });
            my ($text, $named) = events($res);
            is_deeply $text, [ 'A harbour', ' is wh', '[DONE]' ], "$model: what had come, and the end, once";
            is scalar @{ $named->{error} }, 1, 'one error';
            is Cpanel::JSON::XS->new->utf8->decode($named->{error}[0])->{error}{code}, 'EXTERNAL_SERVICE_ERROR';
            my $call = last_call();
            is_deeply [ @$call{qw(outcome is_estimated output_tokens)} ], [ 'cut', 1, 4 ], 'what it had said is put down, as an estimate';
            cmp_ok $call->{input_tokens}, '>', 0;
            cmp_ok $call->{cost}, '>', 0;
        }
        my (undef, $named) = events($ann->post('/api/v2/app/ai/completions', { @ask, model => $model, stream => true }));
        is scalar @{ $named->{$_} }, 1, "version 2: $_, once" for qw(error done);
    }
    is held(), 0;
};

subtest 'while the model thinks, the stream shows that it lives' => sub {
    $models->answer(openai => { delay => 2.5 });
    my $res = $ann->post("$base/completions", { @ask, stream => true });
    cmp_ok scalar(() = $res->body =~ /^: waiting$/mg), '>=', 2, 'by comments';
    my ($text) = events($res);
    is pop @$text, '[DONE]';
    $models->answer(openai => { delay => 1.5, status => 529 });
    my (undef, $named) = events($ann->post("$base/completions", { @ask, stream => true }));
    is scalar @{ $named->{error} }, 1, 'what fails behind one is an event';
};

subtest 'who has gone' => sub {
    my $n = calls();
    $models->answer(openai => { piece_delay => 0.3, text => [ ('piece ') x 60 ] });
    begun("$base/completions", { @ask, stream => true })->disconnect;
    eventually { ($models->requests('openai'))[0]{gone} } 10, 'the provider is told to stop';
    eventually { calls() > $n } 10, 'and what it has said is put down';
    is last_call()->{outcome}, 'gone';
    cmp_ok last_call()->{output_tokens}, '<', 60, 'no more than that';
    $models->answer(anthropic => { delay => 15 });
    begun("$base/completions", { @ask, model => 'claude-sonnet', stream => true })->disconnect;    # behind the first comment
    eventually { ($models->requests('anthropic'))[0]{gone} } 10, 'also before it has said anything';
    eventually { calls() > $n + 1 } 10, 'which may cost what it has read';
    is_deeply [ @{ last_call() }{qw(outcome output_tokens is_estimated)} ], [ 'gone', 0, 1 ];
    is held(), 0;
};

subtest 'who has signed out meanwhile has used it all the same' => sub {
    my $bob = $t->user('bob');
    $models->answer(openai => { piece_delay => 0.2 });
    my $http = begun("$base/completions", { @ask, stream => true }, $bob);
    $t->db->do('UPDATE sessions SET revoked_at = now() WHERE id = ?', undef, $bob->session);
    eventually { last_call()->{user_id} eq $bob->uuid } 10, 'it is put down';
    is last_call()->{outcome}, 'answered';
    is last_call()->{output_tokens}, 7;
    $http->disconnect;
    error_is $bob->get("$base/status"), 401, 'AUTHENTICATION_ERROR';
};

subtest 'no connection to the database is held while a model answers' => sub {
    my $one = Api->start($models->settings, main => 1, slow => 1);
    $one->keep_secret($models->secrets);
    my $flo = $one->user('flo');
    my $n   = sub { $one->db->selectrow_array(q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ashlar' AND datname = current_database()}) };
    $models->answer(openai => { delay => 60 });
    status_is $flo->get("$base/status"), 200;
    my $res = fork // die;
    if (!$res) { $flo->with(http => $one->http, api => undef)->post("$base/completions", {@ask}); POSIX::_exit(0) }
    eventually { $models->requests('openai') } 10, 'it is asked';
    eventually { $n->() == 1 } 10, 'the main pool has one';
    kill 'KILL', $res;
    waitpid $res, 0;
    eventually { $n->() == 2 } 10, 'and the slow one again when it puts down that nobody waits any more';
};

subtest 'limits' => sub {
    my $cat = $t->user('cat');
    $models->answer(openai => {});
    $t->db->do('INSERT INTO usage_limits (tenant_id, organization_id, user_id, metric, max) VALUES (?, usage_id(NULL), ?, ?, ?)', undef, $cat->tenant_id, $cat->uuid, 'cost_usd', 10_150);
    my $res = $cat->post("$base/completions", { @ask, max_tokens => 1_100 });
    error_is $res, 402, 'LIMIT_EXCEEDED', metric => 'cost_usd', used => 0, limit => 10_150, name => 'more than what is left';
    like $res->json('/error/details/resets_at'), $TIME, 'and when there is more';
    is scalar($models->requests('openai')), 0, 'nothing was asked';
    status_is $cat->post("$base/completions", { @ask, max_tokens => 1_000 }), 200;
    is $t->db->selectrow_array(q{SELECT used FROM usage_counters WHERE user_id = ? AND metric = 'cost_usd'}, undef, $cat->uuid), 100, 'what it came to';
    error_is $cat->post("$base/completions", { @ask, max_tokens => 1_008 }), 402, 'LIMIT_EXCEEDED', used => 100, name => 'the rest is less';
    is $t->db->selectrow_array(q{SELECT reserved FROM usage_counters WHERE user_id = ? AND metric = 'cost_usd'}, undef, $cat->uuid), 0;
};

subtest 'sent again with an Idempotency-Key' => sub {
    $models->answer(openai => {});
    my @with = (headers => { 'Idempotency-Key' => 'one' });
    my $first = $ann->post("$base/completions", {@ask}, @with);
    my $again = $ann->post("$base/completions", {@ask}, @with);
    is $again->header('Idempotent-Replayed'), 'true';
    is $again->body, $first->body, 'it is the same answer';
    is scalar($models->requests('openai')), 1, 'asked for once';
};

subtest 'a question that is routed' => sub {
    my %served = (simple => 'gpt-4o-mini', moderate => 'gpt-4o', complex => 'claude-sonnet-4-5', search => 'sonar');
    $models->answer($_, {}) for qw(openai anthropic pplx);
    for my $complexity (sort keys %served) {
        json_is $ann->post("$base/chat/routed", { prompt => 'x', complexity => $complexity }), '/model', $served{$complexity}, $complexity;
    }
    error_is $ann->post("$base/chat/routed", { prompt => 'x', complexity => 'hard' }), 422, 'VALIDATION_ERROR', field => 'complexity';
    $models->answer(openai => { text => [ "```json\n", '{"complexity": "complex", "why": "because"}', "\n```" ] });
    $models->answer(anthropic => {});
    my $res = $ann->post("$base/chat/routed", { prompt => "Prove it. \x{2028}{boundary}" });
    json_is $res, '/model', 'claude-sonnet-4-5', 'a model judges';
    my ($seen)  = $models->requests('openai');
    my $prompt  = $seen->{body}{messages}[0]{content};
    my ($bound) = $prompt =~ /the boundary (\w{24})\./;
    like $prompt, qr/^$bound\nProve it\. \x{2028}\{boundary\}\n$bound$/m, 'the question stands between boundaries';
    is_deeply $seen->{body}{response_format}{json_schema}{schema}{properties}{complexity}{enum}, [qw(simple moderate complex search)], 'by the schema of its table';
    my ($judged, $answered) = (calls())[ -2, -1 ];
    is_deeply [ @$judged{qw(purpose model)} ], [qw(chat_routing gpt-4o-mini)];
    like $judged->{prompt_version}, qr/\A[0-9a-f]{16}\z/;
    is $answered->{operation}, $judged->{operation}, 'of one operation';
    $models->answer(openai => { text => ['quite hard'] }, { text => ['{"complexity":"search"}'] });
    json_is $ann->post("$base/chat/routed", { prompt => 'x' }), '/model', 'sonar', 'what makes no sense is asked again';
    my @asked = $models->requests('openai');
    is scalar @{ $asked[1]{body}{messages} }, 3, 'with what was wrong';
    isnt((($asked[0]{body}{messages}[0]{content} =~ /boundary (\w+)/)[0]), $bound, 'the boundary is another one each time');
    $models->answer(openai => { text => ['quite hard'] });
    $models->answer(pplx => {});
    error_is $ann->post("$base/chat/routed", { prompt => 'x' }), 502, 'EXTERNAL_SERVICE_ERROR', name => 'but once';
    is scalar($models->requests('openai')), 2;
    is scalar($models->requests('pplx')), 0;
    is held(), 0;
    my ($text) = events($ann->post("$base/chat/routed", { prompt => 'x', complexity => 'search', stream => true }));
    is pop @$text, '[DONE]', 'as a stream, too';
};

subtest 'what takes its place' => sub {
    my $dir = File::Temp->newdir;
    for my $file ([ 'models.json', '[{"id":"gpt-4o","provider":"openai","name":"deployment-7","context":1000,"max_output":100,"input":1000000,"output":2000000,"can":["tools"]},{"id":"ours","provider":"anthropic","name":"claude-x","context":1000,"max_output":100,"input":0,"output":0}]' ], [ 'chat_routing.txt', "Sort this, {boundary}: {text}\n" ]) {
        open my $out, '>', "$dir/$file->[0]" or die "$!\n";
        print {$out} $file->[1];
        close $out or die "$!\n";
    }
    my $other = Api->start($models->settings(which => [qw(openai anthropic)]), AI_MODELS_FILE => "$dir/models.json", AI_PROMPTS => "$dir", AI_FALLBACKS => 'ours,sonar', AI_TIMEOUT_S => 3, slow => 2);
    $other->keep_secret($models->secrets);
    $other->expect_log(qr{"route":"/api/v1/app/ai/});
    my $dan = $other->user('dan');
    $models->answer(openai => {});
    json_is $dan->post("$base/completions", { @ask, max_tokens => 5000 }), '/model', 'gpt-4o';
    is_deeply [ map { @{ $_->{body} }{qw(model max_tokens)} } $models->requests('openai') ], [ 'deployment-7', 100 ], 'a model of the file';
    is $other->db->selectrow_array('SELECT cost FROM ai_calls'), 26, 'at its price';
    $models->answer(openai => { status => 529 });
    $models->answer(anthropic => {});
    json_is $dan->post("$base/completions", {@ask}), '/model', 'ours', 'another one serves where the first is overloaded';
    is_deeply [ map { @{$_}{qw(model outcome)} } @{ $other->db->selectall_arrayref('SELECT * FROM ai_calls ORDER BY id OFFSET 1', { Slice => {} }) } ], [qw(ours answered)];
    my $bad = { text => ['{"complexity":"simple"}'] };
    $models->answer(openai => $bad, {});
    json_is $dan->post("$base/chat/routed", { prompt => 'x' }), '/model', 'gpt-4o-mini';
    like(($models->requests('openai'))[0]{body}{messages}[0]{content}, qr/\ASort this, \w+: x/, 'a prompt of the directory');
    json_is $dan->post("$base/chat/routed", { prompt => 'x', complexity => 'search' }), '/model', 'ours', 'for a provider without a key';
    $models->answer($_ => { delay => 20 }) for qw(openai anthropic);
    error_is $dan->post("$base/completions", {@ask}), 502, 'EXTERNAL_SERVICE_ERROR', name => 'a provider that hangs';
    $models->answer(openai => { status => 529 });
    $models->answer(anthropic => {});
    json_is $dan->post("$base/completions", {@ask}), '/model', 'ours' for 1 .. 6;
    cmp_ok scalar($models->requests('openai')), '<=', 5, 'one that fails again and again is not asked for a while';
    json_is $dan->get("$base/status"), '/providers', [qw(openai anthropic)];
};

subtest 'without a provider' => sub {
    my $bare = Api->start(RATE_LIMIT_AI => 5);
    my $eve  = $bare->user('eve');
    json_is $eve->get("$base/status"), '', { available => false, providers => [], default_provider => 'openai', default_model => 'gpt-4o' };
    error_is $eve->post("$base/chat", { prompt => 'x' }), 503, 'SERVICE_UNAVAILABLE';
    error_is $eve->post("$base/chat/routed", { prompt => 'x' }), 503, 'SERVICE_UNAVAILABLE';
    error_is $eve->post("$base/chat", { prompt => 'x', model => 'gpt-0' }), 422, 'VALIDATION_ERROR', field => 'model';
    status_is $eve->get("$base/status"), 200;
    error_is $eve->get("$base/status"), 429, 'RATE_LIMIT_EXCEEDED', name => 'they have a budget of their own';
    status_is $eve->get('/api/v1/app/users/me'), 200;
};

subtest 'the main pool goes on while all models hang' => sub {
    $models->answer(openai => { delay => 15 });
    my @hung = map { begun("$base/completions", { @ask, stream => true }) } 1 .. 3;
    error_is $ann->post("$base/completions", {@ask}), 429, 'RATE_LIMIT_EXCEEDED', name => 'more than a share of the slow pool is nobody\'s';
    status_is $ann->get("$base/status"), 200 for 1 .. 20;
    $_->disconnect for @hung;
    eventually { held() == 0 } 15, 'they end as their clients go';
};
