use v5.36;
use lib 't/lib';
use Api;
use Ashlar::Models;
use Ashlar::Tools;

my $models = Ashlar::Models->start;
my $tools  = Ashlar::Tools->start;
my $t      = Api->start($models->settings, slow => 3, ENVIRONMENT => 'development', HTTP_ALLOW_PRIVATE => $tools->address);
$t->keep_secret($_) for $models->secrets;
my $key    = $t->key;
my $ann    = $t->user('ann')->with(key => $key);
my $bob    = $t->user('bob')->with(key => $key);
my $eve    = $t->user('eve', tenant => 'other')->with(key => $t->key(tenant => 'other'));
my $olive  = $t->team('olive', role => 'owner');
my $team   = '/api/v1/dashboard/agents';
my $user   = '/api/v1/user/agents';
my $nobody = '00000000-0000-7000-8000-00000000dead';
my $org    = $t->organization($ann);
my ($plan) = $t->db->selectrow_array(q{INSERT INTO plans (tenant_id, name, limits) VALUES (?, 'Chatty', '{"messages": 1000, "cost_usd": 100000000}') RETURNING id}, undef, $ann->tenant_id);
$t->db->do('UPDATE users SET current_plan_id = ? WHERE id IN (?, ?)', undef, $plan, $ann->uuid, $bob->uuid);

sub made (%body) { return $olive->post($team, { name => 'Harbour master', system_prompt => 'You know the harbour.', available_to_end_users => true, temperature => 0.2, max_tokens => 300, %body })->json('/id') }
my $agent = made();

sub ask ($body, $who = $ann, $id = $agent, %more) { return $who->post("$user/$id/chat", $body, %more) }
sub count ($table) { return $t->db->selectrow_array("SELECT count(*) FROM $table") }
sub used ($who, $metric) { return $t->db->selectrow_array('SELECT coalesce(sum(used), 0) FROM usage_counters WHERE user_id = ? AND metric = ?', undef, $who->uuid, $metric) }

# What the model was told: role, and text or what else there is of parts.
sub told ($n = -1) { return [ map { [ $_->{role}, $_->{content} ] } @{ ($models->requests('openai'))[$n]{body}{messages} } ] }

$models->answer(openai => { text => ['At 14:20.'], usage => [ 40, 5 ] });

subtest 'who may ask, and what' => sub {
    error_is ask({ input => 'x' }, $t->nobody), 401, 'INVALID_API_KEY';
    error_is ask({ input => 'x' }, $t->client(key => $key)), 401, 'AUTHENTICATION_ERROR';
    error_is ask({ input => 'x' }, $eve), 404, 'NOT_FOUND', resource => 'Agent';
    error_is ask({ input => 'x' }, $ann, $nobody), 404, 'NOT_FOUND', resource => 'Agent', id => $nobody;
    error_is ask({}), 422, 'VALIDATION_ERROR', field => 'input';
    error_is ask({ messages => [] }), 422, 'VALIDATION_ERROR', field => 'messages';
    error_is ask({ messages => [ { role => 'assistant', content => 'x' } ] }), 422, 'VALIDATION_ERROR', field => 'messages';
    error_is ask({ messages => [ { role => 'tool', content => 'x' } ] }), 422, 'VALIDATION_ERROR', field => 'messages[0].role';
    error_is ask({ input => 'x', temperature => 2.1 }), 422, 'VALIDATION_ERROR', field => 'temperature';
    error_is ask({ input => 'x', model => 'gpt-0' }), 422, 'VALIDATION_ERROR', field => 'model';
    error_is ask({ input => 'x', conversation_id => $nobody }), 404, 'NOT_FOUND', resource => 'Conversation';
    error_is ask({ input => 'x' }, $ann, $agent, headers => { 'X-Organization-Id' => 'acme' }), 400, 'BAD_REQUEST', field => 'X-Organization-Id';
    error_is ask({ input => 'x' }, $bob, $agent, headers => { 'X-Organization-Id' => $org }), 403, 'AUTHORIZATION_ERROR';
    is count('agent_executions'), 0, 'nothing was begun';
    is scalar($models->requests('openai')), 0, 'nobody was asked';
    error_is $olive->post($team, { name => 'x', system_prompt => 'x', model => 'gpt-0' }), 422, 'VALIDATION_ERROR', field => 'model', name => 'nor can an agent have a model that is not there';
};

subtest 'an agent answers' => sub {
    my $res = ask({ input => 'When is high water?' });
    status_is $res, 200;
    my $body = $res->json;
    cmp_ok delete $body->{execution_time_ms}, '>=', 0;
    my %execution = (
        id     => $body->{id}, agent_id => $agent, tenant_id => $ann->tenant_id, user_id => $ann->uuid, organization_id => undef, input_text => 'When is high water?', output_text => 'At 14:20.', tokens_used => 45,
        status => 'SUCCESS', error_message => undef, created_at => $body->{created_at},
        execution_metadata => { model => 'gpt-4o', provider => 'openai', temperature => 0.2, max_tokens => 300, finish_reason => 'stop', tools_used => [], tool_problems => [], passages => [] },
    );
    is_deeply $body, \%execution;
    is_deeply told(), [ [ system => 'You know the harbour.' ], [ user => 'When is high water?' ] ], 'the model was told who it is';
    my $seen = ($models->requests('openai'))[-1]{body};
    is $seen->{temperature}, 0.2;
    is $seen->{max_tokens},  300;
    ok !$seen->{tools}, 'there are no tools';
    my $listed = $ann->get("$user/$agent/history")->json('/0');
    delete $listed->{execution_time_ms};
    is_deeply $listed, \%execution, 'and it is in the history';
    is used($ann, 'messages'), 1, 'it counts as a message';
    is used($ann, 'ai_tokens'), 45;
    is used($ann, 'cost_usd'), $t->db->selectrow_array('SELECT cost FROM agent_executions'), 'and for what it cost';
    is $t->db->selectrow_array(q{SELECT count(*) FROM usage_operations WHERE state = 'reserved'}), 0, 'nothing is held any more';
    is_deeply $t->db->selectrow_arrayref('SELECT executions, failed, tokens FROM agent_daily'), [ 1, 0, 45 ];
};

subtest 'a chat may choose otherwise' => sub {
    $models->answer($_, { text => ['Yes.'] }) for qw(openai anthropic);
    my $res = ask({ messages => [ { role => 'user', content => 'a' }, { role => 'assistant', content => 'b' }, { role => 'user', content => 'c' } ], input => 'ignored', model => 'claude-sonnet', temperature => 1, max_tokens => 10 });
    json_is $res, '/execution_metadata/model', 'claude-sonnet-4-5';
    json_is $res, '/input_text', 'c', 'messages win, and the last of the user is shown';
    my ($seen) = $models->requests('anthropic');
    is $seen->{body}{max_tokens}, 10;
    is $seen->{body}{temperature}, 1;
    is $seen->{body}{system}, 'You know the harbour.';
    is scalar @{ $seen->{body}{messages} }, 3;
    $t->db->do('UPDATE organizations SET name = name WHERE id = ?', undef, $org);
    $t->db->do(q{INSERT INTO subscriptions (tenant_id, organization_id, plan_id, tier, status, is_current) SELECT tenant_id, id, ?, 'pro', 'active', true FROM organizations WHERE id = ?}, undef, $plan, $org);
    json_is ask({ input => 'x' }, $ann, $agent, headers => { 'X-Organization-Id' => $org }), '/organization_id', $org, 'the organization that pays can be named';
};

subtest 'a conversation remembers' => sub {
    my $talk = $ann->post("$user/$agent/conversations", {})->json('/id');
    my $path = "$user/$agent/conversations/$talk";
    error_is ask({ input => 'x', conversation_id => $talk }, $bob), 404, 'NOT_FOUND', resource => 'Conversation', name => 'to its user alone';
    $models->answer(openai => { text => ['One.'] }, { text => ['Two.'] });
    ask({ input => 'First?',  conversation_id => $talk });
    ask({ input => 'Second?', conversation_id => $talk });
    is_deeply told(), [ [ system => 'You know the harbour.' ], [ user => 'First?' ], [ assistant => 'One.' ], [ user => 'Second?' ] ], 'what was said before is told, in its order';
    my $messages = $ann->get($path)->json('/messages');
    is_deeply [ map { [ @$_{qw(role content)} ] } @$messages ], [ [ user => 'First?' ], [ assistant => 'One.' ], [ user => 'Second?' ], [ assistant => 'Two.' ] ];
    is $messages->[0]{tokens_used}, undef;
    cmp_ok $messages->[1]{tokens_used}, '>', 0, 'the answer says what it took';
    is $messages->[1]{message_metadata}{model}, 'gpt-4o';
    $t->db->do('UPDATE agent_conversations SET messages = 998 WHERE id = ?', undef, $talk);
    error_is ask({ input => 'x', conversation_id => $talk }), 409, 'CONFLICT', message => qr/1,000 messages/;
    $t->db->do('UPDATE agent_conversations SET messages = 4 WHERE id = ?', undef, $talk);
    $ann->delete($path);
    error_is ask({ input => 'x', conversation_id => $talk }), 409, 'CONFLICT', message => qr/has ended/;
    is count('agent_messages'), 4, 'and nothing is added';
};

subtest 'tools are called, and what they say is told' => sub {
    for my $kind (qw(stream json sse)) {
        my $id = made(name => "Tooled $kind", mcp_servers => [ { name => 'tides', url => $tools->url($kind), transport => $kind eq 'sse' ? 'sse' : 'http', headers => { 'X-Tide-Key' => 'tide-secret' } } ]);
        $tools->seen;
        $models->answer(openai => { calls => [ { id => 'call_1', name => 't0_tide', arguments => [ '{"harbour":', '"Oban"}' ] } ], finish => 'tool_calls', text => [] }, { text => ['At 14:20, I hear.'] });
        my $res = ask({ input => 'When?' }, $ann, $id);
        json_is $res, '/output_text', 'At 14:20, I hear.', $kind;
        json_is $res, '/execution_metadata/tools_used', ['tide'];
        json_is $res, '/execution_metadata/tool_problems', [];
        my ($first, $second) = $models->requests('openai');
        is_deeply [ map { $_->{function}{name} } @{ $first->{body}{tools} } ], [qw(t0_tide t1_long t2_picture t3_broken t4_never)], 'the model was offered them';
        is $first->{body}{tools}[0]{function}{description}, 'When is high water?';
        is_deeply $first->{body}{tools}[0]{function}{parameters}{required}, ['harbour'], 'with the schema of what they take';
        my $result = $second->{body}{messages}[-1];
        is $result->{role}, 'tool';
        is $result->{tool_call_id}, 'call_1';
        is $result->{content}, 'High water at Oban is at 14:20.';
        my @seen = $tools->seen;
        if ($kind eq 'sse') {
            eventually { push @seen, $tools->seen; $seen[-1]{method} eq 'closed' } 10, 'its stream is closed';
            is_deeply [ map { $_->{path} } @seen ], [ '/sse', ('/messages') x 4, '/sse' ], 'messages go where it says';
        }
        is_deeply [ map { $_->{body} ? $_->{body}{method} : $_->{method} } @seen ], [ $kind eq 'sse' ? 'GET' : (), qw(initialize notifications/initialized tools/list tools/call), $kind eq 'stream' ? 'DELETE' : $kind eq 'sse' ? 'closed' : () ], 'by the protocol';
        is_deeply [ map { $_->{headers}{'x-tide-key'} } @seen ], [ ('tide-secret') x @seen ], 'with its headers';
        is_deeply [ map { $_->{headers}{'mcp-protocol-version'} } @seen[ 1 .. $#seen ] ], [ ('2025-06-18') x $#seen ] if $kind ne 'sse';
        is scalar(grep { $_->{headers}{'mcp-session-id'} } @seen), $kind eq 'stream' ? 4 : 0, 'in a session, where there is one';
        $tools->seen;
        $models->answer(openai => { text => ['No tools.'] });
        json_is ask({ input => 'When?', use_tools => false }, $ann, $id), '/output_text', 'No tools.';
        is scalar($tools->seen), 0, 'nobody is asked where no tools are wanted';
    }
};

subtest 'what tools do wrong is told to the model' => sub {
    my $id   = made(name => 'Wrong', mcp_servers => [ { name => 'tides', url => $tools->url('json') } ]);
    my $old   = made(name => 'Wrong as well', mcp_servers => [ { name => 'tides', url => $tools->url('sse'), transport => 'sse' } ]);
    my $other = made(name => 'Wrong, too', mcp_servers => [ { name => 'tides', url => $tools->url('stream') } ]);
    my $says = sub ($name, $arguments, $id = $id) {
        $models->answer(openai => { calls => [ { id => 'c', name => $name, arguments => [$arguments] } ], finish => 'tool_calls', text => [] }, { text => ['Well.'] });
        json_is ask({ input => 'x' }, $ann, $id), '/output_text', 'Well.';
        return ($models->requests('openai'))[-1]{body}{messages}[-1]{content};
    };
    is $says->('t3_broken', '{}'), 'the gauge is broken';
    is $says->('t2_picture', '{}'), "[image, which cannot be shown]\nof a boat";
    like $says->('t0_tide', '{"harbour": 5}'), qr/harbour/, 'arguments that it does not take';
    is $says->('t0_tide', '[1]'), '[the arguments are no JSON object]';
    is $says->('t9_other', '{}'), '[there is no such tool]';
    my $long = $says->('t1_long', '{"bytes": 200000}');
    like $long, qr/\A\x{fc}+\n\[cut: of the tool's answer this is the first 65536 bytes\]\z/, 'much is cut, and not within a character';
    is $says->('t3_broken', '{}', $old), 'the gauge is broken';
    for my $agent ($id, $other, $old) {
        $long = $says->('t1_long', '{"bytes": 10000000}', $agent);
        like $long, qr/\A\x{fc}{30000,}\n\[cut: the tool's answer has more than 1048576 bytes, of which this is the beginning\]\z/, 'ten megabytes, too';
        cmp_ok length $long, '<', 70_000;
    }
};

subtest 'a server of tools that is away is no reason not to answer' => sub {
    my $id = made(name => 'Away', mcp_servers => [ { name => 'gone', url => $tools->url('nowhere') }, { name => 'off', url => $tools->url('json'), is_enabled => false }, { name => 'few', url => $tools->url('json'), allowed_tools => ['broken'] } ]);
    $models->answer(openai => { text => ['Alone.'] });
    my $res = ask({ input => 'x' }, $ann, $id);
    json_is $res, '/output_text', 'Alone.';
    json_is $res, '/execution_metadata/tool_problems', ['gone: the server answered with status 404'];
    my $old = made(name => 'Away, too', mcp_servers => [ map { { name => $_, url => $tools->url($_), transport => 'sse' } } qw(nowhere mute foreign) ]);
    json_is ask({ input => 'x' }, $ann, $old), '/execution_metadata/tool_problems', ['nowhere: the server answered with status 404', 'mute: the server\'s stream has ended', 'foreign: the server\'s endpoint is not its own'];
    $models->answer(openai => { text => ['Alone.'] });
    $res = ask({ input => 'x' }, $ann, $id);
    is_deeply [ map { $_->{function}{name} } @{ ($models->requests('openai'))[0]{body}{tools} } ], ['t0_broken'], 'what is switched off is not offered, nor what is not allowed';
};

subtest 'eight rounds are enough' => sub {
    my $id = made(name => 'Loop', mcp_servers => [ { name => 'tides', url => $tools->url('json') } ]);
    $tools->seen;
    $models->answer(openai => (map { { calls => [ { id => "c$_", name => 't3_broken', arguments => ['{}'] } ], finish => 'tool_calls', text => [] } } 1 .. 8), { text => ['Enough.'] });
    my $res = ask({ input => 'x' }, $ann, $id);
    json_is $res, '/output_text', 'Enough.';
    is scalar(grep { ($_->{body}{method} // '') eq 'tools/call' } $tools->seen), 8;
    is +($models->requests('openai'))[-1]{body}{tool_choice}, 'none', 'then the model has to say something';
    is scalar @{ $res->json('/execution_metadata/tools_used') }, 8;
};

subtest 'a provider that fails is an answer' => sub {
    $t->expect_log(qr/gpt-4o of openai/);
    my $before = used($ann, 'messages');
    my $failed = count(q{agent_executions WHERE status = 'FAILED'});
    $models->answer(openai => { status => 500 });
    my $res = ask({ input => 'x' });
    status_is $res, 200;
    json_is $res, '/status', 'FAILED';
    json_is $res, '/output_text', '';
    ok $res->json('/error_message'), 'it says what went wrong';
    is used($ann, 'messages'), $before, 'and is not charged';
    is count(q{agent_executions WHERE status = 'FAILED'}), $failed + 1, 'but kept in the history';
    is count(q{agent_executions WHERE status = 'PENDING'}), 0;
};

subtest 'a plan has an end' => sub {
    my $carl = $t->user('carl')->with(key => $key);
    $models->answer(openai => { text => ['x'] });
    my $n = count('agent_executions');
    error_is ask({ input => 'x' }, $carl), 402, 'LIMIT_EXCEEDED', name => 'without one there is nothing to spend';
    $t->db->do(q{UPDATE plans SET limits = '{"messages": 1}' WHERE id = ?}, undef, $plan);
    $t->db->do('UPDATE users SET current_plan_id = ? WHERE id = ?', undef, $plan, $carl->uuid);
    status_is ask({ input => 'x' }, $carl), 200;
    error_is ask({ input => 'x' }, $carl), 402, 'LIMIT_EXCEEDED';
    is scalar($models->requests('openai')), 1, 'and nobody is asked for nothing';
    is count('agent_executions'), $n + 1;
};

subtest 'a user has a number of chats a minute' => sub {
    my $few = Api->start($models->settings, RATE_LIMIT_AGENTS => 2);
    my $one = $few->team('olive', role => 'owner')->post($team, { name => 'x', system_prompt => 'x', available_to_end_users => true })->json('/id');
    my $who = $few->user('ann')->with(key => $few->key);
    error_is $who->post("$user/$one/chat", { input => 'x' }), 402, 'LIMIT_EXCEEDED' for 1 .. 2;
    error_is $who->post("$user/$one/chat", { input => 'x' }), 429, 'RATE_LIMIT_EXCEEDED';
    status_is $few->user('bob')->with(key => $few->key)->get("$user/$one"), 200;
};
