use v5.36;
use lib 't/lib';
use utf8;
use Api;
use Ashlar::Models;

my $models = Ashlar::Models->start;
my $t      = Api->start($models->settings, slow => 3);
my $key    = $t->key;
my $public = $t->key(type => 'public');
my $server = $t->client(key => $key);
my $ann    = $t->user('ann')->with(key => $key);
my $nobody = '00000000-0000-7000-8000-00000000dead';
my $org    = $t->organization($ann);
my $openai = '/api/v1/openai/chat/completions';
my $claude = '/api/v1/anthropic/v1/messages';
my %hello  = (messages => [ { role => 'user', content => 'What is a harbour?' } ]);
my $said   = "A harbour is where ships are säfe 😀.\n";
my $json   = Cpanel::JSON::XS->new->utf8;
$t->keep_secret($_) for $models->secrets;
$t->db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $org, $ann->uuid);

# A plan for everybody of the tenant who has no other.
my ($plan) = $t->db->selectrow_array(q{INSERT INTO plans (tenant_id, name, is_free, limits) VALUES (?, 'Gateway', true, '{}') RETURNING id}, undef, $ann->tenant_id);
$t->db->do('INSERT INTO tenant_settings (tenant_id, default_plan_id) VALUES (?, ?) ON CONFLICT (tenant_id) DO UPDATE SET default_plan_id = excluded.default_plan_id', undef, $ann->tenant_id, $plan);

sub last_call () { return $t->db->selectrow_hashref('SELECT * FROM ai_calls ORDER BY id DESC LIMIT 1') }
sub body      ($res) { return $json->decode($res->body) }
sub events    ($res) {
    return map { my ($name) = /^event: (.*)/m; my ($data) = /^data: (.*)/m; [ $name // '', $data ] } grep { /^data: /m } split /\n\n/, $res->body;
}

# What may be used of a metric, by whom.
sub allow ($metric, $max, $user, $organization = undef) {
    $t->db->do('INSERT INTO usage_limits (tenant_id, organization_id, user_id, metric, max) VALUES (?, usage_id(?), usage_id(?), ?, ?)',
        undef, $ann->tenant_id, $organization, $user, $metric, $max);
    return;
}

subtest 'who may ask' => sub {
    $models->answer($_, {}) for qw(openai anthropic);
    for my $path ($openai, $claude) {
        my @ask = ($path, { model => 'gpt-4o', max_tokens => 10, %hello });
        error_is $t->post(@ask), 401, 'AUTHENTICATION_ERROR', name => $path;
        error_is $t->client(key => $public)->post(@ask), 403, 'AUTHORIZATION_ERROR', name => 'a public key alone';
        error_is $t->client(key => 'sk_live_' . 'x' x 32)->post(@ask), 401, 'INVALID_API_KEY';
        status_is $server->post(@ask), 200, 'a secret key';
        status_is $t->client(token => $key)->post(@ask), 200, '  as the bearer';
        status_is $ann->post(@ask), 200, '  with a user\'s token';
        status_is $ann->with(key => $public, origin => 'https://app.example.com')->post(@ask), 200, 'a public key with one';
        error_is $ann->post(@ask, headers => { 'X-Organization-Id' => $nobody }), 404, 'NOT_FOUND', resource => 'Organization';
        error_is $t->user('stranger-' . length $path)->with(key => $key)->post(@ask, headers => { 'X-Organization-Id' => $org }), 403, 'AUTHORIZATION_ERROR';
        error_is $ann->post(@ask, headers => { 'X-Organization-Id' => 'acme' }), 400, 'BAD_REQUEST', field => 'X-Organization-Id';
    }
    my ($id) = $t->db->selectrow_array('SELECT id FROM api_keys WHERE hash = sha256(?::bytea)', undef, $key);
    $server->post($openai, { model => 'gpt-4o', %hello });
    is_deeply [ @{ last_call() }{qw(user_id api_key_id)} ], [ $id, $id ], 'of a key alone, it is the key\'s';
    $ann->post($openai, { model => 'gpt-4o', %hello });
    is_deeply [ @{ last_call() }{qw(user_id api_key_id organization_id)} ], [ $ann->uuid, $id, $org ], 'of a user, theirs, in their organization';
};

subtest 'what is asked for has to make sense' => sub {
    $models->answer($_, {}) for qw(openai anthropic);
    my $bad = sub ($path, $field, %body) { error_is $server->post($path, { model => 'gpt-4o', max_tokens => 10, %hello, %body }), 422, 'VALIDATION_ERROR', field => $field };
    $bad->($openai, model    => model => 'gpt-0');
    $bad->($openai, messages => messages => []);
    $bad->($openai, messages => messages => [$_])
        for { role => 'robot', content => 'x' }, { role => 'user' }, { role => 'user', content => [ { type => 'audio' } ] }, { role => 'tool', content => 'x' },
        { role => 'user', content => [ { type => 'image_url', image_url => { url => 'file:///etc/passwd' } } ] }, { role => 'assistant', tool_calls => [ {} ] };
    $bad->($openai, tools           => tools           => [ { type => 'function', function => {} } ]);
    $bad->($openai, tool_choice     => tool_choice     => 'perhaps');
    $bad->($openai, response_format => response_format => { type => 'xml' });
    $bad->($openai, n               => n               => 2);
    $bad->($claude, model    => model => 'gpt-0');
    $bad->($claude, messages => messages => [$_])
        for { role => 'system', content => 'x' }, { role => 'user', content => [] }, { role => 'user', content => [ { type => 'audio' } ] }, { role => 'user', content => [ { type => 'image', source => { type => 'base64' } } ] },
        { role => 'assistant', content => [ { type => 'tool_use' } ] }, { role => 'user', content => [ { type => 'tool_result' } ] };
    $bad->($claude, tools       => tools       => [ {} ]);
    $bad->($claude, tool_choice => tool_choice => { type => 'tool' });
    error_is $server->post($claude, { model => 'gpt-4o', %hello }), 422, 'VALIDATION_ERROR', field => 'max_tokens';
    is scalar($models->requests('openai')), 0, 'nothing of it was asked';
};

# One conversation, in either form, and what either provider gets of it.
my @weather = (name => 'weather', description => 'Tells the weather');
my $schema  = { type => 'object', properties => { place => { type => 'string' } }, required => ['place'] };
my $png     = 'iVBORw0KGgo=';
my %in      = (
    $openai => {
        temperature => 0.5, max_tokens => 77, stop => ['END'], tools => [ { type => 'function', function => { @weather, parameters => $schema } } ], tool_choice => { type => 'function', function => { name => 'weather' } },
        messages => [
            { role => 'system', content => 'Be short.' },
            { role => 'user', content => [ { type => 'text', text => 'Where is this?' }, { type => 'image_url', image_url => { url => "data:image/png;base64,$png" } } ] },
            { role => 'assistant', content => undef, tool_calls => [ { id => 'call_1', type => 'function', function => { name => 'weather', arguments => '{"place":"Kiel"}' } }, { id => 'call_2', type => 'function', function => { name => 'weather', arguments => '{}' } } ] },
            { role => 'tool', tool_call_id => 'call_1', content => 'rain' }, { role => 'tool', tool_call_id => 'call_2', content => 'sun' }, { role => 'user', content => 'And?' },
        ],
    },
    $claude => {
        temperature => 0.5, max_tokens => 77, stop_sequences => ['END'], tools => [ { @weather, input_schema => $schema } ], tool_choice => { type => 'tool', name => 'weather' }, system => 'Be short.',
        messages => [
            { role => 'user', content => [ { type => 'text', text => 'Where is this?' }, { type => 'image', source => { type => 'base64', media_type => 'image/png', data => $png } } ] },
            { role => 'assistant', content => [ { type => 'tool_use', id => 'call_1', name => 'weather', input => { place => 'Kiel' } }, { type => 'tool_use', id => 'call_2', name => 'weather', input => {} } ] },
            { role => 'user', content => [ { type => 'tool_result', tool_use_id => 'call_1', content => 'rain' }, { type => 'tool_result', tool_use_id => 'call_2', content => [ { type => 'text', text => 'sun' } ] }, { type => 'text', text => 'And?' } ] },
        ],
    },
);
my %out = (
    openai => { model => 'gpt-4o', %{ $in{$openai} } },
    anthropic => { model => 'claude-sonnet-4-5', %{ $in{$claude} } },
);
# In their one form: a text alone is a block there, and what a tool said is a text.
$out{anthropic}{messages}[2]{content}[1]{content} = 'sun';

subtest 'tools, images and what they said, from either form to either provider' => sub {
    $models->answer(openai    => { calls => [ { id => 'call_9', name => 'weather', arguments => [ '{"pla', 'ce":"Ki', 'el"}' ] } ] });
    for my $path ($openai, $claude) {
        for my $to ([ openai => 'gpt-4o' ], [ anthropic => 'claude-sonnet' ]) {
            my ($provider, $model) = @$to;
            $models->answer($provider => { calls => [ { id => 'call_9', name => 'weather', arguments => [ '{"pla', 'ce":"Ki', 'el"}' ] } ] });
            my $res = $server->post($path, { model => $model, %{ $in{$path} } });
            status_is $res, 200;
            my ($seen) = $models->requests($provider);
            is_deeply $seen->{body}, $out{$provider}, "$path to $provider: what it was asked";
            my $got = body($res);
            if ($path eq $openai) {
                is_deeply $got->{choices}, [ { index => 0, finish_reason => 'tool_calls', message => { role => 'assistant', content => undef, tool_calls => [ { id => 'call_9', type => 'function', function => { name => 'weather', arguments => '{"place":"Kiel"}' } } ] } } ];
                like $got->{id}, qr/\Achatcmpl-/;
            }
            else {
                is_deeply $got->{content}, [ { type => 'tool_use', id => 'call_9', name => 'weather', input => { place => 'Kiel' } } ];
                is $got->{stop_reason}, 'tool_use';
            }
            is $got->{model}, $out{$provider}{model}, 'which one served';
            my @events = events($server->post($path, { model => $model, %{ $in{$path} }, stream => true }));
            if ($path eq $openai) {
                is pop(@events)->[1], '[DONE]';
                my @calls = map { @{ $json->decode($_->[1])->{choices}[0]{delta}{tool_calls} // [] } } @events;
                is_deeply [ @{ $calls[0] }{qw(index id)}, $calls[0]{function}{name} ], [ 0, 'call_9', 'weather' ], 'a stream begins with which it is';
                is join('', map { $_->{function}{arguments} } @calls), '{"place":"Kiel"}';
                is $json->decode($events[-1][1])->{choices}[0]{finish_reason}, 'tool_calls';
            }
            else {
                is_deeply [ map { $_->[0] } @events ], [ qw(message_start content_block_start), ('content_block_delta') x ($provider eq 'openai' ? 3 : 3), qw(content_block_stop message_delta message_stop) ];
                is join('', map { $json->decode($_->[1])->{delta}{partial_json} // '' } @events), '{"place":"Kiel"}';
            }
        }
    }
};

subtest 'a schema, by what each provider can' => sub {
    my $format = { type => 'json_schema', json_schema => { name => 'place', schema => $schema } };
    $models->answer($_ => { text => [ '{"place":', '"Kiel"}' ] }) for qw(openai anthropic);
    for my $model (qw(gpt-4o claude-sonnet)) {
        my $res = $server->post($openai, { model => $model, %hello, response_format => $format });
        is body($res)->{choices}[0]{message}{content} =~ s/\s//gr, '{"place":"Kiel"}', $model;
        json_is $res, '/choices/0/finish_reason', 'stop';
        my @events = events($server->post($openai, { model => $model, %hello, response_format => $format, stream => true, stream_options => { include_usage => true } }));
        pop @events;
        my $usage = $json->decode((pop @events)->[1]);
        is_deeply [ $usage->{choices}, $usage->{usage}{total_tokens} ], [ [], 19 ], 'and its usage where it is wanted';
        is join('', map { $json->decode($_->[1])->{choices}[0]{delta}{content} // '' } @events), '{"place":"Kiel"}', 'as a stream';
    }
    is_deeply(($models->requests('openai'))[0]{body}{response_format}{json_schema}{schema}, $schema);
    is_deeply(($models->requests('anthropic'))[0]{body}{tool_choice}, { type => 'tool', name => 'answer' }, 'a tool that has to be called');
};

subtest 'a stream in the form of each' => sub {
    $models->answer($_ => {}) for qw(openai anthropic);
    my @events = events($server->post($claude, { model => 'gpt-4o', max_tokens => 10, %hello, stream => true }));
    is_deeply [ map { $_->[0] } @events ], [ qw(message_start content_block_start), ('content_block_delta') x 5, qw(content_block_stop message_delta message_stop) ];
    is join('', map { $json->decode($_->[1])->{delta}{text} // '' } @events), $said;
    is_deeply $json->decode($events[-2][1])->{usage}, { input_tokens => 12, output_tokens => 7, cache_read_input_tokens => 0, cache_creation_input_tokens => 0 };
    $t->expect_log(qr{of openai: });
    $models->answer(openai => { error => 2 });
    @events = events($server->post($claude, { model => 'gpt-4o', max_tokens => 10, %hello, stream => true }));
    is_deeply [ $events[-1][0], $json->decode($events[-1][1])->{error}{type} ], [qw(error overloaded_error)], 'that breaks off';
    @events = events($server->post($openai, { model => 'gpt-4o', %hello, stream => true }));
    is $events[-1][1], '[DONE]';
    is $json->decode($events[-2][1])->{error}{code}, 'EXTERNAL_SERVICE_ERROR';
};

subtest 'limits of user, organization and key' => sub {
    $models->answer(openai => {});
    my @ask = ($openai, { model => 'gpt-4o', max_tokens => 100, %hello });
    my ($bob, $cat) = map { $t->user($_)->with(key => $key) } qw(bob cat);
    my $theirs = $t->organization($bob);
    $t->member($theirs, $cat, 'member');
    my %in = (headers => { 'X-Organization-Id' => $theirs });
    allow(ai_tokens => 150, $bob->uuid, $theirs);
    status_is $bob->post(@ask, %in), 200;
    allow(ai_tokens => 160, undef, $theirs);
    status_is $bob->post(@ask, %in), 200;
    $t->db->do('UPDATE usage_limits SET max = 140 WHERE organization_id = ? AND user_id = ?', undef, $theirs, $bob->uuid);
    error_is $bob->post(@ask, %in), 402, 'LIMIT_EXCEEDED', metric => 'ai_tokens', used => 38, limit => 140, name => 'of a user';
    status_is $cat->post(@ask, %in), 200, 'of another one not';
    $t->db->do('UPDATE usage_limits SET max = 150 WHERE organization_id = ? AND user_id = usage_id(NULL)', undef, $theirs);
    error_is $cat->post(@ask, %in), 402, 'LIMIT_EXCEEDED', used => 57, limit => 150, name => 'of the organization';
    my $limited = $t->key;
    my ($id) = $t->db->selectrow_array('SELECT id FROM api_keys WHERE hash = sha256(?::bytea)', undef, $limited);
    allow(cost_usd => 1_100, $id);
    status_is $t->client(key => $limited)->post(@ask), 200;
    error_is $t->client(key => $limited)->post(@ask), 402, 'LIMIT_EXCEEDED', metric => 'cost_usd', used => 100, limit => 1_100, name => 'of a key';
    error_is $ann->with(key => $limited)->post(@ask), 402, 'LIMIT_EXCEEDED', limit => 1_100, name => '  also where it acts for a user';
    $t->db->do('UPDATE usage_limits SET max = 5000 WHERE user_id = ?', undef, $id);
    status_is $ann->with(key => $limited)->post(@ask), 200;
    is $t->db->selectrow_array(q{SELECT used FROM usage_counters WHERE user_id = ? AND metric = 'cost_usd'}, undef, $id), 200, 'whose use counts for the key, too';
    is $t->db->selectrow_array(q{SELECT count(*) FROM usage_operations WHERE state = 'reserved'}), 0;
    status_is $server->post(@ask), 200, 'without a limit';
    is scalar($models->requests('openai')), 6, 'who was refused was not asked for';
    $t->db->do('UPDATE tenant_settings SET default_plan_id = NULL');
    error_is $ann->post(@ask), 402, 'LIMIT_EXCEEDED', message => qr/No active plan/, name => 'without a plan';
    $t->db->do('UPDATE tenant_settings SET default_plan_id = ?', undef, $plan);
};

subtest 'models that stand in for others, as a tenant has chosen' => sub {
    my $path = '/api/v1/dashboard/ai/settings';
    my ($olive, $max) = ($t->team('olive', role => 'owner'), $t->team('max'));
    json_is $max->get($path), '', { fallbacks => [] };
    error_is $max->put($path, { fallbacks => ['claude-haiku'] }), 403, 'AUTHORIZATION_ERROR';
    error_is $olive->put($path, { fallbacks => ['gpt-0'] }), 422, 'VALIDATION_ERROR', field => 'fallbacks';
    error_is $olive->put($path, { fallbacks => ['text-embedding-3-small'] }), 422, 'VALIDATION_ERROR', field => 'fallbacks';
    json_is $olive->put($path, { fallbacks => [ 'claude-haiku', 'sonar' ] }), '/fallbacks', [ 'claude-haiku', 'sonar' ];
    $models->answer(openai => { status => 529 });
    $models->answer($_, {}) for qw(anthropic pplx);
    $t->expect_log(qr{of openai: });
    for my $stream (false, true) {
        like $server->post($openai, { model => 'gpt-4o', %hello, stream => $stream })->body, qr/"model":"claude-haiku-4-5"/, 'the first of them';
        is scalar($models->requests('openai')), $stream ? 2 : 1;
    }
    $models->answer(anthropic => { status => 500 });
    json_is $server->post($openai, { model => 'gpt-4o', %hello }), '/model', 'sonar', 'or the next';
    is $t->client(key => $t->key(tenant => 'other'))->post($openai, { model => 'gpt-4o', %hello })->status, 502, 'of another tenant not';
    json_is $max->get($path), '/fallbacks/1', 'sonar';
    $olive->put($path, { fallbacks => [] });
    $models->answer($_, {}) for qw(openai anthropic);
    $t->expect_log(qr{"route":"/api/v1/openai/});
};

subtest 'which models there are' => sub {
    error_is $t->get('/api/v1/openai/models'), 401, 'AUTHENTICATION_ERROR';
    my $list = body($server->get('/api/v1/openai/models'));
    is $list->{object}, 'list';
    is_deeply [ grep { $_->{id} =~ /\A(?:gpt-4o|sonar)\z/ } @{ $list->{data} } ], [ map { { id => $_->[0], object => 'model', created => 0, owned_by => $_->[1] } } [ 'gpt-4o', 'openai' ], [ 'sonar', 'perplexity' ] ];
};

subtest 'responses' => sub {
    my $path = '/api/v1/openai/responses';
    my $ask  = sub (%body) { return $server->post($path, { model => 'gpt-4o', input => 'What is a harbour?', %body }) };
    $models->answer($_, {}) for qw(openai anthropic);
    error_is $t->post($path, { model => 'gpt-4o', input => 'x' }), 401, 'AUTHENTICATION_ERROR';
    error_is $t->client(key => $public)->post($path, { model => 'gpt-4o', input => 'x' }), 403, 'AUTHORIZATION_ERROR';
    error_is $ask->(model => 'gpt-0'), 422, 'VALIDATION_ERROR', field => 'model';
    error_is $ask->(input => $_), 422, 'VALIDATION_ERROR', field => 'input'
        for [], 7, [ { role => 'robot', content => 'x' } ], [ { type => 'audio' } ], [ { type => 'function_call', call_id => 'c' } ], [ { type => 'function_call_output', output => 'x' } ],
        [ { role => 'user', content => [ { type => 'input_image', image_url => 'ftp://x' } ] } ];
    error_is $ask->(previous_response_id => 'x' x 101), 422, 'VALIDATION_ERROR', field => 'previous_response_id';
    error_is $ask->(tools => [ { type => 'web_search' } ]), 422, 'VALIDATION_ERROR', field => 'tools';
    error_is $ask->(text => { format => { type => 'xml' } }), 422, 'VALIDATION_ERROR', field => 'text';
    is scalar($models->requests('openai')), 0;

    my $got = body($ask->(model => 'claude-sonnet', instructions => 'Be short.', max_output_tokens => 50));
    is_deeply [ @$got{qw(object status model)}, $got->{usage}{total_tokens} ], [ 'response', 'completed', 'claude-sonnet-4-5', 19 ];
    is_deeply [ map { [ $_->{type}, $_->{role}, map { $_->{text} } @{ $_->{content} } ] } @{ $got->{output} } ], [ [ 'message', 'assistant', $said ] ];
    is_deeply [ @{ ($models->requests('anthropic'))[0]{body} }{qw(system max_tokens)} ], [ 'Be short.', 50 ];
    $models->answer(openai => { finish => 'length' });
    is_deeply [ @{ body($ask->()) }{qw(status incomplete_details)} ], [ 'incomplete', { reason => 'max_output_tokens' } ], 'cut short';

    my %tools = (tools => [ { type => 'function', name => 'weather', description => 'Tells the weather', parameters => $schema } ], tool_choice => { type => 'function', name => 'weather' });
    my $items = [
        { type => 'message', role => 'developer', content => 'Be short.' },
        { role => 'user', content => [ { type => 'input_text', text => 'Where is this?' }, { type => 'input_image', image_url => "data:image/png;base64,$png" } ] },
        { type => 'reasoning', summary => [] },
        (map { { type => 'function_call', call_id => "call_$_->[0]", name => 'weather', arguments => $_->[1] } } [ 1, '{"place":"Kiel"}' ], [ 2, '{}' ]),
        (map { { type => 'function_call_output', call_id => "call_$_->[0]", output => $_->[1] } } [ 1, 'rain' ], [ 2, 'sun' ]),
        { role => 'user', content => 'And?' },
    ];
    for my $to ([ openai => 'gpt-4o' ], [ anthropic => 'claude-sonnet' ]) {
        my ($provider, $model) = @$to;
        $models->answer($provider => { calls => [ { id => 'call_9', name => 'weather', arguments => [ '{"pla', 'ce":"Kiel"}' ] } ] });
        my @more = (model => $model, input => $items, %tools, temperature => 0.5, max_output_tokens => 77);
        my $res  = body($ask->(@more));
        my %want = %{ $out{$provider} };
        delete @want{qw(stop stop_sequences)};
        is_deeply(($models->requests($provider))[0]{body}, \%want, "what $provider was asked");
        is_deeply [ map { [ @$_{qw(type call_id name arguments)} ] } @{ $res->{output} } ], [ [ 'function_call', 'call_9', 'weather', '{"place":"Kiel"}' ] ];
        my @events = events($ask->(@more, stream => true));
        is_deeply [ map { $_->[0] } @events ], [ map { "response.$_" } qw(created in_progress output_item.added function_call_arguments.delta function_call_arguments.delta function_call_arguments.done output_item.done completed) ];
        is_deeply [ map { $json->decode($_->[1])->{sequence_number} } @events ], [ 0 .. $#events ], 'numbered';
    }
    $models->answer(openai => {});
    my @events = events($ask->(stream => true));
    is_deeply [ map { $_->[0] } @events ], [ map { "response.$_" } qw(created in_progress output_item.added content_part.added), ('output_text.delta') x 5, qw(output_text.done content_part.done output_item.done completed) ];
    is join('', map { $json->decode($_->[1])->{delta} // '' } @events), $said;
    is_deeply $json->decode($events[-4][1])->{text}, $said;
    is_deeply $json->decode($events[-1][1])->{response}{usage}{total_tokens}, 19;
    $models->answer(openai => { error => 1 });
    @events = events($ask->(stream => true));
    is $events[-1][0], 'response.failed', 'one that breaks off';
    is $json->decode($events[-1][1])->{response}{error}{code}, 'server_error';
    $models->answer($_ => { text => ['{"place":"Kiel"}'] }) for qw(openai anthropic);
    like body($ask->(model => $_, text => { format => { type => 'json_schema', name => 'place', schema => $schema } }))->{output}[0]{content}[0]{text}, qr/"Kiel"/, "a schema for $_" for qw(gpt-4o claude-sonnet);
};

subtest 'a response goes on where another one ended' => sub {
    my $path = '/api/v1/openai/responses';
    my $ask  = sub ($who, %body) { return $who->post($path, { model => 'gpt-4o', input => 'And then?', %body }) };
    my $told = sub () { return [ map { [ $_->{role}, $_->{content} ] } @{ ($models->requests('openai'))[-1]{body}{messages} } ] };
    my $kept = sub () { return $t->db->selectrow_array('SELECT count(*) FROM ai_responses') };
    $models->answer(openai => { text => ['One.'] }, { text => ['Two.'] }, { text => ['Three.'] });
    my $n    = $kept->();
    my $one  = body($ask->($server, input => 'Begin.', instructions => 'Be short.'));
    is_deeply [ @$one{qw(store previous_response_id)} ], [ true, undef ];
    my $two = body($ask->($server, previous_response_id => $one->{id}));
    is $two->{previous_response_id}, $one->{id};
    is_deeply $told->(), [ [ user => 'Begin.' ], [ assistant => 'One.' ], [ user => 'And then?' ] ], 'what was said comes first, but no instructions of then';
    my @events = events($ask->($server, previous_response_id => $two->{id}, instructions => 'Be long.', stream => true));
    is_deeply $told->(), [ [ system => 'Be long.' ], [ user => 'Begin.' ], [ assistant => 'One.' ], [ user => 'And then?' ], [ assistant => 'Two.' ], [ user => 'And then?' ] ], 'of all turns';
    my $three = $json->decode($events[-1][1])->{response};
    is $three->{previous_response_id}, $two->{id};
    is $kept->(), $n + 3, 'that of a stream, too';
    $ask->($server, previous_response_id => $one->{id}, input => 'Otherwise?');
    is_deeply $told->(), [ [ user => 'Begin.' ], [ assistant => 'One.' ], [ user => 'Otherwise?' ] ], 'it may go on in two ways';

    my $unknown = 'resp_00000000-0000-7000-8000-00000000dead';
    error_is $ask->($server, previous_response_id => $_), 404, 'NOT_FOUND', resource => 'Response' for $unknown, 'resp_1', '', "$one->{id}x";
    my $other = $t->client(key => $t->key);
    error_is $ask->($_, previous_response_id => $one->{id}), 404, 'NOT_FOUND', name => 'it is of the one who asked' for $other, $ann, $t->user('eve')->with(key => $key);
    my $mine = body($ask->($ann, input => 'Mine.'));
    status_is $ask->($ann->with(key => $t->key), previous_response_id => $mine->{id}), 200, 'a user\'s is the user\'s, whatever the key';
    error_is $ask->($server, previous_response_id => $mine->{id}), 404, 'NOT_FOUND', name => 'and not the key\'s';

    my $not = body($ask->($server, store => false));
    is $not->{store}, false;
    error_is $ask->($server, previous_response_id => $not->{id}), 404, 'NOT_FOUND', name => 'what was not to be kept is not';
    $models->answer(openai => { status => 400 });
    my $before = $kept->();
    error_is $ask->($server), 422, 'VALIDATION_ERROR';
    is $kept->(), $before, 'nor what failed';

    $models->answer(openai => { calls => [ { id => 'call_1', name => 'weather', arguments => ['{"place":"Kiel"}'] } ] }, { text => ['It rains.'] });
    my %tools = (tools => [ { type => 'function', name => 'weather', parameters => $schema } ]);
    my $call  = body($ask->($server, %tools, input => [ { role => 'user', content => [ { type => 'input_text', text => 'Where?' }, { type => 'input_image', image_url => "data:image/png;base64,$png" } ] } ]));
    body($ask->($server, %tools, previous_response_id => $call->{id}, input => [ { type => 'function_call_output', call_id => 'call_1', output => 'rain' } ]));
    my $messages = ($models->requests('openai'))[-1]{body}{messages};
    is_deeply [ map { $_->{role} } @$messages ], [qw(user assistant tool)], 'a tool answers the call of the turn before';
    is $messages->[0]{content}[1]{image_url}{url}, "data:image/png;base64,$png", 'the picture is still there';
    is $messages->[1]{tool_calls}[0]{id}, 'call_1';

    # gpt-4o reads 128,000 tokens.
    $models->answer(openai => { text => ['Yes.'] });
    my $long = 'word ' x 60_000;
    my $last = body($ask->($server, input => "first $long"));
    $last = body($ask->($server, input => "second $long", previous_response_id => $last->{id}));
    is_deeply [ map { substr $_->[1], 0, 6 } @{ $told->() } ], ['second'], 'the oldest goes where it is more than a model reads';
    $ask->($server, previous_response_id => $last->{id}, input => "third " . 'word ' x 20_000);
    is_deeply [ map { substr $_->[1], 0, 6 } @{ $told->() } ], [ 'second', 'Yes.', 'third ' ];

    my @gone = ("$path/$one->{id}");
    error_is $_->delete(@gone), 404, 'NOT_FOUND' for $other, $ann;
    is_deeply body($server->delete(@gone)), { id => $one->{id}, object => 'response', deleted => true }, 'it can be forgotten';
    error_is $server->delete($_), 404, 'NOT_FOUND' for @gone, "$path/x";
    error_is $ask->($server, previous_response_id => $one->{id}), 404, 'NOT_FOUND';
    $models->answer(openai => { text => ['Four.'] });
    status_is $ask->($server, previous_response_id => $two->{id}), 200, 'what follows it begins there';
    is_deeply $told->(), [ [ user => 'And then?' ], [ assistant => 'Two.' ], [ user => 'And then?' ] ];
    $t->db->do(q{UPDATE ai_responses SET created_at = created_at - interval '31 days' WHERE id = ?}, undef, substr $two->{id}, 5);
    $t->db->do('SELECT purge(100)');
    error_is $ask->($server, previous_response_id => $two->{id}), 404, 'NOT_FOUND', name => 'after 30 days it is gone by itself';
};

# What the slow pool's children take, in KiB: now, and the most it ever was.
sub memory () {
    my @all = map { my $pid = $_; open my $in, '<', "/proc/$pid/status" or die "$pid: $!\n"; join '', <$in> } $t->children('slow');
    return map { my $what = $_; [ sort { $b <=> $a } map { /^$what:\s+(\d+)/m } @all ]->[0] } qw(RssAnon VmHWM);
}

subtest 'messages with pictures in them may be long' => sub {
    $models->answer($_ => {}) for qw(openai anthropic);
    my $picture = sub ($bytes) { return 'iVBORw0KGgo' . 'A' x ($bytes - 11) };
    my $body    = sub ($form, $data) {
        my $content = {
            $openai => [ { type => 'image_url', image_url => { url => "data:image/png;base64,$data" } } ],
            $claude => [ { type => 'image', source => { type => 'base64', media_type => 'image/png', data => $data } } ],
            responses => [ { type => 'input_image', image_url => "data:image/png;base64,$data" } ],
        }->{$form};
        my $messages = [ { role => 'user', content => $content } ];
        return $json->encode($form eq 'responses' ? { model => 'gpt-4o', input => $messages } : { model => 'gpt-4o', max_tokens => 5, messages => $messages });
    };
    my %path = ($openai => $openai, $claude => $claude, responses => '/api/v1/openai/responses');
    my ($before) = memory();
    for my $form ($openai, $claude, 'responses') {
        my $room = (24 << 20) - length $body->($form, '');
        my $last = $body->($form, $picture->($room));
        is length $last, 24 << 20;
        my $res = $server->post($path{$form}, undef, raw => $last, fresh => 1);
        status_is $res, 200, "$form: 24 MiB";
        is length(($models->requests('openai'))[-1]{body}{messages}[0]{content}[0]{image_url}{url}), $room + length 'data:image/png;base64,', 'all of it arrives';
        error_is $server->post($path{$form}, undef, raw => "$last ", fresh => 1), 413, 'PAYLOAD_TOO_LARGE', name => 'a byte more does not';
        error_is $server->post($path{$form}, undef, raw => $last . ' ' x (2 << 20), fresh => 1), 413, 'PAYLOAD_TOO_LARGE', name => 'nor what nginx does not take';
    }
    my ($now, $most) = memory();
    cmp_ok $most, '<', 128 << 10, 'what that takes is bounded' if !$ENV{SAN};
    cmp_ok $now - $before, '<', 16 << 10, 'and given back' if !$ENV{SAN};
    my ($items) = $t->db->selectrow_array('SELECT items::text FROM ai_responses ORDER BY created_at DESC LIMIT 1');
    like $items, qr/a picture that was not kept/, 'a long response is kept without them';
    cmp_ok length $items, '<', 10_000;
    error_is $server->post('/api/v1/openai/embeddings', undef, raw => $json->encode({ model => 'text-embedding-3-small', input => 'x' x (2 << 20) })), 413, 'PAYLOAD_TOO_LARGE', name => 'what has no pictures may not be so long';
};

subtest 'embeddings' => sub {
    my $path = '/api/v1/openai/embeddings';
    $models->answer(openai => {});
    error_is $server->post($path, { model => 'gpt-4o', input => 'x' }), 422, 'VALIDATION_ERROR', field => 'model';
    is_deeply $server->last->json('/error/details/models'), [qw(text-embedding-3-small text-embedding-3-large)], 'those that can';
    error_is $server->post($path, { model => 'text-embedding-3-small', input => $_ }), 422, 'VALIDATION_ERROR', field => 'input' for '', [], [ 'x', 7 ];
    my $res = $server->post($path, { model => 'text-embedding-3-small', input => [ 'a', 'ä' ] });
    is_deeply body($res), {
        object => 'list', model => 'text-embedding-3-small', usage => { prompt_tokens => 6, total_tokens => 6 },
        data => [ map { { object => 'embedding', index => $_, embedding => [ 0.5, -1.25, $_ ] } } 0, 1 ],
    };
    json_is $server->post($path, { model => 'text-embedding-3-small', input => 'a', encoding_format => 'base64', dimensions => 3 }), '/data/0/embedding', 'AAAAPwAAoL8AAAAA', 'as base64';
    is(($models->requests('openai'))[1]{body}{dimensions}, 3);
    is_deeply [ @{ last_call() }{qw(model input_tokens output_tokens outcome)} ], [ 'text-embedding-3-small', 3, 0, 'answered' ];
};

subtest 'completions of the platform' => sub {
    $models->answer(anthropic => {});
    my $path = '/api/v1/ai/completions';
    error_is $server->post($path, { model => 'claude-sonnet', %hello }), 401, 'AUTHENTICATION_ERROR', name => 'both are needed';
    error_is $ann->post($path, { model => 'claude-sonnet', messages => [ { role => 'tool', content => 'x' } ] }), 422, 'VALIDATION_ERROR';
    my $res = $ann->post($path, { model => 'claude-sonnet', %hello });
    status_is $res, 200;
    is body($res)->{choices}[0]{message}{content}, $said;
    my @events = events($ann->post($path, { model => 'claude-sonnet', %hello, stream => true }));
    is pop(@events)->[1], '[DONE]';
    is $json->decode($events[-1][1])->{usage}{total_tokens}, 19, 'the last chunk has the usage';
    is last_call()->{purpose}, 'platform.ai.completions';
    is last_call()->{organization_id}, $org;
};
