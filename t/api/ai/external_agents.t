use v5.36;
use lib 't/lib';
use Api;

my $t      = Api->start;
my $key    = $t->key;
my $ann    = $t->user('ann');
my $bob    = $t->user('bob');
my $eve    = $t->user('eve', tenant => 'other');
my $server = $ann->with(key => $key);
my $olive  = $t->team('olive', role => 'owner');
my $mick   = $t->team('mick',  role => 'member');
my $theirs = $t->team('tom',   role => 'owner', tenant => 'other');
my $org    = $t->organization($ann);
my $others = $t->organization($eve);
my $team   = '/api/v1/dashboard/external-agents';
$t->db->do('UPDATE users SET default_organization_id = ? WHERE id = ?', undef, $org, $ann->uuid);
my $nobody = '00000000-0000-7000-8000-00000000dead';

sub report ($agent, $call = {}, $who = $server) { return $who->post("/api/v1/external-agents/$agent/calls", $call) }

subtest 'owners and admins of the team name agents' => sub {
    error_is $t->post($team, { name => 'x' }),   401, 'AUTHENTICATION_ERROR';
    error_is $ann->post($team, { name => 'x' }), 401, 'AUTHENTICATION_ERROR', name => 'a user of the product is none of the team';
    error_is $mick->post($team, { name => 'x' }), 403, 'AUTHORIZATION_ERROR';
    error_is $mick->put("$team/$nobody", { name => 'x' }), 403, 'AUTHORIZATION_ERROR';
    error_is $olive->post($team, {}), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $olive->post($team, { name => $_ }), 422, 'VALIDATION_ERROR', field => 'name' for '', 'x' x 256, undef;
    error_is $olive->post($team, { name => 'x', platform => 'x' x 51 }), 422, 'VALIDATION_ERROR', field => 'platform';
    error_is $olive->post($team, { name => 'x', description => 'x' x 2001 }), 422, 'VALIDATION_ERROR', field => 'description';
    error_is $olive->put("$team/$nobody", { name => 'x' }), 404, 'NOT_FOUND', resource => 'External agent', id => $nobody;
    is_deeply $mick->get($team)->json, [], 'nothing was made, and every role may read that';
};

my $made = $olive->post($team, { name => 'Invoices', description => 'Reads them', platform => 'n8n' });
my $id   = $made->json('/id');
my %made = (
    id => $UUID, tenant_id => $UUID, name => 'Invoices', description => 'Reads them', platform => 'n8n', is_active => true, calls_count => 0, last_call_at => undef, created_by => $olive->id,
    created_at => $TIME, updated_at => $TIME,
);

subtest 'an agent has a name of its own' => sub {
    status_is $made, 201;
    json_is $made, '', \%made;
    error_is $olive->post($team, { name => 'iNVOICES' }), 409, 'CONFLICT', field => 'name';
    status_is $theirs->post($team, { name => 'Invoices' }), 201, 'which is free in another tenant';
    my $second = $olive->post($team, { name => 'y' x 255, platform => 'p' x 50 });
    status_is $second, 201, 'the longest name';
    error_is $olive->put("$team/" . $second->json('/id'), { name => 'invoices' }), 409, 'CONFLICT', field => 'name';
    is_deeply [ map { $_->{name} } @{ $mick->get($team)->json } ], [ 'Invoices', 'y' x 255 ], 'by their names';
    is $t->db->selectrow_array(q{SELECT count(*) FROM audit_events WHERE action = 'external_agent.create' AND resource_id = ?}, undef, $id), 1, 'the audit log has it';
};

subtest 'what is left out of a change stays' => sub {
    json_is $olive->put("$team/$id", { description => undef }), '', { %made, description => undef };
    json_is $olive->put("$team/$id", { platform => 'zapier' }), '', { %made, description => undef, platform => 'zapier' };
    error_is $olive->put("$team/$id", { name => undef }), 422, 'VALIDATION_ERROR', field => 'name';
    error_is $theirs->put("$team/$id", { name => 'Mine' }), 404, 'NOT_FOUND';
};

subtest 'a server with a secret key and a token tells of calls' => sub {
    error_is report($id, {}, $t->nobody), 401, 'INVALID_API_KEY';
    error_is report($id, {}, $t->client(key => $key)), 401, 'AUTHENTICATION_ERROR', name => 'the key alone is not enough';
    error_is report($id, {}, $ann->with(key => $t->key(type => 'public'), origin => 'https://app.example.com')), 403, 'AUTHORIZATION_ERROR';
    error_is report($nobody), 404, 'NOT_FOUND', resource => 'External agent', id => $nobody;
    error_is report($id, {}, $eve->with(key => $t->key(tenant => 'other'))), 404, 'NOT_FOUND', name => 'no agent of another tenant';
    error_is report($id, { $_ => -1 }), 422, 'VALIDATION_ERROR', field => $_ for qw(input_tokens output_tokens total_tokens cost_usd duration_ms);
    error_is report($id, { status => $_ }), 422, 'VALIDATION_ERROR', field => 'status' for 'DONE', 'success', undef;
    error_is report($id, { call_metadata => [] }), 422, 'VALIDATION_ERROR', field => 'call_metadata';
    error_is report($id, { user_id         => $_ }), 422, 'VALIDATION_ERROR', field => 'user_id'         for $nobody, $eve->uuid, $ann->id;
    error_is report($id, { organization_id => $_ }), 422, 'VALIDATION_ERROR', field => 'organization_id' for $nobody, $others, 'acme';
    is $t->db->selectrow_array('SELECT count(*) FROM external_agent_calls'), 0, 'nothing of that was counted';
    json_is $olive->get($team), '/0/calls_count', 0;
};

subtest 'a call counts once, for its day' => sub {
    my $res = report($id, { input_tokens => 812, output_tokens => 164, cost_usd => 0.00412, duration_ms => 2310, call_metadata => { workflow => 'invoices' } });
    status_is $res, 201;
    json_is $res, '', {
        id            => $UUID, external_agent_id => $id, tenant_id => $UUID, user_id => $ann->uuid, organization_id => $org, input_tokens => 812, output_tokens => 164, total_tokens => 976, cost_usd => 0.00412,
        duration_ms   => 2310, status => 'SUCCESS', error_message => undef, call_metadata => { workflow => 'invoices' }, created_at => $TIME
    }, 'the caller, the default organization and the sum are filled in';
    $res = report($id, { user_id => $bob->uuid, total_tokens => 5, status => 'ERROR', error_message => 'no answer' });
    json_is $res, '/user_id',         $bob->uuid;
    json_is $res, '/organization_id', undef, 'who has no default organization has none';
    json_is $res, '/total_tokens',    5;
    json_is $res, '/error_message',   'no answer';
    json_is report($id, { organization_id => $org, user_id => $bob->uuid, cost_usd => 0.0000005 }), '/cost_usd', 0.000001, 'to the millionth, half of which is rounded up';
    my $shown = $olive->get($team)->json('/0');
    is $shown->{calls_count}, 3, 'the agent has them';
    is $shown->{last_call_at}, $t->db->selectrow_array(q{SELECT json_time(max(created_at)) FROM external_agent_calls}), '  and the last one';
    is $shown->{updated_at}, $t->db->selectrow_array('SELECT json_time(updated_at) FROM external_agents WHERE calls_count = 3 AND last_call_at > updated_at'), 'which is no change of it';
    is_deeply $t->db->selectall_arrayref(q{SELECT sum(calls), sum(errors), sum(total_tokens), sum(cost) FROM external_agent_daily GROUP BY organization_id ORDER BY 1}),
        [ [ 1, 1, 5, 0 ], [ 2, 0, 976, 4121 ] ], 'by day and organization';
    is $t->db->selectrow_array(q{SELECT count(*) FROM usage_counters WHERE metric IN ('messages', 'ai_tokens', 'cost_usd')}), 0, 'no plan knows of it';
};

subtest 'one that is switched off tells of nothing' => sub {
    json_is $olive->put("$team/$id", { is_active => false }), '/is_active', false;
    error_is report($id), 404, 'NOT_FOUND';
    json_is $olive->put("$team/$id", { is_active => true }), '/calls_count', 3, 'what it told of stays';
    status_is report($id), 201;
};

subtest 'an address has a number of calls a minute' => sub {
    my $few = Api->start(RATE_LIMIT_REPORTS => 2);
    my $same = $few->key;
    my $who = $few->user('ann')->with(key => $same);
    my $two = $few->user('bob')->with(key => $same);
    my $one = $few->team('olive', role => 'owner')->post($team, { name => 'x' })->json('/id');
    status_is report($one, {}, $who), 201, 'the key is known from here on, and counted by';
    status_is report($one, {}, $_), 201 for $who, $two;
    error_is report($one, {}, $_), 429, 'RATE_LIMIT_EXCEEDED' for $who, $two;
    status_is $who->get('/api/v1/auth/me'), 200, 'and its other requests are counted apart';
};
