use v5.36;
use lib 't/lib';
use Api;

# Where tools are may be anything that nobody is asked for here: a private address that the guard is told of.
my $t      = Api->start(HTTP_ALLOW_PRIVATE => '127.0.0.1:8081,127.0.0.1:8082');
my $key    = $t->key;
my $ann    = $t->user('ann')->with(key => $key);
my $bob    = $t->user('bob')->with(key => $key);
my $eve    = $t->user('eve', tenant => 'other')->with(key => $t->key(tenant => 'other'));
my $olive  = $t->team('olive', role => 'owner');
my $mick   = $t->team('mick',  role => 'member');
my $theirs = $t->team('tom',   role => 'owner', tenant => 'other');
my $team   = '/api/v1/dashboard/agents';
my $user   = '/api/v1/user/agents';
my $nobody = '00000000-0000-7000-8000-00000000dead';
my $tools  = 'https://127.0.0.1:8081/mcp';

sub made (%body) { return $olive->post($team, { name => 'Agent', system_prompt => 'You help.', %body }) }
sub server (%more) { return { name => 'tides', url => $tools, %more } }
sub stored ($id) { return $t->db->selectrow_array('SELECT mcp_servers FROM agents WHERE id = ?', undef, $id) }

subtest 'owners and admins of the team make agents' => sub {
    for my $ask (sub ($who) { $who->get($team) }, sub ($who) { $who->post($team, { name => 'x', system_prompt => 'x' }) }, sub ($who) { $who->put("$team/$nobody", {}) }, sub ($who) { $who->delete("$team/$nobody") }) {
        error_is $ask->($t->nobody), 401, 'AUTHENTICATION_ERROR';
        error_is $ask->($ann), 401, 'AUTHENTICATION_ERROR', name => 'a user of the product is none of the team';
    }
    error_is $mick->post($team, { name => 'x', system_prompt => 'x' }), 403, 'AUTHORIZATION_ERROR';
    error_is $mick->put("$team/$nobody", {}), 403, 'AUTHORIZATION_ERROR';
    error_is $mick->delete("$team/$nobody"), 403, 'AUTHORIZATION_ERROR';
    error_is $olive->put("$team/$nobody", {}), 404, 'NOT_FOUND', resource => 'Agent', id => $nobody;
    error_is $olive->delete("$team/$nobody"), 404, 'NOT_FOUND', resource => 'Agent', id => $nobody;
    error_is made(name => $_), 422, 'VALIDATION_ERROR', field => 'name' for undef, '', 'x' x 256;
    error_is made(system_prompt => $_), 422, 'VALIDATION_ERROR', field => 'system_prompt' for undef, '';
    error_is made(response_type => 'smell'), 422, 'VALIDATION_ERROR', field => 'response_type';
    error_is made(temperature => $_), 422, 'VALIDATION_ERROR', field => 'temperature' for -0.1, 2.1;
    error_is made(max_tokens => 0), 422, 'VALIDATION_ERROR', field => 'max_tokens';
    error_is made(rag_provider => 'GOOGLE_FILE_SEARCH'), 422, 'VALIDATION_ERROR', field => 'rag_config';
    error_is made(rag_provider => 'GOOGLE_FILE_SEARCH', rag_config => { file_ids => [] }), 422, 'VALIDATION_ERROR', field => 'rag_config';
    error_is made(rag_config => { file_ids => [], top_k => 21 }), 422, 'VALIDATION_ERROR', field => 'rag_config.top_k';
    is_deeply $mick->get($team)->json, [], 'nothing was made, and every role may read that';
};

my $made = made(name => 'Harbour master', description => 'Knows the tides', temperature => 0.2, max_tokens => 800);
my $id   = $made->json('/id');
my %made = (
    id            => $UUID, tenant_id => $UUID, name => 'Harbour master', description => 'Knows the tides', system_prompt => 'You help.', response_type => 'text', rag_provider => 'NONE', rag_config => undef,
    mcp_servers   => [], is_active => true, created_by => $olive->id, created_at => $TIME, updated_at => $TIME, model => undef, temperature => 0.2, max_tokens => 800, available_to_end_users => false,
);
my %seen = map { $_ => $made{$_} } grep { !/^(?:model|temperature|max_tokens|available_to_end_users)$/ } keys %made;

subtest 'an agent is what was said, and the rest by itself' => sub {
    status_is $made, 201;
    json_is $made, '', \%made;
    my $changed = $olive->put("$team/$id", { description => 'Knows more', temperature => 2 });
    json_is $changed, '', { %made, description => 'Knows more', temperature => 2 }, 'what is left out of a change stays';
    error_is $olive->put("$team/$id", { name => 'x' }, headers => { 'If-Match' => $made->header('ETag') }), 412, 'PRECONDITION_FAILED' if $made->header('ETag');
    error_is $theirs->put("$team/$id", { name => 'Mine' }), 404, 'NOT_FOUND';
    is_deeply $t->db->selectcol_arrayref(q{SELECT action FROM audit_events WHERE resource_id = ? ORDER BY id}, undef, $id), [ 'agent.create', 'agent.update' ], 'the audit log has it';
};

subtest 'its tools are servers with an address that may be asked' => sub {
    my $bad = sub ($message, @servers) { error_is made(mcp_servers => \@servers), 422, 'VALIDATION_ERROR', field => 'mcp_servers', message => $message };
    error_is made(mcp_servers => [ { name => 'x' } ]), 422, 'VALIDATION_ERROR', field => 'mcp_servers[0].url';
    error_is made(mcp_servers => [ server(url => 'https://user:secret@127.0.0.1:8081/') ]), 422, 'VALIDATION_ERROR', field => 'mcp_servers[0].url';
    error_is made(mcp_servers => [ server(transport => 'smoke') ]), 422, 'VALIDATION_ERROR', field => 'mcp_servers[0].transport';
    $bad->(qr/X-A: its value is no string/, server(headers => { 'X-A' => $_ })) for 1, undef, ['x'];
    $bad->(qr/tides: url cannot be used/, server(url => $_)) for 'https://127.0.0.1:8083/mcp', 'https://10.0.0.1/', 'https://[::1]/', 'https://169.254.169.254/latest';
    $bad->(qr/two servers have this name/, server(), server());
    $bad->(qr/X A: this is no name of a header/, server(headers => { 'X A' => 'x' }));
    $bad->(qr/Host: this header is reserved/, server(headers => { Host => 'x' }));
    $bad->(qr/other characters/, server(headers => { 'X-A' => "a\r\nB: c" }));
    $bad->(qr/more than 1000/, server(headers => { 'X-A' => 'x' x 1001 }));
    $bad->(qr/given twice/, server(headers => { 'X-A' => 'a', 'x-a' => 'b' }));
    $bad->(qr/10 are the most/, server(headers => { map { ("X-$_" => 'x') } 1 .. 11 }));
    $bad->(qr/no value of X-A to keep/, server(headers => { 'X-A' => '***' }));
    is scalar @{ $olive->get($team)->json }, 1, 'none of them was made';
};

subtest 'what is in headers is sealed, and shown to nobody' => sub {
    my $secret = 'Bearer tide-secret-0123456789';
    my $res    = made(name => 'Tooled', available_to_end_users => true, mcp_servers => [ server(headers => { Authorization => $secret }), server(name => 'more', transport => 'sse', allowed_tools => ['a'], is_enabled => false) ]);
    my @shown  = (
        { name => 'tides', url => $tools, transport => 'http', headers => { Authorization => '***' }, allowed_tools => undef, is_enabled => true },
        { name => 'more',  url => $tools, transport => 'sse',  headers => {},                         allowed_tools => ['a'], is_enabled => false },
    );
    status_is $res, 201;
    json_is $res, '/mcp_servers', \@shown;
    my $tooled = $res->json('/id');
    json_is $ann->get("$user/$tooled"), '/mcp_servers', \@shown, 'nor to users';
    my $was = stored($tooled);
    unlike $was, qr/tide-secret/, 'and stored nowhere as it is';
    json_is $olive->put("$team/$tooled", { mcp_servers => [ server(headers => { Authorization => '***' }) ] }), '/mcp_servers', [ $shown[0] ], 'three stars keep a value';
    my ($sealed) = $was =~ /"Authorization": "(v1\.[^"]+)"/;
    like stored($tooled), qr/"\Q$sealed\E"/, '  the one that was there';
    error_is $olive->put("$team/$tooled", { mcp_servers => [ server(url => 'https://127.0.0.1:8082/mcp', headers => { Authorization => '***' }) ] }), 422, 'VALIDATION_ERROR', field => 'mcp_servers', name => 'but not for another address';
    json_is $olive->put("$team/$tooled", { name => 'Still tooled' }), '/mcp_servers', [ $shown[0] ], 'a change without them leaves them';
    json_is $olive->put("$team/$tooled", { mcp_servers => [] }), '/mcp_servers', [], 'an empty list takes them away';
    status_is $olive->delete("$team/$tooled"), 204;
};

subtest 'users see what is active and made available' => sub {
    error_is $t->nobody->get("$user/available"), 401, 'INVALID_API_KEY';
    error_is $t->client(key => $key)->get("$user/available"), 401, 'AUTHENTICATION_ERROR', name => 'a key alone is nobody';
    my $sees = sub ($who = $ann) { return [ map { $_->{name} } @{ $who->get("$user/available")->json } ] };
    is_deeply $sees->(), [], 'made is not made available';
    error_is $ann->get("$user/$id"), 404, 'NOT_FOUND', resource => 'Agent', id => $id;
    $olive->put("$team/$id", { available_to_end_users => true, description => 'Knows the tides' });
    json_is $ann->get("$user/$id"), '', \%seen, 'without what a chat may choose';
    json_is $ann->get("$user/available"), '', [ \%seen ];
    is_deeply $sees->($eve), [], 'another tenant does not';
    error_is $eve->get("$user/$id"), 404, 'NOT_FOUND';
    $olive->put("$team/$id", { is_active => false });
    is_deeply $sees->(), [], 'nor anybody when it is switched off';
    is scalar @{ $olive->get($team, query => { include_inactive => 'false' })->json }, 0, '  which the team can leave out';
    is scalar @{ $olive->get($team)->json }, 1;
    $olive->put("$team/$id", { is_active => true });
    made(name => "A$_", available_to_end_users => true) for 1, 2;
    is_deeply $sees->(), [ 'A2', 'A1', 'Harbour master' ], 'the newest first';
    is_deeply [ map { $_->{name} } @{ $ann->get("$user/available", query => { skip => 1, limit => 1 })->json } ], ['A1'];
    error_is $ann->get("$user/available", query => { limit => 101 }), 422, 'VALIDATION_ERROR', field => 'limit';
};

subtest 'a conversation is its user\'s alone' => sub {
    my $talks = "$user/$id/conversations";
    error_is $ann->post("$user/$nobody/conversations", {}), 404, 'NOT_FOUND', resource => 'Agent', id => $nobody;
    error_is $ann->get("$user/$nobody/conversations"), 404, 'NOT_FOUND', resource => 'Agent', id => $nobody;
    error_is $eve->post($talks, {}), 404, 'NOT_FOUND';
    error_is $ann->post($talks, { title => 'x' x 256 }), 422, 'VALIDATION_ERROR', field => 'title';
    my $res  = $ann->post($talks, { title => 'Tides' });
    my %talk = (id => $UUID, tenant_id => $UUID, user_id => $ann->uuid, agent_id => $id, title => 'Tides', status => 'ACTIVE', created_at => $TIME, updated_at => $TIME);
    status_is $res, 201;
    json_is $res, '', \%talk;
    my $one = $res->json('/id');
    json_is $ann->post($talks, {}), '/title', undef;
    my $two = $ann->get($talks)->json('/0/id');
    $t->db->do(q{INSERT INTO agent_messages (tenant_id, conversation_id, role, content, tokens_used, message_metadata) SELECT tenant_id, id, 'user', 'High water?', NULL, NULL FROM agent_conversations WHERE id = ?}, undef, $one);
    $t->db->do(q{INSERT INTO agent_messages (tenant_id, conversation_id, role, content, tokens_used, message_metadata) SELECT tenant_id, id, 'assistant', 'At 14:20.', 12, '{"model": "m"}' FROM agent_conversations WHERE id = ?}, undef, $one);
    json_is $ann->get("$talks/$one"), '', {
        %talk,
        messages => [
            { id => $UUID, role => 'user',      content => 'High water?', tokens_used => undef, message_metadata => undef,            created_at => $TIME },
            { id => $UUID, role => 'assistant', content => 'At 14:20.',   tokens_used => 12,    message_metadata => { model => 'm' }, created_at => $TIME },
        ]
    }, 'with what was said, the oldest first';
    for my $ask (sub ($who) { $who->get("$talks/$one") }, sub ($who) { $who->delete("$talks/$one") }) {
        error_is $ask->($bob), 404, 'NOT_FOUND', resource => 'Conversation', id => $one;
        error_is $ask->($eve), 404, 'NOT_FOUND';
    }
    is_deeply $bob->get($talks)->json, [];
    status_is $ann->delete("$talks/$one"), 204;
    status_is $ann->delete("$talks/$one"), 204, 'ending it again changes nothing';
    json_is $ann->get("$talks/$one"), '/status', 'ENDED', 'it is still there to be read';
    is_deeply [ map { $_->{id} } @{ $ann->get($talks)->json } ], [ $one, $two ], 'what was touched last comes first';
    is_deeply [ map { $_->{id} } @{ $ann->get($talks, query => { skip => 1, limit => 1 })->json } ], [$two];
    error_is $ann->get($talks, query => { limit => 51 }), 422, 'VALIDATION_ERROR', field => 'limit';
};

subtest 'what an agent did is shown to whom it did it for' => sub {
    error_is $ann->get("$user/$nobody/history"), 404, 'NOT_FOUND', resource => 'Agent', id => $nobody;
    is_deeply $ann->get("$user/$id/history")->json, [];
    $t->db->do(q{INSERT INTO agent_executions (tenant_id, agent_id, user_id, input_text, output_text, tokens_used, execution_time_ms, status, error_message, execution_metadata)
        SELECT a.tenant_id, a.id, ?, 'Q' || n, 'A' || n, n, 10 * n, CASE n WHEN 1 THEN 'FAILED' ELSE 'SUCCESS' END, CASE n WHEN 1 THEN 'away' END, '{"model": "m"}' FROM agents a, generate_series(1, 2) n WHERE a.id = ? ORDER BY n},
        undef, $ann->uuid, $id);
    my $list = $ann->get("$user/$id/history");
    json_is $list, '/0', {
        id                => $UUID, agent_id => $id, tenant_id => $UUID, user_id => $ann->uuid, organization_id => undef, input_text => 'Q2', output_text => 'A2', tokens_used => 2,
        execution_time_ms => 20, status => 'SUCCESS', error_message => undef, execution_metadata => { model => 'm' }, created_at => $TIME
    }, 'the newest first';
    json_is $list, '/1/error_message', 'away';
    is_deeply $bob->get("$user/$id/history")->json, [];
    error_is $eve->get("$user/$id/history"), 404, 'NOT_FOUND';
    error_is $ann->get("$user/$id/history", query => { limit => 51 }), 422, 'VALIDATION_ERROR', field => 'limit';
};

subtest 'a deleted agent is gone, and what it did is not' => sub {
    status_is $olive->delete("$team/$id"), 204;
    error_is $olive->delete("$team/$id"), 404, 'NOT_FOUND';
    error_is $ann->get("$user/$id"), 404, 'NOT_FOUND';
    error_is $ann->get("$user/$id/history"), 404, 'NOT_FOUND';
    error_is $ann->post("$user/$id/conversations", {}), 404, 'NOT_FOUND';
    is $t->db->selectrow_array('SELECT count(*) FROM agent_executions WHERE agent_id = ?', undef, $id), 2;
};
